//! An accepted message ends at the latest when a deadline of its run passes (protocol §7), or when the run ends.
//!
//! Each kind of wait is one function here. A wait begins with the last thing that may have restarted it, whether or not
//! that reached the server, and is judged only in spans without a fault: after a fault the server may notice late what
//! happened, and every wait begins again.

pub(super) mod waits;

use std::time::Duration;

use self::waits::{Overdue, Turn};
use super::fences::Fences;
use super::history::SessionHistory;
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-turn-outlives-its-deadlines",
    rule: "An accepted message ends with its reply, with its run, and at the latest when a deadline passes: no output, \
        no pong, no socket for the grace, or no answer after the idle.",
    why: "A wrapper can vanish without a sign. Only the deadlines end its turn, and the messages and the callback \
        behind it wait until then.",
    moment: Moment::Always,
    protocol: &ids([
        "R6.2", "R6.30", "R6.31", "R6.40", "R6.41", "R7.1", "R7.2", "R7.3", "R7.4", "R7.5", "R7.12", "R7.14",
        "R7.28",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() || session.is_removed {
        return Vec::new();
    }
    let fences = Fences::of(session);
    let findings = session.sent.iter().filter_map(|sent| {
        let turn = Turn::of(session, sent)?;
        let Overdue {
            violated,
            text,
            since,
            limit,
        } = turn.first_overdue(&fences)?;
        let ends = turn.ended_at.map_or("it never ended".to_owned(), |at| {
            format!("it ended at {}", secs(at))
        });
        let text = format!(
            "{text} at {}, so it had to end by {}, but {ends}",
            secs(since),
            secs(limit)
        );
        let late = Late {
            limit,
            at: turn.ended_at,
        };
        Some(ORACLE.finding_late(session.run, &[violated], late, Some(turn.message), &text))
    });
    findings.collect()
}

/// The sum of a time and a wait, with the tolerance for the server's reports and for transit.
fn limit(session: &SessionHistory, since: Duration, wait: Duration) -> Duration {
    since + wait + session.run.time_error() + session.run.max_transit()
}

#[cfg(test)]
mod tests;
