//! A callback goes where its message asked for when it was admitted (protocol §3, §8), with the target's
//! headers: a later change of the session's target does not redirect it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use serde_json::Value;

use super::admissions::{CallbackTargets, Target};
use super::history::{CallbackRequest, SessionHistory};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-go-where-asked",
    rule: "A callback is posted as JSON to the target of its message's admission, with its headers.",
    check: Check::Sessions(check),
};

/// What the content of every callback is declared as, unless its target declares it otherwise.
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");

fn check(session: &SessionHistory) -> Vec<Broken> {
    if session.callbacks.is_empty() {
        return Vec::new();
    }
    let queued = session.kept.iter().filter(|event| event.is_queued());
    let queued_at: BTreeMap<&str, Duration> = queued
        .filter_map(|event| Some((event.message()?, event.at)))
        .collect();
    let targets = CallbackTargets::of(session);
    let mut broken = Vec::new();
    for request in &session.callbacks {
        let Some(message) = request.body["messageId"].as_str() else {
            continue;
        };
        let mut complain = |text: String| broken.push(Broken::new(request.at, message, text));
        if request.method != "POST" {
            complain(format!("its callback is a {}, not a POST", request.method));
        }
        let possible = queued_at
            .get(message)
            .map(|at| targets.at(*at))
            .unwrap_or_default();
        // That it came at all, without a target, is another oracle's business.
        let somewhere = possible.into_iter().filter(|target| *target != Target::Nowhere);
        let flaws: Option<Vec<String>> = somewhere.map(|target| flaw(request, target)).collect();
        // If it fits any of the targets that may have been in force, all is well.
        if let Some(flaw) = flaws.as_ref().and_then(|flaws| flaws.first()) {
            complain(flaw.clone());
        }
    }
    broken
}

/// What is wrong with a request to `target`; none if it may be right.
fn flaw(request: &CallbackRequest, target: Target) -> Option<String> {
    let Target::At(target) = target else { return None };
    let url: Uri = target["url"].as_str()?.parse().ok()?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    if request.path != path {
        return Some(format!(
            "its callback went to {}, and it was admitted with {path}",
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
        None => format!("its callback came without the header {name}"),
        Some(_) => format!("its callback came with another {name} than its target has"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const BROKEN: [&str; 1] = ["callbacks-go-where-asked"];

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
        assert_eq!(called_back("/second", headers, true), BROKEN);
    }

    #[test]
    fn the_headers_of_the_target_go_with_it() {
        for headers in [
            json!({"content-type": "application/json", "host": "receiver:9200"}),
            json!({"content-type": "application/json", "host": "receiver:9200", "x-key": "other"}),
            json!({"content-type": "text/plain", "host": "receiver:9200", "x-key": "k"}),
            json!({"content-type": "application/json", "host": "elsewhere", "x-key": "k"}),
        ] {
            assert_eq!(called_back("/first", headers, false), BROKEN);
        }
    }
}
