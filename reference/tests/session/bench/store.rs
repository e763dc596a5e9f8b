//! What was committed, as JSON: only what a decision said it writes is written, and only what can be read
//! back is there after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use turnstile_reference::identity::MessageId;
use turnstile_reference::sabotage::Sabotage;
use turnstile_reference::session::events::EventRow;
use turnstile_reference::session::{Session, Stored, Writes};
use turnstile_seams::Randomness;

/// A session's records.
#[derive(Debug, Clone)]
pub struct Store {
    metadata: String,
    core: String,
    messages: BTreeMap<MessageId, String>,
    /// The latest word on each entity.
    entities: BTreeMap<String, String>,
}

impl Store {
    /// The records of a session that was just made.
    pub fn new(session: &Session) -> Self {
        Self {
            metadata: write(session.metadata()),
            core: write(&session.core()),
            messages: BTreeMap::new(),
            entities: BTreeMap::new(),
        }
    }

    /// Writes what a decision of `session` wants written.
    pub fn commit(&mut self, session: &Session, writes: &Writes) {
        if writes.metadata {
            self.metadata = write(session.metadata());
        }
        if writes.core {
            self.core = write(&session.core());
        }
        for message in writes.messages.iter().filter_map(|id| session.message(id)) {
            self.messages.insert(message.id.clone(), write(message));
        }
        for entity in &writes.forgotten_entities {
            self.entities.remove(entity);
        }
        for EventRow { event, entity } in &writes.events {
            if let Some(entity) = entity {
                self.entities.insert(entity.clone(), write(event));
            }
        }
    }

    /// The session that these records make.
    pub fn restore(&self, randomness: &Randomness, sabotage: Sabotage) -> Session {
        let entities = self.entities.iter().map(|(entity, event)| EventRow {
            event: read(event),
            entity: Some(entity.clone()),
        });
        let stored = Stored {
            metadata: read(&self.metadata),
            core: read(&self.core),
            messages: self.messages.values().map(read).collect(),
            executions: Vec::new(),
            entities: entities.collect(),
        };
        Session::restore(stored, randomness.clone(), Arc::default(), sabotage)
    }
}

fn write(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("a record can be written as JSON")
}

fn read<T: DeserializeOwned>(text: &String) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} cannot be read back: {error}"))
}
