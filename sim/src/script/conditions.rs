//! The conditions of `await`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::world::WorldEvent;
use turnstile_fault::Lapse;
use turnstile_judge::trace::{Record, What};
use turnstile_scenarios::{Await, AwaitedEvent, Condition, Label, SessionName, Spot};

use super::HarnessError;
use super::event_count::EventCount;
use super::player::{Halt, Player};
use super::view::View;

impl Player<'_> {
    pub(super) fn wait_for(&mut self, wait: &Await, spot: Spot) -> Result<(), Halt> {
        let limit = *wait.within + self.latency_of(&wait.condition);
        let deadline = self.stage.world.now() + limit + self.stage.world.timing_tolerance();
        let lateness = match &wait.condition {
            Condition::Gate(tag) => {
                let tag = tag.to_string();
                self.run_until_met(deadline, |view| view.is_parked(&tag))?
            }
            Condition::Message { of, is } => {
                let message = self.awaited(of, spot)?;
                self.run_until_met(deadline, |view| view.has_reached(&message, *is))?
            }
            Condition::Callback { of, times } => {
                let message = self.awaited(of, spot)?;
                self.run_until_met(deadline, |view| view.delivered(&message) >= times.get())?
            }
            Condition::Stream { of, times } => {
                let mut events = self.awaited_events(of);
                let recorder = self.stage.recorder.clone();
                self.run_until_met(deadline, |_| {
                    recorder.read(|trace| events.count(trace)) >= times.get()
                })?
            }
            Condition::Quiet(lapse) => {
                // Silence counts from the beginning of the step.
                let asked_at = self.elapsed();
                let clock_start = self.stage.world.now();
                let mut quiet_at = clock_start + **lapse;
                loop {
                    if quiet_at > deadline {
                        break None;
                    }
                    self.run_until(quiet_at, |_| false)?;
                    let last_seen = self.view.last_seen().max(asked_at);
                    let quiet_since = clock_start + (last_seen - asked_at);
                    if quiet_since + **lapse <= self.stage.world.now() {
                        break Some(Duration::ZERO);
                    }
                    quiet_at = quiet_since + **lapse;
                }
            }
        };
        if let Some(late) = lateness {
            if !late.is_zero() {
                let (limit, late) = (Lapse::from(limit), late.as_secs_f64());
                let text = format!("what it awaits came {late:.3} s later than within {limit}");
                self.warn_of_step(spot, text);
            }
            return Ok(self.await_consequences()?);
        }
        let (message, text) = self.unmet_condition(&wait.condition);
        let text = format!("within {} {text}", Lapse::from(limit));
        Err(self.fail_step(spot, message.as_deref(), text))
    }

    /// Runs until `met`, or until the deadline. If the machine is late, the deadline is as much later.
    ///
    /// Returns how long after the deadline it was met: in real time a small lateness is no failure, as it is none for the
    /// oracles. `None` if it was not met.
    fn run_until_met(
        &mut self,
        deadline: Timestamp,
        mut met: impl FnMut(&mut View) -> bool,
    ) -> Result<Option<Duration>, HarnessError> {
        let first = self.stage.recorder.read(|trace| trace.records().len());
        let mut put_off = Duration::ZERO;
        loop {
            let until = deadline + put_off;
            if self.run_until(until, &mut met)? {
                return Ok(Some(Duration::ZERO));
            }
            let stalled = self
                .stage
                .recorder
                .read(|trace| stalled(&trace.records()[first..]));
            if stalled > put_off {
                put_off = stalled;
                continue;
            }
            let warned = self.stage.context().warned_lateness();
            if self.scenario.tolerant || warned.is_zero() {
                return Ok(None);
            }
            let missed_at = self.elapsed();
            let is_met = self.run_until(until + warned, &mut met)?;
            let late = self.elapsed().saturating_sub(missed_at);
            return Ok(is_met.then(|| late.max(Duration::from_micros(1))));
        }
    }

    /// By how much the queue of callbacks may delay what is awaited (R8.39). A script states times for a queue that delays
    /// nothing.
    fn latency_of(&self, condition: &Condition) -> Duration {
        match condition {
            Condition::Callback { times, .. } => {
                self.stage.profile.callback_latency.saturating_mul(times.get())
            }
            _ => Duration::ZERO,
        }
    }

    /// In real time, waits shortly for direct consequences of the condition, because the parties observe events at slightly
    /// different times. Must stay short: an idle wrapper leaves soon.
    fn await_consequences(&mut self) -> Result<(), HarnessError> {
        if self.stage.world.is_in_real_time() {
            self.run_for(self.stage.world.timing_tolerance() / 15)?;
        }
        Ok(())
    }

    /// Returns the id of an awaited message. In a tolerant script the label may have none.
    fn awaited(&mut self, label: &Label, spot: Spot) -> Result<String, Halt> {
        self.id(label)
            .ok_or_else(|| self.fail_step(spot, None, format!("the id of `{label}` is unknown")))
    }

    /// Counts the events that an `await` is about.
    fn awaited_events(&self, of: &AwaitedEvent) -> EventCount {
        let has = of.has.as_ref().map(|has| {
            // The ids are fixed when the step begins.
            let ids = self.messages.clone();
            let session = self.session_ids(&SessionName::default());
            let id = move |name: &str| session.resolve(name, &ids);
            let has = has.value.clone();
            Box::new(move |data: &Value| has.mismatch(data, &id).is_none()) as Box<dyn Fn(&Value) -> bool>
        });
        EventCount::new(&of.client.to_string(), of.event.clone(), has)
    }

    /// Describes a condition that was not met, with the message that it is about.
    fn unmet_condition(&self, condition: &Condition) -> (Option<String>, String) {
        match condition {
            Condition::Gate(tag) => (
                None,
                format!("no request was parked at the gateway under `{}`", tag.value),
            ),
            Condition::Stream { of, times } => {
                let count = self
                    .stage
                    .recorder
                    .read(|trace| self.awaited_events(of).count(trace));
                let event = of.event.as_deref().unwrap_or("event");
                let which = match of.has {
                    Some(_) => " with these fields",
                    None => "",
                };
                let client = &of.client.value;
                (
                    None,
                    format!("{client} received {count} of {times} {event}{which}"),
                )
            }
            Condition::Quiet(lapse) => (None, format!("there were no {lapse} of quiet")),
            Condition::Message { of, is } => {
                let message = &self.messages[&of.value];
                let last = match self.view.last_moment(message) {
                    Some(moment) => format!("it was last seen {moment}"),
                    None => "it was never seen".to_owned(),
                };
                (
                    Some(message.clone()),
                    format!("`{}` was not seen {is}; {last}", of.value),
                )
            }
            Condition::Callback { of, times } => {
                let message = &self.messages[&of.value];
                let delivered = self.view.delivered(message);
                let text = format!(
                    "{delivered} of {times} callbacks for `{}` were delivered",
                    of.value
                );
                (Some(message.clone()), text)
            }
        }
    }
}

/// By how much the machine was late in all during these records.
fn stalled(records: &[Record]) -> Duration {
    let stalls = records.iter().map(|record| match &record.what {
        What::World(WorldEvent::Stalled { stalled_us }) => Duration::from_micros(*stalled_us),
        _ => Duration::ZERO,
    });
    stalls.sum()
}
