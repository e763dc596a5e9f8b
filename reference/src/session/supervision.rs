//! The deadlines of a session, and its idle state (protocol §7).
//!
//! Deadlines are set and cleared here. `timing` has their effects.

use std::time::Duration;

use jiff::Timestamp;
use turnstile_profile::Profile;

use super::deadline::{Deadline, Deadlines};
use super::step::Step;
use crate::coverage::ServerMark;

/// The deadlines of a session, and its idle state.
#[derive(Debug, Clone)]
pub(super) struct Supervision {
    deadlines: Deadlines,
    /// The time of the last root idle, if nothing was accepted since.
    idle_since: Option<Timestamp>,
    /// The time of the last write of the core. Not stored.
    recorded_at: Option<Timestamp>,
}

/// The conditions after an input that deadlines depend on.
pub(super) struct Watched {
    /// Whether a message is accepted and unfinished.
    pub has_accepted: bool,
    /// Whether the current run has outstanding work (R7.16, R7.17).
    pub has_outstanding_work: bool,
    /// Whether the current run has an ingest socket.
    pub is_connected: bool,
    /// Whether there is a run and no unfinished message.
    pub run_is_unused: bool,
    /// Whether a batch is open.
    pub has_batch: bool,
}

impl Supervision {
    /// The deadlines as stored.
    pub fn restore(deadlines: Deadlines, idle_since: Option<Timestamp>) -> Self {
        Self {
            deadlines,
            idle_since,
            recorded_at: None,
        }
    }

    /// All deadlines.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// The time of the last root idle, if nothing was accepted since.
    pub fn idle_since(&self) -> Option<Timestamp> {
        self.idle_since
    }

    /// The time of the last write of the core.
    pub fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    /// Restores the time of the last write, which is not stored.
    pub fn keep_recorded_at(&mut self, recorded_at: Option<Timestamp>) {
        self.recorded_at = recorded_at;
    }

    /// Whether a deadline is set.
    pub fn is_set(&self, deadline: &Deadline) -> bool {
        self.deadlines.get(deadline).is_some()
    }

    /// Sets a deadline, replacing its earlier time.
    pub fn set(&mut self, deadline: Deadline, at: Timestamp, step: &mut Step) {
        step.write_core();
        self.deadlines.set(deadline, at);
    }

    /// Clears a deadline.
    pub fn clear(&mut self, deadline: &Deadline, step: &mut Step) {
        if self.deadlines.clear(deadline) {
            step.write_core();
        }
    }

    fn clear_all(&mut self, deadlines: &[Deadline], step: &mut Step) {
        for deadline in deadlines {
            self.clear(deadline, step);
        }
    }

    /// Removes and returns the earliest deadline that is due.
    pub fn take_due(&mut self, step: &mut Step) -> Option<Deadline> {
        let due = self.deadlines.take_due(step.now);
        if due.is_some() {
            step.write_core();
        }
        due
    }

    /// Sets the drain, unless an earlier one is set.
    pub fn schedule_drain(&mut self, wanted: Timestamp, step: &mut Step) {
        let planned = self.deadlines.get(&Deadline::Drain);
        if planned.is_none_or(|planned| wanted < planned) {
            self.set(Deadline::Drain, wanted, step);
        }
    }

    /// Postpones deadlines that passed before the start of the server (R7.28, R7.32).
    pub fn resume(&mut self, step: &mut Step) {
        self.put_off_past(step);
        // The last output before the stop may not have been recorded.
        let interval = step.profile.output_record_interval;
        self.deadlines.put_off(&Deadline::NoOutput, |at| at + interval);
    }

    /// Postpones deadlines that have passed, after a restart, and brings those near that a clock put off.
    pub fn put_off_past(&mut self, step: &mut Step) {
        step.write_core();
        let earliest = step.now + step.profile.resume_delay;
        self.deadlines.put_off_past(step.now, earliest);
        let profile = &step.profile;
        self.deadlines
            .bring_near(step.now, |deadline| longest(profile, deadline));
        self.idle_since = self.idle_since.map(|since| since.min(step.now));
    }

    /// Keeps only the retries of callbacks, after a deletion.
    pub fn keep_callbacks_only(&mut self, step: &mut Step) {
        step.write_core();
        self.deadlines.keep_callbacks_only();
    }

    /// A message was accepted: ends the idle state and starts supervision (R5.7, R5.8). `idle_since` is the time of a
    /// root idle that takes effect now, because it came before the acceptance and belongs to the message (R6.40).
    pub fn note_accepted(&mut self, idle_since: Option<Timestamp>, step: &mut Step) {
        self.idle_since = idle_since;
        self.clear_all(
            &[Deadline::Reconciliation, Deadline::ReadyOnly, Deadline::KeepWarm],
            step,
        );
        if let Some(idle_since) = idle_since {
            self.set_reconciliation(idle_since, step);
        }
        self.set(
            Deadline::NoOutput,
            step.now + step.profile.no_output_timeout,
            step,
        );
        if !self.is_set(&Deadline::Pong) {
            self.set_ping(step);
        }
    }

    /// Schedules the next ping.
    pub fn set_ping(&mut self, step: &mut Step) {
        self.set(Deadline::Ping, step.now + step.profile.ping_interval, step);
    }

    /// Starts the time-out of the pong.
    pub fn await_pong(&mut self, step: &mut Step) {
        self.set(Deadline::Pong, step.now + step.profile.pong_timeout, step);
    }

    /// Records meaningful output of the wrapper (R7.14). To save commits, output alone is written at most once in
    /// [`Profile::output_record_interval`](turnstile_profile::Profile::output_record_interval) (R7.31).
    pub fn note_output(&mut self, step: &mut Step) {
        let now = step.now;
        let no_output_at = now + step.profile.no_output_timeout;
        if self.deadlines.put_off(&Deadline::NoOutput, |_| no_output_at) {
            let interval = step.profile.output_record_interval;
            if self
                .recorded_at
                .is_none_or(|recorded_at| recorded_at + interval <= now)
            {
                step.write_core();
            }
        }
        // Only a pong answers an outstanding ping (R7.3).
        self.put_off_ping(step);
    }

    /// Records a pong.
    pub fn note_pong(&mut self, step: &mut Step) {
        if self.is_set(&Deadline::Pong) {
            self.clear(&Deadline::Pong, step);
            self.set_ping(step);
        } else {
            self.put_off_ping(step);
        }
    }

    fn put_off_ping(&mut self, step: &Step) {
        let ping_at = step.now + step.profile.ping_interval;
        self.deadlines.put_off(&Deadline::Ping, |_| ping_at);
    }

    /// Ends the grace, because the wrapper has reconnected. Nothing could arrive from it during the grace, so an
    /// outstanding ping is forgotten, and the times for a ping and for output begin again (R7.20). Returns false if no
    /// grace was running.
    pub fn end_grace(&mut self, step: &mut Step) -> bool {
        if !self.is_set(&Deadline::Grace) {
            return false;
        }
        self.clear_all(&[Deadline::Grace, Deadline::Pong], step);
        self.set_ping(step);
        let no_output_at = step.now + step.profile.no_output_timeout;
        self.deadlines
            .put_off(&Deadline::NoOutput, |at| at.max(no_output_at));
        true
    }

    /// Records a root idle.
    pub fn note_root_idle(&mut self, has_accepted: bool, step: &mut Step) {
        step.write_core();
        self.idle_since = Some(step.now);
        // Keep warm begins now.
        self.clear_all(&[Deadline::ReadyOnly, Deadline::KeepWarm], step);
        if has_accepted {
            self.set_reconciliation(step.now, step);
        }
    }

    fn set_reconciliation(&mut self, idle_since: Timestamp, step: &mut Step) {
        let at = idle_since + step.profile.idle_reconciliation_delay;
        self.set(Deadline::Reconciliation, at, step);
    }

    /// Starts the limit for a ready wrapper without an accepted message.
    pub fn set_ready_only(&mut self, step: &mut Step) {
        self.set(
            Deadline::ReadyOnly,
            step.now + step.profile.ready_only_timeout,
            step,
        );
    }

    /// Clears the deadlines of a released run.
    pub fn forget_run(&mut self, step: &mut Step) {
        let deadlines = [
            Deadline::Grace,
            Deadline::Ping,
            Deadline::Pong,
            Deadline::NoOutput,
            Deadline::Reconciliation,
            Deadline::ReadyOnly,
            Deadline::KeepWarm,
        ];
        self.clear_all(&deadlines, step);
    }

    /// Sets and clears the deadlines of the current run by the conditions after an input. Called last for every
    /// input.
    pub fn watch(&mut self, watched: &Watched, step: &mut Step) {
        if !watched.has_accepted {
            self.clear_all(&[Deadline::NoOutput, Deadline::Reconciliation], step);
        }
        if watched.has_outstanding_work {
            if !watched.is_connected && !self.is_set(&Deadline::Grace) {
                self.set(Deadline::Grace, step.now + step.profile.disconnect_grace, step);
            }
            if !self.is_set(&Deadline::Ping) && !self.is_set(&Deadline::Pong) {
                self.set_ping(step);
            }
        } else {
            self.clear_all(&[Deadline::Grace, Deadline::Ping, Deadline::Pong], step);
        }
        if watched.run_is_unused && !self.is_set(&Deadline::ReadyOnly) && !self.is_set(&Deadline::KeepWarm) {
            match self.idle_since {
                // When keep warm ends, a batch stops waiting for its gate result.
                Some(since) => self.set(Deadline::KeepWarm, since + step.profile.keep_warm, step),
                None if watched.has_batch => {} // The ping watches over what is owed to it.
                None => self.set_ready_only(step),
            }
        }
        if step.writes_core() {
            self.recorded_at = Some(step.now);
        }
    }

    /// Sets the coverage mark of a restart that begins a grace.
    pub fn mark_grace_on_boot(&self, has_outstanding_work: bool) {
        if has_outstanding_work && !self.is_set(&Deadline::Grace) {
            ServerMark::GraceOnBoot.hit();
        }
    }
}

/// The longest time from the beginning of a deadline to its end.
fn longest(profile: &Profile, deadline: &Deadline) -> Duration {
    match deadline {
        Deadline::Grace | Deadline::ImportedGrace(_) => profile.disconnect_grace,
        Deadline::Ping => profile.ping_interval,
        Deadline::Pong => profile.pong_timeout,
        Deadline::NoOutput => profile.no_output_timeout,
        Deadline::Reconciliation => profile.idle_reconciliation_delay,
        Deadline::ReadyOnly => profile.ready_only_timeout,
        Deadline::KeepWarm => profile.keep_warm,
        Deadline::Drain => {
            let cold = profile.delivery_retry_delays_cold.iter();
            let delays = cold.chain(&profile.delivery_retry_delays_warm).copied();
            delays.chain([profile.drain_delay]).max().unwrap_or_default()
        }
        Deadline::Callback(_) => profile.enqueue_retry_delay,
        Deadline::ImportedTimeout(_) => profile.execution_timeout,
        Deadline::Expiry => profile.session_lifetime,
    }
    .max(profile.resume_delay)
}
