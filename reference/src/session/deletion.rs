//! The end of a session itself: its user's wish, or too long a time without activity (protocol §2, §7).
//!
//! Nothing that was acknowledged may vanish without an end, so deleting begins with an interrupt. The
//! callbacks that follow from it keep the session's record until the queue has taken them; to everybody
//! outside it is gone at once.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::Deadline;
use super::step::Step;
use super::{CalendarMove, Effect, Input, Reply, Session};

const SECONDS_OF_A_DAY: i64 = Duration::from_hours(24).as_secs() as i64;

/// The day of the calendar of expiry that `time` is on: days since the Unix epoch, in UTC.
pub fn calendar_day(time: Timestamp) -> i64 {
    time.as_second().div_euclid(SECONDS_OF_A_DAY)
}

/// When that day begins.
///
/// # Panics
///
/// If the day is beyond all time.
pub fn beginning_of(day: i64) -> Timestamp {
    Timestamp::from_second(day * SECONDS_OF_A_DAY).expect("a day of the calendar is within all time")
}

/// When a session ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifetime {
    /// The day on which the store's calendar has it expire.
    calendar_day: Option<i64>,
    /// It was deleted, and is kept only until the queue has taken the callbacks that it owes.
    deleted: bool,
}

impl Lifetime {
    /// The lifetime as the store has it.
    pub fn restore(calendar_day: Option<i64>, deleted: bool) -> Self {
        Self {
            calendar_day,
            deleted,
        }
    }

    /// The day on which the store's calendar has the session expire.
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
    /// Ends all that runs and waits, and lets go of the session.
    pub(super) fn delete(&mut self, step: &mut Step) -> Reply {
        self.interrupt(step);
        self.stop_wrapper(step);
        self.finalize_batch_without_run(step);
        self.wrapper.close_all_sockets(step);
        self.imported.close_all_sockets(step);
        step.effect(Effect::EndStreams);
        self.supervision.keep_callbacks_only(step);
        self.lifetime.delete(step);
        Reply::None
    }

    /// The session has been without activity for as long as it is kept. One that still owes something to
    /// somebody is not inactive.
    pub(super) fn expire(&mut self, step: &mut Step) {
        if self.needs_resuming() {
            self.expire_at(step.now + step.profile.session_lifetime, step);
        } else {
            self.delete(step);
        }
    }

    /// What is left to do for a session that was deleted: the callbacks that it owes.
    pub(super) fn handle_deleted(&mut self, input: Input, step: &mut Step) -> Reply {
        match input {
            Input::Wake => self.meet_deadlines(step),
            Input::Resume => {
                self.supervision.put_off_past(step);
                self.resume_outbox(step);
                Reply::None
            }
            Input::Enqueued { owner, result } => self.enqueued(&owner, result, step),
            _ => Reply::NoSession,
        }
    }

    /// Whether the session was deleted, or has been without activity for too long.
    pub fn is_deleted(&self) -> bool {
        self.lifetime.deleted
    }

    /// Puts the end of a session that something has happened to its whole lifetime away.
    pub(super) fn note_activity(&mut self, is_activity: bool, step: &mut Step) {
        if self.lifetime.deleted || !is_activity || !step.writes_anything() {
            return;
        }
        self.expire_at(step.now + step.profile.session_lifetime, step);
    }

    /// Sees to it that a session which only an older service ever wrote expires too.
    pub(super) fn resume_expiry(&mut self, step: &mut Step) {
        if !self.supervision.is_set(&Deadline::Expiry) {
            let last_activity = self.metadata.lifecycle.updated_at;
            // A date of an older service's may be any, even one after which there is no time.
            let at = last_activity.saturating_add(step.profile.session_lifetime);
            let at = at
                .unwrap_or(Timestamp::MAX)
                .max(step.now + step.profile.resume_delay);
            self.expire_at(at, step);
        }
    }

    fn expire_at(&mut self, at: Timestamp, step: &mut Step) {
        self.supervision.set(Deadline::Expiry, at, step);
        self.lifetime.expire_on(calendar_day(at), step);
    }

    /// Removes a deleted session once the queue has taken all its callbacks.
    pub(super) fn remove_if_nothing_is_owed(&mut self, step: &mut Step) {
        if self.lifetime.deleted && self.outbox.owed().is_empty() {
            step.remove_session();
        }
    }
}
