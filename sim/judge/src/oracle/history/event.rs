//! Events of streams: what their names and data are about, and how they are read from frames.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::data::FrameData;

/// The name of the event that ends a replay.
pub const CONNECTED: &str = "connected";

/// An event of a session's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// The session whose stream it is on.
    pub session: Arc<str>,
    /// 0 if it is not kept.
    pub id: u64,
    /// Its `streamEventType`.
    pub name: String,
    /// Its data.
    pub data: FrameData,
    /// The number of its content: name and data. Frames of wrappers with the same content have the same number.
    pub content: usize,
    /// The time that the server reports, since the beginning of the run, in whole milliseconds.
    pub at: Duration,
    /// The same by the server's clock.
    pub reported_at: Timestamp,
    /// Whether it is a version of an entity, so that later versions overwrite its row.
    is_upserted: bool,
    /// Further fields of its envelope. `sessionId` is among them only if it is another session, or null if it is absent.
    pub others: Map<String, Value>,
}

impl StreamEvent {
    /// The message that a `cloud.message.*` event is about.
    pub fn message(&self) -> Option<&str> {
        self.name.strip_prefix("cloud.message.")?;
        self.data["messageId"].as_str()
    }

    /// Whether it reports that a message was admitted.
    pub fn is_queued(&self) -> bool {
        self.name == "cloud.message.queued"
    }

    /// Whether it reports that a wrapper accepted a message.
    pub fn is_sent(&self) -> bool {
        self.name == "cloud.message.sent"
    }

    /// Whether it reports the end of a message.
    pub fn is_end(&self) -> bool {
        matches!(
            self.name.as_str(),
            "cloud.message.completed" | "cloud.message.failed"
        )
    }

    /// The imported execution that it is an event of, by its id.
    pub fn execution(&self) -> Option<&str> {
        self.others.get("executionId")?.as_str()
    }

    /// Whether it is an event of an imported execution (R9.16).
    pub fn is_of_execution(&self) -> bool {
        self.others.contains_key("executionId")
    }

    /// The kilo event's name and properties, if it carries one.
    pub fn kilo(&self) -> Option<(&str, &Value)> {
        kilo(&self.name, &self.data)
    }

    /// Whether `name` is its name or the name of the kilo event in it.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.kilo().is_some_and(|(kilo, _)| kilo == name)
    }

    /// The entity that it is a version of, whose row later versions overwrite; `None` if its row never changes.
    pub fn entity(&self) -> Option<(&str, &str)> {
        // The data of other events need not be read.
        if !self.is_upserted {
            return None;
        }
        entity(&self.name, &self.data)
    }

    /// Whether it is a version of an entity, so that later versions overwrite its row.
    pub fn is_upserted(&self) -> bool {
        self.is_upserted
    }
}

/// The name and properties of a kilo event in the data of an event, if it carries one (protocol §11).
pub fn kilo<'a>(name: &str, data: &'a Value) -> Option<(&'a str, &'a Value)> {
    if name != "kilocode" {
        return None;
    }
    Some((data["event"].as_str()?, &data["properties"]))
}

/// The message that one of kilo's events answers, with what the event has of the answer, if it is a version of an assistant's
/// message.
pub fn answer<'a>((name, properties): (&str, &'a Value)) -> Option<(&'a str, &'a Value)> {
    let info = &properties["info"];
    let is_answer = name == "message.updated" && info["role"] == "assistant";
    let message = info["parentID"].as_str().filter(|_| is_answer)?;
    Some((message, info))
}

/// The entity that an event is a version of.
fn entity<'a>(name: &str, data: &'a Value) -> Option<(&'a str, &'a str)> {
    let (name, properties) = kilo(name, data)?;
    match name {
        "message.updated" => Some((properties["info"]["id"].as_str()?, "")),
        "message.part.updated" => {
            let part = &properties["part"];
            Some((part["messageID"].as_str()?, part["id"].as_str()?))
        }
        _ => None,
    }
}

/// Reads an event from a frame of a stream, whose content has the number `content`; `None` if the frame is none. `time_of`
/// is the time since the beginning of the run at which the server's clock showed a time.
pub(super) fn read_event(
    session: &Arc<str>,
    frame: &Arc<Value>,
    content: usize,
    time_of: impl FnOnce(Timestamp) -> Duration,
) -> Option<StreamEvent> {
    let fields = frame.as_object()?;
    let (mut id, mut name, mut time, mut is_of_session) = (None, None, None, false);
    let mut others = Map::new();
    for (field, value) in fields {
        match field.as_str() {
            "eventId" => id = value.as_u64(),
            "streamEventType" => name = value.as_str(),
            "timestamp" => time = value.as_str(),
            "data" => {}
            "sessionId" if value.as_str() == Some(session) => is_of_session = true,
            other => {
                others.insert(other.to_owned(), value.clone());
            }
        }
    }
    if !is_of_session {
        others.entry("sessionId").or_insert(Value::Null);
    }
    let (name, data) = (name?, FrameData::of(frame));
    let reported_at = time?.parse().ok()?;
    Some(StreamEvent {
        session: session.clone(),
        id: id?,
        name: name.to_owned(),
        is_upserted: entity(name, &data).is_some(),
        data,
        content,
        at: time_of(reported_at),
        reported_at,
        others,
    })
}
