//! Findings with the script's names for messages.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use turnstile_judge::oracle::Finding;
use turnstile_judge::rules::RuleId;
use turnstile_judge::trace::Labels;
use turnstile_judge::trace::render::{seconds, with_labels};

use turnstile_scenarios::{Entry, Scenario, Spot};

use crate::script::Verdict;

/// A finding with the script's names for messages in place of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledFinding {
    /// The violated rule: an oracle, or an expectation or step of the script.
    pub rule: String,
    /// The rules of the protocol that it violates; for a failed expectation, those that the script checks.
    pub protocol: Vec<RuleId>,
    /// When it was violated, or found to be.
    pub at: Duration,
    /// The id of the affected message.
    pub message: Option<String>,
    /// The name of the affected message in the script.
    pub label: Option<String>,
    /// What happened.
    pub text: String,
}

/// The scenario part of the identity of findings in generated scenarios, which have no ids of their own.
const GENERATED: &str = "seeds";

impl LabelledFinding {
    fn of(finding: &Finding, labels: &Labels) -> Self {
        let label = finding.message.as_ref().and_then(|id| labels.get(id)).cloned();
        let text = with_labels(&finding.text, labels, |label| format!("`{label}`"));
        Self {
            rule: finding.rule.clone(),
            protocol: finding.protocol.clone(),
            at: finding.at,
            message: finding.message.clone(),
            label,
            text,
        }
    }

    /// The violations of a verdict, in order of time.
    pub(crate) fn all(verdict: &Verdict) -> impl Iterator<Item = Self> {
        verdict
            .findings
            .iter()
            .map(|finding| Self::of(finding, &verdict.labels))
    }

    /// The violations of a verdict, in order of time, each with its place among all of them. One that is repeated (the same
    /// rule about the same message with the same text) is there once, and its text says how often it occurred.
    pub(crate) fn folded(verdict: &Verdict) -> Vec<(usize, Self)> {
        let mut folded: Vec<(usize, Self, usize, Duration)> = Vec::new();
        let mut places = BTreeMap::new();
        for (index, finding) in Self::all(verdict).enumerate() {
            let key = (
                finding.rule.clone(),
                finding.message.clone(),
                finding.text.clone(),
            );
            let place = *places.entry(key).or_insert(folded.len());
            match folded.get_mut(place) {
                Some((_, _, repetitions, last)) => {
                    *repetitions += 1;
                    *last = finding.at;
                }
                None => folded.push((index, finding, 0, Duration::ZERO)),
            }
        }
        let findings = folded.into_iter().map(|(index, mut finding, repetitions, last)| {
            if repetitions > 0 {
                let (text, last) = (&mut finding.text, seconds(last));
                text.push_str(&match repetitions {
                    1 => format!(" (and once more at {last} s)"),
                    more => format!(" (and {more} more times, the last at {last} s)"),
                });
            }
            (index, finding)
        });
        findings.collect()
    }

    /// The violations as [`LabelledFinding::folded`], those of rules for all runs first: they name what went wrong, and
    /// failed steps and expectations follow from it.
    pub(crate) fn by_cause(verdict: &Verdict) -> Vec<(usize, Self)> {
        let mut findings = Self::folded(verdict);
        findings.sort_by_key(|(_, finding)| finding.line().is_some());
        findings
    }

    /// The warnings of a verdict, in order of time.
    pub(crate) fn warnings(verdict: &Verdict) -> impl Iterator<Item = Self> {
        verdict
            .warnings
            .iter()
            .map(|warning| Self::of(warning, &verdict.labels))
    }

    /// The line of the script with the step or expectation that failed; `None` for a rule for all runs.
    pub fn line(&self) -> Option<usize> {
        let places = ["step at line ", "expectation at line "];
        let line = places
            .into_iter()
            .find_map(|place| self.rule.strip_prefix(place))?;
        line.parse().ok()
    }

    /// What the finding is, whatever the seed, the title and the position in the script: the scenario, the rule or the text
    /// of the failed step or expectation, and the message. Labels of generated scenarios differ from seed to seed, and
    /// are no part of it.
    pub fn identity(&self, entry: &Entry) -> String {
        let is_generated = entry.path.as_os_str().is_empty();
        let scenario = if is_generated { GENERATED } else { &entry.id };
        let rule = self.line().and_then(|line| written_at(&entry.scenario, line));
        let rule = rule.as_deref().unwrap_or(&self.rule);
        let label = self.label.as_ref().filter(|_| !is_generated);
        let label = label.map_or(String::new(), |label| format!(" of `{label}`"));
        format!("{scenario}: {rule}{label}")
    }

    /// The violated rules of the protocol, to follow the name of the rule: ` (R9.21, R9.69)`; empty without any.
    pub fn violated(&self) -> String {
        if self.protocol.is_empty() {
            return String::new();
        }
        let ids: Vec<String> = self.protocol.iter().map(ToString::to_string).collect();
        format!(" ({})", ids.join(", "))
    }

    /// The rule with the violated rules of the protocol, the time, and the affected message.
    pub fn headline(&self) -> String {
        format!("{}{} {}", self.rule, self.violated(), self.place())
    }

    /// The time, and the affected message.
    pub fn place(&self) -> String {
        let message = match (&self.label, &self.message) {
            (Some(label), _) => format!(", message `{label}`"),
            (None, Some(id)) => format!(", message {id}"),
            (None, None) => String::new(),
        };
        format!("at {} s{message}", seconds(self.at))
    }
}

/// The step or expectation at a line, as JSON on one line.
fn written_at(scenario: &Scenario, line: usize) -> Option<String> {
    let is_there = |spot: Spot| usize::try_from(spot.line) == Ok(line);
    let mut steps = scenario.steps.iter();
    let mut expect = scenario.expect.iter();
    let step = steps
        .find(|step| is_there(step.spot))
        .map(|step| json!(step.value));
    let written = step.or_else(|| expect.find(|one| is_there(one.spot)).map(|one| json!(one.value)));
    written.map(|written| written.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::played::{entry, played};

    #[test]
    fn repeated_findings_are_folded_and_rules_come_before_expectations() {
        let entry = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut verdict = played(&entry, 0).verdict.expect("the harness works");
        let expectation = verdict.findings[0].clone();
        let of_rule = |seconds| Finding {
            rule: "some-rule".to_owned(),
            at: Duration::from_secs(seconds),
            ..expectation.clone()
        };
        verdict
            .findings
            .extend([of_rule(5000), of_rule(6000), of_rule(7000)]);
        let findings = LabelledFinding::by_cause(&verdict);
        let [(1, rule), (0, other)] = &findings[..] else {
            panic!("{findings:?}");
        };
        let more = " (and 2 more times, the last at 7000.000000 s)";
        assert_eq!(rule.text, format!("{}{more}", other.text));
        assert_eq!(other.line(), Some(8));
        verdict.findings.pop();
        let text = &LabelledFinding::folded(&verdict)[1].1.text;
        assert!(text.ends_with(" (and once more at 6000.000000 s)"), "{text}");
    }
}
