//! A trace for people: one line a record.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use turnstile_events::observation::{ClosedBy, Observation};

use super::{Record, What};

/// Characters of a body that a line shows. The JSON form of a trace shows all.
const BODY_WIDTH: usize = 160;

/// What messages are called in the script that made them, by id.
pub type Labels = BTreeMap<String, String>;

impl Record {
    /// This record as a line, with the script's names for messages in place of their ids.
    pub fn line(&self, labels: &Labels) -> String {
        let mut line = self.to_string();
        for (id, label) in labels {
            line = line.replace(id.as_str(), &format!("<{label}>"));
        }
        line
    }
}

/// A moment of a run as reports show it: seconds with microseconds.
pub fn seconds(at: Duration) -> String {
    format!("{}.{:06}", at.as_secs(), at.subsec_micros())
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:>12}  {:<9} {}",
            seconds(self.at),
            self.party,
            self.what
        )
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observation(observation) => formatter.write_str(&describe(observation)),
            Self::World(event) => write!(
                formatter,
                "== {}",
                serde_json::to_string(event).map_err(|_| fmt::Error)?
            ),
            Self::Step { line: 0, step } => write!(formatter, "-- {step}"),
            Self::Step { line, step } => write!(formatter, "-- line {line}: {step}"),
        }
    }
}

fn describe(observation: &Observation) -> String {
    match observation {
        Observation::RequestSent {
            exchange,
            to,
            method,
            path,
            body,
        } => {
            format!("#{exchange} asks {to}: {method} {path}{}", short(body))
        }
        Observation::ReplyReceived {
            exchange,
            status,
            body,
        } => format!("#{exchange} is answered {status}{}", short(body)),
        Observation::NoReply { exchange, error } => format!("#{exchange} gets no answer: {error}"),
        Observation::RequestReceived {
            exchange,
            method,
            path,
            body,
            ..
        } => {
            format!("@{exchange} is asked: {method} {path}{}", short(body))
        }
        Observation::ReplySent {
            exchange,
            status,
            body,
        } => format!("@{exchange} answers {status}{}", short(body)),
        Observation::ChunkSent { exchange, data } => format!("@{exchange} sends a chunk{}", short(data)),
        Observation::PeerGone { exchange } => format!("@{exchange} has lost its peer"),
        Observation::SocketOpened { socket, to, path } => format!("~{socket} is open to {to}: {path}"),
        Observation::SocketRefused {
            socket,
            to,
            status,
            error,
            ..
        } => match status {
            Some(status) => format!("~{socket} is refused by {to} with {status}: {error}"),
            None => format!("~{socket} cannot be opened to {to}: {error}"),
        },
        Observation::FrameSent { socket, frame } => format!("~{socket} sends {}", frame_words(frame)),
        Observation::FrameReceived { socket, frame } => format!("~{socket} receives {}", frame_words(frame)),
        Observation::SocketClosed { socket, code, by } => {
            let who = match by {
                ClosedBy::Itself => "this side",
                ClosedBy::Peer => "the other side",
                ClosedBy::Lost => "nobody: it was lost",
            };
            let code = code.map(|code| format!(" with {code}")).unwrap_or_default();
            format!("~{socket} is closed{code} by {who}")
        }
    }
}

/// A frame, its name first: what an event is matters more than what it carries.
fn frame_words(frame: &Value) -> String {
    let Some(name) = frame["streamEventType"].as_str() else {
        return short(frame).trim_start().to_owned();
    };
    let number = match frame["eventId"].as_u64() {
        Some(id) if id > 0 => format!("event {id} "),
        _ => String::new(),
    };
    // Of kilo's events the properties are everything; the rest says the same once more.
    match frame["data"]["event"].as_str() {
        Some(kilo) => format!("{number}{name} {kilo}{}", short(&frame["data"]["properties"])),
        None => format!("{number}{name}{}", short(&frame["data"])),
    }
}

/// What stands for a body in a line: nothing for none, and only the beginning of a long one.
fn short(body: &Value) -> String {
    if body.is_null() {
        return String::new();
    }
    let text = body.to_string();
    match text.char_indices().nth(BODY_WIDTH) {
        Some((end, _)) => format!(" {}…", &text[..end]),
        None => format!(" {text}"),
    }
}
