//! What a test of the harness may put between a session and its host.
//!
//! Without an [`Interceptor`] nothing here costs anything. What one does is its own affair; here is only where it
//! is asked.

use super::Subscription;
use crate::session::commit::Commit;
use crate::session::{Effect, Input, Reply, Session, Stored};
use jiff::Timestamp;

/// Looks at what goes into a session and what comes out of it, and may change it.
pub trait Interceptor: Send + Sync + 'static {
    /// A session is about to take an input.
    fn before(&self, session: &Session, input: &mut Input) -> Memory {
        let _ = (session, input);
        Memory::Stays
    }

    /// A session has decided, and nothing of it is written.
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let _ = (moment, decided);
        Memory::Stays
    }

    /// A session was read from the store.
    fn read(&self, stored: &mut Stored) {
        let _ = stored;
    }

    /// A client of the stream has been given its place.
    fn subscribed(&self, session: &Session, subscription: &mut Subscription) {
        let _ = (session, subscription);
    }
}

/// What becomes of the session in memory once it was intercepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It stays as it is, whatever was written.
    Stays,
    /// It is read again from the store, and keeps only what no store has.
    IsReread,
}

/// What led to a decision.
pub struct Moment<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// The session as it was before.
    pub before: &'a Session,
    /// What it took in.
    pub input: &'a Input,
}

/// A decision with the values of what it writes.
pub struct Decided<'a> {
    /// The session as the decision has left it in memory.
    pub session: &'a Session,
    /// The answer to whoever caused the input.
    pub reply: Reply,
    /// What is about to be written.
    pub commit: Commit<'a>,
    /// What is to be done then, in this order.
    pub effects: Vec<Effect>,
}
