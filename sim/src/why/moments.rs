//! The moments of a play: the instants with events, and how many steps had begun by then.

use std::time::Duration;

use turnstile_judge::trace::{Record, What};

use crate::script::{LEFT_ALONE, Verdict};

/// An instant with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// Time since the start of the run.
    pub(super) at: Duration,
    /// Number of records up to and including it.
    pub(super) records: usize,
    /// Number of steps of the script that had begun.
    pub(super) steps: usize,
    /// Time since the last of these began; the time of the instant if none had begun.
    pub(super) since_step: Duration,
    /// What the script is about.
    pub(super) phase: Phase,
}

/// What a script is about at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its steps, or the faults that outlast them.
    Steps,
    /// It has ended, and nothing had to be healed.
    Rest,
    /// It has ended, and faults were healed for that.
    Healed,
}

/// The instants before the final inspection, in order. A play of a script with `steps` steps.
pub(super) fn instants(verdict: &Verdict, steps: usize) -> Vec<Instant> {
    let mut instants: Vec<Instant> = Vec::new();
    let (mut begun, mut since) = (0, Duration::ZERO);
    let mut phase = Phase::Steps;
    let played = &verdict.trace.records()[..verdict.inspection_start];
    for (index, record) in played.iter().enumerate() {
        match &record.what {
            What::Step { step, .. } if step == LEFT_ALONE => {
                phase = match is_healed(played, record.at) {
                    true => Phase::Healed,
                    false => Phase::Rest,
                };
            }
            What::Step { .. } if begun < steps => {
                begun += 1;
                since = record.at;
            }
            _ => {}
        }
        let instant = Instant {
            at: record.at,
            records: index + 1,
            steps: begun,
            since_step: record.at.saturating_sub(since),
            phase,
        };
        match instants.last_mut().filter(|last| last.at == record.at) {
            Some(last) => *last = instant,
            None => instants.push(instant),
        }
    }
    instants
}

/// The time at which everything is healed and left alone; zero if the play did not get there.
pub(super) fn healed_at(verdict: &Verdict) -> Duration {
    let is_it = |record: &&Record| matches!(&record.what, What::Step { step, .. } if step == LEFT_ALONE);
    let record = verdict.trace.records().iter().find(is_it);
    record.map_or(Duration::ZERO, |record| record.at)
}

/// Whether the world changed at an instant.
fn is_healed(records: &[Record], at: Duration) -> bool {
    let first = records.partition_point(|record| record.at < at);
    let then = records[first..].iter().take_while(|record| record.at == at);
    then.into_iter()
        .any(|record| matches!(record.what, What::World(_)))
}
