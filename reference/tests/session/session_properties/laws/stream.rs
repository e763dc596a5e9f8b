//! The events: their ids, which of them are kept, and that they are broadcast as written. Their data is judged
//! elsewhere.

use std::collections::BTreeMap;

use serde_json::Value;
use turnstile_reference::session::Effect;
use turnstile_reference::session::events::EventRow;

use super::{Law, Observation, Sender, Violation, ensure};

/// The state of the stream.
#[derive(Debug, Default)]
pub struct Stream {
    last_event: u64,
    entities: BTreeMap<String, u64>,
}

/// How an event is kept (R9.26–R9.28).
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Not,
    Row,
    Entity(String),
}

impl Stream {
    pub fn judge(&mut self, seen: &Observation, sender: Option<&Sender>) -> Result<(), Violation> {
        if let Some(sender) = sender {
            self.judge_frame(seen, sender)?;
        }
        for row in &seen.writes.events {
            self.take_row(row)?;
        }
        let broadcast = seen.effects.iter().filter_map(|effect| match effect {
            Effect::Broadcast(event) if event.id > 0 => Some(event),
            _ => None,
        });
        ensure!(
            broadcast.eq(seen.writes.events.iter().map(|row| &row.event)),
            Law::BroadcastIsWritten,
            "written {:?}, broadcast {:?}",
            seen.writes.events,
            seen.effects
        );
        ensure!(
            seen.session.last_event() == self.last_event,
            Law::EventIds,
            "the session's last event is {}, the last written one {}",
            seen.session.last_event(),
            self.last_event
        );
        Ok(())
    }

    /// A frame that counts is broadcast before its consequences, and is kept as specified.
    fn judge_frame(&mut self, seen: &Observation, sender: &Sender) -> Result<(), Violation> {
        let Some((_, name, data)) = seen.frame() else {
            return Ok(());
        };
        let kept = kept(seen);
        if let Some(("message.part.removed", properties)) = seen.kilo() {
            let removed = format!(
                "part/{}/{}",
                properties["messageID"].as_str().unwrap_or_default(),
                properties["partID"].as_str().unwrap_or_default()
            );
            self.entities.remove(&removed);
        }
        let Some(Effect::Broadcast(event)) = seen.effects.first() else {
            return Err(Violation::new(
                Law::BroadcastIsWritten,
                format!("the frame {name} {data} was not broadcast"),
            ));
        };
        let entity = seen.writes.events.first().and_then(|row| row.entity.clone());
        let passed_on = match (event.id, entity) {
            (0, _) => Kept::Not,
            (_, None) => Kept::Row,
            (_, Some(entity)) => Kept::Entity(entity),
        };
        ensure!(
            event.stream_event_type == name
                && *event.data == *data
                && event.origin == sender.origin()
                && passed_on == kept,
            Law::BroadcastIsWritten,
            "the frame {name} {data} of {sender:?} should be kept as {kept:?}, not as {passed_on:?} in {event:?}"
        );
        Ok(())
    }

    fn take_row(&mut self, EventRow { event, entity }: &EventRow) -> Result<(), Violation> {
        let next = self.last_event + 1;
        let expected = match entity {
            Some(entity) => *self.entities.entry(entity.clone()).or_insert(next),
            None => next,
        };
        ensure!(
            event.id == expected,
            Law::EventIds,
            "{event:?} of {entity:?} should have the id {expected}"
        );
        self.last_event = self.last_event.max(expected);
        Ok(())
    }
}

/// How the current frame must be kept.
fn kept(seen: &Observation) -> Kept {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some((event, properties)) = seen.kilo() {
        return match event {
            "message.updated" => Kept::Entity(format!("message/{}", text(&properties["info"]["id"]))),
            "message.part.updated" => {
                let part = &properties["part"];
                Kept::Entity(format!("part/{}/{}", text(&part["messageID"]), text(&part["id"])))
            }
            "session.created"
            | "session.updated"
            | "session.status"
            | "session.error"
            | "session.idle"
            | "session.turn.close"
            | "message.part.removed" => Kept::Row,
            _ => Kept::Not,
        };
    }
    match seen.frame() {
        Some((_, "complete" | "interrupted" | "error", _)) => Kept::Row,
        Some((_, name, _)) if name.starts_with("autocommit_") => Kept::Row,
        _ => Kept::Not,
    }
}
