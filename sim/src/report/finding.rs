//! What did not hold, in the words of the script: its names for messages in place of their ids.

use std::time::Duration;

use turnstile_judge::oracle::Finding;
use turnstile_judge::rules::RuleId;
use turnstile_judge::trace::Labels;
use turnstile_judge::trace::render::seconds;

use crate::script::Verdict;

/// A finding as reports tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldFinding<'a> {
    /// The rule.
    pub rule: &'a str,
    /// The rules of the protocol that are checked there.
    pub protocol: &'a [RuleId],
    /// When it was broken.
    pub at: Duration,
    /// The id of the message that it is about.
    pub message: Option<&'a str>,
    /// What the script calls that message.
    pub label: Option<&'a str>,
    /// What happened instead.
    pub text: String,
}

/// A finding as it is told once the run that it was found in is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The rule that was broken.
    pub rule: String,
    /// When, and for which message.
    pub place: String,
    /// What happened instead.
    pub text: String,
}

impl From<ToldFinding<'_>> for Flaw {
    fn from(told: ToldFinding) -> Self {
        Self {
            rule: told.rule.to_owned(),
            place: told.place(),
            text: told.text,
        }
    }
}

impl<'a> ToldFinding<'a> {
    fn of(finding: &'a Finding, labels: &'a Labels) -> Self {
        let message = finding.message.as_deref();
        let label = message.and_then(|id| labels.get(id)).map(String::as_str);
        let text = labels.iter().fold(finding.text.clone(), |text, (id, label)| {
            text.replace(id.as_str(), &format!("`{label}`"))
        });
        Self {
            rule: &finding.rule,
            protocol: &finding.protocol,
            at: finding.at,
            message,
            label,
            text,
        }
    }

    /// Everything of a verdict that did not hold, in order of time.
    pub fn all(verdict: &'a Verdict) -> impl Iterator<Item = Self> {
        verdict
            .findings
            .iter()
            .map(|finding| Self::of(finding, &verdict.labels))
    }

    /// When it was broken and for which message.
    pub fn place(&self) -> String {
        let message = match (self.label, self.message) {
            (Some(label), _) => format!(", message `{label}`"),
            (None, Some(id)) => format!(", message {id}"),
            (None, None) => String::new(),
        };
        format!("at {} s{message}", seconds(self.at))
    }
}
