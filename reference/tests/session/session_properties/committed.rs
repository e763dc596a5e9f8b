//! The committed state: only declared writes are stored, and after a crash only what can be parsed from JSON remains.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::execution::{self, Execution};
use turnstile_reference::model::message::Message;
use turnstile_reference::model::metadata::Metadata;
use turnstile_reference::session::commit::Commit;
use turnstile_reference::session::events::{Event, EventRow};
use turnstile_reference::session::{Core, Session, Stored};
use turnstile_seams::Randomness;

use crate::session_properties::laws::{Law, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;

/// Deadlines that depend on the wrapper's output. They may be written later than they are set, to save commits.
const LAZY_DEADLINES: [&str; 2] = ["ping", "noOutput"];

/// The records of a session.
#[derive(Debug, Default)]
pub struct Committed {
    /// `None` if the session does not exist.
    metadata: Option<Metadata>,
    core: Core,
    messages: BTreeMap<MessageId, Message>,
    executions: BTreeMap<execution::Id, Execution>,
    events: BTreeMap<u64, Event>,
    entities: BTreeMap<String, u64>,
}

impl Committed {
    /// The records of an imported session.
    pub fn left_behind(metadata: Metadata, executions: Vec<Execution>) -> Self {
        let executions = executions
            .into_iter()
            .map(|execution| (execution.id().clone(), execution));
        Self {
            metadata: Some(metadata),
            executions: executions.collect(),
            ..Self::default()
        }
    }

    /// Writes a commit.
    pub fn commit(&mut self, commit: &Commit<'_>) {
        if commit.removal {
            *self = Self::default();
            return;
        }
        if let Some(metadata) = commit.metadata.as_deref() {
            self.metadata = Some(metadata.clone());
        }
        if let Some(core) = &commit.core {
            self.core = core.clone();
        }
        for message in &commit.messages {
            self.messages.insert(message.id.clone(), message.as_ref().clone());
        }
        for execution in &commit.executions {
            self.executions
                .insert(execution.id().clone(), execution.as_ref().clone());
        }
        for entity in commit.forgotten_entities {
            self.entities.remove(entity);
        }
        for EventRow { event, entity } in commit.events.iter() {
            self.events.insert(event.id, event.clone());
            if let Some(entity) = entity {
                self.entities.insert(entity.clone(), event.id);
            }
        }
    }

    /// Restores the session, if it exists, after `read` had access to the records.
    pub fn restore(&self, randomness: &Randomness, read: impl FnOnce(&mut Stored)) -> Option<Session> {
        let rows = self.entities.iter().map(|(entity, id)| EventRow {
            event: through_json(&self.events[id]),
            entity: Some(entity.clone()),
        });
        let mut stored = Stored {
            metadata: through_json(self.metadata.as_ref()?),
            core: through_json(&self.core),
            messages: self.messages.values().map(through_json).collect(),
            executions: self.executions.values().map(through_json).collect(),
            entities: rows.collect(),
        };
        read(&mut stored);
        Some(Session::restore(
            stored,
            randomness.clone(),
            Arc::clone(&PROTOCOL),
        ))
    }

    /// Checks that all durable state of `session` was written.
    pub fn agree_with(&self, session: &Session) -> Result<(), Violation> {
        ensure!(
            self.core == session.core() || without_lazy(&self.core) == without_lazy(&session.core()),
            Law::WritesAreComplete,
            "committed {:?}, but the session has {:?}",
            self.core,
            session.core(),
        );
        ensure!(
            self.metadata.as_ref() == Some(session.metadata()),
            Law::WritesAreComplete,
            "committed {:?}, but the session has {:?}",
            self.metadata,
            session.metadata(),
        );
        ensure!(
            session.messages().eq(self.messages.values()),
            Law::WritesAreComplete,
            "a message differs from its record",
        );
        for (id, execution) in &self.executions {
            ensure!(
                session.execution(id) == Some(execution),
                Law::WritesAreComplete,
                "committed {execution:?}, but the session has {:?}",
                session.execution(id),
            );
        }
        Ok(())
    }

    /// Whether the session exists.
    pub fn has_session(&self) -> bool {
        self.metadata.is_some()
    }
}

fn through_json<T: Serialize + DeserializeOwned>(record: &T) -> T {
    let text = serde_json::to_string(record).expect("records are serializable");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text} cannot be parsed: {error}"))
}

fn without_lazy(core: &Core) -> Value {
    let mut core = serde_json::to_value(core).expect("records are serializable");
    if let Some(deadlines) = core["deadlines"].as_array_mut() {
        deadlines.retain(|deadline| !LAZY_DEADLINES.iter().any(|lazy| deadline[0] == *lazy));
    }
    core
}
