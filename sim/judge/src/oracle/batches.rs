//! The idle batches of a session (protocol §8), derived from its log alone, in the order of its ids.
//!
//! This module judges nothing. Some ends of a batch leave no event, such as the loss of a wrapper that had only its
//! idle left to send. Such a batch is one that may have been finalized.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::admissions::{CallbackTargets, Likely, wants_gate};
use super::frames::RunEnd;
use super::gate_wait;
use super::history::{SessionHistory, StreamEvent};
use super::interrupts;
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
    /// The event that finalized it at that time, if one did.
    pub(super) finalized_by: Option<&'a StreamEvent>,
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
    /// Whether the run that accepted the last messages has ended, so that an end needs no idle and no gate result.
    has_run_ended: Likely,
    /// The time of the last event that ended a run.
    run_ended_at: Option<Duration>,
    /// Whether a gate result is awaited.
    gate: Likely,
    batches: Batches<'a>,
}

impl<'s, 'a> Reading<'s, 'a> {
    fn new(session: &'s SessionHistory<'a>) -> Self {
        // A deletion begins with an interrupt.
        let interrupts = session.calls.iter().filter(|call| interrupts::is_request(call));
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
            has_run_ended: Likely::No,
            run_ended_at: None,
            gate: Likely::No,
            batches: Batches {
                all: Vec::new(),
                are_open: false,
            },
        }
    }

    fn take(&mut self, event: &'a StreamEvent) {
        // Whether this event finalizes a batch without an idle.
        let mut needs_no_idle = Likely::No;
        match event.message() {
            Some(message) if event.is_queued() => {
                if self.unfinished.is_empty() && self.earliest() <= event.at {
                    self.add_possible();
                }
                self.queued_at.entry(message).or_insert(event.at);
                self.unfinished.insert(message);
            }
            Some(_) if event.is_sent() => {
                self.is_idle = false;
                self.begin_work(event);
            }
            Some(message) if event.is_end() => {
                self.unfinished.remove(message);
                self.take_end(message, event);
                needs_no_idle = self.needs_no_idle(event);
                // The run of a message that failed with it may also have been the run that owes the gate result.
                let is_representative = self.last_end.is_none_or(|(last, _)| last == message);
                if needs_no_idle != Likely::No && !is_representative {
                    self.loosen_gate();
                }
            }
            Some(_) => {}
            None if RunEnd::of_event(event).is_some() => {
                self.has_run_ended = Likely::Yes;
                self.run_ended_at = Some(event.at);
                self.gate = Likely::No;
                needs_no_idle = Likely::Yes;
            }
            None => self.is_idle |= self.session.is_root_idle(event),
        }
        if self.unfinished.is_empty() {
            let is_final = if self.is_idle { Likely::Yes } else { needs_no_idle };
            self.finalize(event, is_final);
        }
    }

    /// Finalizes the open batch, given whether it awaits no idle any more.
    fn finalize(&mut self, event: &'a StreamEvent, is_final: Likely) {
        match (is_final, self.gate) {
            (Likely::No, _) | (_, Likely::Yes) => {}
            (Likely::Yes, Likely::No) => {
                if let Some((message, end)) = self.last_end.take() {
                    let not_before = self.not_before(end, event.at);
                    self.batches.all.push(Batch {
                        message,
                        end,
                        not_before,
                        finalized_by: (not_before == event.at).then_some(event),
                        is_certain: true,
                    });
                }
            }
            (Likely::Yes | Likely::Perhaps, Likely::No | Likely::Perhaps) => self.add_possible(),
        }
    }

    /// Notes that a message was accepted: a run is at work.
    fn begin_work(&mut self, sent: &StreamEvent) {
        // An end of the run also accepts a message that the wrapper had taken, in the same commit (R6.31, R6.38).
        let may_end_with_run = self.has_run_ended != Likely::No && self.run_ended_at == Some(sent.at);
        self.has_run_ended = if may_end_with_run {
            Likely::Perhaps
        } else {
            Likely::No
        };
    }

    /// Whether the open batch awaits no idle after an end, because no run is at work.
    fn needs_no_idle(&self, end: &StreamEvent) -> Likely {
        match end.data["completionSource"].as_str() {
            Some("interrupt" | "wrapper_failure" | "delivery_failure") => Likely::Yes,
            // The session is idle then, also if the idle came before the acceptance.
            Some("idle_reconciliation") if self.has_run_ended == Likely::No => Likely::Perhaps,
            _ => self.has_run_ended,
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
        let needs_result = end.data["status"] == "completed" && end.data["gateResult"].is_null();
        self.gate = if needs_result && self.has_run_ended != Likely::Yes {
            wants_gate(self.session, message)
        } else {
            Likely::No
        };
        if self.has_run_ended == Likely::Perhaps {
            self.loosen_gate();
        }
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
            finalized_by: None,
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
        let mut places = BTreeMap::new();
        for batch in self.batches.all {
            let place = *places.entry(batch.message).or_insert(merged.len());
            match merged.get_mut(place) {
                Some(known) => {
                    known.is_certain |= batch.is_certain;
                    if batch.not_before < known.not_before {
                        known.not_before = batch.not_before;
                        known.finalized_by = batch.finalized_by;
                    }
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
