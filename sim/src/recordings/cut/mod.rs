//! Cuts a script from a recording: the calls and streams of its clients, the faults, and the behaviour of wrapper,
//! agent and receiver as far as the wire shows it. The script has no expectations, so it is judged by the rules for all
//! runs.
//!
//! | file | content |
//! |---|---|
//! | `calls`, `inputs` | requests of clients |
//! | `streams` | streams of clients |
//! | `faults` | faults and their ends |
//! | `fakes` | answers of wrapper and receiver, the agent's latency and answers |
//!
//! Each of them yields steps with their times. This file puts them in order, with pauses between them.

mod calls;
mod fakes;
mod faults;
mod inputs;
mod streams;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use turnstile_fault::Lapse;
use turnstile_judge::oracle::history::History;
use turnstile_judge::parties::ingest_party;
use turnstile_judge::recording::{Kind, Recording};
use turnstile_scenarios::{RequiredProfile, Scenario, ScriptErrors};

use calls::Calls;

/// A script that was cut from a recording.
#[derive(Debug)]
pub struct Cut {
    /// The script.
    pub scenario: Scenario,
    /// What the script language cannot repeat, with the number of times that it occurs.
    pub left_out: BTreeMap<String, usize>,
}

/// Why no script can be cut from a recording.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// No client creates a session.
    #[error("no client creates a session in it, so a script has nothing to begin with")]
    NoSession,
    /// The script is invalid.
    #[error("the script that was cut from it is invalid: {0}")]
    Invalid(#[source] ScriptErrors),
}

/// A step with its times in the recording.
#[derive(Debug)]
struct Moment {
    /// When it begins.
    at: Duration,
    /// When the next step can begin.
    until: Duration,
    /// The step, as in a script.
    step: Value,
}

impl Moment {
    /// A step that takes no time.
    fn of(at: Duration, step: Value) -> Self {
        Self { at, until: at, step }
    }
}

/// Cuts a script from a recording, for messages under this name.
///
/// # Errors
///
/// The recording has no creation of a session.
pub fn scenario_from(recording: &Recording, name: &str) -> Result<Cut, CutError> {
    let history = History::read_under(&recording.trace, recording.header.context());
    let end = super::end_of_script(&recording.trace).unwrap_or(Duration::MAX);
    let mut left_out = BTreeMap::new();
    let of_script = ingest_party("");
    let foreign = history
        .ingests
        .iter()
        .filter(|ingest| ingest.party.starts_with(&of_script))
        .count();
    if foreign > 0 {
        left_out.insert("ingest socket that is not a wrapper's".to_owned(), foreign);
    }
    let clients = streams::clients(&history);
    let calls = Calls::read(recording, &history, &clients, end, &mut left_out)?;
    let mut moments = calls.moments;
    moments.extend(streams::moments(
        &recording.trace,
        &history,
        &clients,
        &calls.sessions,
        end,
        &mut left_out,
    ));
    moments.extend(faults::moments(&recording.trace));
    moments.extend(fakes::releases(&recording.trace, end));
    if !recording.header.records.contains(&Kind::Faults) {
        moments.extend(fakes::refusals(&history));
        moments.extend(fakes::resets(&recording.trace, &history, end));
    }
    // At one instant, a step that takes no time comes before one that takes some.
    moments.sort_by_key(|moment| (moment.at, moment.until));
    let mut head = Map::new();
    head.insert("scenario".to_owned(), json!(title(name)));
    let about = "Cut from a recording. It has no expectations of its own: the rules for all runs judge it.";
    head.insert("about".to_owned(), json!(about));
    head.insert("seam".to_owned(), json!("turn"));
    head.insert("tolerant".to_owned(), json!(true));
    head.insert("session".to_owned(), calls.session);
    let profile = RequiredProfile::differing(&recording.header.profile);
    if profile != RequiredProfile::default() {
        head.insert("profile".to_owned(), json!(profile));
    }
    if let Some(latency) = fakes::latency(&history) {
        head.insert("latency".to_owned(), json!(Lapse::from(latency)));
    }
    let origin = recording.header.origin.as_ref();
    if let Some(origin) = origin.filter(|origin| origin.seed > 0) {
        head.insert("seed".to_owned(), json!(origin.seed));
    }
    let answers = fakes::receiver(recording, &history);
    if !answers.is_empty() {
        head.insert("receiver".to_owned(), Value::Array(answers));
    }
    let scenario = valid(&head, moments, &mut left_out)?;
    Ok(Cut { scenario, left_out })
}

/// A title in one line of printable characters.
fn title(name: &str) -> String {
    let name: String = name.chars().filter(|char| !char.is_control()).collect();
    format!("what happened in {name}")
}

/// The script with these steps, without those that the language refuses.
fn valid(
    head: &Map<String, Value>,
    mut moments: Vec<Moment>,
    left_out: &mut BTreeMap<String, usize>,
) -> Result<Scenario, CutError> {
    loop {
        let (text, lines) = written(head, &moments);
        let errors = match Scenario::parse(&text, Path::new("recording")) {
            Ok(scenario) => return Ok(scenario),
            Err(errors) => errors,
        };
        let is_wrong = |line: usize| {
            errors
                .problems
                .iter()
                .any(|problem| problem.spot.line as usize == line)
        };
        let wrong: Vec<bool> = lines.iter().map(|line| is_wrong(*line)).collect();
        if !wrong.contains(&true) {
            return Err(CutError::Invalid(errors));
        }
        let mut wrong = wrong.into_iter();
        moments.retain(|moment| {
            let is_wrong = wrong.next().unwrap_or_default();
            if is_wrong {
                *left_out
                    .entry(format!("step `{}`", word(&moment.step)))
                    .or_default() += 1;
            }
            !is_wrong
        });
    }
}

/// The word of a step.
fn word(step: &Value) -> &str {
    let first = step.as_object().and_then(|fields| fields.keys().next());
    first.map_or("", String::as_str)
}

/// The text of a script, with the line of each step. JSON is YAML.
fn written(head: &Map<String, Value>, moments: &[Moment]) -> (String, Vec<usize>) {
    let mut lines: Vec<String> = head
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    lines.push("steps:".to_owned());
    let mut places = Vec::new();
    let mut now = Duration::ZERO;
    for moment in moments {
        if let Some(pause) = moment.at.checked_sub(now).filter(|pause| !pause.is_zero()) {
            lines.push(format!("- {}", json!({"wait": Lapse::from(pause)})));
        }
        now = now.max(moment.until);
        lines.push(format!("- {}", moment.step));
        places.push(lines.len());
    }
    (lines.join("\n"), places)
}

#[cfg(test)]
mod tests;
