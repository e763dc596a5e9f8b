//! The heart: one session as a pure state machine.
//!
//! [`Session`] decides, it does not do. There is no socket, clock or disk below this module; time comes
//! in as an argument, new identifiers come from the source given at the start, and everything that is to
//! happen goes out as a [`Decision`].
//!
//! The contract, in the order in which a host keeps it:
//!
//! 1. [`Session::create`] or [`Session::restore`], once.
//! 2. [`Session::handle`] with an [`Input`] and the time, which never goes backwards. A restored session
//!    takes [`Input::Resume`] first.
//! 3. Of the [`Decision`]: commit its [`Writes`] in one transaction; only then give its [`Reply`] to
//!    whoever asked and perform its [`Effect`]s in order, feeding what comes of them back as inputs. If
//!    the commit fails, nothing of the decision may be seen: [`Session::restore`] what the store has, give
//!    it what [`Session::volatile`] was before ([`Session::keep_volatile`]), and say so to whoever asked.
//! 4. [`Session::next_deadline`] tells when an [`Input::Wake`] is due.
//!
//! A crash can so fall only before a commit (nothing happened) or between a commit and its effects. Of those
//! [`Input::Resume`] asks again for what would be missed: deliveries and callbacks. A broadcast is made up
//! for by the replay of whoever comes back, a command to the wrapper by the socket that it opens anew.

pub mod admission;
pub mod events;
mod input;
pub mod message;
pub mod metadata;
mod outbox;
mod progress;
mod queue;
mod settlement;
mod supervision;
pub mod transcript;
pub mod wrapper;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turnstile_seams::Randomness;

use self::events::{Event, EventRow, Persistence};
pub use self::input::{
    CallbackJob, Decision, Effect, Input, InterruptReport, Reply, SocketId, ToWrapper, Writes,
};
use self::message::{Message, Outcome};
use self::metadata::Metadata;
use self::outbox::Batch;
use self::progress::Told;
use self::supervision::Deadlines;
use self::transcript::Transcript;
use self::wrapper::{DeliveryInFlight, Run};
use crate::identity::{MessageId, WrapperRunId};
use crate::sabotage::Sabotage;

/// One session. See the module's documentation for how it is used.
#[derive(Debug, Clone)]
pub struct Session {
    core: Core,
    messages: BTreeMap<MessageId, Message>,
    /// Those of them that have not ended.
    unfinished: BTreeSet<MessageId>,
    /// Ids of the rows of entities (protocol §9).
    entities: BTreeMap<String, u64>,
    transcript: Transcript,
    volatile: Volatile,
    identifiers: Randomness,
    sabotage: Sabotage,
}

/// What is durable of a session besides its messages and events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Core {
    /// What the session is about.
    pub metadata: Metadata,
    /// Id of the latest event that was kept.
    last_event: u64,
    /// Generation of the latest allocation of the wrapper.
    wrapper_generation: u64,
    /// The wrapper run that is current.
    run: Option<Run>,
    /// Since when the root is idle, if nothing was accepted since.
    idle_since: Option<Timestamp>,
    /// The branch that `complete` last reported.
    reported_branch: Option<String>,
    /// The idle batch that is open.
    batch: Option<Batch>,
    /// The run whose wrapper was told to stop, or should have been, and has not said that it did.
    kill_owed: Option<WrapperRunId>,
    /// Messages whose callback the queue has not taken yet.
    outbox: BTreeSet<MessageId>,
    deadlines: Deadlines,
}

/// What a restart of the server loses: what is known of sockets and of what is under way.
#[derive(Debug, Clone, Default)]
pub struct Volatile {
    /// Open ingest sockets with the run each was admitted for.
    sockets: BTreeMap<SocketId, Run>,
    delivery: Option<DeliveryInFlight>,
    /// Callbacks that are being handed to the queue right now.
    enqueueing: BTreeSet<MessageId>,
    /// When the core was last written.
    recorded_at: Option<Timestamp>,
    /// What clients were told last of the cloud side.
    told: Option<Told>,
}

impl Session {
    /// A session that was never stored. Its first commit stores it.
    pub fn create(metadata: Metadata, identifiers: Randomness, sabotage: Sabotage) -> Self {
        let core = Core {
            metadata,
            last_event: 0,
            wrapper_generation: 0,
            run: None,
            idle_since: None,
            reported_branch: None,
            batch: None,
            kill_owed: None,
            outbox: BTreeSet::new(),
            deadlines: Deadlines::default(),
        };
        Self::restore(core, [], [], identifiers, sabotage)
    }

    /// A session as the store has it: its core, its messages, and its rows of entities.
    pub fn restore(
        core: Core,
        messages: impl IntoIterator<Item = Message>,
        entities: impl IntoIterator<Item = EventRow>,
        identifiers: Randomness,
        sabotage: Sabotage,
    ) -> Self {
        let mut session = Self {
            core,
            messages: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            entities: BTreeMap::new(),
            transcript: Transcript::default(),
            volatile: Volatile::default(),
            identifiers,
            sabotage,
        };
        for message in messages {
            session.insert(message);
        }
        for EventRow { event, entity } in entities {
            if let Some(entity) = entity {
                session.entities.insert(entity, event.id);
            }
            session.transcript.observe(&event.data);
        }
        session
    }

    /// What no store has of the session.
    pub fn volatile(&self) -> &Volatile {
        &self.volatile
    }

    /// Takes over what no store has, as it was before a decision that could not be committed.
    pub fn keep_volatile(&mut self, volatile: Volatile) {
        self.volatile = volatile;
    }

    /// Whether a restart of the server must take the session up without being asked to.
    pub fn needs_resuming(&self) -> bool {
        !self.unfinished.is_empty()
            || !self.core.outbox.is_empty()
            || self.core.batch.is_some()
            || self.next_deadline().is_some()
    }

    /// Takes in one input at the time `now` and decides what follows from it.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Decision {
        let mut decision = Decision::default();
        let reply = match input {
            Input::Admit(admission) => self.admit(now, *admission, &mut decision),
            Input::Interrupt => self.interrupt(now, &mut decision),
            Input::Resume => self.resume(now, &mut decision),
            Input::Wake => self.meet_deadlines(now, &mut decision),
            Input::Prepared { run, workspace } => self.prepared(now, &run, workspace, &mut decision),
            Input::Delivered { message, run, result } => {
                self.delivered(now, &message, &run, result, &mut decision)
            }
            Input::IngestOpened { socket, claim } => self.open_ingest(now, socket, &claim, &mut decision),
            Input::IngestEvent {
                socket,
                stream_event_type,
                data,
            } => self.take_wrapper_event(now, socket, &stream_event_type, &data, &mut decision),
            Input::IngestClosed { socket } => self.close_ingest(socket),
            Input::Enqueued { message, result } => self.enqueued(now, &message, result, &mut decision),
        };
        self.finalize_batch_without_run(now, &mut decision);
        self.watch_over_run(now, &mut decision);
        decision.reply = reply;
        decision
    }

    /// When the next [`Input::Wake`] is due, if ever.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.core.deadlines.next()
    }

    /// What the session is about.
    pub fn metadata(&self) -> &Metadata {
        &self.core.metadata
    }

    /// The durable part that is neither message nor event.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// A message of the session.
    pub fn message(&self, id: &MessageId) -> Option<&Message> {
        self.messages.get(id)
    }

    /// All messages of the session.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// Id of the latest event that was kept.
    pub fn last_event(&self) -> u64 {
        self.core.last_event
    }

    /// What a client that connects is told of messages before the live events (protocol §9): each that
    /// waits, and each that ended without ever being accepted, in order of time, as name and data.
    pub fn delivery_snapshot(&self) -> Vec<(&'static str, Value)> {
        let mut told: Vec<&Message> = self
            .messages
            .values()
            .filter(|message| {
                let failed_in_queue = message.is_terminal() && message.accepted_by.is_none();
                message.is_queued() || failed_in_queue && !message.is_completed()
            })
            .collect();
        told.sort_by_key(|message| (message.created_at, &message.id));
        let mut snapshot = Vec::new();
        for message in told {
            snapshot.push((events::name::QUEUED, events::queued(message)));
            if message.is_terminal() {
                snapshot.push(events::ended(message));
            }
        }
        snapshot
    }

    /// What a client that connects is told of the cloud side (protocol §9).
    pub fn cloud_status(&self) -> Option<&'static str> {
        if self.core.metadata.lifecycle.prepared_at.is_some() {
            Some("ready")
        } else {
            self.queued().next().map(|_| "preparing")
        }
    }

    /// Whether the session has ever had a ready workspace: the protocol's `warm` (§4).
    fn is_warm(&self) -> bool {
        self.core.metadata.workspace.is_some()
    }

    /// Messages that have not ended, oldest first.
    fn unfinished(&self) -> impl Iterator<Item = &Message> {
        let mut unfinished: Vec<&Message> = self.unfinished.iter().map(|id| &self.messages[id]).collect();
        unfinished.sort_by_key(|message| (message.created_at, &message.id));
        unfinished.into_iter()
    }

    /// Messages that a wrapper took and that have not ended, oldest first.
    fn accepted(&self) -> impl Iterator<Item = &Message> {
        self.unfinished().filter(|message| message.is_accepted())
    }

    fn has_accepted(&self) -> bool {
        self.accepted().next().is_some()
    }

    fn insert(&mut self, message: Message) {
        if !message.is_terminal() {
            self.unfinished.insert(message.id.clone());
        }
        self.messages.insert(message.id.clone(), message);
    }

    /// Changes a message, and marks it to be written.
    ///
    /// # Panics
    ///
    /// If there is no such message: whoever asks has just seen it.
    fn change<T>(
        &mut self,
        id: &MessageId,
        decision: &mut Decision,
        change: impl FnOnce(&mut Message) -> T,
    ) -> T {
        decision.writes.messages.insert(id.clone());
        change(
            self.messages
                .get_mut(id)
                .expect("a message that is changed exists"),
        )
    }

    /// Changes the core, and marks it to be written.
    fn change_core(&mut self, decision: &mut Decision) -> &mut Core {
        decision.writes.core = true;
        &mut self.core
    }

    /// Puts an event on the stream, and keeps it if it is one that lasts.
    fn emit(
        &mut self,
        now: Timestamp,
        stream_event_type: &str,
        data: Value,
        persistence: Persistence,
        decision: &mut Decision,
    ) {
        let (id, entity) = match persistence {
            Persistence::Volatile => (0, None),
            Persistence::Insert => (self.next_event_id(decision), None),
            Persistence::Upsert(entity) => {
                let id = match self.entities.get(&entity) {
                    Some(id) => *id,
                    None => self.next_event_id(decision),
                };
                self.entities.insert(entity.clone(), id);
                (id, Some(entity))
            }
        };
        let event = Event {
            id,
            stream_event_type: stream_event_type.to_owned(),
            timestamp: now,
            data,
        };
        if id > 0 {
            decision.writes.events.push(EventRow {
                event: event.clone(),
                entity,
            });
        }
        decision.effects.push(Effect::Broadcast(event));
    }

    /// Emits an event of the server's own that lasts.
    fn tell(&mut self, now: Timestamp, stream_event_type: &str, data: Value, decision: &mut Decision) {
        self.emit(now, stream_event_type, data, Persistence::Insert, decision);
    }

    fn next_event_id(&mut self, decision: &mut Decision) -> u64 {
        let core = self.change_core(decision);
        core.last_event += 1;
        core.last_event
    }

    /// Ends a message and tells of it; nothing at all if it has ended already.
    fn end(&mut self, now: Timestamp, id: &MessageId, outcome: Outcome, decision: &mut Decision) {
        if self.messages[id].is_terminal() && !self.sabotage.overwrites_terminal() {
            return;
        }
        let was_queued = self.messages[id].is_queued();
        self.change(id, decision, |message| message.end(outcome));
        self.unfinished.remove(id);
        if was_queued {
            // What comes next need not wait for when this one was to be tried again.
            self.ask_for_drain_if_pending(now, decision);
        }
        let message = &self.messages[id];
        let (name, data) = events::ended(message);
        let has_callback = message.callback_target.is_some();
        self.tell(now, name, data, decision);
        if has_callback {
            self.represent_batch(id, decision);
        }
    }
}
