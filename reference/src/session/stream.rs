//! The stream of a session: event ids, rows of entities, and the status that clients received (protocol §5, §9).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Effect;
use super::events::{Event, EventRow, Persistence, name};
use super::frame::{Frame, Meaning, part_entity};
use super::kilo::KiloEvent;
use super::step::Step;
use crate::coverage::ServerMark;
use crate::legacy::model::Origin;

/// A step of the preparation of a wrapper (R5.19, R5.20).
pub(super) enum Preparation {
    /// The wrapper was requested to get ready.
    SandboxStarting,
    /// The wrapper is ready.
    WorkspaceReady,
}

impl Preparation {
    fn step_and_message(&self) -> (&'static str, &'static str) {
        match self {
            Self::SandboxStarting => ("sandbox_starting", "Getting the sandbox ready"),
            Self::WorkspaceReady => ("workspace_ready", "The workspace is ready"),
        }
    }
}

/// The last `cloud.status` that clients received. A client that connects later gets it in `connected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloudStatus {
    Preparing,
    Ready,
    Finalizing,
    Error,
}

/// The text of the status while the wrapper commits.
const COMMITTING: &str = "Committing the changes";

/// The stream of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    /// The id of the last kept event.
    last_event: u64,
    /// The ids of the rows of entities.
    entities: BTreeMap<String, u64>,
    /// Not stored.
    status: Option<CloudStatus>,
}

impl Stream {
    /// The stream as stored.
    pub fn restore(last_event: u64, entities: &[EventRow]) -> Self {
        let entities = entities
            .iter()
            .filter_map(|row| Some((row.entity.clone()?, row.event.id)));
        Self {
            last_event,
            entities: entities.collect(),
            status: None,
        }
    }

    /// The id of the last kept event.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// The last `cloud.status` that clients received.
    pub fn status(&self) -> Option<CloudStatus> {
        self.status
    }

    /// Restores the status, which is not stored.
    pub fn keep_status(&mut self, status: Option<CloudStatus>) {
        self.status = status;
    }

    /// Emits an event of the server and keeps it.
    pub fn emit_kept(&mut self, stream_event_type: &str, data: Value, step: &mut Step) {
        self.emit(
            Origin::default(),
            stream_event_type,
            data.into(),
            Persistence::Insert,
            step,
        );
    }

    /// Relays an event of a wrapper, and keeps it if it is of a kept type. Adds the status that follows from it
    /// (R5.85–R5.87). Returns the id of the event; 0 if it is not kept.
    pub fn relay(&mut self, origin: Origin, frame: &Frame, step: &mut Step) -> u64 {
        if let Meaning::Kilo(KiloEvent::PartRemoved { part }) = frame.meaning() {
            ServerMark::PartRemoved.hit();
            if let Some(part) = part {
                let entity = part_entity(part);
                self.entities.remove(&entity);
                step.forget_entity(entity);
            }
        }
        let (name, data) = (frame.stream_event_type(), Arc::clone(frame.data()));
        let id = self.emit(origin, name, data, frame.persistence(), step);
        self.report_status_after(frame, step);
        id
    }

    /// Emits the status that follows from an event of a wrapper.
    fn report_status_after(&mut self, frame: &Frame, step: &mut Step) {
        let data = frame.data();
        let (status, view) = match frame.stream_event_type() {
            name::AUTOCOMMIT_STARTED => {
                let message = data["message"].as_str().unwrap_or(COMMITTING);
                let view = json!({"type": "finalizing", "step": "committing", "message": message});
                (CloudStatus::Finalizing, view)
            }
            name::AUTOCOMMIT_COMPLETED => (CloudStatus::Ready, json!({"type": "ready"})),
            name::PREPARING => {
                let (Some(stage), Some(message)) = (data["step"].as_str(), data["message"].as_str()) else {
                    return;
                };
                let view = json!({"type": "preparing", "step": stage, "message": message});
                (CloudStatus::Preparing, view)
            }
            _ => return,
        };
        ServerMark::StatusByWrapper.hit();
        self.status = Some(status);
        self.report_status(&view, step);
    }

    /// Emits an event, and keeps it according to `persistence`. Returns its id; 0 if it is not kept.
    pub fn emit(
        &mut self,
        origin: Origin,
        stream_event_type: &str,
        data: Arc<Value>,
        persistence: Persistence,
        step: &mut Step,
    ) -> u64 {
        let (id, entity) = match persistence {
            Persistence::Volatile => (0, None),
            Persistence::Insert => (self.next_event_id(step), None),
            Persistence::Upsert(entity) => {
                let id = match self.entities.get(&entity) {
                    Some(id) => {
                        ServerMark::Upserted.hit();
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
        id
    }

    fn next_event_id(&mut self, step: &mut Step) -> u64 {
        step.write_core();
        self.last_event += 1;
        self.last_event
    }

    /// Emits the status `preparing`.
    pub fn report_preparing(&mut self, preparation: &Preparation, step: &mut Step) {
        ServerMark::StatusPreparing.hit();
        let (stage, message) = preparation.step_and_message();
        self.status = Some(CloudStatus::Preparing);
        self.emit_volatile(name::PREPARING, json!({"step": stage, "message": message}), step);
        let status = json!({"type": "preparing", "step": stage, "message": message});
        self.report_status(&status, step);
    }

    /// Emits the status `ready` (R5.21).
    pub fn report_ready(&mut self, step: &mut Step) {
        ServerMark::StatusReady.hit();
        self.status = Some(CloudStatus::Ready);
        self.report_status(&json!({"type": "ready"}), step);
    }

    /// Emits the status `ready`, unless it was the last one (R5.70). After a restart the last one is not known.
    pub fn report_ready_again(&mut self, step: &mut Step) {
        if self.status != Some(CloudStatus::Ready) {
            self.report_ready(step);
        }
    }

    /// Emits the status `error` (R5.22).
    pub fn report_error(&mut self, message: &str, step: &mut Step) {
        ServerMark::StatusError.hit();
        self.status = Some(CloudStatus::Error);
        self.report_status(&json!({"type": "error", "message": message}), step);
    }

    fn report_status(&mut self, status: &Value, step: &mut Step) {
        self.emit_volatile(name::CLOUD_STATUS, json!({"cloudStatus": status}), step);
    }

    /// Emits an event that is not kept.
    fn emit_volatile(&mut self, stream_event_type: &str, data: Value, step: &mut Step) {
        self.emit(
            Origin::default(),
            stream_event_type,
            data.into(),
            Persistence::Volatile,
            step,
        );
    }
}
