//! The parties of the harness around the server: requests with bounded waits, and what the parties observed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::Value;
use turnstile_events::observation::Observation;
use turnstile_judge::parties::{OBSERVER, Secrets, WRAPPER};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_seams::error_chain::with_sources;
use turnstile_world::Stopped;
use turnstile_world::live::LiveWorld;

use crate::live::Live;
use crate::script::{HarnessError, LIVE_LATENCY};
use crate::stage::client::{Answer, Awaited, Client, Content};
use crate::stage::identity::{Login, PlayIdentity, Right, USER};
use crate::stage::{Stage, Subject, Wrappers, behaviour_url, wrapper_authority};

/// Longest wait for what happens at once.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The parties of the harness, and the first path segments with which the server asked for a wrapper.
pub(super) struct Contact {
    pub stage: Stage,
    asked_below: Arc<Mutex<Vec<String>>>,
}

impl Contact {
    /// Sets up the parties around a server.
    pub fn new(live: &Live) -> Result<Self, HarnessError> {
        let no_server = |error| HarnessError::NoServer(with_sources(&error));
        let world = LiveWorld::new(seed(), live.setup.clone()).map_err(no_server)?;
        let wrappers = Wrappers {
            latency: LIVE_LATENCY,
            version: live.wrapper_version.clone(),
            stand_in: live.stand_in.clone(),
        };
        let (secrets, profile) = (live.secrets.clone(), live.profile.clone());
        let subject = Subject::default();
        let identity = PlayIdentity::default();
        let mut stage = Stage::in_world(
            Box::new(world),
            secrets,
            profile,
            wrappers,
            identity,
            subject,
            None,
        )?;
        let asked_below: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = Arc::clone(&asked_below);
        // Every session has the same wrapper, wherever the server looks for it.
        stage.world.route(Arc::new(move |session| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(session.to_owned());
            wrapper_authority(WRAPPER)
        }));
        Ok(Self { stage, asked_below })
    }

    /// Whether the server has asked for a wrapper below a path with the session id.
    pub fn has_asked_below_path(&self) -> bool {
        let asked = self.asked_below.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().any(|session| !session.is_empty())
    }

    /// Calls a procedure as the user.
    pub fn call(&mut self, procedure: &str, input: Value) -> Result<Answer, HarnessError> {
        let client = self.stage.observer();
        self.call_as(client, procedure, input)
    }

    /// Calls a procedure as the user, with other secrets.
    pub fn call_with(
        &mut self,
        secrets: Secrets,
        procedure: &str,
        input: Value,
    ) -> Result<Answer, HarnessError> {
        let client = self.stage.observer().with_secrets(secrets);
        self.call_as(client, procedure, input)
    }

    fn call_as(&mut self, client: Client, procedure: &str, input: Value) -> Result<Answer, HarnessError> {
        let done = Awaited::default();
        let content = Content::Json(input);
        let calling = client.call(procedure.to_owned(), content, Login::owner(), done.clone());
        self.stage.world.spawn(OBSERVER, calling)?;
        self.answer(&done)
    }

    /// Calls a procedure with GET, with a token or without.
    pub fn query(&mut self, procedure: &str, input: Value, with_token: bool) -> Result<Answer, HarnessError> {
        let login = Login {
            right: if with_token { Right::Owner } else { Right::Nobody },
            ..Login::owner()
        };
        let done = Awaited::default();
        let client = self.stage.observer();
        let asking = client.query(procedure.to_owned(), input, login, done.clone());
        self.stage.world.spawn(OBSERVER, asking)?;
        self.answer(&done)
    }

    /// Sets the behaviour of the wrapper.
    pub fn set_wrapper(&mut self, behaviour: Value) -> Result<(), HarnessError> {
        let url = behaviour_url();
        let done = Awaited::default();
        let asking = self
            .stage
            .observer()
            .ask(Method::POST, url, behaviour, done.clone());
        self.stage.world.spawn(OBSERVER, asking)?;
        self.answer(&done).map(drop)
    }

    /// Watches the stream of a session.
    pub fn watch(&mut self, session: &str) -> Result<(), HarnessError> {
        let watching = self.stage.observer().watch(session.to_owned(), USER.into());
        Ok(self.stage.world.spawn(OBSERVER, watching)?)
    }

    fn answer(&mut self, done: &Awaited) -> Result<Answer, HarnessError> {
        self.run(ANSWER, |_| done.get().is_some())?;
        Ok(done.get().flatten())
    }

    /// Why the last request without an answer had none.
    pub fn last_error(&self) -> String {
        let no_reply = |record: &Record| match &record.what {
            What::Observation(Observation::NoReply { error, .. }) => Some(error.clone()),
            _ => None,
        };
        let last = |trace: &Trace| trace.records().iter().rev().find_map(no_reply);
        let error = self.stage.recorder.read(last);
        error.unwrap_or_else(|| format!("no answer within {} s", ANSWER.as_secs()))
    }

    /// Waits for an observation, at most for `limit`. Returns what `find` made of the first one, and its time.
    pub fn wait_for<T>(
        &mut self,
        limit: Duration,
        find: impl Fn(&str, &Observation) -> Option<T>,
    ) -> Result<Option<(Duration, T)>, HarnessError> {
        self.run(limit, |trace| all(trace, &find).next().is_some())?;
        Ok(self.stage.recorder.read(|trace| all(trace, &find).next()))
    }

    /// All observations so far from which `find` makes something, with their times.
    pub fn all<T>(&self, find: impl Fn(&str, &Observation) -> Option<T>) -> Vec<(Duration, T)> {
        self.stage.recorder.read(|trace| all(trace, &find).collect())
    }

    /// Runs until `done`, at most for `limit`. Both are checked by the clock of the server.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&Trace) -> bool) -> Result<(), HarnessError> {
        let deadline = self.stage.world.now() + limit;
        let recorder = self.stage.recorder.clone();
        match self
            .stage
            .world
            .run_until(Some(deadline), || recorder.read(&mut done))
        {
            Stopped::Done | Stopped::DeadlinePassed | Stopped::Deadlock { .. } => Ok(()),
            Stopped::Panicked { host: party, message } => Err(HarnessError::Panicked { party, message }),
            Stopped::WithoutServer { message } => Err(HarnessError::NoServer(message)),
            Stopped::Interrupted => Err(HarnessError::Interrupted),
            Stopped::Livelock { host: party } => Err(HarnessError::Restless { party }),
        }
    }
}

/// What `find` makes of the observations of a trace, with their times.
fn all<'a, T>(
    trace: &'a Trace,
    find: &'a impl Fn(&str, &Observation) -> Option<T>,
) -> impl Iterator<Item = (Duration, T)> + 'a {
    trace.records().iter().filter_map(|record| match &record.what {
        What::Observation(observation) => find(&record.party, observation).map(|found| (record.at, found)),
        _ => None,
    })
}

/// A seed of ids that no earlier probe of the same server has used.
fn seed() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_nanos() as u64
}
