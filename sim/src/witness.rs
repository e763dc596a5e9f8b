//! Asking the witness: a scenario is played in both worlds, and what of it must be the same is compared.
//!
//! What must be the same is an [`Account`]: what did not hold, what became of the messages and in which
//! order, which callbacks came and what they were answered. When things happened is not in it, for the
//! witness knows time by ticks only, and nothing of what else went over the wires.

use std::time::Duration;

use crate::stage::Subject;
use serde_json::Value;
use turnstile_judge::oracle::history::{CallbackRequest, History, StreamEvent};
use turnstile_judge::trace::Labels;
use turnstile_scenarios::Scenario;
use turnstile_world::{WorldError, WorldKind};

use crate::script::{self, HarnessError, Length, Options, Settling, Verdict, moment_of_event};

/// How far the witness's clock moves at once, if nobody wants it otherwise: few ticks to play through, and
/// short beside everything that the protocol waits for.
pub const TICK: Duration = Duration::from_millis(10);

/// What stands for a message that a script has no name for.
const UNNAMED: &str = "(unnamed)";

/// How long the witness is left alone after the last of note that happened in the other world. An hour of
/// which nothing is to be told costs that one nothing, and the witness every tick of it.
const AFTERMATH: Duration = Duration::from_secs(15);
/// As [`AFTERMATH`], if something did not hold: who waits in vain may give up later than that.
const AFTERMATH_OF_A_BREACH: Duration = Duration::from_mins(2);

/// What a play comes to, as far as every world must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The rules that were broken, each once.
    pub broken: Vec<String>,
    /// What became of the messages, in the order of each session's log: `queued first`, `sent first`, …
    pub messages: Vec<String>,
    /// The callbacks that came, those of each message in order: with which status, and what they were
    /// answered. Jobs of several messages go out side by side, so there is no order among those.
    pub callbacks: Vec<String>,
}

impl Account {
    /// The account of a play.
    pub fn of(verdict: &Verdict) -> Self {
        let history = History::read(&verdict.trace);
        let labels = &verdict.labels;
        let told_of = |event: &&StreamEvent| {
            let moment = moment_of_event(&event.name, &event.data)?;
            Some(format!("{moment} {}", label(labels, event.message()?)))
        };
        let sessions = history.sessions();
        let logs = sessions
            .iter()
            .map(|session| session.kept.iter().filter_map(told_of).collect());
        // The ids of sessions are not the same in both worlds, so their order says nothing.
        let mut logs: Vec<Vec<String>> = logs.collect();
        logs.sort_unstable();
        let mut callbacks: Vec<(&str, String)> = history
            .callbacks
            .iter()
            .map(|request| (owner(labels, request), told(request)))
            .collect();
        callbacks.sort_by_key(|(owner, _)| *owner);
        let mut broken: Vec<String> = verdict
            .findings
            .iter()
            .map(|finding| finding.rule.clone())
            .collect();
        broken.sort_unstable();
        broken.dedup();
        Self {
            broken,
            messages: logs.concat(),
            callbacks: callbacks
                .into_iter()
                .map(|(owner, told)| format!("{owner} {told}"))
                .collect(),
        }
    }

    /// In words, everything that is otherwise in another account.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let parts = [
            ("what did not hold", &self.broken, &other.broken),
            ("messages", &self.messages, &other.messages),
            ("callbacks", &self.callbacks, &other.callbacks),
        ];
        let differing = parts.into_iter().filter(|(_, one, another)| one != another);
        let told = |list: &[String]| list.join(", ");
        differing
            .map(|(what, one, another)| format!("{what}: [{}] and [{}]", told(one), told(another)))
            .collect()
    }
}

/// What a script calls a message. An id would not do in its place: it has a time in it.
fn label<'a>(labels: &'a Labels, id: &str) -> &'a str {
    labels.get(id).map_or(UNNAMED, String::as_str)
}

/// What a callback is about.
fn owner<'a>(labels: &'a Labels, request: &CallbackRequest) -> &'a str {
    let ids = [&request.body["messageId"], &request.body["executionId"]];
    ids.into_iter()
        .find_map(Value::as_str)
        .map_or(UNNAMED, |id| label(labels, id))
}

fn told(request: &CallbackRequest) -> String {
    let status = request.body["status"].as_str().unwrap_or("nothing");
    match request.status {
        Some(answer) => format!("{status}: {answer}"),
        None => format!("{status}: no answer"),
    }
}

/// What came of asking the witness.
#[derive(Debug)]
pub enum Testimony {
    /// Both worlds gave an account: the first world's, then the witness's.
    Given(Account, Account),
    /// The witness cannot tell, and why.
    Withheld(String),
}

/// How the witness is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Every choice of both runs follows from this.
    pub seed: u64,
    /// The server that is put to the test, in both worlds.
    pub subject: Subject,
    /// How far the witness's clock moves at once.
    pub tick: Duration,
    /// The longest virtual time that the witness is to spend on it.
    pub patience: Duration,
}

/// Plays a scenario in both worlds.
///
/// # Errors
///
/// If the harness failed in either world.
///
/// # Panics
///
/// If this thread is inside of another world.
pub fn ask(scenario: &Scenario, question: Question) -> Result<Testimony, HarnessError> {
    let options = Options {
        seed: question.seed,
        subject: question.subject,
        ..Options::default()
    };
    let first = script::play(scenario, options)?;
    let length = Length::of(&first);
    let aftermath = match first.findings.is_empty() {
        true => AFTERMATH,
        false => AFTERMATH_OF_A_BREACH,
    };
    let settling = length.settling() + aftermath;
    if length.steps() + settling > question.patience {
        let text = format!(
            "it takes more than {} virtual seconds",
            question.patience.as_secs()
        );
        return Ok(Testimony::Withheld(text));
    }
    let options = Options {
        world: WorldKind::Witness { tick: question.tick },
        settling: Settling::For(settling),
        ..options
    };
    match script::play(scenario, options) {
        Ok(witnessed) => Ok(Testimony::Given(Account::of(&first), Account::of(&witnessed))),
        Err(HarnessError::World(error @ WorldError::Unsupported(_))) => {
            Ok(Testimony::Withheld(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
