//! Faults that belong together, as the steps of a generated scenario.

use turnstile_scenarios::{Lapse, Step};

/// One fault, or two that belong together.
#[derive(Debug, Clone)]
pub(super) struct FaultGroup {
    /// What happens first; it may take more than one step.
    pub(super) steps: Vec<Step>,
    /// What happens once the work of the first session is done.
    pub(super) after_work: Option<AfterWork>,
}

/// What waits for work to be done: it meets a wrapper that owes no end any more, but perhaps its last word, and a
/// server that owes no turn any more, but perhaps a callback.
#[derive(Debug, Clone)]
pub(super) struct AfterWork {
    /// How long the work is waited for, at most.
    pub(super) within: Lapse,
    pub(super) steps: Vec<Step>,
}

/// Steps that may come at any time.
pub(super) fn at_any_time(steps: Vec<Step>) -> FaultGroup {
    FaultGroup {
        steps,
        after_work: None,
    }
}
