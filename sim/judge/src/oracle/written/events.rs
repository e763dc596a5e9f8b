//! The kept events of a session, which the harness's stream receives as they happen.

use serde_json::{Value, json};

use super::{ROOT, Writer};
use crate::oracle::history::kilo;
use crate::parties::OBSERVER;

impl Writer {
    /// An event of this moment, by the server's clock.
    pub(in crate::oracle) fn envelope(&self, id: usize, name: &str, data: Value) -> Value {
        let timestamp = (self.epoch + self.now + self.clock_ahead).to_string();
        json!({"eventId": id, "sessionId": self.session, "streamEventType": name, "timestamp": timestamp,
            "data": data})
    }

    /// A kept event happens.
    pub(in crate::oracle) fn event(&mut self, name: &str, data: Value) {
        let entity = entity(name, &data);
        let known = entity
            .as_ref()
            .and_then(|entity| self.book().versions.get(entity)?.first().cloned());
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
            book.versions.entry(entity).or_default().push(frame.clone());
        }
        self.client_receives_frame(OBSERVER, frame);
    }

    /// A kept event happens, in a new row although it may be a version of an entity.
    pub(in crate::oracle) fn event_in_new_row(&mut self, name: &str, data: Value) {
        let id = self.book().log.len() + 1;
        let frame = self.envelope(id, name, data);
        self.book().log.push(frame.clone());
        self.client_receives_frame(OBSERVER, frame);
    }

    /// An event of an imported execution happens.
    pub(in crate::oracle) fn event_of(&mut self, execution: &str, name: &str, data: Value) {
        let id = self.book().log.len() + 1;
        let mut frame = self.envelope(id, name, data);
        frame["executionId"] = json!(execution);
        self.book().log.push(frame.clone());
        self.client_receives_frame(OBSERVER, frame);
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
        let is_lost = more["reason"] == "wrapper_disconnected" || more["reason"] == "wrapper_failure";
        if is_lost {
            self.is_ordered_to_stop();
        }
        self.message_event("failed", message, merged(data, more));
    }

    /// A message was interrupted after it had been accepted.
    pub(in crate::oracle) fn interrupted(&mut self, message: &str) {
        self.interrupted_with(message, json!({}));
    }

    pub(in crate::oracle) fn interrupted_with(&mut self, message: &str, more: Value) {
        let data = json!({"status": "interrupted", "completionSource": "interrupt", "reason": "interrupted",
            "accepted": true, "delivery": "sent", "error": "stopped"});
        self.message_event("failed", message, merged(data, more));
    }

    /// A message was exhausted before it was accepted, because the wrapper refused it twice.
    pub(in crate::oracle) fn failed_in_queue(&mut self, message: &str) {
        self.refused(message, 400);
        self.wait(2);
        self.refused(message, 400);
        self.exhausted(message, "BAD_REQUEST", 2);
    }

    /// A message was exhausted by that failure after that number of attempts.
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

    /// A version of the assistant's message `id`, which answers `message`.
    pub(in crate::oracle) fn assistant(&mut self, message: &str, id: &str, time: Value) {
        self.event("kilocode", assistant(message, id, time));
    }

    pub(in crate::oracle) fn part(&mut self, message: &str, id: &str, text: &str) {
        let part = json!({"id": id, "messageID": message, "type": "text", "text": text});
        self.kilo("message.part.updated", json!({"part": part}));
    }

    /// A complete turn without violations: four kept events.
    pub(in crate::oracle) fn turn(&mut self, message: &str) {
        self.queued(message);
        self.delivered(message);
        self.sent(message);
        self.completed(message);
        self.idle();
    }

    /// The frame of the kept event with this index.
    pub(in crate::oracle) fn frame(&mut self, place: usize) -> Value {
        self.book().log[place].clone()
    }

    /// The frame of the version of an assistant's message with this index.
    pub(in crate::oracle) fn version(&mut self, id: &str, place: usize) -> Value {
        self.book().versions[id][place].clone()
    }

    /// The harness's stream receives a kept event again.
    pub(in crate::oracle) fn repeats_event(&mut self, id: usize) {
        let frame = self.frame(id - 1);
        self.client_receives_frame(OBSERVER, frame);
    }

    /// The harness receives that entity twice when it reads the log.
    pub(in crate::oracle) fn replays_event_twice(&mut self, entity: &str) {
        self.book().repeated = Some(entity.to_owned());
    }

    /// The log loses its last event.
    pub(in crate::oracle) fn loses_last_event(&mut self) {
        self.book().log.pop();
    }

    /// The log has other data for the event with this index.
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

/// The name of the entity that an event is a version of.
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
