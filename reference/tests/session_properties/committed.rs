//! What was committed, as a store of records of JSON has it: only what a decision said it writes is
//! written, and only what can be read back is there after a crash.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use turnstile_reference::identity::MessageId;
use turnstile_reference::sabotage::Sabotage;
use turnstile_reference::session::events::{Event, EventRow};
use turnstile_reference::session::message::Message;
use turnstile_reference::session::metadata::{CallbackTarget, Metadata};
use turnstile_reference::session::{Core, Session, Stored, Writes};
use turnstile_seams::Randomness;

use crate::laws::{Law, Violation, ensure};

/// Deadlines that follow the wrapper's output. They may be written later than they are set: a commit for
/// every piece of a text would be too dear.
const LAZY_DEADLINES: [&str; 2] = ["ping", "noOutput"];

/// A session's records. All of them were JSON once.
#[derive(Debug)]
pub struct Committed {
    metadata: Metadata,
    core: Core,
    messages: BTreeMap<MessageId, Message>,
    events: BTreeMap<u64, Event>,
    entities: BTreeMap<String, u64>,
}

impl Committed {
    /// The records of a session that was just made.
    pub fn new(session: &Session) -> Self {
        Self {
            metadata: through_json(session.metadata()),
            core: through_json(session.core()),
            messages: BTreeMap::new(),
            events: BTreeMap::new(),
            entities: BTreeMap::new(),
        }
    }

    /// Writes what a decision of `session` wants written.
    pub fn commit(&mut self, session: &Session, writes: &Writes) {
        if writes.metadata {
            self.metadata = through_json(session.metadata());
        }
        if writes.core {
            self.core = through_json(session.core());
        }
        for message in writes.messages.iter().filter_map(|id| session.message(id)) {
            self.messages.insert(message.id.clone(), through_json(message));
        }
        for entity in &writes.forgotten_entities {
            self.entities.remove(entity);
        }
        for EventRow { event, entity } in &writes.events {
            self.events.insert(event.id, through_json(event));
            if let Some(entity) = entity {
                self.entities.insert(entity.clone(), event.id);
            }
        }
    }

    /// The session that these records make.
    pub fn restore(&self, randomness: &Randomness, sabotage: Sabotage) -> Session {
        let rows = self.entities.iter().map(|(entity, id)| EventRow {
            event: self.events[id].clone(),
            entity: Some(entity.clone()),
        });
        let stored = Stored {
            metadata: self.metadata.clone(),
            core: self.core.clone(),
            messages: self.messages.values().cloned().collect(),
            executions: Vec::new(),
            entities: rows.collect(),
        };
        Session::restore(stored, randomness.clone(), sabotage)
    }

    /// Whether `session` has nothing durable that was not written.
    pub fn agree_with(&self, session: &Session) -> Result<(), Violation> {
        ensure!(
            self.core == *session.core() || without_lazy(&self.core) == without_lazy(session.core()),
            Law::WritesAreComplete,
            "committed {:?}, but the session has {:?}",
            self.core,
            session.core(),
        );
        ensure!(
            self.metadata == *session.metadata(),
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
        Ok(())
    }

    /// What `updateSession` leaves in the records.
    pub fn retarget(&mut self, target: Option<CallbackTarget>) {
        self.metadata.callback = target;
    }
}

fn through_json<T: Serialize + DeserializeOwned>(record: &T) -> T {
    let text = serde_json::to_string(record).expect("a record can be written as JSON");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text} cannot be read back: {error}"))
}

fn without_lazy(core: &Core) -> Value {
    let mut core = serde_json::to_value(core).expect("a record can be written as JSON");
    if let Some(deadlines) = core["deadlines"].as_array_mut() {
        deadlines.retain(|deadline| !LAZY_DEADLINES.iter().any(|lazy| deadline[0] == *lazy));
    }
    core
}
