//! Mutants of what a stream shows: the frames of wrappers, and the rows of entities (protocol §9).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::SessionId;
use turnstile_reference::session::events::Event;
use turnstile_reference::session::{Effect, Input};

use crate::core_row::{CoreRow, change_core};
use crate::{change_events, id_of, lock};

/// The name of kilo's event in an event, if it has one.
fn kilo_name(event: &Event) -> Option<&str> {
    event.data["event"].as_str()
}

/// The event that an effect sends to clients, if it sends one.
fn broadcast(effect: &mut Effect) -> Option<&mut Event> {
    match effect {
        Effect::Broadcast(event) => Some(event),
        _ => None,
    }
}

fn is_delta(effect: &Effect) -> bool {
    matches!(effect, Effect::Broadcast(event) if kilo_name(event) == Some("message.part.delta"))
}

/// Sends deltas to no client once a second client has connected; violates R9.43.
#[derive(Default)]
pub struct DropsDeltas {
    /// The number of clients that connected, by session.
    clients: Mutex<BTreeMap<SessionId, u32>>,
}

impl Interceptor for DropsDeltas {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut clients = lock(&self.clients);
        let clients = clients.entry(id_of(decided.session).clone()).or_default();
        if matches!(moment.input, Input::ClientConnected) {
            *clients += 1;
        }
        if *clients > 1 {
            decided.effects.retain(|effect| !is_delta(effect));
        }
        Memory::Stays
    }
}

/// Sends a delta after the event that follows it; violates R9.43.
#[derive(Default)]
pub struct DelaysDeltas {
    /// The delta that was not sent yet, by session.
    held: Mutex<BTreeMap<SessionId, Effect>>,
}

impl Interceptor for DelaysDeltas {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut held = lock(&self.held);
        let session = id_of(decided.session).clone();
        let earlier = held.remove(&session);
        if let (None, Some(place)) = (&earlier, decided.effects.iter().position(is_delta)) {
            held.insert(session, decided.effects.remove(place));
        }
        decided.effects.extend(earlier);
        Memory::Stays
    }
}

/// Sends the same frame twice after the wrapper has reconnected; violates R9.43.
pub struct RepeatsResumed;

impl Interceptor for RepeatsResumed {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let resumed = decided.effects.iter().find(
            |effect| matches!(effect, Effect::Broadcast(event) if event.stream_event_type == "wrapper_resumed"),
        );
        if let Some(resumed) = resumed.cloned() {
            decided.effects.push(resumed);
        }
        Memory::Stays
    }
}

/// Sends deltas without the field that they change; violates R9.43.
pub struct ShortensDeltas;

impl Interceptor for ShortensDeltas {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        for effect in decided.effects.iter_mut().filter(|effect| is_delta(effect)) {
            if let Some(Value::Object(properties)) =
                broadcast(effect).map(|event| &mut Arc::make_mut(&mut event.data)["properties"])
            {
                properties.remove("field");
            }
        }
        Memory::Stays
    }
}

/// Does not keep updates of a session, and sends them with id 0; violates R9.26.
pub struct ForgetsUpdates;

impl Interceptor for ForgetsUpdates {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_update = |event: &Event| kilo_name(event) == Some("session.updated");
        if decided.commit.events.iter().any(|row| is_update(&row.event)) {
            let rows = decided.commit.events.to_mut();
            rows.retain(|row| !is_update(&row.event));
        }
        for event in decided.effects.iter_mut().filter_map(broadcast) {
            if is_update(event) {
                event.id = 0;
            }
        }
        Memory::Stays
    }
}

/// Stores each version of a part in a new row; violates R9.27.
pub struct KeepsEveryVersion;

impl Interceptor for KeepsEveryVersion {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let known = moment.before.last_event();
        let is_later = |event: &Event| {
            kilo_name(event) == Some("message.part.updated") && (1..=known).contains(&event.id)
        };
        if !decided.commit.events.iter().any(|row| is_later(&row.event)) {
            return Memory::Stays;
        }
        let id = decided.session.last_event() + 1;
        change_events(decided, |event| {
            if is_later(event) {
                event.id = id;
            }
        });
        change_core(decided, |core: &mut CoreRow| core.0["lastEvent"] = id.into());
        Memory::IsReread
    }
}

/// Gives a part that was removed and comes back its old row; violates R9.30.
pub struct RevivesRows;

impl Interceptor for RevivesRows {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        if decided.commit.forgotten_entities.is_empty() {
            return Memory::Stays;
        }
        decided.commit.forgotten_entities = &[];
        Memory::IsReread
    }
}
