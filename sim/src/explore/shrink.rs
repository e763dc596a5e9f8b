//! Reduces a failing scenario to a small one that violates the same oracle.
//!
//! Works on scripts, whether generated or written by hand, and the result is a script. Removes steps, first many at a
//! time and then one by one, together with the steps that depend on them; then simplifies the remaining steps. Repeats
//! both until neither makes progress.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Value, json};
use turnstile_scenarios::{At, RequiredProfile, Scenario, Session, Step};

use crate::report::finding::LabelledFinding;
use crate::script::{Options, Verdict};
use crate::suite;

/// Replacement durations, simplest first.
const SIMPLE_LAPSES: [&str; 6] = ["1s", "2s", "5s", "10s", "30s", "1m"];
/// Replacement prompts, simplest first.
const SIMPLE_PROMPTS: [&str; 3] = ["echo:a", "idle", "slow:2:300"];
/// Fields that identify a step, which are not simplified.
const IDENTITY: [&str; 3] = ["as", "session", "repeat"];

/// Progress of a reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Remaining steps.
    pub steps: usize,
    /// Scenarios tried so far.
    pub tried: usize,
}

/// The result of a reduction.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest failing scenario.
    pub scenario: Scenario,
    /// The verdict of its play.
    pub verdict: Verdict,
    /// The violated oracle.
    pub rule: String,
    /// Number of scenarios tried.
    pub tried: usize,
    /// Whether `progress` stopped the reduction early.
    pub is_stopped: bool,
}

/// Reduces a scenario for which `verdict` has a finding, while `progress` returns true. Returns `None` without a
/// finding. `fails` plays a scenario and returns the verdict if it violates the oracle.
pub fn shrink(
    scenario: &Scenario,
    verdict: Verdict,
    fails: impl FnMut(&Scenario, &str) -> Option<Verdict>,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Option<Shrunk> {
    let rule = verdict.findings.first()?.rule.clone();
    let mut shrinker = Shrinker {
        best: scenario.clone(),
        verdict,
        rule,
        fails,
        tried: 0,
        is_stopped: false,
        progress,
    };
    loop {
        let before = shrinker.best.clone();
        shrinker.leave_steps_out();
        shrinker.simplify_settings();
        shrinker.simplify_steps();
        if shrinker.is_stopped || shrinker.best == before {
            break;
        }
    }
    Some(Shrunk {
        scenario: shrinker.best,
        verdict: shrinker.verdict,
        rule: shrinker.rule,
        tried: shrinker.tried,
        is_stopped: shrinker.is_stopped,
    })
}

/// Plays a scenario in a simulated world. Returns the verdict if it violates the oracle.
pub fn fails_simulated(scenario: &Scenario, rule: &str, options: Options) -> Option<Verdict> {
    let played = suite::play_safely(scenario, options).ok();
    played.filter(|verdict| verdict.violates(rule))
}

struct Shrinker<F, P> {
    best: Scenario,
    verdict: Verdict,
    rule: String,
    fails: F,
    tried: usize,
    is_stopped: bool,
    progress: P,
}

impl<F, P> Shrinker<F, P>
where
    F: FnMut(&Scenario, &str) -> Option<Verdict>,
    P: FnMut(Progress) -> ControlFlow<()>,
{
    /// Plays a candidate and keeps it as the best if it violates the same oracle.
    fn try_out(&mut self, candidate: Scenario) -> bool {
        if self.is_stopped || candidate == self.best || candidate.steps.is_empty() {
            return false;
        }
        let Some(candidate) = playable(candidate) else {
            return false;
        };
        self.tried += 1;
        let broken = (self.fails)(&candidate, &self.rule);
        let is_better = broken.is_some();
        if let Some(mut verdict) = broken {
            verdict.findings.retain(|finding| finding.rule == self.rule);
            self.best = candidate;
            self.verdict = verdict;
        }
        let progress = Progress {
            steps: self.best.steps.len(),
            tried: self.tried,
        };
        self.is_stopped = (self.progress)(progress).is_break();
        is_better
    }

    fn leave_steps_out(&mut self) {
        let mut size = (self.best.steps.len() / 2).max(1);
        loop {
            // From the end, because no later step depends on the last ones.
            let mut end = self.best.steps.len();
            while end > 0 && !self.is_stopped {
                let start = end.saturating_sub(size);
                let mut candidate = self.best.clone();
                candidate.steps.drain(start..end);
                self.try_out(candidate);
                end = start.min(self.best.steps.len());
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    fn simplify_settings(&mut self) {
        let mut candidate = self.best.clone();
        candidate.profile = RequiredProfile::default();
        candidate.latency = None;
        candidate.session = Session::default();
        candidate.receiver.clear();
        candidate.expect.clear();
        if self.try_out(candidate) {
            return;
        }
        let changes: [fn(&mut Scenario); 13] = [
            |scenario| scenario.profile = RequiredProfile::default(),
            |scenario| scenario.latency = None,
            |scenario| scenario.expect.clear(),
            |scenario| scenario.receiver.clear(),
            |scenario| scenario.session.gate = None,
            |scenario| scenario.session.callback = false,
            |scenario| scenario.session.branch = None,
            |scenario| scenario.session.variant = None,
            |scenario| scenario.session.auto_commit = None,
            |scenario| scenario.session.condense_on_complete = None,
            |scenario| scenario.session.mode = Session::default().mode,
            |scenario| scenario.session.model = Session::default().model,
            |scenario| scenario.session.stored = None,
        ];
        for change in changes {
            let mut candidate = self.best.clone();
            change(&mut candidate);
            self.try_out(candidate);
        }
        let names: Vec<String> = self.best.profile.names().map(str::to_owned).collect();
        for name in names {
            let mut candidate = self.best.clone();
            candidate.profile = candidate.profile.without(&name);
            self.try_out(candidate);
        }
        while self.best.receiver.len() > 1 {
            let mut candidate = self.best.clone();
            candidate.receiver.pop();
            if !self.try_out(candidate) {
                break;
            }
        }
    }

    fn simplify_steps(&mut self) {
        let mut index = 0;
        // Simplifying a step may remove later steps that depend on it.
        while let Some(step) = self.best.steps.get(index) {
            let written = json!(step.value);
            self.simplify_step(index, &written);
            index += 1;
        }
    }

    fn simplify_step(&mut self, index: usize, written: &Value) {
        let Value::Object(words) = written else { return };
        if let Some((word, said)) = words.iter().next() {
            for simpler in simpler(said) {
                let Ok(step) = serde_json::from_value::<Step>(json!({ word: simpler })) else {
                    continue;
                };
                let mut candidate = self.best.clone();
                let Some(place) = candidate.steps.get_mut(index) else {
                    return;
                };
                *place = At::from(step);
                if self.try_out(candidate) {
                    // The rest of this step is simplified in the next round.
                    break;
                }
            }
        }
    }
}

/// Simpler variants of a value, the simplest first.
fn simpler(said: &Value) -> Vec<Value> {
    match said {
        Value::String(text) => simpler_text(text),
        Value::Object(fields) => {
            let mut ways = Vec::new();
            let droppable = fields.keys().filter(|key| !IDENTITY.contains(&key.as_str()));
            for key in droppable {
                let mut fewer = fields.clone();
                fewer.remove(key);
                ways.push(Value::Object(fewer));
            }
            for (key, value) in fields {
                if IDENTITY.contains(&key.as_str()) {
                    continue;
                }
                for way in simpler(value) {
                    let mut changed = fields.clone();
                    changed.insert(key.clone(), way);
                    ways.push(Value::Object(changed));
                }
            }
            ways
        }
        Value::Array(elements) if elements.len() > 1 => (0..elements.len())
            .map(|index| {
                let mut fewer = elements.clone();
                fewer.remove(index);
                Value::Array(fewer)
            })
            .collect(),
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 1) => vec![json!(1)],
        _ => Vec::new(),
    }
}

fn simpler_text(text: &str) -> Vec<Value> {
    let is_lapse = text.parse::<turnstile_scenarios::Lapse>().is_ok();
    let is_prompt = text.parse::<turnstile_scenarios::Directive>().is_ok();
    let ways: &[&str] = match (is_lapse, is_prompt) {
        (true, _) => &SIMPLE_LAPSES,
        (_, true) => &SIMPLE_PROMPTS,
        _ => &[],
    };
    let simpler = ways.iter().take_while(|way| **way != text);
    simpler.map(|way| json!(way)).collect()
}

/// Removes steps that are invalid without the removed ones. Returns `None` if the scenario cannot be repaired.
pub(super) fn playable(mut scenario: Scenario) -> Option<Scenario> {
    loop {
        let text = scenario.to_yaml();
        let Err(errors) = Scenario::parse(&text, Path::new("shrinking.yaml")) else {
            return Some(scenario);
        };
        // Each step is one line after the line `steps:`.
        let first_line = text.lines().position(|line| line == "steps:")? + 2;
        let mut senseless: Vec<usize> = errors
            .problems
            .iter()
            .filter_map(|problem| (problem.spot.line as usize).checked_sub(first_line))
            .filter(|index| *index < scenario.steps.len())
            .collect();
        senseless.sort_unstable();
        senseless.dedup();
        if senseless.is_empty() {
            return None;
        }
        for index in senseless.into_iter().rev() {
            scenario.steps.remove(index);
        }
    }
}

/// Makes a script of the result, with the violated rule in its title, the finding in its description, and the seed with
/// which it fails; `origin` names the source.
pub fn as_script(shrunk: &Shrunk, origin: &str, seed: u64) -> Scenario {
    let finding = LabelledFinding::all(&shrunk.verdict).next();
    let text = finding.map_or(String::new(), |finding| finding.text);
    let about = format!("{origin} violated {}: {text}.", shrunk.rule);
    Scenario {
        title: format!("{} is violated by what is left of {origin}", shrunk.rule),
        about: capitalised(&about),
        seed: Some(seed).filter(|seed| *seed != 0),
        ..shrunk.scenario.clone()
    }
}

/// Capitalizes the first letter.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}
