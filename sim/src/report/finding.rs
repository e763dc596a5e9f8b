//! Findings with the script's names for messages.

use std::time::Duration;

use turnstile_judge::oracle::Finding;
use turnstile_judge::rules::RuleId;
use turnstile_judge::trace::Labels;
use turnstile_judge::trace::render::{seconds, with_labels};

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
