//! The end of a session itself: its user's wish, or too long a time without activity (protocol §2, §7).
//!
//! Nothing that was acknowledged may vanish without an end, so deleting begins with an interrupt. The
//! callbacks that follow from it keep the session's record until the queue has taken them; to everybody
//! outside it is gone at once.

use std::time::Duration;

use jiff::Timestamp;

use super::supervision::Deadline;
use super::wrapper::CLOSE_STALE;
use super::{CalendarMove, Decision, Effect, Input, Reply, Session};

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

impl Session {
    /// Ends all that runs and waits, and lets go of the session.
    pub(super) fn delete(&mut self, now: Timestamp, decision: &mut Decision) -> Reply {
        self.interrupt(now, decision);
        self.stop_wrapper(decision);
        self.finalize_batch_without_run(decision);
        let sockets = std::mem::take(&mut self.volatile.sockets).into_keys();
        let imported = std::mem::take(&mut self.volatile.execution_sockets).into_keys();
        for socket in sockets.chain(imported) {
            decision.effects.push(Effect::Close(socket, CLOSE_STALE));
        }
        decision.effects.push(Effect::EndStreams);
        let core = self.change_core(decision);
        core.deadlines.keep_callbacks_only();
        core.deleted = true;
        Reply::None
    }

    /// The session has been without activity for as long as it is kept. One that still owes something to
    /// somebody is not inactive.
    pub(super) fn expire(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.needs_resuming() {
            self.expire_at(now + self.profile.session_lifetime, decision);
        } else {
            self.delete(now, decision);
        }
    }

    /// What is left to do for a session that was deleted: the callbacks that it owes.
    pub(super) fn handle_deleted(&mut self, now: Timestamp, input: Input, decision: &mut Decision) -> Reply {
        match input {
            Input::Wake => self.meet_deadlines(now, decision),
            Input::Resume => {
                let earliest = now + self.profile.resume_delay;
                self.change_core(decision).deadlines.put_off_past(now, earliest);
                self.resume_outbox(decision);
                Reply::None
            }
            Input::Enqueued { owner, result } => self.enqueued(now, &owner, result, decision),
            _ => Reply::NoSession,
        }
    }

    /// Whether the session was deleted, or has been without activity for too long.
    pub fn is_deleted(&self) -> bool {
        self.core.deleted
    }

    /// Puts the end of a session that something has happened to its whole lifetime away.
    pub(super) fn note_activity(&mut self, now: Timestamp, is_activity: bool, decision: &mut Decision) {
        if self.core.deleted || !is_activity || decision.writes.is_empty() {
            return;
        }
        self.expire_at(now + self.profile.session_lifetime, decision);
    }

    /// Sees to it that a session which only an older service ever wrote expires too.
    pub(super) fn resume_expiry(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.core.deadlines.get(&Deadline::Expiry).is_none() {
            let last_activity = self.metadata.lifecycle.updated_at;
            // A date of an older service's may be any, even one after which there is no time.
            let at = last_activity.saturating_add(self.profile.session_lifetime);
            let at = at.unwrap_or(Timestamp::MAX).max(now + self.profile.resume_delay);
            self.expire_at(at, decision);
        }
    }

    fn expire_at(&mut self, at: Timestamp, decision: &mut Decision) {
        self.set_deadline(Deadline::Expiry, at, decision);
        let to = calendar_day(at);
        let core = self.change_core(decision);
        if core.calendar_day != Some(to) {
            let from = core.calendar_day.replace(to);
            decision.writes.calendar = Some(CalendarMove { from, to });
        }
    }

    /// Removes a deleted session once the queue has taken all its callbacks.
    pub(super) fn remove_if_nothing_is_owed(&mut self, decision: &mut Decision) {
        if self.core.deleted && self.core.outbox.is_empty() {
            decision.writes.removal = true;
        }
    }
}
