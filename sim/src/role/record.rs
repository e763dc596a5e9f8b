//! The trace and the findings of a case.

use std::sync::Arc;
use std::time::Duration;

use turnstile_events::observation::{ClosedBy, Observation, Probe};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{ConnectionEnd, Fault};
use turnstile_judge::oracle::Finding;
use turnstile_judge::oracle::history::RunContext;
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::{Labels, SCRIPT, Trace, WORLD, What};
use turnstile_seams::{Seams, real};

use super::case::{Step, Violated};
use super::rule::RoleRule;
use super::socket::Cut;
use crate::script::Verdict;
use crate::stage::Recorder;

/// What happens in a case, and what is wrong with it.
pub(crate) struct Record {
    pub seams: Seams,
    recorder: Recorder,
    findings: Vec<Finding>,
}

impl Record {
    /// An empty record of a case that begins now.
    pub fn begin() -> Self {
        let seams = real::seams();
        Self {
            recorder: Recorder::new(seams.clock.now(), seams.clock.clone()),
            seams,
            findings: Vec::new(),
        }
    }

    /// Records an event.
    pub fn note(&self, party: &str, what: What) {
        self.recorder.record(party, what);
    }

    /// Records what a party sends or receives.
    pub fn observe(&self, party: &str, observation: Observation) {
        self.note(party, What::Observation(observation));
    }

    /// Records a step of the case.
    pub fn step(&self, step: String) {
        self.note(SCRIPT, What::Step { line: 0, step });
    }

    /// Records that the harness, as the server, ends a socket of a party.
    pub fn cut(&self, party: &str, socket: u64, cut: Cut) {
        let (end, code) = match cut {
            Cut::Close(code) => (ConnectionEnd::Finish, Some(code)),
            Cut::Lost => (ConnectionEnd::Finish, None),
            Cut::Reset | Cut::MidFrame => (ConnectionEnd::Reset, None),
        };
        let fault = Fault::end_of(SERVER, party, end);
        self.note(WORLD, What::World(WorldEvent::ended_connections(&fault, 1)));
        let by = ClosedBy::Itself;
        self.observe(SERVER, Observation::SocketClosed { socket, code, by });
    }

    /// A probe whose observations are recorded.
    pub fn probe(&self, party: &str) -> Probe {
        Probe::new(party, Arc::new(self.recorder.clone()))
    }

    /// The recorder itself, for tasks.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    fn elapsed(&self) -> Duration {
        let now = self.seams.clock.now();
        let elapsed = self.recorder.read(|trace| trace.since_beginning(now));
        elapsed.unwrap_or_default()
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds a finding.
    pub fn find(&mut self, rule: &RoleRule, text: String) {
        self.findings.push(rule.finding(self.elapsed(), text));
    }

    /// Adds a finding that ends the case.
    pub fn violated<T>(&mut self, rule: &RoleRule, text: String) -> Step<T> {
        self.find(rule, text);
        Err(Violated)
    }

    /// The verdict, at the end of the case.
    pub fn into_verdict(self) -> Verdict {
        let trace: Trace = self.recorder.take();
        let elapsed = trace.end();
        Verdict {
            findings: self.findings,
            warnings: Vec::new(),
            unknown: Vec::new(),
            context: RunContext {
                in_real_time: true,
                profile: Arc::default(),
                ..RunContext::default()
            },
            inspection_start: trace.records().len(),
            trace,
            labels: Labels::new(),
            played: elapsed,
            elapsed,
        }
    }
}
