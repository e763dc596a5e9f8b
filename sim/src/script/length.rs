//! The virtual time that a play needs, up to its last relevant event.

use std::time::Duration;

use turnstile_judge::oracle::history::History;
use turnstile_judge::trace::{SCRIPT, What};

use super::Verdict;
use super::settling::LEFT_ALONE;

/// Times of a play from which its duration in another world follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// End of the steps, after all faults were healed.
    steps_end: Duration,
    /// Last relevant event: a message event or a callback.
    last_relevant: Duration,
}

impl Length {
    /// Measures a play.
    pub fn of(verdict: &Verdict) -> Self {
        let is_it = |what: &What| matches!(what, What::Step { step, .. } if step == LEFT_ALONE);
        let records = verdict.trace.records().iter();
        let record = records
            .filter(|record| *record.party == *SCRIPT)
            .find(|record| is_it(&record.what));
        let history = History::read(&verdict.trace);
        let messages = history.kept_events();
        let messages = messages.into_iter().filter(|event| event.message().is_some());
        let messages = messages.map(|event| event.at);
        let callbacks = history.callbacks.iter().map(|request| request.at);
        Self {
            steps_end: record
                .expect("every play comes to the point where everything is left alone")
                .at,
            last_relevant: messages.chain(callbacks).max().unwrap_or_default(),
        }
    }

    /// Time from the start to the end of the steps.
    pub fn steps(self) -> Duration {
        self.steps_end
    }

    /// Time from the end of the steps to the last relevant event; zero if that event is earlier.
    pub fn settling(self) -> Duration {
        self.last_relevant.saturating_sub(self.steps_end)
    }

    /// Time from the start to the last relevant event or the end of the steps.
    pub fn whole(self) -> Duration {
        self.steps() + self.settling()
    }
}
