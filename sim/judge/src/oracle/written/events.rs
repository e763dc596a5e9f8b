//! What the server makes known of messages and turns: the kept events of a session, shown on the harness's
//! stream as they happen.

use serde_json::{Value, json};

use super::{ROOT, Writer};
use crate::oracle::history::kilo;
use crate::parties::OBSERVER;

impl Writer {
    pub(super) fn envelope(&self, id: usize, name: &str, data: Value) -> Value {
        let timestamp = (self.epoch + self.now).to_string();
        json!({"eventId": id, "sessionId": self.session, "streamEventType": name, "timestamp": timestamp,
            "data": data})
    }

    /// An event happens that is kept.
    pub(in crate::oracle) fn event(&mut self, name: &str, data: Value) {
        let entity = entity(name, &data);
        let known = entity
            .as_ref()
            .and_then(|entity| self.book().words.get(entity)?.first().cloned());
        let next = self.book().log.len() + 1;
        let id = known.map_or(next, |first| first["eventId"].as_u64().unwrap() as usize);
        let frame = self.envelope(id, name, data);
        let book = self.book();
        book.log.truncate(next - 1);
        if id == next {
            book.log.push(frame.clone());
        } else {
            book.log[id - 1] = frame.clone();
        }
        if let Some(entity) = entity {
            book.words.entry(entity).or_default().push(frame.clone());
        }
        self.client_is_shown(OBSERVER, frame);
    }

    /// An event of an imported execution happens.
    pub(in crate::oracle) fn event_of(&mut self, execution: &str, name: &str, data: Value) {
        let id = self.book().log.len() + 1;
        let mut frame = self.envelope(id, name, data);
        frame["executionId"] = json!(execution);
        self.book().log.push(frame.clone());
        self.client_is_shown(OBSERVER, frame);
    }

    /// An event of a message happens.
    pub(in crate::oracle) fn message_event(&mut self, name: &str, message: &str, more: Value) {
        self.event(
            &format!("cloud.message.{name}"),
            merged(json!({"messageId": message}), more),
        );
    }

    pub(in crate::oracle) fn queued(&mut self, message: &str) {
        self.message_event("queued", message, json!({"delivery": "queued"}));
    }

    pub(in crate::oracle) fn sent(&mut self, message: &str) {
        self.message_event("sent", message, json!({"delivery": "sent"}));
    }

    pub(in crate::oracle) fn completed(&mut self, message: &str) {
        self.completed_with(message, json!({}));
    }

    pub(in crate::oracle) fn completed_with(&mut self, message: &str, more: Value) {
        let data = json!({"status": "completed", "completionSource": "assistant_message_event",
            "accepted": true, "delivery": "sent"});
        self.message_event("completed", message, merged(data, more));
    }

    /// A message failed after it had been accepted.
    pub(in crate::oracle) fn failed(&mut self, message: &str, more: Value) {
        let data = json!({"status": "failed", "accepted": true, "delivery": "sent"});
        self.message_event("failed", message, merged(data, more));
    }

    /// A message was interrupted after it had been accepted.
    pub(in crate::oracle) fn interrupted(&mut self, message: &str) {
        let data = json!({"status": "interrupted", "completionSource": "interrupt", "reason": "interrupted",
            "accepted": true, "delivery": "sent"});
        self.message_event("failed", message, data);
    }

    /// A message was given up before it was ever accepted, for the wrapper refused it.
    pub(in crate::oracle) fn failed_in_queue(&mut self, message: &str) {
        self.refused(message, 400);
        self.exhausted(message, "BAD_REQUEST", 1);
    }

    /// A message was given up for that failure, after so many tries.
    pub(in crate::oracle) fn exhausted(&mut self, message: &str, code: &str, attempts: usize) {
        let data = json!({"status": "failed", "completionSource": "delivery_failure", "reason": "exhausted",
            "accepted": false, "delivery": "queued", "attempts": attempts, "error": format!("{code}: no")});
        self.message_event("failed", message, data);
    }

    pub(in crate::oracle) fn kilo(&mut self, event: &str, properties: Value) {
        self.event("kilocode", json!({"event": event, "properties": properties}));
    }

    pub(in crate::oracle) fn idle(&mut self) {
        self.kilo("session.idle", json!({"sessionID": ROOT}));
    }

    /// A word on the assistant's message `id`, which answers `message`.
    pub(in crate::oracle) fn assistant(&mut self, message: &str, id: &str, time: Value) {
        self.event("kilocode", assistant(message, id, time));
    }

    pub(in crate::oracle) fn part(&mut self, message: &str, id: &str, text: &str) {
        let part = json!({"id": id, "messageID": message, "type": "text", "text": text});
        self.kilo("message.part.updated", json!({"part": part}));
    }

    /// A whole turn, as it should be: four kept events.
    pub(in crate::oracle) fn turn(&mut self, message: &str) {
        self.queued(message);
        self.delivered(message);
        self.sent(message);
        self.completed(message);
        self.idle();
    }

    /// The frame of a kept event, counted from 0.
    pub(in crate::oracle) fn frame(&mut self, place: usize) -> Value {
        self.book().log[place].clone()
    }

    /// The frame of one of the words on an assistant's message, counted from 0.
    pub(in crate::oracle) fn word(&mut self, id: &str, place: usize) -> Value {
        self.book().words[id][place].clone()
    }

    /// The harness's stream shows a kept event again.
    pub(in crate::oracle) fn repeats_event(&mut self, id: usize) {
        let frame = self.frame(id - 1);
        self.client_is_shown(OBSERVER, frame);
    }

    /// When the harness reads the log, it is shown that entity twice.
    pub(in crate::oracle) fn replays_event_twice(&mut self, entity: &str) {
        self.book().doubled = Some(entity.to_owned());
    }

    /// The log forgets what happened last.
    pub(in crate::oracle) fn loses_last_event(&mut self) {
        self.book().log.pop();
    }

    /// The log has other data of an event, counted from 0.
    pub(in crate::oracle) fn changes_event(&mut self, place: usize, data: Value) {
        self.book().log[place]["data"] = data;
    }
}

pub(in crate::oracle) fn merged(mut one: Value, other: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (one.as_object_mut(), other) {
        fields.extend(more);
    }
    one
}

pub(in crate::oracle) fn assistant(message: &str, id: &str, time: Value) -> Value {
    let info = json!({"id": id, "role": "assistant", "parentID": message, "time": time});
    json!({"event": "message.updated", "properties": {"info": info}})
}

/// The name of what an event is the latest word on, if it is.
pub(in crate::oracle) fn entity(name: &str, data: &Value) -> Option<String> {
    match kilo(name, data)? {
        ("message.updated", properties) => properties["info"]["id"].as_str().map(str::to_owned),
        ("message.part.updated", properties) => {
            let part = &properties["part"];
            Some(format!("{}/{}", part["messageID"], part["id"]))
        }
        _ => None,
    }
}
