//! The end of a play: heals all faults, lets the world settle, and inspects the final state.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;
use turnstile_fault::Place;
use turnstile_judge::oracle;
use turnstile_judge::oracle::history::{CONNECTED, History};
use turnstile_judge::parties::OBSERVER;
use turnstile_judge::trace::{Record, What};
use turnstile_profile::Profile;

use super::player::Player;
use super::{HarnessError, Settling};
use crate::stage::client::{Awaited, Content};
use crate::stage::identity::Login;
use crate::stage::stream::{From, StreamRequest};
use crate::stage::{GATEWAY_AUTHORITY, behaviour_url};

/// Text of the trace record at the start of settling.
pub(crate) const LEFT_ALONE: &str = "everything is healed and started, and left alone";
/// Text of the trace record at the start of the final inspection.
pub(crate) const INSPECTION: &str = "the harness looks at what is left";
/// Settling time with the protocol's profile: longer than all retries, timeouts and deadlines in sequence.
const SETTLING_TIME: Duration = Duration::from_secs(30 * 60);
/// Additional settling time per further message: messages end one after another, each within the longest silence of its
/// wrapper (protocol §7).
const SETTLING_TIME_PER_MESSAGE: Duration = Duration::from_secs(6 * 60);
/// Maximum of the settling time that a profile with longer waits adds.
const LONGEST_EXTRA_TIME: Duration = Duration::from_hours(7 * 24);
/// Time to read the logs.
const LOG_READ_TIME: Duration = Duration::from_secs(5);
/// Time limit for reading the logs in real time.
const LOG_READ_LIMIT_IN_REAL_TIME: Duration = Duration::from_mins(2);
/// Part of a stream's URL that requests all events.
const ALL_EVENTS: &str = "fromId=0";
/// The time in which a wrapper that has its socket stops its calls once all messages have ended.
const LAST_CALL: Duration = Duration::from_secs(10);
/// Time limit for each request that removes a session after a play.
const DELETION_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for all these requests if the play was interrupted.
const HURRIED_DELETION_LIMIT: Duration = Duration::from_millis(500);
/// The first interval of checks for pending work.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// By how much intervals of checks grow: an interval is at most this fraction of the time waited so far. A world that jumps
/// over idle time stops at each check.
const CHECKED_AFTER: u32 = 10;

impl Player<'_> {
    /// Runs scheduled actions, heals all faults, lets the world settle, and inspects the final state.
    pub fn settle_and_inspect(&mut self, settling: Settling) -> Result<(), HarnessError> {
        self.run_until(self.arranged_until, |_| false)?;
        self.note(0, LEFT_ALONE);
        self.heal_all()?;
        match settling {
            Settling::Longest => {
                let further = u32::try_from(self.messages.len().saturating_sub(1)).unwrap_or(u32::MAX);
                let extra = longer_waits(&self.stage.profile);
                let length = SETTLING_TIME + extra + (SETTLING_TIME_PER_MESSAGE + extra) * further;
                self.run_for(length)?;
                if let Some(end) = self.late_until.map(|until| until + length) {
                    self.run_until(end.max(self.stage.world.now()), |_| false)?;
                }
                self.inspect_final_state()?;
                self.run_for(LOG_READ_TIME)
            }
            Settling::For(duration) => {
                self.run_for(duration)?;
                self.inspect_final_state()?;
                self.run_for(LOG_READ_TIME)
            }
            Settling::UntilSettled { at_least, at_most } => {
                let end = self.stage.world.now() + at_most;
                self.run_for(at_least)?;
                let mut waited = Duration::ZERO;
                while self.has_pending_work() && self.stage.world.now() < end {
                    let interval = CHECK_INTERVAL.max(waited / CHECKED_AFTER);
                    self.run_for(interval)?;
                    waited += interval;
                }
                let counted = self.inspect_final_state()?;
                self.read_until(end, counted)
            }
        }
    }

    /// Heals all faults after a failed step, without waiting for what is pending. Before, what was on its way at the failure
    /// arrives, so that the play can be judged up to then.
    pub fn end_early(&mut self) -> Result<(), HarnessError> {
        let failed_at = self.stage.world.now();
        loop {
            // If the machine is late, arriving takes longer.
            let arrived_at = failed_at + self.history().max_order_time();
            if self.stage.world.now() >= arrived_at {
                break;
            }
            self.run_until(arrived_at, |_| false)?;
        }
        self.note(0, LEFT_ALONE);
        self.heal_all()?;
        self.inspection_start = self.stage.recorder.read(|trace| trace.records().len());
        Ok(())
    }

    /// Deletes the play's sessions on a server that continues to run, because their pending work would reach the parties of
    /// the next play. Ignores the server's answers. After an interruption there is little time for it.
    ///
    /// # Errors
    ///
    /// The harness failed.
    pub fn remove_sessions(&mut self, is_interrupted: bool) -> Result<(), HarnessError> {
        if !self.stage.world.leaves_server_behind() {
            return Ok(());
        }
        let hurried = is_interrupted.then(|| self.stage.world.now() + HURRIED_DELETION_LIMIT);
        if is_interrupted {
            self.stage.world.ignore_interruption();
        }
        for (session, user) in self.all_sessions() {
            for procedure in ["interruptSession", "deleteSession"] {
                let done = Awaited::default();
                let asking = self.stage.observer();
                let input = Content::Json(json!({"sessionId": session}));
                let login = Login::of(Arc::clone(&user));
                let asking = asking.call(procedure.to_owned(), input, login, done.clone());
                self.stage.world.spawn(OBSERVER, asking)?;
                // The trace is no longer evaluated.
                let deadline = hurried.unwrap_or_else(|| self.stage.world.now() + DELETION_LIMIT);
                self.stage
                    .world
                    .run_until(Some(deadline), || done.get().is_some());
            }
        }
        Ok(())
    }

    fn heal_all(&mut self) -> Result<(), HarnessError> {
        let faults = self.stage.faults.clone();
        faults.end_all(&mut *self.stage.world)?;
        let hosts: Vec<String> = self.stage.world.host_names().map(str::to_owned).collect();
        for host in hosts {
            if !self.stage.world.is_up(&host)? {
                self.stage.world.heal(&Place::host(&host))?;
            }
        }
        self.restart_after.clear();
        if self.wrapper_is_scripted {
            let url = behaviour_url();
            let behaving = self.stage.observer();
            let behaving = behaving.ask(Method::POST, url, json!({}), Awaited::default());
            self.stage.world.spawn(OBSERVER, behaving)?;
            faults.record(WorldEvent::Ended {
                place: Place::Wrapper,
            });
        }
        Ok(())
    }

    /// Queries the gateway's pending requests, and reads the log of every session. Returns the gateway's pending answer.
    fn inspect_final_state(&mut self) -> Result<Awaited, HarnessError> {
        self.inspection_start = self.stage.recorder.read(|trace| trace.records().len());
        self.note(0, INSPECTION);
        let counted = self.count_waiters()?;
        let observer = self.stage.observer();
        for (session, user) in self.all_sessions() {
            let request = StreamRequest::of(user, From::After(0));
            let reading = observer.clone().stream(session, request, Awaited::default());
            self.stage.world.spawn(OBSERVER, reading)?;
        }
        Ok(counted)
    }

    fn count_waiters(&mut self) -> Result<Awaited, HarnessError> {
        let url = format!("http://{GATEWAY_AUTHORITY}/test/waiters");
        let counted = Awaited::default();
        let asking = self.stage.observer();
        let asking = asking.ask(Method::GET, url, Value::Null, counted.clone());
        self.stage.world.spawn(OBSERVER, asking)?;
        Ok(counted)
    }

    /// In real time, waits for the logs and the gateway. A request that has just ended may still be counted, and a wrapper
    /// that opens its ingest again may still be told to stop, so the gateway is queried for some time, until it has none or
    /// until `end`.
    fn read_until(&mut self, end: Timestamp, mut counted: Awaited) -> Result<(), HarnessError> {
        let pauses: Duration = self.stage.profile.wrapper_reconnect_pauses.iter().sum();
        let end = end.min(self.stage.world.now() + pauses + LAST_CALL);
        let (sessions, from) = (self.all_sessions().len(), self.inspection_start);
        let recorder = self.stage.recorder.clone();
        loop {
            let deadline = self.stage.world.now() + LOG_READ_LIMIT_IN_REAL_TIME;
            self.run_until(deadline, |_| {
                let is_read = recorder.read(|trace| logs_read(&trace.records()[from..])) >= sessions;
                is_read && counted.get().is_some()
            })?;
            let has_waiters = match counted.get() {
                Some(Some((_, waiters))) => waiters["liveResponses"] != 0,
                _ => false,
            };
            if !has_waiters || self.stage.world.now() >= end {
                // Long-lived streams may be slightly behind the logs.
                return self.run_for(self.stage.world.timing_tolerance() / 3);
            }
            self.run_for(CHECK_INTERVAL)?;
            counted = self.count_waiters()?;
        }
    }

    /// Returns whether a party waits for the server.
    fn has_pending_work(&self) -> bool {
        oracle::is_anything_pending(&self.history())
    }

    /// What the parties have observed so far.
    fn history(&self) -> History {
        let context = self.stage.context();
        self.stage
            .recorder
            .read(|trace| History::read_under(trace, context))
    }
}

/// How much longer than with the protocol's profile a message and its callback can take.
fn longer_waits(profile: &Profile) -> Duration {
    let longer = waits(profile).saturating_sub(waits(&Profile::default()));
    longer.min(LONGEST_EXTRA_TIME)
}

/// All retries, timeouts and deadlines of a message and its callback in sequence.
fn waits(profile: &Profile) -> Duration {
    let retries = profile.delivery_retry_delays_cold.iter();
    let retries = retries.chain(&profile.delivery_retry_delays_warm);
    let retries: Duration = retries.chain(&profile.wrapper_reconnect_pauses).sum();
    // Each delay of a callback is twice the one before.
    let doublings = profile
        .callback_attempts
        .get()
        .saturating_sub(1)
        .min(u32::BITS - 1);
    let callback_retries = profile
        .callback_retry_base
        .saturating_mul(2_u32.pow(doublings) - 1);
    let callback_timeouts = profile
        .callback_timeout
        .saturating_mul(profile.callback_attempts.get());
    [
        retries,
        profile.drain_delay,
        profile.disconnect_grace,
        profile.ping_interval,
        profile.pong_timeout,
        profile.no_output_timeout,
        profile.idle_reconciliation_delay,
        profile.ready_only_timeout,
        profile.keep_warm,
        profile.enqueue_retry_delay,
        profile.callback_latency,
        callback_retries,
        callback_timeouts,
    ]
    .into_iter()
    .fold(Duration::ZERO, Duration::saturating_add)
}

/// Number of log readings in these records that have ended or failed.
fn logs_read(records: &[Record]) -> usize {
    let is_reading = |path: &str| path.contains(ALL_EVENTS);
    let records = records.iter().filter(|record| *record.party == *OBSERVER);
    let mut under_way = BTreeSet::new();
    let mut read = 0;
    for record in records {
        match &record.what {
            What::Observation(Observation::SocketOpened { socket, path, .. }) if is_reading(path) => {
                under_way.insert(*socket);
            }
            What::Observation(Observation::SocketRefused { path, .. }) if is_reading(path) => read += 1,
            What::Observation(Observation::SocketClosed { socket, .. }) => {
                read += usize::from(under_way.remove(socket));
            }
            What::Observation(Observation::FrameReceived { socket, frame })
                if frame["streamEventType"] == CONNECTED =>
            {
                read += usize::from(under_way.remove(socket));
            }
            _ => {}
        }
    }
    read
}
