//! Short texts for each record: a headline and its payload.
//!
//! Unlike the lines of `trace::render`, these texts do not name the parties, because the drawing shows them.

use serde_json::Value;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::queue::Submission;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::Place;
use turnstile_judge::trace::render::submission_words;
use turnstile_judge::trace::{Labels, What};

/// The path prefix of procedures (protocol §2).
const PROCEDURES: &str = "/trpc/";
/// The maximum length of a payload in characters. The JSON of the record shows all.
const DETAIL_WIDTH: usize = 120;
/// The lowest status of a refusal.
const FIRST_REFUSAL: u16 = 400;

/// Whether a response with this status is a refusal.
pub(in crate::report) fn is_refusal(status: u16) -> bool {
    status >= FIRST_REFUSAL
}

/// Whether communication failed.
pub(in crate::report) fn is_trouble(observation: &Observation) -> bool {
    match observation {
        Observation::ReplyReceived { status, .. } | Observation::ReplySent { status, .. } => {
            is_refusal(*status)
        }
        Observation::NoReply { .. } | Observation::PeerGone { .. } | Observation::SocketRefused { .. } => {
            true
        }
        Observation::SocketClosed { by, .. } => *by == ClosedBy::Lost,
        _ => false,
    }
}

/// A short description of the record.
pub(in crate::report) fn headline(what: &What, labels: &Labels) -> String {
    match what {
        What::Step { line: 0, step } => step.clone(),
        What::Step { step, .. } => match serde_json::from_str(step) {
            Ok(step) => as_script(&step),
            Err(_) => step.clone(),
        },
        What::World(event) => world(event),
        What::Queue(submission) => submission_headline(submission, labels),
        What::Observation(observation) => of_observation(observation, labels),
    }
}

/// The payload of the record, shortened; empty if the headline contains it.
pub(in crate::report) fn detail(what: &What, labels: &Labels) -> String {
    let What::Observation(observation) = what else {
        return String::new();
    };
    let carried = match observation {
        Observation::RequestSent { path, body, .. } | Observation::RequestReceived { path, body, .. } => {
            match path.split_once('?') {
                Some((_, query)) if body.is_null() => query.to_owned(),
                _ => written(body),
            }
        }
        Observation::ReplyReceived { body, .. } | Observation::ReplySent { body, .. } => {
            let data = body.pointer("/result/data");
            let refusal = body.pointer("/error/message");
            written(data.or(refusal).unwrap_or(body))
        }
        Observation::NoReply { error, .. } | Observation::SocketRefused { error, .. } => error.clone(),
        Observation::ChunkSent { data, .. } => written(data),
        Observation::SocketOpened { path, .. } => path.clone(),
        Observation::FrameSent { frame, .. } | Observation::FrameReceived { frame, .. } => of_frame(frame),
        Observation::PeerGone { .. } | Observation::SocketClosed { .. } => String::new(),
    };
    shortened(&named(carried, labels))
}

/// A submission, with the label of its message.
fn submission_headline(submission: &Submission, labels: &Labels) -> String {
    let owner = &submission.submitted;
    let words = submission_words(submission);
    match labels.get(owner) {
        Some(label) => words.replace(owner.as_str(), label),
        None => words,
    }
}

fn of_observation(observation: &Observation, labels: &Labels) -> String {
    match observation {
        Observation::RequestSent {
            method, path, body, ..
        }
        | Observation::RequestReceived {
            method, path, body, ..
        } => request(method, path, body, labels),
        Observation::ReplyReceived { status, body, .. } | Observation::ReplySent { status, body, .. } => {
            reply(*status, body)
        }
        Observation::NoReply { .. } => "no answer".to_owned(),
        Observation::ChunkSent { data, .. } if data == "[DONE]" => "last chunk".to_owned(),
        Observation::ChunkSent { .. } => "chunk".to_owned(),
        Observation::PeerGone { .. } => "peer gone".to_owned(),
        Observation::SocketOpened { path, .. } => format!("{} opened", socket(path)),
        Observation::SocketRefused { path, status, .. } => match status {
            Some(status) => format!("{} refused {status}", socket(path)),
            None => format!("{} not opened", socket(path)),
        },
        Observation::FrameSent { frame, .. } | Observation::FrameReceived { frame, .. } => {
            frame_name(frame, labels)
        }
        Observation::SocketClosed { code, by, .. } => {
            let by = match by {
                ClosedBy::Itself => "closed",
                ClosedBy::Peer => "closed by the other side",
                ClosedBy::Lost => "connection lost",
            };
            match code {
                Some(code) => format!("{by} {code}"),
                None => by.to_owned(),
            }
        }
    }
}

fn request(method: &str, path: &str, body: &Value, labels: &Labels) -> String {
    let place = path.split('?').next().unwrap_or_default();
    let mut words = match place.strip_prefix(PROCEDURES) {
        Some(procedure) => procedure.to_owned(),
        None => format!("{method} {place}"),
    };
    let message = [
        &body["message"]["id"],
        &body["messageId"],
        &body["initialMessageId"],
        &body["executionId"],
    ];
    if let Some(id) = message.into_iter().find_map(Value::as_str) {
        words.push(' ');
        words.push_str(labels.get(id).map_or(id, String::as_str));
    }
    // A callback has the message's final status.
    if let Some(status) = body["status"].as_str() {
        words.push(' ');
        words.push_str(status);
    }
    words
}

fn reply(status: u16, body: &Value) -> String {
    let word = [
        &body["result"]["data"]["delivery"],
        &body["error"]["data"]["code"],
        &body["error"]["code"],
        &body["error"],
        &body["status"],
    ];
    match word.into_iter().find_map(Value::as_str) {
        Some(word) => format!("{status} {word}"),
        None => status.to_string(),
    }
}

fn socket(path: &str) -> &'static str {
    if path.starts_with("/stream") {
        "stream"
    } else {
        "ingest"
    }
}

fn frame_name(frame: &Value, labels: &Labels) -> String {
    let name = frame["streamEventType"]
        .as_str()
        .or_else(|| frame["type"].as_str());
    let Some(name) = name else {
        return "frame".to_owned();
    };
    let data = &frame["data"];
    if let Some(kilo) = data["event"].as_str().filter(|_| name == "kilocode") {
        return kilo.to_owned();
    }
    match data["messageId"].as_str() {
        Some(id) if name.starts_with("cloud.message.") => {
            format!("{name} {}", labels.get(id).map_or(id, String::as_str))
        }
        _ => name.to_owned(),
    }
}

/// The payload of a frame, after its event id. Of kilo's events only the properties are shown.
fn of_frame(frame: &Value) -> String {
    if !frame["streamEventType"].is_string() {
        return written(frame);
    }
    let data = &frame["data"];
    let carried = if data["event"].is_string() {
        &data["properties"]
    } else {
        data
    };
    match frame["eventId"].as_u64() {
        Some(id) if id > 0 => format!("event {id} {}", written(carried)),
        _ => written(carried),
    }
}

/// The description of a fault or its end.
fn world(event: &WorldEvent) -> String {
    match event {
        WorldEvent::Began {
            fault,
            cause,
            connections,
        } => {
            let counted = match connections {
                None => String::new(),
                Some(1) => ", 1 connection".to_owned(),
                Some(count) => format!(", {count} connections"),
            };
            let cause = match cause {
                Cause::Order => "",
                Cause::Itself => " at the armed point",
                Cause::Panic => " by a panic",
            };
            format!("{fault}{counted}{cause}")
        }
        WorldEvent::Ended { place } => match place {
            Place::Link(link) => format!("healed {link}"),
            Place::EveryLink => "all links healed".to_owned(),
            Place::Host(host) => format!("{host} restarts"),
            Place::Disk(host) => format!("{host}: disk healed"),
            Place::Queue => "queue works".to_owned(),
            Place::Wrapper => "wrapper healed".to_owned(),
        },
        WorldEvent::Stalled { stalled_us } => format!("the machine was {} ms late", stalled_us / 1000),
    }
}

/// A step in the syntax of scripts.
fn as_script(step: &Value) -> String {
    match step {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", flow(value)))
                .collect();
            fields.join(", ")
        }
        other => flow(other),
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(flow).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(_) => format!("{{ {} }}", as_script(value)),
        other => other.to_string(),
    }
}

fn written(body: &Value) -> String {
    match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn named(text: String, labels: &Labels) -> String {
    labels.iter().fold(text, |text, (id, label)| {
        text.replace(id.as_str(), &format!("<{label}>"))
    })
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(DETAIL_WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
