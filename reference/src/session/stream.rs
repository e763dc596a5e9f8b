//! The stream of a session: ids of events, rows of entities, and what clients were told last (protocol §5, §9).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Effect;
use super::events::{Event, EventRow, Persistence, name};
use super::frame::{Frame, Meaning, part_entity};
use super::kilo::KiloEvent;
use super::step::Step;
use crate::coverage::Row;
use crate::legacy::model::Origin;

/// Steps of a preparation, by name, each with what a person reads.
pub(super) enum Preparation {
    /// The wrapper is asked to get ready.
    SandboxStarting,
    /// It has said that it is.
    WorkspaceReady,
}

impl Preparation {
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::SandboxStarting => ("sandbox_starting", "Getting the sandbox ready"),
            Self::WorkspaceReady => ("workspace_ready", "The workspace is ready"),
        }
    }
}

/// What clients were told last of the cloud side. A client that connects later gets it in `connected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Preparing,
    Ready,
    Error,
}

/// The stream of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    /// Id of the latest event that was kept.
    last_event: u64,
    /// Ids of the rows of entities.
    entities: BTreeMap<String, u64>,
    /// No store has it.
    told: Option<Told>,
}

impl Stream {
    /// The stream as the store has it.
    pub fn restore(last_event: u64, entities: &[EventRow]) -> Self {
        let entities = entities
            .iter()
            .filter_map(|row| Some((row.entity.clone()?, row.event.id)));
        Self {
            last_event,
            entities: entities.collect(),
            told: None,
        }
    }

    /// Id of the latest event that was kept.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// What clients were told last of the cloud side.
    pub fn told(&self) -> Option<Told> {
        self.told
    }

    /// Takes over what clients were told last, which no store has.
    pub fn keep_told(&mut self, told: Option<Told>) {
        self.told = told;
    }

    /// Puts an event of the server on the stream, and keeps it.
    pub fn tell(&mut self, stream_event_type: &str, data: Value, step: &mut Step) {
        self.emit(
            Origin::default(),
            stream_event_type,
            data,
            Persistence::Insert,
            step,
        );
    }

    /// Puts a wrapper's event on the stream, and keeps it if it is one that lasts.
    pub fn pass_on(&mut self, origin: Origin, frame: &Frame, step: &mut Step) {
        if let Meaning::Kilo(KiloEvent::PartRemoved { part }) = frame.meaning() {
            Row::PartRemoved.reach();
            if let Some(part) = part {
                let entity = part_entity(part);
                self.entities.remove(&entity);
                step.forget_entity(entity);
            }
        }
        let (name, data) = (frame.stream_event_type(), frame.data().clone());
        self.emit(origin, name, data, frame.persistence(), step);
    }

    /// Puts an event on the stream, and keeps it if it is one that lasts.
    pub fn emit(
        &mut self,
        origin: Origin,
        stream_event_type: &str,
        data: Value,
        persistence: Persistence,
        step: &mut Step,
    ) {
        let (id, entity) = match persistence {
            Persistence::Volatile => (0, None),
            Persistence::Insert => (self.next_event_id(step), None),
            Persistence::Upsert(entity) => {
                let id = match self.entities.get(&entity) {
                    Some(id) => {
                        Row::Upserted.reach();
                        *id
                    }
                    None => self.next_event_id(step),
                };
                self.entities.insert(entity.clone(), id);
                (id, Some(entity))
            }
        };
        let event = Event {
            id,
            stream_event_type: stream_event_type.to_owned(),
            timestamp: step.now,
            origin,
            data,
        };
        if id > 0 {
            step.write_event(EventRow {
                event: event.clone(),
                entity,
            });
        }
        step.effect(Effect::Broadcast(event));
    }

    fn next_event_id(&mut self, step: &mut Step) -> u64 {
        step.write_core();
        self.last_event += 1;
        self.last_event
    }

    /// Tells clients what is being prepared.
    pub fn tell_preparing(&mut self, preparation: &Preparation, step: &mut Step) {
        Row::ToldPreparing.reach();
        let (stage, message) = preparation.words();
        self.told = Some(Told::Preparing);
        self.tell_once(name::PREPARING, json!({"step": stage, "message": message}), step);
        let status = json!({"type": "preparing", "step": stage, "message": message});
        self.tell_status(&status, step);
    }

    /// Tells clients that nothing is being prepared any more, once and not again with every turn.
    pub fn tell_ready(&mut self, step: &mut Step) {
        if self.told.replace(Told::Ready) != Some(Told::Ready) {
            Row::ToldReady.reach();
            self.tell_status(&json!({"type": "ready"}), step);
        }
    }

    /// Tells clients that nothing is being prepared any more, if they were told that something is.
    pub fn tell_ready_if_preparing(&mut self, step: &mut Step) {
        if self.told == Some(Told::Preparing) {
            self.tell_ready(step);
        }
    }

    /// Tells clients of a fatal error of the wrapper.
    pub fn tell_failure(&mut self, message: &str, step: &mut Step) {
        Row::ToldError.reach();
        self.told = Some(Told::Error);
        self.tell_status(&json!({"type": "error", "message": message}), step);
    }

    fn tell_status(&mut self, status: &Value, step: &mut Step) {
        self.tell_once(name::CLOUD_STATUS, json!({"cloudStatus": status}), step);
    }

    /// Puts an event on the stream that is not kept.
    fn tell_once(&mut self, stream_event_type: &str, data: Value, step: &mut Step) {
        self.emit(
            Origin::default(),
            stream_event_type,
            data,
            Persistence::Volatile,
            step,
        );
    }
}
