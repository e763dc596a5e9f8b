//! The idle batches of a session (protocol §8), derived from its log alone, in the order of its ids.
//!
//! This module judges nothing. Some ends of a batch leave no event, such as the loss of a wrapper that had only its
//! idle left to send. Such a batch is one that may have been finalized.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::admissions::{CallbackTargets, Likely, wants_gate};
use super::gate_wait;
use super::history::{SessionHistory, StreamEvent};
use crate::parties::host_of;

/// A batch that was finalized, or may have been.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch<'a> {
    /// Its last message.
    pub(super) message: &'a str,
    /// The event that ended that message.
    pub(super) end: &'a StreamEvent,
    /// The earliest time at which it was finalized.
    pub(super) not_before: Duration,
    /// Whether it was certainly finalized.
    pub(super) is_certain: bool,
}

/// The batches of a session.
pub(super) struct Batches<'a> {
    /// All batches, in order.
    pub(super) all: Vec<Batch<'a>>,
    /// Whether the wire leaves open which messages have a callback. The batches are then only one possibility.
    pub(super) are_open: bool,
}

/// Derives the batches of a session.
pub(super) fn batches<'a>(session: &SessionHistory<'a>) -> Batches<'a> {
    let mut reading = Reading::new(session);
    for event in &session.kept {
        reading.take(event);
    }
    reading.finish()
}

struct Reading<'s, 'a> {
    session: &'s SessionHistory<'a>,
    targets: CallbackTargets<'a>,
    /// Spans of time in which users' interrupts may have been carried out.
    interrupts: Vec<(Duration, Duration)>,
    queued_at: BTreeMap<&'a str, Duration>,
    unfinished: BTreeSet<&'a str>,
    /// The end of the open batch's representative.
    last_end: Option<(&'a str, &'a StreamEvent)>,
    is_idle: bool,
    /// Whether a gate result is awaited.
    gate: Likely,
    batches: Batches<'a>,
}

impl<'s, 'a> Reading<'s, 'a> {
    fn new(session: &'s SessionHistory<'a>) -> Self {
        let interrupts = session
            .calls
            .iter()
            .filter(|call| call.procedure == "interruptSession");
        let interrupts = interrupts.map(|call| {
            let until = call.reply.as_ref().map(|(at, _, _)| *at);
            (call.at, until.unwrap_or(Duration::MAX))
        });
        Self {
            session,
            targets: CallbackTargets::of(session),
            interrupts: interrupts.collect(),
            queued_at: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            last_end: None,
            is_idle: false,
            gate: Likely::No,
            batches: Batches {
                all: Vec::new(),
                are_open: false,
            },
        }
    }

    fn take(&mut self, event: &'a StreamEvent) {
        // Whether this event finalizes a batch without an idle.
        let mut needs_no_idle = false;
        match (event.name.as_str(), event.message()) {
            (_, Some(message)) if event.is_queued() => {
                if self.unfinished.is_empty() && self.earliest() <= event.at {
                    self.add_possible();
                }
                self.queued_at.entry(message).or_insert(event.at);
                self.unfinished.insert(message);
            }
            (_, Some(_)) if event.is_sent() => self.is_idle = false,
            (_, Some(message)) if event.is_end() => {
                self.unfinished.remove(message);
                self.take_end(message, event);
                let source = event.data["completionSource"].as_str();
                needs_no_idle = matches!(source, Some("interrupt" | "wrapper_failure" | "delivery_failure"));
            }
            ("complete" | "interrupted", _) => needs_no_idle = true,
            ("error", _) if event.data["fatal"] == true => needs_no_idle = true,
            _ => self.is_idle |= self.is_root_idle(event),
        }
        if needs_no_idle {
            match event.message() {
                None => self.gate = Likely::No,
                // The run of a message that failed with it may also have been the run that owes the gate result.
                Some(message) if self.last_end.is_some_and(|(last, _)| last != message) => self.loosen_gate(),
                Some(_) => {}
            }
        }
        if self.unfinished.is_empty() && (self.is_idle || needs_no_idle) {
            match self.gate {
                Likely::No => {
                    if let Some((message, end)) = self.last_end.take() {
                        self.add(message, end, self.not_before(end, event.at), true);
                    }
                }
                Likely::Perhaps => self.add_possible(),
                Likely::Yes => {}
            }
        }
    }

    fn take_end(&mut self, message: &'a str, end: &'a StreamEvent) {
        let calls_back = match self.queued_at.get(message) {
            Some(queued_at) => self.targets.calls_back(*queued_at),
            None => Likely::Perhaps,
        };
        self.batches.are_open |= calls_back == Likely::Perhaps;
        if calls_back == Likely::No {
            return;
        }
        self.last_end = Some((message, end));
        self.gate = if end.data["status"] == "completed" && end.data["gateResult"].is_null() {
            wants_gate(self.session, message)
        } else {
            Likely::No
        };
    }

    /// Whether the event is an idle of the root. The idle of a child session has no effect.
    fn is_root_idle(&self, event: &StreamEvent) -> bool {
        let Some(("session.idle", properties)) = event.kilo() else {
            return false;
        };
        let roots = self.session.roots();
        roots.is_empty()
            || properties["sessionID"]
                .as_str()
                .is_some_and(|id| roots.contains(id))
    }

    /// The earliest time of finalizing. A user's interrupt finalizes a batch that awaits only an idle, and may leave
    /// no event.
    fn not_before(&self, end: &StreamEvent, finalized_at: Duration) -> Duration {
        let overlaps = |(from, until): &&(Duration, Duration)| {
            until.saturating_add(self.session.run.time_error()) >= end.at && *from <= finalized_at
        };
        let interrupted_at = self
            .interrupts
            .iter()
            .filter(overlaps)
            .map(|(from, _)| *from)
            .min();
        interrupted_at.map_or(finalized_at, |at| finalized_at.min(at.max(end.at)))
    }

    /// Notes that the run that reports the gate result may be lost.
    fn loosen_gate(&mut self) {
        if self.gate == Likely::Yes {
            self.gate = Likely::Perhaps;
        }
    }

    /// The earliest time at which the open batch may have been finalized without an event.
    fn earliest(&self) -> Duration {
        match (self.last_end, self.gate) {
            (None, _) => Duration::MAX,
            (Some((message, end)), Likely::Yes) => {
                gate_wait::lasts_until(self.session, message, end, &self.interrupts)
            }
            (Some((_, end)), Likely::Perhaps | Likely::No) => end.at,
        }
    }

    fn add_possible(&mut self) {
        if let Some((message, end)) = self.last_end {
            self.add(message, end, self.earliest(), false);
        }
    }

    fn add(&mut self, message: &'a str, end: &'a StreamEvent, not_before: Duration, is_certain: bool) {
        self.batches.all.push(Batch {
            message,
            end,
            not_before,
            is_certain,
        });
    }

    fn finish(mut self) -> Batches<'a> {
        // At the end of the run every wrapper was released, except one that is still connected and never was idle.
        let faults = &self.session.run.faults;
        let mut ingests = self.session.ingests();
        let is_released = ingests.all(|ingest| {
            ingest.closed_at.is_some() || ingest.opened_at <= faults.broken_until(host_of(&ingest.party))
        });
        if let (Some((message, end)), true) = (self.last_end, self.unfinished.is_empty()) {
            self.add(message, end, self.earliest(), is_released);
        }
        // A message may occur at several points where its batch may have been finalized. The batch is certain if one
        // of them is, and the earliest point counts.
        let mut merged: Vec<Batch> = Vec::new();
        for batch in self.batches.all {
            match merged
                .iter_mut()
                .rev()
                .find(|known| known.message == batch.message)
            {
                Some(known) => {
                    known.is_certain |= batch.is_certain;
                    known.not_before = known.not_before.min(batch.not_before);
                }
                None => merged.push(batch),
            }
        }
        Batches {
            all: merged,
            ..self.batches
        }
    }
}
