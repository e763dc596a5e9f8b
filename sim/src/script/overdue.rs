//! The verdict on a play that does not end.

use std::sync::Arc;
use std::time::Duration;

use turnstile_judge::oracle::history::RunContext;
use turnstile_judge::oracle::{Finding, Severity};
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::{Labels, Trace};
use turnstile_scenarios::Scenario;
use turnstile_world::Turn;

use super::{HarnessError, Verdict, rules_of};
use crate::stage;

/// The finding that the server runs without end.
pub(super) const LIVELOCK: &str = "server-livelock";

/// The verdict on a play after `limit` of wall-clock time, in which `turn` has been under way for at least half of it.
/// `trace` is what was recorded so far.
///
/// # Errors
///
/// Another party than the server is running, or none.
pub(crate) fn overdue(
    scenario: &Scenario,
    turn: Option<Turn>,
    trace: Option<Trace>,
    limit: Duration,
) -> Result<Verdict, HarnessError> {
    let Some(Turn { host, at, .. }) = turn else {
        return Err(HarnessError::Overdue { limit });
    };
    if *host != *SERVER {
        return Err(HarnessError::Restless {
            party: host.to_string(),
        });
    }
    let trace = trace.unwrap_or_else(|| Trace::new(stage::epoch()));
    let at = trace.since_beginning(at).unwrap_or_default();
    let limit = limit.as_secs_f64();
    let finding = Finding {
        rule: LIVELOCK.to_owned(),
        protocol: rules_of(scenario),
        at,
        severity: Severity::Violation,
        message: None,
        text: format!(
            "the server runs without end: it did not pause, and the play did not end within {limit} s of real time (--play-timeout)"
        ),
    };
    Ok(Verdict {
        findings: vec![finding],
        warnings: Vec::new(),
        unknown: Vec::new(),
        context: RunContext {
            profile: Arc::new(scenario.profile.complete()),
            ..RunContext::default()
        },
        inspection_start: trace.records().len(),
        trace,
        labels: Labels::new(),
        played: at,
        elapsed: at,
    })
}
