//! Hooks for tests of the harness between a session and its host.
//!
//! Without an [`Interceptor`] these hooks cost nothing. This module defines where they are called. A host calls
//! [`Interceptor::before`], then [`decide`], commits, and reads the session again if the result says so.

use super::Subscription;
use crate::session::commit::Commit;
use crate::session::{Decision, Effect, Input, Reply, Session, Stored, Writes};
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

/// Lets a session decide about an input, and an interceptor, if any, change the decision. Returns the decision to
/// commit, and what happens to the session in memory afterwards. `writes` receives what the session changed, which the
/// commit borrows.
pub fn decide<'a>(
    interceptor: Option<&dyn Interceptor>,
    session: &'a mut Session,
    now: Timestamp,
    input: Input,
    writes: &'a mut Writes,
) -> (Decided<'a>, Memory) {
    let watched = interceptor.map(|interceptor| (interceptor, session.clone(), input.clone()));
    let Decision {
        reply,
        writes: written,
        effects,
    } = session.handle(now, input);
    *writes = written;
    let session = &*session;
    let mut decided = Decided {
        session,
        reply,
        commit: session.commit(writes),
        effects,
    };
    let memory = match &watched {
        Some((interceptor, before, input)) => {
            let moment = Moment { now, before, input };
            interceptor.decided(&moment, &mut decided)
        }
        None => Memory::Stays,
    };
    (decided, memory)
}
