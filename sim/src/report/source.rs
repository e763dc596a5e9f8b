//! The text of a scenario with the lines that matter: where findings are, and which steps ran.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use turnstile_judge::oracle::ORACLES;
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::{Entry, Scenario};

use super::finding::LabelledFinding;

/// The line before the steps of a generated script.
const STEPS: &str = "steps:";

/// The text of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::report) struct Source {
    /// Its lines. Line numbers count from 1.
    pub lines: Vec<String>,
    /// Whether it was generated, so that steps of a trace have no lines.
    pub is_generated: bool,
    /// The line of the first step of a generated script.
    #[serde(skip)]
    first_step: usize,
}

impl Source {
    /// The text of a script, or the generated text of a scenario that was not read from one.
    pub fn of(entry: &Entry) -> Self {
        let is_generated = entry.text.is_none();
        let text = match &entry.text {
            Some(text) => Cow::from(&**text),
            None => entry.scenario.to_yaml().into(),
        };
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let steps = lines.iter().position(|line| line == STEPS);
        Self {
            first_step: steps.map_or(0, |line| line + 2),
            is_generated,
            lines,
        }
    }

    /// For each record of a trace, the line of its step; 0 for everything else. Steps of generated scenarios have no line
    /// in a trace, and are found by their content.
    pub fn lines_of(&self, trace: &Trace, scenario: &Scenario) -> Vec<u32> {
        let mut next = 0;
        let steps: Vec<Value> = scenario.steps.iter().map(|step| json!(step.value)).collect();
        let mut line_of = |what: &What| match what {
            What::Step { line: 0, step } if self.is_generated => {
                let step: Value = serde_json::from_str(step).ok()?;
                let place = next + steps[next..].iter().position(|known| *known == step)?;
                next = place + 1;
                u32::try_from(self.first_step + place).ok()
            }
            What::Step { line, .. } => Some(*line),
            What::Observation(_) | What::World(_) | What::Queue(_) => None,
        };
        trace
            .records()
            .iter()
            .map(|record| line_of(&record.what).unwrap_or(0))
            .collect()
    }

    /// What a finding says was expected: the step or expectation of the script, or the rule for all runs.
    pub fn expected(&self, finding: &LabelledFinding) -> String {
        if let Some(line) = finding.line() {
            return self.line(line).trim_start_matches("- ").to_owned();
        }
        let oracle = ORACLES.iter().find(|oracle| oracle.name == finding.rule);
        oracle.map_or(String::new(), |oracle| oracle.rule.to_owned())
    }

    /// The text of a line without indentation; empty for a line outside of the text.
    pub fn line(&self, number: usize) -> &str {
        let line = number.checked_sub(1).and_then(|index| self.lines.get(index));
        line.map_or("", |line| line.trim())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::explore;
    use crate::report::played::played;

    #[test]
    fn each_step_of_a_seed_has_its_line_in_the_generated_script() {
        let entry = Entry {
            id: "seed 17".to_owned(),
            path: PathBuf::new(),
            scenario: explore::scenario(17),
            text: None,
        };
        let verdict = played(&entry, 17).verdict.expect("the harness works");
        let source = Source::of(&entry);
        let lines = source.lines_of(&verdict.trace, &entry.scenario);
        let found: Vec<u32> = lines.iter().copied().filter(|line| *line > 0).collect();
        assert_eq!(found.len(), entry.scenario.steps.len());
        assert!(found.is_sorted());
        assert!(source.line(found[0] as usize).starts_with("- "));
    }
}
