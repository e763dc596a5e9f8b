//! Plays a row: lets its time pass and finds its effect.

use std::time::Duration;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::Input;

use crate::bench::Bench;
use crate::bench::setting::Setting;
use crate::deadlines::acts::Act;
use crate::deadlines::rows::Row;
use crate::deadlines::times::MOMENT;

/// A row whose deadline is running, and the effects since then.
pub struct Running<'a> {
    row: &'a Row,
    /// The session, with all effects so far.
    pub bench: Bench,
    message: MessageId,
    /// The time at which the deadline began.
    pub since: Timestamp,
    seen: usize,
    restarted_at: Option<Timestamp>,
}

impl<'a> Running<'a> {
    /// Begins the deadline.
    pub fn new(row: &'a Row, setting: Setting) -> Self {
        let mut bench = Bench::new(setting);
        let message = (row.arm)(&mut bench);
        Self {
            row,
            message,
            since: bench.now,
            seen: bench.log().len(),
            bench,
            restarted_at: None,
        }
    }

    /// Makes an event happen.
    pub fn does(&mut self, act: &Act) {
        (act.does)(&mut self.bench, &self.message);
    }

    /// Restarts the server; the wrapper reconnects if the row says so.
    pub fn restart(&mut self) {
        self.restarted_at = Some(self.bench.now);
        self.bench.restart();
        if self.row.returns {
            self.bench.connect();
        }
    }

    /// The time at which the deadline is due after a restart, if it would be due at `kept` when it keeps its time.
    pub fn due_after_restart(&self, kept: Timestamp) -> Timestamp {
        let begins_again = self.restarted_at.zip(self.row.after_return);
        begins_again.map_or(kept, |(returned_at, length)| returned_at + length)
    }

    /// The time of the deadline's effect.
    pub fn done_at(&self) -> Option<Timestamp> {
        let log = &self.bench.log()[self.seen..];
        log.iter()
            .find(|(_, effect)| (self.row.is_due)(effect))
            .map(|(at, _)| *at)
    }

    /// Waits for the effect, which must occur at that time or within `slack` after it.
    pub fn must_be_done(&mut self, at: Timestamp, slack: Duration) -> Result<(), String> {
        self.bench.pass_until(at - MOMENT);
        // An early wake must have no effect.
        self.bench.put(Input::Wake);
        self.bench.pass_until(at + slack);
        match self.done_at() {
            Some(done) if done >= at => Ok(()),
            Some(done) => Err(format!("due at {at}, occurred at {done}")),
            None => Err(format!("due at {at}, did not occur by {}", self.bench.now)),
        }
    }

    /// Waits until that time, before which the effect must not occur.
    pub fn must_not_be_done(&mut self, until: Timestamp) -> Result<(), String> {
        self.bench.pass_until(until);
        match self.done_at() {
            None => Ok(()),
            Some(done) => Err(format!("unexpectedly occurred at {done}")),
        }
    }

    /// Checks the consequences.
    pub fn judge_consequence(&mut self) -> Result<(), String> {
        (self.row.consequence)(&mut self.bench, &self.message)
    }
}
