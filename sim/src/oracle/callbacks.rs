//! One callback for each finalized idle batch (protocol §8): for its last message, with that message's own
//! outcome, not before the batch was finalized, and repeated only as the same job.
//!
//! The batches are worked out here from the log alone, in the order of its ids.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::history::{CallbackRequest, History, StreamEvent};
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "one-callback-per-batch",
    rule: "Each finalized batch calls back once, for its last message, with that message's outcome.",
    check,
};

/// Requests after which a receiver that keeps failing is given up (protocol §8).
const REQUESTS_BEFORE_GIVING_UP: usize = 5;

/// A batch that was finalized.
#[derive(Debug, PartialEq)]
struct Batch<'a> {
    /// How its last message ended.
    end: &'a StreamEvent,
    message: &'a str,
    finalized_at: Duration,
    /// It may have been finalized, or not: a wrapper that is lost with nothing left to do but to fall idle
    /// leaves no event of that.
    unseen: bool,
}

impl<'a> Batch<'a> {
    fn new(end: &'a StreamEvent, finalized_at: Duration, unseen: bool) -> Self {
        let message = end.message().expect("the end of a message names it");
        Self {
            end,
            message,
            finalized_at,
            unseen,
        }
    }
}

fn check(history: &History) -> Vec<Broken> {
    let events = history.kept_events();
    let Some(start) = history.start() else {
        return Vec::new();
    };
    let batches = if start.input["options"]["callbackTarget"].is_object() {
        let gate = start.input["finalization"]["gateThreshold"].as_str();
        batches(&events, gate.is_some_and(|threshold| threshold != "off"))
    } else {
        Vec::new()
    };
    let mut requests: BTreeMap<&str, Vec<&CallbackRequest>> = BTreeMap::new();
    for request in &history.callbacks {
        requests.entry(request.key()).or_default().push(request);
    }
    let mut broken = Vec::new();
    for batch in &batches {
        match requests.remove(batch.message) {
            None if batch.unseen => {}
            None => broken.push(Broken::new(
                history.end,
                batch.message,
                format!(
                    "its batch was finalized at {} and no callback came",
                    secs(batch.finalized_at)
                ),
            )),
            Some(requests) => check_requests(history, batch, &requests, &events, &mut broken),
        }
    }
    for (message, requests) in requests {
        let text = "a callback came for it, and it is not the last message of any finalized batch";
        broken.push(Broken::new(requests[0].at, message, text));
    }
    broken
}

fn check_requests(
    history: &History,
    batch: &Batch,
    requests: &[&CallbackRequest],
    events: &[&StreamEvent],
    broken: &mut Vec<Broken>,
) {
    let first = requests[0];
    let mut complain = |at: Duration, text: String| broken.push(Broken::new(at, batch.message, text));
    if first.at < batch.finalized_at {
        let text = format!(
            "its callback came before its batch was finalized at {}",
            secs(batch.finalized_at)
        );
        complain(first.at, text);
    }
    if let Some(other) = requests.iter().find(|request| request.body != first.body) {
        complain(
            other.at,
            "a repeat of its callback has other content than the first".to_owned(),
        );
    }
    let given_up = requests.len() >= REQUESTS_BEFORE_GIVING_UP
        || requests.iter().any(|request| is_definite_refusal(request.status));
    if !given_up && !requests.iter().any(|request| request.is_delivered()) {
        complain(
            history.end,
            "its callback was requested and never taken, and not given up".to_owned(),
        );
    }
    for (field, expected) in expected_fields(batch, events) {
        let found = &first.body[field];
        if *found != expected {
            complain(
                first.at,
                format!("its callback has `{field}` {found}, and it should be {expected}"),
            );
        }
    }
}

/// Answers after which there is no further request.
fn is_definite_refusal(status: Option<u16>) -> bool {
    status.is_some_and(|status| (300..500).contains(&status) && status != 429)
}

/// What the log says must be in the callback; null for what must not be there.
fn expected_fields(batch: &Batch, events: &[&StreamEvent]) -> Vec<(&'static str, Value)> {
    let end = &batch.end.data;
    let text = end["assistantMessageId"]
        .as_str()
        .and_then(|id| text_of(id, events));
    vec![
        ("messageId", json!(batch.message)),
        ("executionId", json!(batch.message)),
        ("idempotencyKey", json!(batch.message)),
        ("status", end["status"].clone()),
        ("errorMessage", end["error"].clone()),
        ("lastAssistantMessageText", json!(text)),
    ]
}

/// The text of an assistant's message: its text parts in order of id, without removed ones.
fn text_of(assistant_message: &str, events: &[&StreamEvent]) -> Option<String> {
    let mut parts = BTreeMap::new();
    for (name, properties) in events.iter().filter_map(|event| event.kilo()) {
        let part = &properties["part"];
        if name == "message.part.updated" && part["messageID"] == assistant_message {
            match part["text"].as_str().filter(|_| part["type"] == "text") {
                Some(text) => parts.insert(part["id"].as_str()?, text),
                None => parts.remove(part["id"].as_str()?),
            };
        } else if name == "message.part.removed" && properties["messageID"] == assistant_message {
            parts.remove(properties["partID"].as_str()?);
        }
    }
    let text: String = parts.into_values().collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The batches that the log has, each with the event that finalized it.
fn batches<'a>(events: &[&'a StreamEvent], gate: bool) -> Vec<Batch<'a>> {
    let mut batches = Vec::new();
    let mut unfinished: BTreeSet<&str> = BTreeSet::new();
    let mut last_end: Option<&StreamEvent> = None;
    let mut idle = false;
    let mut gate_open = false;
    for event in events {
        // Whether this event lets a batch be finalized that has not seen an idle.
        let mut needs_no_idle = false;
        match (event.name.as_str(), event.message()) {
            ("cloud.message.queued", Some(message)) => {
                if let (Some(end), true) = (last_end, unfinished.is_empty()) {
                    batches.push(Batch::new(end, end.at, true));
                }
                unfinished.insert(message);
            }
            ("cloud.message.sent", _) => idle = false,
            (_, Some(message)) if event.is_end() => {
                unfinished.remove(message);
                last_end = Some(event);
                gate_open = gate && event.data["status"] == "completed";
                let source = event.data["completionSource"].as_str();
                needs_no_idle = matches!(source, Some("interrupt" | "wrapper_failure" | "delivery_failure"));
            }
            ("complete" | "interrupted", _) => {
                needs_no_idle = true;
                gate_open = false;
            }
            ("error", _) if event.data["fatal"] == true => {
                needs_no_idle = true;
                gate_open = false;
            }
            _ => idle |= is_idle(event),
        }
        if unfinished.is_empty()
            && !gate_open
            && (idle || needs_no_idle)
            && let Some(end) = last_end.take()
        {
            batches.push(Batch::new(end, event.at, false));
        }
    }
    // When all is over every wrapper was let go, seen or not.
    if let (Some(end), true) = (last_end, unfinished.is_empty()) {
        batches.push(Batch::new(end, end.at, false));
    }
    // One message may stand in several places where its batch may have been finalized, and in one where it was.
    let certain: BTreeSet<&str> = batches
        .iter()
        .filter(|batch| !batch.unseen)
        .map(|batch| batch.message)
        .collect();
    batches.retain(|batch| !batch.unseen || !certain.contains(batch.message));
    batches.dedup_by_key(|batch| batch.message);
    batches
}

fn is_idle(event: &StreamEvent) -> bool {
    matches!(event.kilo(), Some(("session.idle", _)))
}

fn secs(at: Duration) -> String {
    format!("{} s", crate::trace::render::seconds(at))
}
