//! Which kinds of events are kept (protocol §9, "What is kept"): a kept event has an id, any other event has id 0.

use std::collections::BTreeSet;

use super::{ORACLE, label};
use crate::oracle::Finding;
use crate::oracle::history::{SessionHistory, StreamEvent};
use crate::rules::RuleId;

/// Events of the wrapper that are kept.
const KEPT: [&str; 3] = ["complete", "interrupted", "error"];
/// Prefix of the names of further events of the wrapper that are kept.
const KEPT_PREFIX: &str = "autocommit_";
/// Events of kilo that are kept, one row each.
const KEPT_OF_KILO: [&str; 7] = [
    "session.created",
    "session.updated",
    "session.status",
    "session.error",
    "session.idle",
    "session.turn.close",
    "message.part.removed",
];
/// Events of kilo that are versions of an entity.
const UPSERTED: [&str; 2] = ["message.updated", "message.part.updated"];

/// Findings about kinds of events, the first of each kind.
pub(super) fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut reported = BTreeSet::new();
    let mut findings = Vec::new();
    for seen in session.seen() {
        let event = &seen.event;
        let Some(rule) = rule_of(event) else { continue };
        let is_kept = rule != NOT_KEPT;
        if is_kept != (event.id > 0) && reported.insert((label(event), is_kept)) {
            let what = if is_kept {
                "which is kept"
            } else {
                "which is not kept"
            };
            let text = format!(
                "{} received {} with id {}, {what}",
                seen.party,
                label(event),
                event.id
            );
            findings.push(ORACLE.finding(&[rule], seen.seen_at, None, text));
        }
    }
    findings
}

const NOT_KEPT: RuleId = RuleId::named("R9.28");

/// The rule that says whether an event is kept; `None` if it is open. The events of messages are kept, and are in the
/// snapshot with id 0.
fn rule_of(event: &StreamEvent) -> Option<RuleId> {
    let row = RuleId::named("R9.26");
    match event.name.as_str() {
        name if name.starts_with("cloud.message.") => None,
        name if KEPT.contains(&name) || name.starts_with(KEPT_PREFIX) => Some(row),
        "kilocode" => {
            let (kilo, ty) = (&event.data["event"], &event.data["type"]);
            let name = kilo.as_str()?;
            if !ty.is_null() && ty != kilo {
                // Which of the names counts is open.
                return None;
            }
            if UPSERTED.contains(&name) {
                // Whether an event that does not name its entity is kept is a choice (R9.31).
                let (one, other) = event.entity()?;
                let is_named = !one.is_empty() && (name == UPSERTED[0] || !other.is_empty());
                return is_named.then_some(RuleId::named("R9.27"));
            }
            Some(if KEPT_OF_KILO.contains(&name) {
                row
            } else {
                NOT_KEPT
            })
        }
        _ => Some(NOT_KEPT),
    }
}
