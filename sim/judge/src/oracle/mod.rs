//! What must hold in every run, each rule read off the trace alone.
//!
//! An oracle knows the protocol and the wire, and nothing of the server's types or of the script. Each has
//! a file of its own with the rule that it enforces; [`history`] is what they all read the trace through.
//! `admissions`, `batches` and `gate_wait` are what several of them work out from it. Where the wire leaves open what
//! happened, every outcome is right: an oracle speaks up only if none is.

mod acked_survives;
mod admissions;
mod all_end;
mod batches;
mod callback_arrives;
mod callback_content;
mod callback_repeats;
mod callback_target;
mod event_ids;
mod execution_id;
mod exhaustion;
mod fifo;
mod gate_wait;
mod gateway_is_empty;
mod grace;
pub mod history;
mod interrupts;
mod message_states;
pub mod no_secret_leaves;
mod one_callback;
mod pending_limit;
mod replay;
mod same_badges;
mod stale_fence;
mod terminal_once;

#[cfg(test)]
mod written;

use std::time::Duration;

use history::{History, SessionHistory};

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
    check: Check,
}

/// What an oracle looks at.
enum Check {
    /// Each session by itself.
    Sessions(fn(&SessionHistory) -> Vec<Broken>),
    /// The run as a whole.
    Run(fn(&History) -> Vec<Broken>),
}

/// What an oracle found: when, about which message, what.
struct Broken {
    at: Duration,
    message: Option<String>,
    text: String,
}

impl Broken {
    /// Something about a message.
    fn new(at: Duration, message: &str, text: impl Into<String>) -> Self {
        Self::of(at, Some(message), text)
    }

    /// Something that may be about a message.
    fn of(at: Duration, message: Option<&str>, text: impl Into<String>) -> Self {
        Self {
            at,
            message: message.map(str::to_owned),
            text: text.into(),
        }
    }
}

/// All oracles: first those of what must hold at every moment, then those of what must have come about when
/// all is over.
pub const ORACLES: [Oracle; 21] = [
    terminal_once::ORACLE,
    message_states::ORACLE,
    fifo::ORACLE,
    pending_limit::ORACLE,
    exhaustion::ORACLE,
    interrupts::ORACLE,
    grace::ORACLE,
    stale_fence::ORACLE,
    event_ids::ORACLE,
    replay::ORACLE,
    execution_id::ORACLE,
    no_secret_leaves::ORACLE,
    one_callback::ORACLE,
    callback_content::ORACLE,
    callback_repeats::ORACLE,
    callback_target::ORACLE,
    acked_survives::ORACLE,
    all_end::ORACLE,
    callback_arrives::ORACLE,
    same_badges::ORACLE,
    gateway_is_empty::ORACLE,
];

/// Everything in a run that breaks a rule, in order of time.
pub fn judge(history: &History) -> Vec<Finding> {
    let sessions = history.sessions();
    let mut findings = Vec::new();
    for oracle in &ORACLES {
        let broken = match oracle.check {
            Check::Run(check) => check(history),
            Check::Sessions(check) => sessions.iter().flat_map(check).collect(),
        };
        findings.extend(broken.into_iter().map(|broken| Finding {
            rule: oracle.name.to_owned(),
            at: broken.at,
            message: broken.message,
            text: broken.text,
        }));
    }
    findings.sort_by_key(|finding| finding.at);
    findings
}

/// Whether a message has not ended, or a callback has not arrived, that must in the end.
pub fn is_anything_owed(history: &History) -> bool {
    [all_end::ORACLE, callback_arrives::ORACLE]
        .iter()
        .any(|oracle| match oracle.check {
            Check::Run(check) => !check(history).is_empty(),
            Check::Sessions(check) => history
                .sessions()
                .iter()
                .any(|session| !check(session).is_empty()),
        })
}

/// A moment of the run, as findings tell it.
fn secs(at: Duration) -> String {
    format!("{} s", crate::trace::render::seconds(at))
}
