//! The end of a session: deletion by the user, or expiry (protocol §2, §7).
//!
//! Every acknowledged message gets an end, so a deletion begins with an interrupt (R2.93). The session's record
//! remains until the queue has accepted the resulting callbacks, unless the profile drops them (R2.122); for all other
//! parties the session is gone at once.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{Deadline, after};
use super::step::Step;
use super::{CalendarMove, Effect, Input, Reply, Session};

const SECONDS_OF_A_DAY: i64 = Duration::from_hours(24).as_secs() as i64;

/// The day of `time` in the calendar of expiry: days since the Unix epoch, in UTC.
pub fn calendar_day(time: Timestamp) -> i64 {
    time.as_second().div_euclid(SECONDS_OF_A_DAY)
}

/// The start of a day in the calendar.
///
/// # Panics
///
/// If the day is out of the range of timestamps.
pub fn beginning_of(day: i64) -> Timestamp {
    Timestamp::from_second(day * SECONDS_OF_A_DAY)
        .expect("days of the calendar are in the range of timestamps")
}

/// The end of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifetime {
    /// The day of expiry in the store's calendar.
    calendar_day: Option<i64>,
    /// Whether the session was deleted. It is kept until the queue has accepted its callbacks.
    deleted: bool,
}

impl Lifetime {
    /// The lifetime as stored.
    pub fn restore(calendar_day: Option<i64>, deleted: bool) -> Self {
        Self {
            calendar_day,
            deleted,
        }
    }

    /// The day of expiry in the store's calendar.
    pub fn calendar_day(&self) -> Option<i64> {
        self.calendar_day
    }

    /// Whether the session was deleted.
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    fn delete(&mut self, step: &mut Step) {
        step.write_core();
        self.deleted = true;
    }

    fn expire_on(&mut self, to: i64, step: &mut Step) {
        step.write_core();
        if self.calendar_day != Some(to) {
            let from = self.calendar_day.replace(to);
            step.move_in_calendar(CalendarMove { from, to });
        }
    }
}

impl Session {
    /// Deletes the session, after an interrupt.
    pub(super) fn delete(&mut self, step: &mut Step) -> Reply {
        self.interrupt(step);
        self.stop_wrapper(step);
        self.finalize_batch_without_run(step);
        if !step.profile.delete_keeps_callbacks {
            self.outbox.drop_pending(step);
        }
        self.wrapper.close_all_sockets(step);
        self.imported.close_all_sockets(step);
        step.effect(Effect::EndStreams);
        self.supervision.keep_callbacks_only(step);
        self.lifetime.delete(step);
        Reply::None
    }

    /// Expires the session. A session with pending work is not inactive.
    pub(super) fn expire(&mut self, step: &mut Step) {
        if self.needs_resuming() {
            self.expire_at(step.now + step.profile.session_lifetime, step);
        } else {
            self.delete(step);
        }
    }

    /// Handles the input of a deleted session, which only submits its callbacks.
    pub(super) fn handle_deleted(&mut self, input: Input, step: &mut Step) -> Reply {
        match input {
            Input::Wake => self.fire_deadlines(step),
            Input::Resume => {
                self.supervision.put_off_past(step);
                self.resume_outbox(step);
                Reply::None
            }
            Input::Enqueued { owner, result } => self.enqueued(&owner, result, step),
            _ => Reply::NoSession,
        }
    }

    /// Whether the session was deleted or has expired.
    pub fn is_deleted(&self) -> bool {
        self.lifetime.deleted
    }

    /// Postpones the expiry after activity (R7.34).
    pub(super) fn note_activity(&mut self, is_activity: bool, step: &mut Step) {
        if self.lifetime.deleted || !is_activity || !step.writes_anything() {
            return;
        }
        self.expire_at(step.now + step.profile.session_lifetime, step);
    }

    /// Sets the expiry of a session that was imported and has not changed since.
    pub(super) fn resume_expiry(&mut self, step: &mut Step) {
        if !self.supervision.is_set(&Deadline::Expiry) {
            let last_activity = self.metadata.lifecycle.updated_at;
            let at = after(last_activity, step.profile.session_lifetime);
            self.expire_at(at.max(step.now + step.profile.resume_delay), step);
        }
    }

    fn expire_at(&mut self, at: Timestamp, step: &mut Step) {
        self.supervision.set(Deadline::Expiry, at, step);
        self.lifetime.expire_on(calendar_day(at), step);
    }

    /// Removes a deleted session once the queue has accepted all its callbacks.
    pub(super) fn remove_if_settled(&mut self, step: &mut Step) {
        if self.lifetime.deleted && self.outbox.pending().is_empty() {
            step.remove_session();
        }
    }
}
