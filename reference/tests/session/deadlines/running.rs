//! One row being played: its time runs, and what is done is seen.

use std::time::Duration;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::Input;

use crate::bench::Bench;
use crate::bench::setting::Setting;
use crate::deadlines::acts::Act;
use crate::deadlines::rows::Row;
use crate::deadlines::times::MOMENT;

/// A row whose time runs, and what was done since.
pub struct Running<'a> {
    row: &'a Row,
    /// The session, and all that was done.
    pub bench: Bench,
    message: MessageId,
    /// When its time began.
    pub since: Timestamp,
    seen: usize,
}

impl<'a> Running<'a> {
    /// The row's time begins.
    pub fn new(row: &'a Row, setting: Setting) -> Self {
        let mut bench = Bench::new(setting);
        let message = (row.arm)(&mut bench);
        Self {
            row,
            message,
            since: bench.now,
            seen: bench.log().len(),
            bench,
        }
    }

    /// Something happens.
    pub fn does(&mut self, act: &Act) {
        (act.does)(&mut self.bench, &self.message);
    }

    /// The server restarts, and the wrapper comes back if the row says so.
    pub fn restart(&mut self) {
        self.bench.restart();
        if self.row.returns {
            self.bench.connect();
        }
    }

    /// When what is due was done.
    pub fn done_at(&self) -> Option<Timestamp> {
        let log = &self.bench.log()[self.seen..];
        log.iter()
            .find(|(_, effect)| (self.row.is_due)(effect))
            .map(|(at, _)| *at)
    }

    /// Waits for it to be done at that time, or that much later.
    pub fn must_be_done(&mut self, at: Timestamp, slack: Duration) -> Result<(), String> {
        self.bench.pass_until(at - MOMENT);
        // A host that wakes a session early does no harm.
        self.bench.put(Input::Wake);
        self.bench.pass_until(at + slack);
        match self.done_at() {
            Some(done) if done >= at => Ok(()),
            Some(done) => Err(format!("it was due at {at} and came at {done}")),
            None => Err(format!(
                "it was due at {at} and has not come by {}",
                self.bench.now
            )),
        }
    }

    /// Waits until that time, by which it must not be done.
    pub fn must_not_be_done(&mut self, until: Timestamp) -> Result<(), String> {
        self.bench.pass_until(until);
        match self.done_at() {
            None => Ok(()),
            Some(done) => Err(format!("it came at {done} all the same")),
        }
    }

    /// Judges what came of it.
    pub fn judge_consequence(&mut self) -> Result<(), String> {
        (self.row.consequence)(&mut self.bench, &self.message)
    }
}
