//! The one who plays: it lets the world run between steps and notes what went otherwise than scripted.
//!
//! What each step does is in `steps`, what can be waited for in `conditions`, what comes after the last step in
//! `settling`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use turnstile_fault::{Fault, Place};
use turnstile_judge::oracle::Finding;
use turnstile_judge::parties::{OBSERVER, SERVER, WRAPPER, wrapper_of};
use turnstile_judge::trace::{Labels, SCRIPT, Trace, What};
use turnstile_scenarios::{At, IngestName, Label, Lapse, Scenario, SessionName, Spot, Step, Surface};
use turnstile_world::{AnyWorld, Stopped};

use super::stored::LaidOut;
use super::view::View;
use super::{HarnessError, rules_of};
use crate::stage::client::{Answer, Awaited, Client};
use crate::stage::{Ingest, Stage};

/// The longest that a step can wait for an answer: a client gives up before.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Plays one scenario on one stage.
pub(super) struct Player<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) surface: Surface,
    pub(super) stage: Stage,
    pub(super) view: View,
    pub(super) clients: BTreeMap<String, Client>,
    /// Ids of sessions by what the script calls them.
    pub(super) sessions: BTreeMap<SessionName, String>,
    /// Ids of messages and executions by label. A repeated message has several.
    pub(super) messages: BTreeMap<Label, String>,
    /// Ingest sockets of the script's own.
    pub(super) ingests: BTreeMap<IngestName, Ingest>,
    /// What reports call messages: their first label, by id.
    labels: Labels,
    pub(super) findings: Vec<Finding>,
    /// After how long parties that crash by themselves start again.
    pub(super) restart_after: BTreeMap<String, Option<Lapse>>,
    /// Whether the wrapper was told how to behave.
    pub(super) wrapper_is_scripted: bool,
    /// When the last thing happens that the script has arranged for: a heal or a start.
    pub(super) arranged_until: Timestamp,
    /// How much of the record was looked through for crashes.
    crashes_read: usize,
    /// How long the record was when all was over and the harness began to look at what is left.
    pub(super) looked_back_at: usize,
}

/// What is left of a play.
pub(super) struct Recorded {
    pub trace: Trace,
    /// How many records are older than the harness's look at what is left.
    pub looked_back_at: usize,
    /// Ids of messages and executions by label.
    pub messages: BTreeMap<Label, String>,
    /// What reports call messages.
    pub labels: Labels,
    /// What was not as scripted.
    pub findings: Vec<Finding>,
}

/// What ends the steps.
pub(super) enum Halt {
    /// Something is not as scripted.
    Broken,
    /// The harness failed.
    Harness(HarnessError),
}

impl<E: Into<HarnessError>> std::convert::From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Harness(error.into())
    }
}

impl<'a> Player<'a> {
    pub fn new(scenario: &'a Scenario, mut stage: Stage) -> Self {
        for name in scenario.other_sessions() {
            stage.add_wrapper(name);
        }
        Self {
            scenario,
            surface: scenario.api.first(),
            arranged_until: stage.world.now(),
            stage,
            view: View::default(),
            clients: BTreeMap::new(),
            sessions: BTreeMap::new(),
            messages: BTreeMap::new(),
            ingests: BTreeMap::new(),
            labels: Labels::new(),
            findings: Vec::new(),
            restart_after: BTreeMap::new(),
            wrapper_is_scripted: false,
            crashes_read: 0,
            looked_back_at: 0,
        }
    }

    /// Plays all steps, or as many as go as scripted.
    pub fn play(&mut self) -> Result<(), HarnessError> {
        match self.play_steps() {
            Ok(()) | Err(Halt::Broken) => Ok(()),
            Err(Halt::Harness(error)) => Err(error),
        }
    }

    /// Takes a session for granted that was there before the script began.
    pub fn take_for_granted(&mut self, laid_out: LaidOut) -> Result<(), HarnessError> {
        for (label, id) in laid_out.ids {
            self.name(&label, id);
        }
        self.take_session(&SessionName::default(), laid_out.session_id)
    }

    /// Takes in which session the script speaks of by that name, and looks at it from now on.
    pub(super) fn take_session(&mut self, name: &SessionName, id: String) -> Result<(), HarnessError> {
        self.stage
            .sandboxes
            .settle(&self.wrapper_host(name), Some(id.as_str()));
        if *name != SessionName::default() {
            self.labels.insert(id.clone(), name.to_string());
        }
        let watching = self.stage.observer().watch(id.clone());
        self.sessions.insert(name.clone(), id);
        Ok(self.stage.world.spawn(OBSERVER, watching)?)
    }

    /// The host of the wrapper of what the script calls so.
    pub(super) fn wrapper_host(&self, name: &SessionName) -> String {
        if *name == SessionName::default() {
            WRAPPER.to_owned()
        } else {
            wrapper_of(name)
        }
    }

    /// The id of what the script calls so, as far as anybody was told.
    pub(super) fn session(&self, name: &SessionName) -> Option<&str> {
        self.sessions.get(name).map(String::as_str)
    }

    fn play_steps(&mut self) -> Result<(), Halt> {
        // All parties have started before anything is done to one of them.
        self.run_for(Duration::ZERO)?;
        if !self.scenario.receiver.is_empty() {
            self.script_receiver(&self.scenario.receiver, Spot::default())?;
        }
        for step in &self.scenario.steps {
            self.note_step(step);
            match self.step(step) {
                // Nor can a machine that is down be told anything.
                Err(Halt::Broken | Halt::Harness(HarnessError::World(_))) if self.scenario.tolerant => {}
                gone => gone?,
            }
        }
        Ok(())
    }

    fn note_step(&self, step: &At<Step>) {
        let said = serde_json::to_string(&step.value).expect("a step is plain data");
        self.note(step.spot.line, &said);
    }

    pub(super) fn note(&self, line: u32, said: &str) {
        let step = said.to_owned();
        self.stage.recorder.record(SCRIPT, What::Step { line, step });
    }

    /// The id of what the script calls by that label.
    pub(super) fn id(&self, label: &Label) -> Option<String> {
        self.messages.get(label).cloned()
    }

    /// As [`Self::id`], for a label in the middle of something.
    pub(super) fn id_of(&self, label: &str) -> Option<String> {
        self.messages.get(label).cloned()
    }

    /// Gives a message or an execution a label.
    pub(super) fn name(&mut self, label: &Label, id: String) {
        self.labels.entry(id.clone()).or_insert_with(|| label.to_string());
        self.messages.insert(label.clone(), id);
    }

    /// What was played.
    pub fn finish(&mut self) -> Recorded {
        Recorded {
            trace: self.stage.recorder.take(),
            looked_back_at: self.looked_back_at,
            messages: std::mem::take(&mut self.messages),
            labels: std::mem::take(&mut self.labels),
            findings: std::mem::take(&mut self.findings),
        }
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.stage.elapsed()
    }

    /// Lets time pass.
    pub(super) fn run_for(&mut self, duration: Duration) -> Result<(), HarnessError> {
        let end = self.stage.world.now() + duration;
        self.run_until(end, |_| false).map(|_| ())
    }

    /// Lets the world run until `done`, but not beyond `deadline`. Whether it came about.
    pub(super) fn run_until(
        &mut self,
        deadline: Timestamp,
        mut done: impl FnMut(&mut View) -> bool,
    ) -> Result<bool, HarnessError> {
        loop {
            let (recorder, view) = (self.stage.recorder.clone(), &mut self.view);
            let watched = &self.restart_after;
            let crashes_read = self.crashes_read;
            let stopped = self.stage.world.run_until(Some(deadline), || {
                recorder.read(|trace| view.catch_up(trace));
                done(view) || !watched.is_empty() && recorder.read(|trace| has_crash(trace, crashes_read))
            });
            self.plan_restarts()?;
            match stopped {
                Stopped::Done => {
                    if done(&mut self.view) {
                        return Ok(true);
                    }
                }
                Stopped::DeadlinePassed => return Ok(false),
                Stopped::Deadlock { waiting } => return Err(HarnessError::Deadlock { waiting }),
                Stopped::Panicked { host, message } if host == SERVER => {
                    self.find("server-panicked", None, message);
                }
                Stopped::Panicked { host: party, message } => {
                    return Err(HarnessError::Panicked { party, message });
                }
                Stopped::Interrupted => return Err(HarnessError::Interrupted),
                Stopped::WithoutServer { message } => return Err(HarnessError::NoServer(message)),
                Stopped::Livelock { host } if host == SERVER => {
                    self.find(
                        "server-livelock",
                        None,
                        "the server does not come to rest".to_owned(),
                    );
                    self.stage.world.apply(&Fault::crash(SERVER))?;
                }
                Stopped::Livelock { host: party } => return Err(HarnessError::Restless { party }),
            }
        }
    }

    /// Has parties that have crashed by themselves started again when the script says so.
    fn plan_restarts(&mut self) -> Result<(), HarnessError> {
        let start = self.crashes_read;
        let crashed: Vec<String> = self.stage.recorder.read(|trace| {
            self.crashes_read = trace.records().len();
            crashes(trace, start).map(str::to_owned).collect()
        });
        for host in crashed {
            if let Some(Some(after)) = self.restart_after.remove(&host) {
                self.restart_later(host, *after);
            }
        }
        Ok(())
    }

    /// Starts a host again after a while, unless it is up by then.
    pub(super) fn restart_later(&mut self, host: String, after: Duration) {
        self.arrange(after, move |world| {
            if world.is_up(&host) == Ok(false) {
                world
                    .heal(&Place::host(&host))
                    .expect("a host that is down can be started");
            }
        });
    }

    /// Has something done to the world after a while.
    pub(super) fn arrange(&mut self, after: Duration, action: impl FnOnce(&mut dyn AnyWorld) + 'static) {
        let at = self.stage.world.now() + after;
        self.arranged_until = self.arranged_until.max(at);
        self.stage.world.schedule(at, action);
    }

    /// Lets the world run until a request is over.
    pub(super) fn answer(&mut self, awaited: &Awaited) -> Result<Answer, HarnessError> {
        let deadline = self.stage.world.now() + ANSWER_LIMIT;
        self.run_until(deadline, |_| awaited.get().is_some())?;
        Ok(awaited.get().flatten())
    }

    /// Notes that something is not as scripted.
    pub(super) fn find(&mut self, rule: &str, message: Option<&str>, text: String) {
        let finding = Finding {
            rule: rule.to_owned(),
            protocol: rules_of(self.scenario),
            at: self.elapsed(),
            message: message.map(str::to_owned),
            text,
        };
        self.findings.push(finding);
    }

    /// Notes that a step did not go as scripted, which ends the steps.
    pub(super) fn break_off(&mut self, spot: Spot, message: Option<&str>, text: String) -> Halt {
        if !self.scenario.tolerant {
            self.find(&format!("step at line {}", spot.line), message, text);
        }
        Halt::Broken
    }
}

fn crashes(trace: &Trace, from: usize) -> impl Iterator<Item = &str> {
    trace.records()[from.min(trace.records().len())..]
        .iter()
        .filter_map(|record| match &record.what {
            What::World(event) => event.crashed(),
            _ => None,
        })
}

fn has_crash(trace: &Trace, from: usize) -> bool {
    crashes(trace, from).next().is_some()
}
