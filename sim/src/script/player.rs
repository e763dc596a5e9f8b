//! Runs the steps of a scenario and collects deviations from the script.
//!
//! `steps` implements the steps, `conditions` the waits, and `settling` everything after the last step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use turnstile_fault::{Fault, Place};
use turnstile_judge::oracle::{Finding, Severity};
use turnstile_judge::parties::{OBSERVER, SERVER, WRAPPER, wrapper_of};
use turnstile_judge::trace::{Labels, SCRIPT, Trace, What};
use turnstile_scenarios::{
    At, IngestName, Label, Lapse, Scenario, SessionIds, SessionName, Spot, Step, Surface, UserName,
};
use turnstile_world::{AnyWorld, Stopped};

use super::overdue::LIVELOCK;
use super::stored::LaidOut;
use super::view::View;
use super::{HarnessError, rules_of};
use crate::stage::client::{Answer, Awaited, Client};
use crate::stage::{Ingest, Stage};

/// The rule that a server violates by a panic.
pub(super) const SERVER_PANICKED: &str = "server-panicked";
/// Time limit for an answer, above the client's own time limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Plays one scenario on one stage.
pub(super) struct Player<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) surface: Surface,
    pub(super) stage: Stage,
    pub(super) view: View,
    pub(super) clients: BTreeMap<String, Client>,
    /// Session ids by script name.
    pub(super) sessions: BTreeMap<SessionName, String>,
    /// Users that own sessions, by script name, where the script names one.
    users: BTreeMap<SessionName, Arc<str>>,
    /// Ids of sessions that calls created, for which the script has no name.
    unnamed_sessions: Vec<String>,
    /// Ids of messages and executions by label. A repeated message has several labels.
    pub(super) messages: BTreeMap<Label, String>,
    /// Ingest sockets that the script opened.
    pub(super) ingests: BTreeMap<IngestName, Ingest>,
    /// Labels for reports: the first label of each id.
    labels: Labels,
    pub(super) findings: Vec<Finding>,
    /// Restart delays of hosts that crash at a crash point.
    pub(super) restart_after: BTreeMap<String, Option<Lapse>>,
    /// Whether the script has set the wrapper's behaviour.
    pub(super) wrapper_is_scripted: bool,
    /// Time of the last scheduled action: the end of a fault or a restart.
    pub(super) arranged_until: Timestamp,
    /// The same of those that do not belong to the script, if the healing does not wait for them.
    pub(super) late_until: Option<Timestamp>,
    /// Number of records already searched for crashes.
    crashes_read: usize,
    /// Number of records when the final inspection began.
    pub(super) inspection_start: usize,
}

/// The output of a player.
pub(super) struct Recorded {
    pub trace: Trace,
    /// Index of the first record of the final inspection.
    pub inspection_start: usize,
    /// Ids of messages and executions by label.
    pub messages: BTreeMap<Label, String>,
    /// Ids of the default session.
    pub session: SessionIds,
    /// Labels for reports, by id.
    pub labels: Labels,
    /// Deviations from the script.
    pub findings: Vec<Finding>,
}

/// Why the steps stopped.
pub(super) enum Halt {
    /// A step failed.
    StepFailed,
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
            users: BTreeMap::new(),
            unnamed_sessions: Vec::new(),
            messages: BTreeMap::new(),
            ingests: BTreeMap::new(),
            labels: Labels::new(),
            findings: Vec::new(),
            restart_after: BTreeMap::new(),
            wrapper_is_scripted: false,
            late_until: None,
            crashes_read: 0,
            inspection_start: 0,
        }
    }

    /// Plays the steps until the end or the first failure.
    pub fn play(&mut self) -> Result<(), HarnessError> {
        match self.play_steps() {
            Ok(()) | Err(Halt::StepFailed) => Ok(()),
            Err(Halt::Harness(error)) => Err(error),
        }
    }

    /// Registers a session that was stored before the run.
    pub fn register_stored(&mut self, laid_out: LaidOut) -> Result<(), HarnessError> {
        for (label, id) in laid_out.ids {
            self.name(&label, id);
        }
        self.register_session(&SessionName::default(), laid_out.session_id)
    }

    /// Registers the id of a session and starts observing its stream.
    pub(super) fn register_session(&mut self, name: &SessionName, id: String) -> Result<(), HarnessError> {
        self.stage
            .sandboxes
            .settle(&self.wrapper_host(name), Some(id.as_str()));
        if *name != SessionName::default() {
            self.labels.insert(id.clone(), name.to_string());
        }
        self.stage.world.announce(&id);
        let watching = self.stage.observer().watch(id.clone(), self.user(name));
        self.sessions.insert(name.clone(), id);
        Ok(self.stage.world.spawn(OBSERVER, watching)?)
    }

    /// Starts observing the stream of a session for which the script has no name.
    pub(super) fn watch_unnamed(&mut self, id: String) -> Result<(), HarnessError> {
        let user = self.user(&SessionName::default());
        self.stage.world.announce(&id);
        let watching = self.stage.observer().watch(id.clone(), user);
        self.unnamed_sessions.push(id);
        Ok(self.stage.world.spawn(OBSERVER, watching)?)
    }

    /// Ids of all sessions that the script has created, with the users that own them.
    pub(super) fn all_sessions(&self) -> Vec<(String, Arc<str>)> {
        let named = self.sessions.iter().map(|(name, id)| (id, self.user(name)));
        let user = self.user(&SessionName::default());
        let unnamed = self.unnamed_sessions.iter().map(|id| (id, Arc::clone(&user)));
        named
            .chain(unnamed)
            .map(|(id, user)| (id.clone(), user))
            .collect()
    }

    /// Sets the user that owns a session, before the session is created.
    pub(super) fn own(&mut self, name: &SessionName, user: &UserName) {
        self.users.insert(name.clone(), Arc::from(&**user));
    }

    /// The user that owns a session.
    pub(super) fn user(&self, name: &SessionName) -> Arc<str> {
        let user = self.users.get(name).unwrap_or(&self.stage.identity.user);
        Arc::clone(user)
    }

    /// A session of the same user, other than `name`: one of the script, or else one that does not exist.
    pub(super) fn other_session(&self, name: &SessionName) -> String {
        let user = self.user(name);
        let mut others = self.sessions.iter();
        let other = others.find(|(other, _)| *other != name && self.user(other) == user);
        let other = other.map(|(_, id)| id);
        other
            .cloned()
            .unwrap_or_else(|| altered(self.session(name).unwrap_or_default()))
    }

    /// Host of the wrapper of a session.
    pub(super) fn wrapper_host(&self, name: &SessionName) -> String {
        if *name == SessionName::default() {
            WRAPPER.to_owned()
        } else {
            wrapper_of(name)
        }
    }

    /// Returns the id of a session, if it is known.
    pub(super) fn session(&self, name: &SessionName) -> Option<&str> {
        self.sessions.get(name).map(String::as_str)
    }

    fn play_steps(&mut self) -> Result<(), Halt> {
        // Start all parties before the first step.
        self.run_for(Duration::ZERO)?;
        if !self.scenario.receiver.is_empty() {
            self.script_receiver(&self.scenario.receiver, Spot::default())?;
        }
        for step in &self.scenario.steps {
            self.note_step(step);
            match self.step(step) {
                // Tolerant scripts also ignore operations on hosts that are down.
                Err(Halt::StepFailed | Halt::Harness(HarnessError::World(_))) if self.scenario.tolerant => {}
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

    /// Returns the id of a label, if it is known.
    pub(super) fn id(&self, label: &Label) -> Option<String> {
        self.messages.get(label).cloned()
    }

    /// The same for a name in JSON. It may also name an id of a session.
    pub(super) fn id_or_session(&self, name: &str, session: &SessionName) -> Option<String> {
        self.session_ids(session).resolve(name, &self.messages)
    }

    /// The ids of a session that have names in JSON.
    pub(super) fn session_ids(&self, session: &SessionName) -> SessionIds {
        let session = self.session(session);
        let kilo_session = session.and_then(|session| self.view.kilo_session(session));
        SessionIds {
            session: session.map(str::to_owned),
            kilo_session: kilo_session.map(str::to_owned),
        }
    }

    /// Assigns a label to a message or an execution.
    pub(super) fn name(&mut self, label: &Label, id: String) {
        self.labels.entry(id.clone()).or_insert_with(|| label.to_string());
        self.messages.insert(label.clone(), id);
    }

    /// Takes the output of the player.
    pub fn finish(&mut self) -> Recorded {
        Recorded {
            trace: self.stage.recorder.take(),
            inspection_start: self.inspection_start,
            messages: std::mem::take(&mut self.messages),
            session: self.session_ids(&SessionName::default()),
            labels: std::mem::take(&mut self.labels),
            findings: std::mem::take(&mut self.findings),
        }
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.stage.elapsed()
    }

    /// Advances virtual time.
    pub(super) fn run_for(&mut self, duration: Duration) -> Result<(), HarnessError> {
        let end = self.stage.world.now() + duration;
        self.run_until(end, |_| false).map(|_| ())
    }

    /// Runs the world until `done` or `deadline`. Returns whether `done` was reached.
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
                    self.find(SERVER_PANICKED, None, message);
                }
                Stopped::Panicked { host: party, message } => {
                    return Err(HarnessError::Panicked { party, message });
                }
                Stopped::Interrupted => return Err(HarnessError::Interrupted),
                Stopped::WithoutServer { message } => return Err(HarnessError::NoServer(message)),
                Stopped::Livelock { host } if host == SERVER => {
                    self.find(LIVELOCK, None, "the server does not come to rest".to_owned());
                    self.stage.world.apply(&Fault::crash(SERVER))?;
                }
                Stopped::Livelock { host: party } => return Err(HarnessError::Restless { party }),
            }
        }
    }

    /// Schedules restarts of hosts that crashed at a crash point.
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

    /// Schedules a restart, which does nothing if the host is up by then.
    pub(super) fn restart_later(&mut self, host: String, after: Duration) {
        self.arrange(after, move |world| {
            if world.is_up(&host) == Ok(false) {
                world
                    .heal(&Place::host(&host))
                    .expect("a host that is down can be started");
            }
        });
    }

    /// Schedules an action on the world.
    pub(super) fn arrange(&mut self, after: Duration, action: impl FnOnce(&mut dyn AnyWorld) + 'static) {
        let at = self.stage.world.now() + after;
        self.arranged_until = self.arranged_until.max(at);
        self.stage.world.schedule(at, action);
    }

    /// Schedules an action that does not belong to the script, and the earliest time of the healing for it.
    pub(super) fn arrange_beside(
        &mut self,
        after: Duration,
        healed_after: Duration,
        action: impl FnOnce(&mut dyn AnyWorld) + 'static,
    ) {
        let now = self.stage.world.now();
        let until = self.late_until.as_mut().unwrap_or(&mut self.arranged_until);
        *until = (*until).max(now + healed_after);
        self.stage.world.schedule(now + after, action);
    }

    /// Runs the world until a request has ended.
    pub(super) fn answer(&mut self, awaited: &Awaited) -> Result<Answer, HarnessError> {
        let deadline = self.stage.world.now() + ANSWER_LIMIT;
        self.run_until(deadline, |_| awaited.get().is_some())?;
        Ok(awaited.get().flatten())
    }

    /// Whether something differed from the script so far.
    pub(super) fn has_failed(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Violation)
    }

    /// Adds a finding.
    pub(super) fn find(&mut self, rule: &str, message: Option<&str>, text: String) {
        self.find_with(Severity::Violation, rule, message, text);
    }

    /// Adds a warning about a step.
    pub(super) fn warn_of_step(&mut self, spot: Spot, text: String) {
        self.find_with(Severity::Warning, &step_at(spot), None, text);
    }

    fn find_with(&mut self, severity: Severity, rule: &str, message: Option<&str>, text: String) {
        let finding = Finding {
            rule: rule.to_owned(),
            protocol: rules_of(self.scenario),
            at: self.elapsed(),
            message: message.map(str::to_owned),
            text,
            severity,
        };
        self.findings.push(finding);
    }

    /// Adds a finding for a failed step. The result ends the steps.
    pub(super) fn fail_step(&mut self, spot: Spot, message: Option<&str>, text: String) -> Halt {
        if !self.scenario.tolerant {
            self.find(&step_at(spot), message, text);
        }
        Halt::StepFailed
    }
}

/// The name of a step in findings.
fn step_at(spot: Spot) -> String {
    format!("step at line {}", spot.line)
}

/// Changes the last digit of an id.
pub(super) fn altered(id: &str) -> String {
    let mut altered = id.to_owned();
    let last = altered.pop();
    altered.push(if last == Some('0') { '1' } else { '0' });
    altered
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
