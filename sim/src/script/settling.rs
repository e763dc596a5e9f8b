//! The end of a play: everything is healed and left alone, and then the harness looks at what is left.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;
use turnstile_fault::Place;
use turnstile_judge::oracle;
use turnstile_judge::oracle::history::{CONNECTED, History};
use turnstile_judge::parties::{OBSERVER, WRAPPER};
use turnstile_judge::trace::{Record, What};

use super::player::Player;
use super::{HarnessError, Settling};
use crate::stage::client::Awaited;
use crate::stage::stream::From;
use crate::stage::{GATEWAY_AUTHORITY, wrapper_authority};

/// What the record says when the script is over and nothing is broken any more.
pub(super) const LEFT_ALONE: &str = "everything is healed and started, and left alone";
/// How long everything is left alone after the last step, with all faults healed: longer than every
/// retry, time-out and deadline of the protocol takes one after another.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// So much longer for each further message: none ends later than by the longest silence of its wrapper
/// (protocol §7), and they come one after another.
const LONGEST_OF_A_MESSAGE: Duration = Duration::from_secs(6 * 60);
/// How long the log is read when all is over.
const READING: Duration = Duration::from_secs(5);
/// The longest that it is read where time passes by itself: nobody waits for longer than it takes.
const READING_IN_REAL_TIME: Duration = Duration::from_mins(2);
/// What the path of a stream has that is read from its first event on.
const FROM_THE_BEGINNING: &str = "fromId=0";
/// How long a server may take to remove a session of a play that is over.
const REMOVAL: Duration = Duration::from_secs(10);
/// How long passes between two looks at whether anything is still owed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

impl Player<'_> {
    /// Lets what the script has arranged for happen, heals everything, lets so much time pass, and has the
    /// harness look at what is left.
    pub fn let_everything_settle(&mut self, settling: Settling) -> Result<(), HarnessError> {
        self.run_until(self.arranged_until, |_| false)?;
        self.note(0, LEFT_ALONE);
        self.heal_everything()?;
        match settling {
            Settling::Longest => {
                let further = u32::try_from(self.messages.len().saturating_sub(1)).unwrap_or(u32::MAX);
                self.run_for(LONGEST + LONGEST_OF_A_MESSAGE * further)?;
                self.look_at_what_is_left()?;
                self.run_for(READING)
            }
            Settling::For(duration) => {
                self.run_for(duration)?;
                self.look_at_what_is_left()?;
                self.run_for(READING)
            }
            Settling::UntilNothingIsOwed { at_least, at_most } => {
                let end = self.stage.world.now() + at_most;
                self.run_for(at_least)?;
                while self.is_anything_owed() && self.stage.world.now() < end {
                    self.run_for(BETWEEN_LOOKS)?;
                }
                let counted = self.look_at_what_is_left()?;
                self.read_until(end, counted)
            }
        }
    }

    /// Removes the sessions from a server that goes on when this play is over: what they still owe would come to the
    /// parties of the next one. How the server takes it is not this play's business any more.
    ///
    /// # Errors
    ///
    /// If the harness failed.
    pub fn remove_sessions(&mut self) -> Result<(), HarnessError> {
        if !self.stage.world.leaves_server_behind() {
            return Ok(());
        }
        for session in std::mem::take(&mut self.sessions).into_values() {
            for procedure in ["interruptSession", "deleteSession"] {
                let done = Awaited::default();
                let asking = self.stage.observer();
                let asking = asking.call(procedure, json!({"sessionId": session}), done.clone());
                self.stage.world.spawn(OBSERVER, asking)?;
                // Nothing of it is looked at any more.
                let deadline = self.stage.world.now() + REMOVAL;
                self.stage
                    .world
                    .run_until(Some(deadline), || done.get().is_some());
            }
        }
        Ok(())
    }

    fn heal_everything(&mut self) -> Result<(), HarnessError> {
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
            let url = format!("http://{}/test/behaviour", wrapper_authority(WRAPPER));
            let behaving = self.stage.observer();
            let behaving = behaving.ask(Method::POST, url, json!({}), Awaited::default());
            self.stage.world.spawn(OBSERVER, behaving)?;
            faults.record(WorldEvent::Ended {
                place: Place::Wrapper,
            });
        }
        Ok(())
    }

    /// Asks the gateway who is left there, and reads every session's log. Where the gateway's answer will lie.
    fn look_at_what_is_left(&mut self) -> Result<Awaited, HarnessError> {
        self.looked_back_at = self.stage.recorder.read(|trace| trace.records().len());
        self.note(0, "the harness looks at what is left");
        let counted = self.count_waiters()?;
        let observer = self.stage.observer();
        for session in self.sessions.values() {
            let reading = observer.clone().stream(session.clone(), From::After(0));
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

    /// Where time passes by itself: waits for what was asked. Who has just gone may still be counted at the gateway, which is asked again until nobody is there, or until `end`.
    fn read_until(&mut self, end: Timestamp, mut counted: Awaited) -> Result<(), HarnessError> {
        let (sessions, from) = (self.sessions.len(), self.looked_back_at);
        let recorder = self.stage.recorder.clone();
        loop {
            let deadline = self.stage.world.now() + READING_IN_REAL_TIME;
            self.run_until(deadline, |_| {
                let is_read = recorder.read(|trace| logs_read(&trace.records()[from..])) >= sessions;
                is_read && counted.get().is_some()
            })?;
            let is_somebody_left = match counted.get() {
                Some(Some((_, waiters))) => waiters["liveResponses"] != 0,
                _ => false,
            };
            if !is_somebody_left || self.stage.world.now() >= end {
                // Streams that were open all the time may not have shown yet what the readings have.
                return self.run_for(self.stage.world.timing_tolerance() / 3);
            }
            self.run_for(BETWEEN_LOOKS)?;
            counted = self.count_waiters()?;
        }
    }

    /// Whether somebody still waits for what the server has to bring about.
    fn is_anything_owed(&self) -> bool {
        let context = self.stage.context();
        let reading = |trace: &_| History::read_under(trace, context);
        oracle::is_anything_pending(&self.stage.recorder.read(reading))
    }
}

/// How many of the readings of logs that were begun in these records are at their end, or came to nothing.
fn logs_read(records: &[Record]) -> usize {
    let is_reading = |path: &str| path.contains(FROM_THE_BEGINNING);
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
                read += usize::from(under_way.remove(socket))
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
