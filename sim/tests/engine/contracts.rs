//! Whatever the suite makes the server send to receivers and to old clients satisfies the contracts with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::schemas::{CALLBACK, REPLY, V2_PROCEDURES, contract};
use crate::suite_plays::FIRST;

/// Counts the values of a field.
fn count<'a>(payloads: &[&'a Value], field: &str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for payload in payloads {
        if let Some(value) = payload.pointer(field).and_then(Value::as_str) {
            *counts.entry(value).or_default() += 1;
        }
    }
    counts
}

#[test]
fn payloads_of_all_scripts_satisfy_the_contracts() {
    let (callback, reply) = (contract(CALLBACK), contract(REPLY));
    let mut failures = Vec::new();
    for play in &FIRST.summaries {
        let breaches = play.sent.breaches(&callback, &reply);
        failures.extend(breaches.iter().map(|text| format!("{}: {text}", play.id)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    // Check that the payloads cover every kind, otherwise the validation above proves nothing.
    let plays = &FIRST.summaries;
    let callbacks: Vec<&Value> = plays.iter().flat_map(|play| &play.sent.callbacks).collect();
    let replies: Vec<&Value> = plays.iter().flat_map(|play| &play.sent.replies).collect();
    let seen = |counts: BTreeMap<&str, usize>| counts.into_keys().map(str::to_owned).collect::<BTreeSet<_>>();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(
        seen(count(&callbacks, "/status")),
        names(&["completed", "failed", "interrupted"])
    );
    assert_eq!(seen(count(&callbacks, "/gateResult")), names(&["fail", "pass"]));
    let of_executions = callbacks.iter().filter(|body| {
        let id = body["executionId"].as_str();
        id.is_some_and(|id| id.starts_with("exc_"))
    });
    assert!(of_executions.count() > 0, "no callback of an execution");
    assert_eq!(seen(count(&replies, "/procedure")), names(&V2_PROCEDURES));
    let codes = count(&replies, "/body/error/data/code");
    assert!(
        codes.contains_key("TOO_MANY_REQUESTS") && codes.contains_key("UNAUTHORIZED"),
        "{codes:?}"
    );
}
