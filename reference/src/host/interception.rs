//! Hooks for tests of the harness between a session and its host.
//!
//! Without an [`Interceptor`] these hooks cost nothing. This module only defines where they are called.

use super::Subscription;
use crate::session::commit::Commit;
use crate::session::{Effect, Input, Reply, Session, Stored};
use jiff::Timestamp;

/// Observes and changes the inputs and the decisions of sessions.
pub trait Interceptor: Send + Sync + 'static {
    /// Called before a session handles an input.
    fn before(&self, session: &Session, input: &mut Input) -> Memory {
        let _ = (session, input);
        Memory::Stays
    }

    /// Called after a session has decided and before the commit.
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let _ = (moment, decided);
        Memory::Stays
    }

    /// Called after a session was read from the store.
    fn read(&self, stored: &mut Stored) {
        let _ = stored;
    }

    /// Called after a client has subscribed to the stream.
    fn subscribed(&self, session: &Session, subscription: &mut Subscription) {
        let _ = (session, subscription);
    }
}

/// What happens to the session in memory after an interception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It stays unchanged.
    Stays,
    /// It is read from the store again, and keeps only its volatile state.
    IsReread,
}

/// The context of a decision.
pub struct Moment<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// The session before the decision.
    pub before: &'a Session,
    /// The input.
    pub input: &'a Input,
}

/// A decision and its commit.
pub struct Decided<'a> {
    /// The session after the decision.
    pub session: &'a Session,
    /// The reply to the sender of the input.
    pub reply: Reply,
    /// The rows to write.
    pub commit: Commit<'a>,
    /// The effects after the commit, in order.
    pub effects: Vec<Effect>,
}
