//! The moments of a play: the instants with events up to a finding, and how many steps had begun by then.

use std::time::Duration;

use turnstile_judge::trace::What;

use crate::script::Verdict;

/// An instant with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// Time since the start of the run.
    pub(super) at: Duration,
    /// Number of records up to and including it.
    pub(super) records: usize,
    /// Number of steps of the script that had begun.
    pub(super) steps: usize,
}

/// The instants up to `until` and before the final inspection, in order. A play of a script with `steps` steps.
pub(super) fn instants(verdict: &Verdict, steps: usize, until: Duration) -> Vec<Instant> {
    let mut instants: Vec<Instant> = Vec::new();
    let mut begun = 0;
    let played = &verdict.trace.records()[..verdict.inspection_start];
    let relevant = played.iter().take_while(|record| record.at <= until);
    for (index, record) in relevant.enumerate() {
        // What follows the last step is noted like one.
        if matches!(record.what, What::Step { .. }) && begun < steps {
            begun += 1;
        }
        let instant = Instant {
            at: record.at,
            records: index + 1,
            steps: begun,
        };
        match instants.last_mut().filter(|last| last.at == record.at) {
            Some(last) => *last = instant,
            None => instants.push(instant),
        }
    }
    instants
}
