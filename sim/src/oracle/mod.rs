//! What must hold in every run, each rule read off the trace alone.
//!
//! An oracle knows the protocol and the wire, and nothing of the server's types or of the script. Each has
//! a file of its own with the rule that it enforces; [`history`] is what they all read the trace through.

mod acked_survives;
mod all_end;
mod callbacks;
mod event_log;
mod fifo;
mod gateway_is_empty;
pub mod history;
mod terminal_once;

#[cfg(test)]
mod tests;

use std::time::Duration;

use history::History;

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule: an oracle's name, or the place in the script that expected something else.
    pub rule: String,
    /// When it was broken, or found to be, since the beginning of the run.
    pub at: Duration,
    /// The message it is about, by id.
    pub message: Option<String>,
    /// What happened instead, in one sentence.
    pub text: String,
}

/// An oracle.
pub struct Oracle {
    /// Its name.
    pub name: &'static str,
    /// The rule, in one sentence.
    pub rule: &'static str,
    check: fn(&History) -> Vec<Broken>,
}

/// What an oracle found: when, about which message, what.
struct Broken {
    at: Duration,
    message: Option<String>,
    text: String,
}

impl Broken {
    fn new(at: Duration, message: &str, text: impl Into<String>) -> Self {
        Self {
            at,
            message: Some(message.to_owned()),
            text: text.into(),
        }
    }
}

/// All oracles.
pub const ORACLES: [Oracle; 7] = [
    terminal_once::ORACLE,
    fifo::ORACLE,
    callbacks::ORACLE,
    all_end::ORACLE,
    acked_survives::ORACLE,
    event_log::ORACLE,
    gateway_is_empty::ORACLE,
];

/// Everything in a run that breaks a rule, in order of time.
pub fn judge(history: &History) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ORACLES
        .iter()
        .flat_map(|oracle| {
            (oracle.check)(history).into_iter().map(|broken| Finding {
                rule: oracle.name.to_owned(),
                at: broken.at,
                message: broken.message,
                text: broken.text,
            })
        })
        .collect();
    findings.sort_by_key(|finding| finding.at);
    findings
}
