//! The events of the played server, and the view that follows from them.
//!
//! This is a server as a client sees it (protocol §9): rows with ids, volatile events, and the snapshot. It opens no
//! socket.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use turnstile_judge::client_view::Badge;

/// The id of the session.
pub(super) const SESSION: &str = "agent_6f1b2c3d-0000-4000-8000-00000000abcd";
/// The id of the root kilo session.
pub(super) const KILO_SESSION: &str = "ses_0123456789abcdefghijklmnop";
/// The time of every event.
const TIME: &str = "2026-01-01T00:00:00.000Z";

/// A message of the transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub id: String,
    pub role: String,
    pub parts: BTreeMap<String, String>,
}

impl Shown {
    /// The text of its parts, in order of their ids.
    pub fn text(&self) -> String {
        self.parts.values().map(String::as_str).collect()
    }
}

/// The state of the server.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Kept events by id, each as its last frame.
    rows: BTreeMap<u64, Value>,
    /// Ids of rows by entity.
    entities: BTreeMap<String, u64>,
    last: u64,
    /// Messages that are pending, in order.
    pub pending: Vec<String>,
    /// Messages that failed in the queue and are in the snapshot.
    pub failed: BTreeSet<String>,
    /// The transcript, in order of first appearance.
    pub messages: Vec<Shown>,
}

impl Model {
    /// The highest id of a kept event.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The badges that a client shows.
    pub fn badges(&self) -> BTreeMap<String, Badge> {
        let queued = self.pending.iter().map(|id| (id.clone(), Badge::Queued));
        let failed = self.failed.iter().map(|id| (id.clone(), Badge::FailedToDeliver));
        queued.chain(failed).collect()
    }

    fn frame(id: u64, name: &str, data: &Value) -> Value {
        json!({"eventId": id, "sessionId": SESSION, "streamEventType": name, "timestamp": TIME, "data": data})
    }

    /// An event that is not kept.
    pub fn volatile(name: &str, data: &Value) -> Value {
        Self::frame(0, name, data)
    }

    /// A kept event with a new row.
    pub fn kept(&mut self, name: &str, data: &Value) -> Value {
        self.last += 1;
        let frame = Self::frame(self.last, name, data);
        self.rows.insert(self.last, frame.clone());
        frame
    }

    /// A version of an entity, which overwrites the row of the first one.
    fn version(&mut self, entity: String, event: &str, properties: &Value) -> Value {
        let data = kilo(event, properties);
        let id = match self.entities.get(&entity) {
            Some(id) => *id,
            None => {
                self.last += 1;
                self.entities.insert(entity, self.last);
                self.last
            }
        };
        let frame = Self::frame(id, "kilocode", &data);
        self.rows.insert(id, frame.clone());
        frame
    }

    /// The frames for a client that connects with a cursor: replay, `connected`, commands, snapshot.
    pub fn connection(&self, from: u64) -> Vec<Value> {
        let mut frames: Vec<Value> = self
            .rows
            .range(from + 1..)
            .map(|(_, frame)| frame.clone())
            .collect();
        frames.push(Self::volatile(
            "connected",
            &json!({"cloudStatus": {"type": "ready"}}),
        ));
        frames.push(Self::volatile("commands.available", &json!({"commands": []})));
        for id in self.failed.iter().chain(&self.pending) {
            frames.push(Self::volatile("cloud.message.queued", &queued(id)));
            if self.failed.contains(id) {
                frames.push(Self::volatile("cloud.message.failed", &undelivered(id)));
            }
        }
        frames
    }

    /// A message is admitted.
    pub fn queue(&mut self, id: &str) -> Value {
        self.pending.push(id.to_owned());
        self.kept("cloud.message.queued", &queued(id))
    }

    /// A message is accepted by a wrapper.
    pub fn send(&mut self, id: &str) -> Value {
        self.pending.retain(|pending| pending != id);
        // What failed in the queue before is superseded (R9.69).
        self.kept(
            "cloud.message.sent",
            &json!({"messageId": id, "delivery": "sent"}),
        )
    }

    /// A message fails in the queue.
    pub fn fail(&mut self, id: &str) -> Value {
        self.pending.retain(|pending| pending != id);
        self.failed.insert(id.to_owned());
        self.kept("cloud.message.failed", &undelivered(id))
    }

    /// A message ends after it was accepted.
    pub fn end(&mut self, id: &str, is_completed: bool) -> Value {
        if !is_completed {
            return self.break_off(id, &json!({"delivery": "sent", "accepted": true}));
        }
        let data = json!({
            "messageId": id, "status": "completed", "delivery": "sent", "accepted": true,
            "completionSource": "assistant_message_event",
        });
        self.kept("cloud.message.completed", &data)
    }

    /// A message fails after it was accepted, which these fields of the event say.
    pub fn break_off(&mut self, id: &str, delivered: &Value) -> Value {
        let mut data = json!({
            "messageId": id, "status": "failed", "completionSource": "wrapper_failure", "reason": "wrapper_error",
            "error": "it broke",
        });
        if let (Some(data), Value::Object(delivered)) = (data.as_object_mut(), delivered) {
            data.extend(delivered.clone());
        }
        self.kept("cloud.message.failed", &data)
    }

    /// A version of a message of the transcript.
    pub fn message(&mut self, id: &str, role: &str, more: Value) -> Value {
        if !self.messages.iter().any(|shown| shown.id == id) {
            self.messages.push(Shown {
                id: id.to_owned(),
                role: role.to_owned(),
                parts: BTreeMap::new(),
            });
        }
        let mut info = json!({"id": id, "role": role, "sessionID": KILO_SESSION, "time": {"created": 1}});
        if let (Some(info), Value::Object(more)) = (info.as_object_mut(), more) {
            info.extend(more);
        }
        self.version(format!("message/{id}"), "message.updated", &json!({"info": info}))
    }

    /// The texts of a shown message, by part.
    fn parts(&mut self, message: &str) -> Option<&mut BTreeMap<String, String>> {
        let shown = self.messages.iter_mut().find(|shown| shown.id == message)?;
        Some(&mut shown.parts)
    }

    /// A version of a text part.
    pub fn part(&mut self, message: &str, part: &str, text: &str) -> Value {
        if let Some(parts) = self.parts(message) {
            parts.insert(part.to_owned(), text.to_owned());
        }
        let properties = json!({"part": {
            "id": part, "messageID": message, "sessionID": KILO_SESSION, "type": "text", "text": text,
        }});
        self.version(
            format!("part/{message}/{part}"),
            "message.part.updated",
            &properties,
        )
    }

    /// A delta of a text part.
    pub fn delta(&mut self, message: &str, part: &str, delta: &str) -> Value {
        if let Some(parts) = self.parts(message) {
            parts.entry(part.to_owned()).or_default().push_str(delta);
        }
        let properties = json!({
            "sessionID": KILO_SESSION, "messageID": message, "partID": part, "field": "text", "delta": delta,
        });
        Self::volatile("kilocode", &kilo("message.part.delta", &properties))
    }

    /// The removal of a part.
    pub fn remove(&mut self, message: &str, part: &str) -> Value {
        if let Some(parts) = self.parts(message) {
            parts.remove(part);
        }
        self.entities.remove(&format!("part/{message}/{part}"));
        let properties = json!({"messageID": message, "partID": part});
        self.kept("kilocode", &kilo("message.part.removed", &properties))
    }

    /// The state of a message of the assistant again, as a wrapper sends it when a client connects during a turn.
    pub fn state_of(&mut self, message: &str) -> Vec<Value> {
        let Some(shown) = self.messages.iter().find(|shown| shown.id == message).cloned() else {
            return Vec::new();
        };
        let mut frames = vec![self.message(message, &shown.role, json!({}))];
        for (part, text) in &shown.parts {
            frames.push(self.part(message, part, text));
        }
        frames
    }
}

/// The data of a kilo event.
pub(super) fn kilo(event: &str, properties: &Value) -> Value {
    json!({"sessionID": KILO_SESSION, "event": event, "type": event, "properties": properties})
}

fn queued(id: &str) -> Value {
    json!({"messageId": id, "content": "Do it", "delivery": "queued"})
}

fn undelivered(id: &str) -> Value {
    json!({
        "messageId": id, "status": "failed", "delivery": "queued", "accepted": false,
        "completionSource": "delivery_failure", "reason": "exhausted", "attempts": 2, "error": "INTERNAL: no sandbox",
    })
}
