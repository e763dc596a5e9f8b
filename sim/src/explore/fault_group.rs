//! Related faults, as steps of a generated scenario.

use turnstile_scenarios::{Lapse, Step};

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
