//! The committed state as JSON: only declared writes are stored, and only what can be parsed again survives a
//! restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::commit::Commit;
use turnstile_reference::session::events::EventRow;
use turnstile_reference::session::{Session, Stored};
use turnstile_seams::Randomness;

use super::setting::PROFILE;

/// The records of a session.
#[derive(Debug, Clone)]
pub struct Store {
    metadata: String,
    core: String,
    messages: BTreeMap<MessageId, String>,
    /// The latest event of each entity.
    entities: BTreeMap<String, String>,
}

impl Store {
    /// The records of a new session.
    pub fn new(session: &Session) -> Self {
        Self {
            metadata: write(session.metadata()),
            core: write(&session.core()),
            messages: BTreeMap::new(),
            entities: BTreeMap::new(),
        }
    }

    /// Writes a commit.
    pub fn commit(&mut self, commit: &Commit<'_>) {
        if let Some(metadata) = commit.metadata.as_deref() {
            self.metadata = write(metadata);
        }
        if let Some(core) = &commit.core {
            self.core = write(core);
        }
        for message in &commit.messages {
            self.messages.insert(message.id.clone(), write(message.as_ref()));
        }
        for entity in commit.forgotten_entities {
            self.entities.remove(entity);
        }
        for EventRow { event, entity } in commit.events.iter() {
            if let Some(entity) = entity {
                self.entities.insert(entity.clone(), write(event));
            }
        }
    }

    /// Restores the session, after `read_records` had access to the records.
    pub fn restore(&self, randomness: &Randomness, read_records: impl FnOnce(&mut Stored)) -> Session {
        let entities = self.entities.iter().map(|(entity, event)| EventRow {
            event: read(event),
            entity: Some(entity.clone()),
        });
        let mut stored = Stored {
            metadata: read(&self.metadata),
            core: read(&self.core),
            messages: self.messages.values().map(read).collect(),
            executions: Vec::new(),
            entities: entities.collect(),
        };
        read_records(&mut stored);
        Session::restore(stored, randomness.clone(), Arc::clone(&PROFILE))
    }
}

fn write(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("records are serializable")
}

fn read<T: DeserializeOwned>(text: &String) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} cannot be parsed: {error}"))
}
