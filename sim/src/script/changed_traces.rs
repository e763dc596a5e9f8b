//! Changes one detail in the trace of a real play and checks that an oracle detects it. This shows that oracles look where
//! the parties' data is.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_judge::oracle::history::History;
use turnstile_judge::oracle::{judge, no_secret_leaves};
use turnstile_judge::parties::{OBSERVER, RECEIVER, WRAPPER};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_scenarios::Scenario;

use super::{Options, play};

/// Two messages in one batch, with a client that connects late.
const SCRIPT: &str = "\
scenario: mutations
about: a play whose trace is changed afterwards
seam: turn
session: { callback: true }
steps:
  - start: { as: first, say: gate:hold }
  - await: { gate: hold }
  - send: { as: second, say: echo:two }
  - open: { client: late, from: start }
  - release: hold
  - await: { callback: second }
";

type Mutation = fn(&mut Vec<Record>);

/// The changes, and the oracle that must detect each.
const MUTATIONS: [(&str, Mutation); 20] = [
    ("terminal-once", |records| {
        let end = seen(records, OBSERVER, "cloud.message.completed");
        with_next_id(records, end);
    }),
    ("states-go-forward", |records| {
        for record in records.iter_mut() {
            if let Some(Observation::FrameReceived { frame, .. }) = observation(record)
                && frame["streamEventType"] == "cloud.message.sent"
            {
                Arc::make_mut(frame)["streamEventType"] = json!("cloud.message.queued");
            }
        }
    }),
    ("first-in-first-out", |records| {
        // Swap the two turns.
        let messages = messages(records);
        for record in records.iter_mut() {
            if let Some(Observation::RequestReceived { path, body, .. }) = observation(record)
                && path == "/job/prompt"
            {
                let other = usize::from(body["message"]["id"] == json!(messages[0]));
                body["message"]["id"] = json!(messages[other]);
            }
        }
    }),
    ("ten-pending-at-most", |records| {
        for record in records.iter_mut() {
            if let Some(Observation::ReplyReceived { status, body, .. }) = observation(record)
                && body["result"]["data"]["streamUrl"].is_string()
            {
                *status = 429;
                *body = json!({"error": {"data": {"code": "TOO_MANY_REQUESTS"}}});
            }
        }
    }),
    ("exhausted-by-its-tries", |records| {
        fails(records, |end| {
            end["reason"] = json!("exhausted");
            end["attempts"] = json!(10);
            end["error"] = json!("SANDBOX_CONNECT_FAILED: no");
        });
    }),
    ("interrupted-only-if-asked", |records| {
        fails(records, |end| end["status"] = json!("interrupted"));
    }),
    ("lost-only-after-the-grace", |records| {
        fails(records, |end| end["reason"] = json!("wrapper_disconnected"));
    }),
    ("stale-fence-counts-for-nothing", |records| {
        for record in records.iter_mut().filter(|record| *record.party == *WRAPPER) {
            if let Some(Observation::SocketOpened { path, .. }) = observation(record) {
                *path = path.replace("wrapperGeneration=", "wrapperGeneration=9");
            }
        }
    }),
    ("event-ids-rise", |records| {
        let places: Vec<usize> = kept_by(records, "late");
        let (one, other) = (records[places[0]].what.clone(), records[places[1]].what.clone());
        (records[places[0]].what, records[places[1]].what) = (other, one);
    }),
    ("replay-is-exact", |records| {
        let places: Vec<usize> = kept_by(records, "late");
        records.remove(places[1]);
    }),
    ("execution-id-only-in-v2", |records| {
        each_callback(records, |body| {
            body.as_object_mut().unwrap().remove("executionId");
        });
    }),
    ("no-secret-leaves", |records| {
        each_callback(records, |body| {
            body["note"] = json!(no_secret_leaves::PLANTED_SECRETS[0]);
        });
    }),
    ("one-callback-per-batch", |records| {
        records.retain(|record| *record.party != *RECEIVER);
    }),
    ("callbacks-tell-the-outcome", |records| {
        each_callback(records, |body| {
            body["lastAssistantMessageText"] = json!("three");
        });
    }),
    ("callbacks-repeat-unchanged", |records| {
        each_callback(records, |body| {
            body["idempotencyKey"] = json!("another");
        });
    }),
    ("callbacks-go-where-asked", |records| {
        for record in records.iter_mut() {
            if let Some(Observation::RequestReceived { headers, .. }) = observation(record)
                && let Some(headers) = headers.as_object_mut()
            {
                headers.retain(|name, _| !name.starts_with("x-"));
            }
        }
    }),
    ("acked-survives", |records| {
        let second = messages(records)[1].clone();
        frames(records, |frame| frame["data"]["messageId"] != second);
    }),
    ("every-acked-message-ends", |records| {
        let second = messages(records)[1].clone();
        frames(records, |frame| {
            frame["data"]["messageId"] != second || frame["streamEventType"] != "cloud.message.completed"
        });
    }),
    ("due-callbacks-arrive", |records| {
        for record in records.iter_mut().filter(|record| *record.party == *RECEIVER) {
            if let Some(Observation::ReplySent { status, .. }) = observation(record) {
                *status = 503;
            }
        }
    }),
    ("clients-show-the-same-badges", |records| {
        let second = messages(records)[1].clone();
        let place = kept_by(records, "late").into_iter().rev().find(|place| {
            let frame = frame(&records[*place]).unwrap();
            frame["data"]["messageId"] == second && frame["streamEventType"] == "cloud.message.queued"
        });
        // The event is repeated after the end of the message.
        let last = *kept_by(records, "late").last().unwrap();
        let mut again = records[place.unwrap()].clone();
        again.at = records[last].at;
        records.insert(last + 1, again);
    }),
];

#[test]
fn each_change_to_a_real_trace_is_noticed_by_the_oracle_that_looks_there() {
    let scenario = Scenario::parse(SCRIPT, Path::new("mutations.yaml")).unwrap();
    let verdict = play(&scenario, Options::default()).unwrap();
    assert_eq!(verdict.findings, [], "the trace is right as it is");
    let mut unnoticed = Vec::new();
    for (oracle, mutate) in MUTATIONS {
        let mut records = verdict.trace.records().to_vec();
        mutate(&mut records);
        let findings = judge(&History::read(&trace(records)));
        if !findings.iter().any(|finding| finding.rule == oracle) {
            unnoticed.push((oracle, findings));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

fn trace(records: Vec<Record>) -> Trace {
    let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut trace = Trace::new(epoch);
    for record in records {
        trace.push(record);
    }
    trace
}

fn observation(record: &mut Record) -> Option<&mut Observation> {
    match &mut record.what {
        What::Observation(observation) => Some(observation),
        What::World(_) | What::Queue(_) | What::Step { .. } => None,
    }
}

fn frame(record: &Record) -> Option<&Value> {
    match &record.what {
        What::Observation(Observation::FrameReceived { frame, .. }) => Some(frame),
        _ => None,
    }
}

/// Keeps only the received frames that satisfy `is_wanted`.
fn frames(records: &mut Vec<Record>, is_wanted: impl Fn(&Value) -> bool) {
    records.retain(|record| frame(record).is_none_or(&is_wanted));
}

/// Indices of records that show a kept event to a party.
fn kept_by(records: &[Record], party: &str) -> Vec<usize> {
    let is_kept = |record: &Record| {
        *record.party == *party && frame(record).is_some_and(|frame| frame["eventId"].as_u64() > Some(0))
    };
    (0..records.len())
        .filter(|place| is_kept(&records[*place]))
        .collect()
}

/// Index of the record that first shows an event to a party.
fn seen(records: &[Record], party: &str, name: &str) -> usize {
    let places = kept_by(records, party).into_iter();
    let mut named = places.filter(|place| frame(&records[*place]).unwrap()["streamEventType"] == name);
    named.next().unwrap()
}

/// Appends a record that repeats an event with the next id.
fn with_next_id(records: &mut Vec<Record>, place: usize) {
    let last = records
        .iter()
        .filter_map(frame)
        .filter_map(|frame| frame["eventId"].as_u64())
        .max();
    let Some(&reading) = kept_by(records, OBSERVER).last() else {
        return;
    };
    let mut again = records[reading].clone();
    let repeated = frame(&records[place]).unwrap().clone();
    if let Some(Observation::FrameReceived { frame, .. }) = observation(&mut again) {
        *frame = repeated.into();
        Arc::make_mut(frame)["eventId"] = json!(last.unwrap_or_default() + 1);
    }
    records.push(again);
}

/// Message ids in order of admission.
fn messages(records: &[Record]) -> Vec<Value> {
    let mut messages = Vec::new();
    for frame in records.iter().filter_map(frame) {
        let message = &frame["data"]["messageId"];
        if frame["streamEventType"] == "cloud.message.queued" && !messages.contains(message) {
            messages.push(message.clone());
        }
    }
    messages
}

/// Turns completed messages into failed ones, and applies `change` to the event.
fn fails(records: &mut [Record], tell: fn(&mut Value)) {
    for record in records.iter_mut() {
        if let Some(Observation::FrameReceived { frame, .. }) = observation(record)
            && frame["streamEventType"] == "cloud.message.completed"
        {
            let frame = Arc::make_mut(frame);
            frame["streamEventType"] = json!("cloud.message.failed");
            frame["data"]["status"] = json!("failed");
            tell(&mut frame["data"]);
        }
    }
}

fn each_callback(records: &mut [Record], change: fn(&mut Value)) {
    for record in records.iter_mut().filter(|record| *record.party == *RECEIVER) {
        if let Some(Observation::RequestReceived { body, .. }) = observation(record) {
            change(body);
        }
    }
}
