//! The evidence of §6 of the protocol: everything that can end a message, how to cause it, and its effect on the
//! message. Nothing here depends on earlier evidence.

use std::time::Duration;

use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::{Outcome, Reason, Source, Status};
use turnstile_reference::session::Input;
use turnstile_reference::session::wrapper::FailureCode;

use crate::bench::Bench;
use crate::bench::frames::{self, ASSISTANT_ERROR, FATAL_ERROR, INTERRUPT_REASON, Reply};
use crate::bench::setting::{PERMANENT, WARM};

/// R7.1.
const GRACE: Duration = Duration::from_secs(10);
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(30);
const NO_OUTPUT: Duration = Duration::from_secs(300);
const RECONCILIATION: Duration = Duration::from_secs(15);
/// The number of failed deliveries that exhaust a message of a warm session (R4.9).
pub const WARM_ATTEMPTS: u32 = WARM.len() as u32 + 1;

/// Evidence for the end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    AssistantCompleted,
    AssistantError,
    InterruptedEvent,
    FatalError,
    GraceOver,
    NoPong,
    NoOutput,
    ReconciledWithReply,
    ReconciledWithError,
    ReconciledWithout,
    CompleteWithoutReply,
    Exhausted,
    Refused,
    UserInterrupt,
}

use Evidence::*;

impl Evidence {
    /// All kinds of evidence.
    pub const ALL: [Self; 14] = [
        AssistantCompleted,
        AssistantError,
        InterruptedEvent,
        FatalError,
        GraceOver,
        NoPong,
        NoOutput,
        ReconciledWithReply,
        ReconciledWithError,
        ReconciledWithout,
        CompleteWithoutReply,
        Exhausted,
        Refused,
        UserInterrupt,
    ];

    /// The outcome for a message that has not ended.
    pub fn row(self) -> (Status, Option<Reason>, Source) {
        match self {
            AssistantCompleted => (Status::Completed, None, Source::AssistantMessageEvent),
            AssistantError => (
                Status::Failed,
                Some(Reason::AssistantError),
                Source::AssistantMessageEvent,
            ),
            InterruptedEvent | UserInterrupt => {
                (Status::Interrupted, Some(Reason::Interrupted), Source::Interrupt)
            }
            FatalError => (Status::Failed, Some(Reason::WrapperError), Source::WrapperFailure),
            GraceOver => (
                Status::Failed,
                Some(Reason::WrapperDisconnected),
                Source::WrapperFailure,
            ),
            NoPong | NoOutput => (
                Status::Failed,
                Some(Reason::WrapperFailure),
                Source::WrapperFailure,
            ),
            ReconciledWithReply => (Status::Completed, None, Source::IdleReconciliation),
            ReconciledWithError => (
                Status::Failed,
                Some(Reason::AssistantError),
                Source::IdleReconciliation,
            ),
            ReconciledWithout | CompleteWithoutReply => (
                Status::Failed,
                Some(Reason::MissingAssistantReply),
                Source::IdleReconciliation,
            ),
            Exhausted | Refused => (Status::Failed, Some(Reason::Exhausted), Source::DeliveryFailure),
        }
    }

    /// The error text, where the protocol specifies it.
    fn text(self) -> Option<&'static str> {
        match self {
            AssistantError | ReconciledWithError => Some(ASSISTANT_ERROR),
            FatalError => Some(FATAL_ERROR),
            InterruptedEvent => Some(INTERRUPT_REASON),
            UserInterrupt => Some("Interrupted by the user"),
            GraceOver => Some("Wrapper disconnected"),
            _ => None,
        }
    }

    /// Whether `outcome` is the outcome of this evidence.
    pub fn matches(self, outcome: Option<&Outcome>) -> bool {
        outcome.is_some_and(|outcome| {
            (outcome.status, outcome.reason, outcome.source) == self.row()
                && (self.text().is_none() || outcome.error.as_deref() == self.text())
        })
    }

    /// Whether it requires a delivery in progress.
    pub fn is_of_delivery(self) -> bool {
        matches!(self, Exhausted | Refused)
    }

    /// Whether it is about one message; other evidence is about all accepted messages of a run.
    pub fn names_message(self) -> bool {
        matches!(self, AssistantCompleted | AssistantError)
    }

    /// Whether it requires a step before the message is admitted.
    pub fn needs_preparation(self) -> bool {
        matches!(self, ReconciledWithReply | ReconciledWithError)
    }

    /// Takes the step before admission that the evidence requires. After admission a finished reply would end the
    /// message, and nothing would be left to reconcile.
    pub fn prepare(self, bench: &mut Bench, message: &MessageId) {
        match self {
            ReconciledWithReply => bench.send(frames::assistant(message, Reply::Completed)),
            ReconciledWithError => bench.send(frames::assistant(message, Reply::Failed)),
            _ => {}
        }
    }

    /// Causes the evidence, for `message` if it is about one. Its preconditions, such as a socket or a delivery in
    /// progress, must hold.
    pub fn cause(self, bench: &mut Bench, message: &MessageId) {
        match self {
            AssistantCompleted => bench.send(frames::assistant(message, Reply::Completed)),
            AssistantError => bench.send(frames::assistant(message, Reply::Failed)),
            InterruptedEvent => bench.send(frames::interrupted()),
            FatalError => bench.send(frames::fatal_error()),
            GraceOver => {
                bench.disconnect();
                bench.pass(GRACE);
            }
            NoPong => {
                bench.answers_pings = false;
                bench.pass(PING + PONG);
                bench.answers_pings = true;
            }
            NoOutput => bench.pass(NO_OUTPUT),
            ReconciledWithReply | ReconciledWithError | ReconciledWithout => {
                bench.send(frames::root_idle());
                bench.pass(RECONCILIATION);
            }
            CompleteWithoutReply => bench.send(frames::complete()),
            Exhausted => bench.report(Err(FailureCode::SandboxConnectFailed)),
            Refused => bench.report(Err(PERMANENT)),
            UserInterrupt => {
                bench.put(Input::Interrupt);
            }
        }
    }
}
