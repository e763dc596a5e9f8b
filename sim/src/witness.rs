//! Cross-check with the witness world: plays a scenario in both worlds and compares the results.
//!
//! An [`Account`] has what must be equal: failed rules, message events in order, and callbacks with their answers.
//! It has no times, because the witness has the resolution of its tick, and no other traffic.

use std::time::Duration;

use crate::stage::Subject;
use serde_json::Value;
use turnstile_judge::oracle::history::{CallbackRequest, History, StreamEvent};
use turnstile_judge::trace::Labels;
use turnstile_scenarios::Scenario;
use turnstile_world::{WorldError, WorldKind};

use crate::script::{self, HarnessError, Length, Options, Settling, Verdict, moment_of_event};

/// Default tick of the witness: few ticks per play, and short compared with every timeout of the protocol.
pub const TICK: Duration = Duration::from_millis(10);

/// Name of a message without a label.
const UNNAMED: &str = "(unnamed)";

/// Extra settling time in the witness after the last relevant event of the event world. Idle time is free in the event
/// world, but costs every tick in the witness.
const EXTRA_SETTLING: Duration = Duration::from_secs(15);
/// Extra settling time if a rule failed: a step that waits in vain may time out later in the witness.
const EXTRA_SETTLING_AFTER_FAILURE: Duration = Duration::from_mins(2);

/// The part of a play's result that is equal in all worlds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The failed rules, sorted and without duplicates.
    pub failed_rules: Vec<String>,
    /// Message events in the order of each session's log: `queued first`, `sent first`, …
    pub messages: Vec<String>,
    /// Callbacks with status and answer, ordered within each message. Callbacks of different messages run concurrently, so
    /// their order is not compared.
    pub callbacks: Vec<String>,
}

impl Account {
    /// Summarizes a play.
    pub fn of(verdict: &Verdict) -> Self {
        let history = History::read(&verdict.trace);
        let labels = &verdict.labels;
        let event_text = |event: &&StreamEvent| {
            let moment = moment_of_event(&event.name, &event.data)?;
            Some(format!("{moment} {}", label(labels, event.message()?)))
        };
        let sessions = history.sessions();
        let logs = sessions
            .iter()
            .map(|session| session.kept.iter().filter_map(event_text).collect());
        // Session ids differ between the worlds, so sort by content.
        let mut logs: Vec<Vec<String>> = logs.collect();
        logs.sort_unstable();
        let mut callbacks: Vec<(&str, String)> = history
            .callbacks
            .iter()
            .map(|request| (owner(labels, request), callback_text(request)))
            .collect();
        callbacks.sort_by_key(|(owner, _)| *owner);
        let mut failed_rules: Vec<String> = verdict
            .findings
            .iter()
            .map(|finding| finding.rule.clone())
            .collect();
        failed_rules.sort_unstable();
        failed_rules.dedup();
        Self {
            failed_rules,
            messages: logs.concat(),
            callbacks: callbacks
                .into_iter()
                .map(|(owner, text)| format!("{owner} {text}"))
                .collect(),
        }
    }

    /// Describes the differences from another account.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let parts = [
            ("failed rules", &self.failed_rules, &other.failed_rules),
            ("messages", &self.messages, &other.messages),
            ("callbacks", &self.callbacks, &other.callbacks),
        ];
        let differing = parts.into_iter().filter(|(_, one, another)| one != another);
        let joined = |list: &[String]| list.join(", ");
        differing
            .map(|(what, one, another)| format!("{what}: [{}] and [{}]", joined(one), joined(another)))
            .collect()
    }
}

/// Returns the label of a message. Ids contain a time, so they differ between the worlds.
fn label<'a>(labels: &'a Labels, id: &str) -> &'a str {
    labels.get(id).map_or(UNNAMED, String::as_str)
}

/// Returns the label of the message that a callback is for.
fn owner<'a>(labels: &'a Labels, request: &CallbackRequest) -> &'a str {
    let ids = [&request.body["messageId"], &request.body["executionId"]];
    ids.into_iter()
        .find_map(Value::as_str)
        .map_or(UNNAMED, |id| label(labels, id))
}

fn callback_text(request: &CallbackRequest) -> String {
    let status = request.body["status"].as_str().unwrap_or("nothing");
    match request.status {
        Some(answer) => format!("{status}: {answer}"),
        None => format!("{status}: no answer"),
    }
}

/// The result of a comparison.
#[derive(Debug)]
pub enum Comparison {
    /// The accounts of the event world and the witness.
    Compared(Account, Account),
    /// The witness cannot play the scenario, for this reason.
    Unsupported(String),
}

/// Settings of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct CompareOptions {
    /// Seed of both plays.
    pub seed: u64,
    /// The server under test.
    pub subject: Subject,
    /// Tick of the witness.
    pub tick: Duration,
    /// Limit on virtual time in the witness.
    pub limit: Duration,
}

/// What a play in the event world says about the same play in the witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    account: Account,
    length: Length,
}

impl Rehearsal {
    /// Of a play in the event world.
    pub fn of(verdict: &Verdict) -> Self {
        Self {
            account: Account::of(verdict),
            length: Length::of(verdict),
        }
    }

    /// The time that the witness needs to settle.
    fn settling(&self) -> Duration {
        let extra = match self.account.failed_rules.is_empty() {
            true => EXTRA_SETTLING,
            false => EXTRA_SETTLING_AFTER_FAILURE,
        };
        self.length.settling() + extra
    }
}

impl CompareOptions {
    /// The options of the play in the event world.
    fn options(self) -> Options {
        Options {
            seed: self.seed,
            subject: self.subject,
            ..Options::default()
        }
    }
}

/// Plays a scenario in both worlds and returns both accounts.
///
/// # Errors
///
/// The harness failed in either world.
///
/// # Panics
///
/// The thread already runs inside a world.
pub fn compare(scenario: &Scenario, settings: CompareOptions) -> Result<Comparison, HarnessError> {
    let events = script::play(scenario, settings.options())?;
    compare_with(scenario, &Rehearsal::of(&events), settings)
}

/// As [`compare`], if the scenario was already played in the event world, with the same seed and subject.
///
/// # Errors
///
/// The harness failed in the witness.
///
/// # Panics
///
/// The thread already runs inside a world.
pub fn compare_with(
    scenario: &Scenario,
    rehearsal: &Rehearsal,
    settings: CompareOptions,
) -> Result<Comparison, HarnessError> {
    let settling = rehearsal.settling();
    if rehearsal.length.steps() + settling > settings.limit {
        let text = format!("it takes more than {} virtual seconds", settings.limit.as_secs());
        return Ok(Comparison::Unsupported(text));
    }
    let options = Options {
        world: WorldKind::Witness { tick: settings.tick },
        settling: Settling::For(settling),
        ..settings.options()
    };
    match script::play(scenario, options) {
        Ok(witness) => Ok(Comparison::Compared(
            rehearsal.account.clone(),
            Account::of(&witness),
        )),
        Err(HarnessError::World(error @ WorldError::Unsupported(_))) => {
            Ok(Comparison::Unsupported(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
