//! Disturbances of a generated scenario: what goes wrong between two user actions, as drafts of steps.
//!
//! A draft refers to messages and sockets by their role. `layout` resolves it to those that exist at that step.

use turnstile_scenarios::{Lapse, Moment, Step};

use super::values::{Extras, Values};
use super::workload::{Act, Saying};

/// Texts in frames of an ingest socket that are replaced by the ids of the last message and of the one before it.
pub(super) const LAST: &str = "<last>";
pub(super) const EARLIER: &str = "<earlier>";

/// What goes wrong between two user actions, in order.
#[derive(Debug, Clone)]
pub(super) struct Disturbance(pub(super) Vec<Draft>);

/// A step whose references are not resolved yet. All are about the first session.
#[derive(Debug, Clone)]
pub(super) enum Draft {
    /// A step without references, or one of an ingest socket, whose name is replaced by a unique one.
    Step(Box<Step>),
    /// Sends a new message.
    Send {
        saying: Saying,
        /// Whether it requests an auto-commit.
        commits: bool,
        /// Images and a variant, if it has any.
        extras: Option<Box<Extras>>,
    },
    /// What a user does, in any session.
    Act(Box<(Act, Values)>),
    /// Sends a request at the same instant as the step after it.
    AtOnce(Request),
    /// Waits until the last message is in this state.
    Await { is: Moment, within: Lapse },
    /// Releases the gate of the latest message that has one.
    Release,
    /// Waits for a callback of the last message, or for its completion if the session has no callback target.
    AwaitCallback { within: Lapse },
}

/// A request of which the answer is not awaited.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    /// Sends a new message.
    Send,
    /// Sends the last message again.
    Repeat,
    Interrupt,
    Delete,
}

impl Disturbance {
    /// Steps with no step before them.
    pub(super) fn at_any_time(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(steps.into_iter().map(Draft::from).collect())
    }

    /// The same after the end of the work, for which to wait up to a limit. The wrapper then has no unfinished turn, but
    /// may still send its last event; the server has no unfinished turn, but may have a pending callback.
    pub(super) fn after_work(mut self, within: Lapse) -> Self {
        let is = Moment::Completed;
        self.0.insert(0, Draft::Await { is, within });
        self
    }
}

impl From<Step> for Draft {
    fn from(step: Step) -> Self {
        Self::Step(Box::new(step))
    }
}

impl Draft {
    /// A new message without an auto-commit.
    pub(super) fn send(saying: Saying) -> Self {
        Self::Send {
            saying,
            commits: false,
            extras: None,
        }
    }
}
