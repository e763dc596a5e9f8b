//! Disturbances of a generated scenario: related faults, and faults at a chosen point of a message's life.

use turnstile_scenarios::{Lapse, Step};

/// Something that goes wrong between two user actions.
#[derive(Debug, Clone)]
pub(super) enum Disturbance {
    /// Faults that need no message of their own.
    Faults(FaultGroup),
    /// Faults in a turn that produces no output.
    InTurn(InTurn),
    /// An interrupt while the delivery of a message takes long.
    InDelivery(InDelivery),
}

/// Faults after a turn was silent for some time, so that they meet its deadlines.
#[derive(Debug, Clone)]
pub(super) struct InTurn {
    /// Steps when the message has been accepted.
    pub(super) first: Vec<Step>,
    /// How long nothing else happens.
    pub(super) hold: Lapse,
    /// Steps afterwards.
    pub(super) then: Vec<Step>,
}

/// An interrupt of a message whose delivery the wrapper does not answer yet.
#[derive(Debug, Clone)]
pub(super) struct InDelivery {
    /// Step that makes the wrapper answer late.
    pub(super) slow: Box<Step>,
    /// Time between the message and the interrupt.
    pub(super) pause: Lapse,
}

/// One fault, or two related faults.
#[derive(Debug, Clone)]
pub(super) struct FaultGroup {
    /// Steps that inject the first fault.
    pub(super) steps: Vec<Step>,
    /// What happens after the work of the first session.
    pub(super) after_work: Option<AfterWork>,
}

/// Steps that follow the end of the work. The wrapper then has no unfinished turn, but may still send its last event;
/// the server has no unfinished turn, but may have a pending callback.
#[derive(Debug, Clone)]
pub(super) struct AfterWork {
    /// Time limit for the wait.
    pub(super) within: Lapse,
    pub(super) steps: Vec<Step>,
}

/// Steps without a condition.
pub(super) fn at_any_time(steps: Vec<Step>) -> FaultGroup {
    FaultGroup {
        steps,
        after_work: None,
    }
}
