//! Checks the expectations of a script against the trace of the finished run.
//!
//! | file | what is in it |
//! |---|---|
//! | `messages` | message events, ends and delivery attempts |
//! | `callbacks` | requests at the receiver |
//! | `streams` | what clients received and show |
//! | `wires` | the script's own ingest sockets, the gateway |

mod callbacks;
mod messages;
mod streams;
mod wires;

use std::collections::BTreeMap;
use std::time::Duration;

use turnstile_judge::oracle::history::History;
use turnstile_judge::oracle::{Finding, Severity};
use turnstile_judge::trace::Trace;
use turnstile_scenarios::{At, Expectation, Label, Scenario, SessionIds, Terminal};

use super::rules_of;

/// Allowed difference from an expected time: network latency and processing.
const TOLERANCE: Duration = Duration::from_millis(50);

/// Ids for which a script has names.
pub(super) struct Names<'a> {
    /// Messages and executions, by label.
    pub messages: &'a BTreeMap<Label, String>,
    /// The session that has no name.
    pub session: &'a SessionIds,
    /// The beginning of the path of each callback, which a script does not know.
    pub callback_prefix: &'a str,
}

/// Returns all deviations from the expectations.
pub(super) fn check(scenario: &Scenario, trace: &Trace, history: &History, names: Names<'_>) -> Vec<Finding> {
    let checker = Checker {
        trace,
        history,
        session: names.session,
        callback_prefix: names.callback_prefix,
        ids: names.messages,
        tolerance: TOLERANCE + history.timing_tolerance(),
    };
    let mut findings = Vec::new();
    for At { value, spot } in &scenario.expect {
        let wrong = match value {
            Expectation::Order(milestones) => checker.order(milestones),
            Expectation::Message(outcome) => checker.message(outcome),
            Expectation::Deliveries(deliveries) => checker.deliveries(deliveries),
            Expectation::Callback(callback) => checker.callback(callback),
            Expectation::Callbacks(expected) => checker.callbacks(*expected),
            Expectation::Stream(count) => checker.stream(count),
            Expectation::Badge(badge) => checker.badge(badge),
            Expectation::Snapshot(snapshot) => checker.snapshot(snapshot),
            Expectation::Ingest(outcome) => checker.ingest(outcome),
            Expectation::Gateway(state) => checker.waiters(state.waiters),
        };
        if let Some(Wrong {
            at,
            message,
            text,
            severity,
        }) = wrong
        {
            findings.push(Finding {
                rule: format!("expectation at line {}", spot.line),
                protocol: rules_of(scenario),
                at,
                message,
                text,
                severity,
            });
        }
    }
    findings
}

struct Checker<'a> {
    trace: &'a Trace,
    history: &'a History,
    /// Ids of the session that has no name.
    session: &'a SessionIds,
    /// The beginning of the path of each callback.
    callback_prefix: &'a str,
    /// Ids of messages and executions by label.
    ids: &'a BTreeMap<Label, String>,
    /// Allowed difference from an expected time.
    tolerance: Duration,
}

struct Wrong {
    at: Duration,
    message: Option<String>,
    text: String,
    severity: Severity,
}

impl Checker<'_> {
    /// Returns the id of a label. A refused message has none.
    fn id(&self, label: &str) -> Option<&str> {
        self.ids.get(label).map(String::as_str)
    }

    /// Returns the id of a label in JSON, or an id of the session for its name.
    fn id_or_session(&self, name: &str) -> Option<String> {
        self.session.resolve(name, self.ids)
    }

    /// Returns the label of an id, or the id itself.
    fn label<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.ids.iter().find(|(_, known)| *known == id);
        found.map_or(id, |(label, _)| label)
    }

    fn wrong(&self, label: Option<&Label>, text: String) -> Option<Wrong> {
        let message = label.and_then(|label| self.id(label)).map(str::to_owned);
        Some(Wrong {
            at: self.history.end,
            message,
            text,
            severity: Severity::Violation,
        })
    }

    /// As [`Self::wrong`], for something that came later than expected by `excess`. In real time a small excess is a
    /// warning.
    fn late(&self, label: Option<&Label>, excess: Duration, text: String) -> Option<Wrong> {
        let mut wrong = self.wrong(label, text)?;
        if excess <= self.history.warned_lateness() {
            wrong.severity = Severity::Warning;
        }
        Some(wrong)
    }
}

fn terminal_name(terminal: Terminal) -> &'static str {
    match terminal {
        Terminal::Completed => "completed",
        Terminal::Failed => "failed",
        Terminal::Interrupted => "interrupted",
    }
}

/// Formats a time.
fn secs(moment: Duration) -> String {
    format!("{:.3} s", moment.as_secs_f64())
}
