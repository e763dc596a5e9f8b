//! How long a play takes of the time that its parties go by, as far as anything happens in it.

use std::time::Duration;

use turnstile_judge::oracle::history::History;
use turnstile_judge::trace::{SCRIPT, What};

use super::Verdict;
use super::settling::LEFT_ALONE;

/// The moments of a play that tell how long another world needs for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// When all was healed and nobody did anything any more.
    left_alone: Duration,
    /// When the last happened that an account of it would tell: something of a message, or a callback.
    last_of_note: Duration,
}

impl Length {
    /// The length of a play.
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
            left_alone: record
                .expect("every play comes to the point where everything is left alone")
                .at,
            last_of_note: messages.chain(callbacks).max().unwrap_or_default(),
        }
    }

    /// From the beginning to the point where everything is left alone.
    pub fn steps(self) -> Duration {
        self.left_alone
    }

    /// From there to the last of note; none if that is before.
    pub fn settling(self) -> Duration {
        self.last_of_note.saturating_sub(self.left_alone)
    }

    /// Both together.
    pub fn whole(self) -> Duration {
        self.steps() + self.settling()
    }
}
