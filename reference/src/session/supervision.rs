//! What a session watches: its deadlines, and since when it is idle (protocol §7).
//!
//! Here deadlines are set and cleared. What follows when one is due is decided in `timing`.

use jiff::Timestamp;

use super::deadline::{Deadline, Deadlines};
use super::step::Step;
use crate::coverage::Row;

/// The deadlines of a session.
#[derive(Debug, Clone)]
pub(super) struct Supervision {
    deadlines: Deadlines,
    /// Since when the root is idle, if nothing was accepted since.
    idle_since: Option<Timestamp>,
    /// When the core was last written. No store has it.
    recorded_at: Option<Timestamp>,
}

/// What there is to be watched after an input.
pub(super) struct Watched {
    /// There is a message that a wrapper took and that has not ended.
    pub has_accepted: bool,
    /// The current run owes an end to a message, or its last word to a batch.
    pub run_owes_something: bool,
    /// The current run has an ingest socket.
    pub is_connected: bool,
    /// There is a run and no message that has not ended.
    pub run_is_unused: bool,
    /// An idle batch is open.
    pub has_batch: bool,
}

impl Supervision {
    /// The deadlines as the store has them.
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

    /// Since when the root is idle, if nothing was accepted since.
    pub fn idle_since(&self) -> Option<Timestamp> {
        self.idle_since
    }

    /// When the core was last written.
    pub fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    /// Takes over when the core was last written, which no store has.
    pub fn keep_recorded_at(&mut self, recorded_at: Option<Timestamp>) {
        self.recorded_at = recorded_at;
    }

    /// Whether a deadline is set.
    pub fn is_set(&self, deadline: &Deadline) -> bool {
        self.deadlines.get(deadline).is_some()
    }

    /// Sets a deadline, in place of an earlier time.
    pub fn set(&mut self, deadline: Deadline, at: Timestamp, step: &mut Step) {
        step.write_core();
        self.deadlines.set(deadline, at);
    }

    /// Clears a deadline, if it is set.
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

    /// Takes out the earliest deadline that is due.
    pub fn take_due(&mut self, step: &mut Step) -> Option<Deadline> {
        let due = self.deadlines.take_due(step.now);
        if due.is_some() {
            step.write_core();
        }
        due
    }

    /// Sets the drain, unless an earlier one is set.
    pub fn ask_for_drain(&mut self, wanted: Timestamp, step: &mut Step) {
        let planned = self.deadlines.get(&Deadline::Drain);
        if planned.is_none_or(|planned| wanted < planned) {
            self.set(Deadline::Drain, wanted, step);
        }
    }

    /// The server started: deadlines that are past are due soon.
    pub fn resume(&mut self, step: &mut Step) {
        self.put_off_past(step);
        // What was shown last before the stop may not have been written.
        let interval = step.profile.output_record_interval;
        self.deadlines.put_off(&Deadline::NoOutput, |at| at + interval);
    }

    /// Puts off deadlines that are past, after a restart.
    pub fn put_off_past(&mut self, step: &mut Step) {
        step.write_core();
        let earliest = step.now + step.profile.resume_delay;
        self.deadlines.put_off_past(step.now, earliest);
    }

    /// The session is deleted: only callbacks are owed still.
    pub fn keep_callbacks_only(&mut self, step: &mut Step) {
        step.write_core();
        self.deadlines.keep_callbacks_only();
    }

    /// A message was accepted: the session is not idle, and its wrapper is watched from now on.
    pub fn note_accepted(&mut self, step: &mut Step) {
        self.clear_all(
            &[Deadline::Reconciliation, Deadline::ReadyOnly, Deadline::KeepWarm],
            step,
        );
        self.set(
            Deadline::NoOutput,
            step.now + step.profile.no_output_timeout,
            step,
        );
        if !self.is_set(&Deadline::Pong) {
            self.set_ping(step);
        }
    }

    /// The root is not idle any more.
    pub fn forget_idle(&mut self, step: &mut Step) {
        step.write_core();
        self.idle_since = None;
    }

    /// Sets when the wrapper is asked again whether it is there.
    pub fn set_ping(&mut self, step: &mut Step) {
        self.set(Deadline::Ping, step.now + step.profile.ping_interval, step);
    }

    /// The wrapper was asked whether it is there, and has its time to answer.
    pub fn await_pong(&mut self, step: &mut Step) {
        self.set(Deadline::Pong, step.now + step.profile.pong_timeout, step);
    }

    /// The wrapper showed something. Not every word of an agent is worth a commit: this is written with the next thing
    /// that is, or after [`Profile::output_record_interval`](turnstile_profile::Profile::output_record_interval).
    pub fn note_output(&mut self, is_meaningful: bool, step: &mut Step) {
        let now = step.now;
        let no_output_at = now + step.profile.no_output_timeout;
        if is_meaningful && self.deadlines.put_off(&Deadline::NoOutput, |_| no_output_at) {
            let interval = step.profile.output_record_interval;
            if self
                .recorded_at
                .is_none_or(|recorded_at| recorded_at + interval <= now)
            {
                step.write_core();
            }
        }
        // While a pong is awaited, nothing else stands for it.
        let ping_at = now + step.profile.ping_interval;
        self.deadlines.put_off(&Deadline::Ping, |_| ping_at);
    }

    /// The wrapper answered a ping.
    pub fn note_pong(&mut self, step: &mut Step) {
        if self.is_set(&Deadline::Pong) {
            self.clear(&Deadline::Pong, step);
            self.set_ping(step);
        }
    }

    /// The root of the session is idle.
    pub fn note_root_idle(&mut self, has_accepted: bool, step: &mut Step) {
        step.write_core();
        self.idle_since = Some(step.now);
        // From here on it is kept warm, and the time for that begins now.
        self.clear_all(&[Deadline::ReadyOnly, Deadline::KeepWarm], step);
        if has_accepted {
            let at = step.now + step.profile.idle_reconciliation_delay;
            self.set(Deadline::Reconciliation, at, step);
        }
    }

    /// The workspace is ready, and the wrapper has no message yet.
    pub fn set_ready_only(&mut self, step: &mut Step) {
        self.set(
            Deadline::ReadyOnly,
            step.now + step.profile.ready_only_timeout,
            step,
        );
    }

    /// The run is over: nothing of it is watched any more.
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

    /// Sees to it, whatever has just happened, that the current run is watched for what it owes, and for nothing else.
    /// The last thing that is done for every input.
    pub fn watch(&mut self, watched: &Watched, step: &mut Step) {
        if !watched.has_accepted {
            self.clear_all(&[Deadline::NoOutput, Deadline::Reconciliation], step);
        }
        if watched.run_owes_something {
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
                // A batch that still waits for a gate result then waits no longer.
                Some(since) => self.set(Deadline::KeepWarm, since + step.profile.keep_warm, step),
                None if watched.has_batch => {} // The ping watches over what is owed to it.
                None => self.set_ready_only(step),
            }
        }
        if step.writes_core() {
            self.recorded_at = Some(step.now);
        }
    }

    /// Reaches the mark of a restart that starts the grace of a run, if this is one.
    pub fn mark_grace_on_boot(&self, run_owes_something: bool) {
        if run_owes_something && !self.is_set(&Deadline::Grace) {
            Row::GraceOnBoot.reach();
        }
    }
}
