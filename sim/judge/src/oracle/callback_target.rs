//! A callback is sent to the target that its message was admitted with (protocol §3, §8), with the target's headers. A
//! later change of the session's target does not redirect it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use serde_json::Value;

use super::admissions::{CallbackTargets, Target};
use super::history::{CallbackRequest, SessionHistory};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-go-where-asked",
    rule: "A callback is posted as JSON, with the target's headers, to the target that its message was admitted \
        with.",
    why: "The headers authenticate the callback at its receiver. A change of the session's target must not \
        redirect the result of work that was requested before.",
    moment: Moment::Always,
    protocol: &ids(["R2.89", "R3.13", "R8.25"]),
    check: Check::Sessions(check),
};

/// The content type of every callback whose target does not set another one.
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.callbacks.is_empty() {
        return Vec::new();
    }
    let queued = session.kept.iter().filter(|event| event.is_queued());
    let queued_at: BTreeMap<&str, Duration> = queued
        .filter_map(|event| Some((event.message()?, event.at)))
        .collect();
    let targets = CallbackTargets::of(session);
    let mut findings = Vec::new();
    for request in &session.callbacks {
        let Some(message) = request.body["messageId"].as_str() else {
            continue;
        };
        let mut report = |violated: &[RuleId], text: String| {
            findings.push(ORACLE.finding_about(violated, request.at, message, text));
        };
        if request.method != "POST" {
            report(
                &ids(["R8.25"]),
                format!("its callback is a {} instead of a POST", request.method),
            );
        }
        let possible = queued_at
            .get(message)
            .map(|at| targets.at(*at))
            .unwrap_or_default();
        // A callback of a message without a target is reported by `one_callback`.
        let somewhere = possible.into_iter().filter(|target| *target != Target::Nowhere);
        let mismatches: Option<Vec<String>> = somewhere.map(|target| mismatch(request, target)).collect();
        // One target that may have been in force and that the request matches is enough.
        if let Some(mismatch) = mismatches.as_ref().and_then(|mismatches| mismatches.first()) {
            report(&ids(["R2.89", "R3.13", "R8.25"]), mismatch.clone());
        }
    }
    findings
}

/// How a request differs from `target`; `None` if it matches.
fn mismatch(request: &CallbackRequest, target: Target) -> Option<String> {
    let Target::At(target) = target else { return None };
    let url: Uri = target["url"].as_str()?.parse().ok()?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    if request.path != path {
        return Some(format!(
            "its callback was sent to {} instead of {path}",
            request.path
        ));
    }
    let headers = request.headers.as_object()?;
    let wanted = target["headers"].as_object().into_iter().flatten();
    let wanted = wanted.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?)));
    let mut all: BTreeMap<String, &str> = BTreeMap::from([(CONTENT_TYPE.0.to_owned(), CONTENT_TYPE.1)]);
    if let Some(authority) = url.authority() {
        all.insert("host".to_owned(), authority.as_str());
    }
    all.extend(wanted);
    let is_wrong = |(name, value): &(&String, &&str)| {
        headers.get(name.as_str()).and_then(Value::as_str) != Some(**value)
    };
    let (name, _) = all.iter().find(is_wrong)?;
    Some(match headers.get(name) {
        None => format!("its callback lacks the header {name}"),
        Some(_) => format!("its callback has another value of the header {name} than its target"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const FOUND: [&str; 1] = ["callbacks-go-where-asked"];

    fn target(path: &str) -> Value {
        json!({"url": format!("http://receiver:9200{path}"), "headers": {"X-Key": "k"}})
    }

    fn called_back(path: &str, headers: Value, updated: bool) -> Vec<String> {
        let mut writer = Writer::with_target("m1", target("/first"));
        writer.queued("m1");
        if updated {
            let input = json!({"callbackTarget": target("/second")});
            writer.answered("updateSession", input, 200, json!({"result": {"data": {}}}));
        }
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        writer.idle();
        writer.called_back_at("m1", path, headers);
        writer.judged()
    }

    #[test]
    fn a_later_change_of_the_target_does_not_redirect_a_message() {
        let headers = json!({"content-type": "application/json", "host": "receiver:9200", "x-key": "k"});
        assert_eq!(called_back("/first", headers.clone(), true), [""; 0]);
        assert_eq!(called_back("/second", headers, true), FOUND);
    }

    #[test]
    fn a_missing_or_different_header_is_found() {
        for headers in [
            json!({"content-type": "application/json", "host": "receiver:9200"}),
            json!({"content-type": "application/json", "host": "receiver:9200", "x-key": "other"}),
            json!({"content-type": "text/plain", "host": "receiver:9200", "x-key": "k"}),
            json!({"content-type": "application/json", "host": "elsewhere", "x-key": "k"}),
        ] {
            assert_eq!(called_back("/first", headers, false), FOUND);
        }
    }
}
