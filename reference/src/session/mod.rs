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
pub mod deletion;
pub mod events;
pub mod frame;
pub mod health;
mod imported;
mod input;
pub mod kilo;
mod outbox;
mod progress;
mod queue;
mod settlement;
pub(crate) mod supervision;
pub mod transcript;
pub mod wrapper;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turnstile_profile::Profile;
use turnstile_seams::Randomness;

use self::events::{Event, EventRow, Persistence};
pub use self::input::{
    CalendarMove, CallbackJob, CallbackOwner, Decision, Effect, EnqueueError, Input, InterruptReport, Reply,
    SocketId, ToWrapper, Writes,
};
use self::kilo::KiloEvent;
use self::outbox::Batch;
use self::progress::Told;
use self::supervision::Deadlines;
use self::transcript::Transcript;
use self::wrapper::{DeliveryInFlight, Run};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::Origin;
use crate::legacy::model::execution::{self, Execution};
use crate::model::message::{Message, Outcome};
use crate::model::metadata::Metadata;
use crate::sabotage::Sabotage;

/// One session. See the module's documentation for how it is used.
#[derive(Debug, Clone)]
pub struct Session {
    metadata: Metadata,
    /// Whether the store has never heard of the session.
    is_new: bool,
    core: Core,
    messages: BTreeMap<MessageId, Message>,
    /// Those of them that have not ended.
    unfinished: BTreeSet<MessageId>,
    /// What an older service left behind.
    executions: BTreeMap<execution::Id, Execution>,
    /// Ids of the rows of entities (protocol §9).
    entities: BTreeMap<String, u64>,
    transcript: Transcript,
    volatile: Volatile,
    identifiers: Randomness,
    profile: Arc<Profile>,
    sabotage: Sabotage,
}

/// A session as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What it is about.
    pub metadata: Metadata,
    /// Its core; that of a session which only an older service ever wrote is as empty as a new one's.
    pub core: Core,
    /// Its messages.
    pub messages: Vec<Message>,
    /// Executions of an older service's.
    pub executions: Vec<Execution>,
    /// The latest words on its entities.
    pub entities: Vec<EventRow>,
}

/// What is durable of a session and changes with nearly everything that happens to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Core {
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
    /// Whose callback the queue has not taken yet.
    outbox: BTreeSet<CallbackOwner>,
    deadlines: Deadlines,
    /// The day on which the store's calendar has the session expire.
    calendar_day: Option<i64>,
    /// It was deleted, and is kept only until the queue has taken the callbacks that it owes.
    deleted: bool,
}

/// What a restart of the server loses: what is known of sockets and of what is under way.
#[derive(Debug, Clone, Default)]
pub struct Volatile {
    /// Open ingest sockets with the run each was admitted for.
    sockets: BTreeMap<SocketId, Run>,
    /// Open ingest sockets of older wrappers with the execution each was admitted for.
    execution_sockets: BTreeMap<SocketId, execution::Id>,
    delivery: Option<DeliveryInFlight>,
    /// Callbacks that are being handed to the queue right now.
    enqueueing: BTreeSet<CallbackOwner>,
    /// When the core was last written.
    recorded_at: Option<Timestamp>,
    /// What clients were told last of the cloud side.
    told: Option<Told>,
}

impl Session {
    /// A session that was never stored. Its first commit stores it.
    pub fn create(
        metadata: Metadata,
        identifiers: Randomness,
        profile: Arc<Profile>,
        sabotage: Sabotage,
    ) -> Self {
        let stored = Stored {
            metadata,
            core: Core::default(),
            messages: Vec::new(),
            executions: Vec::new(),
            entities: Vec::new(),
        };
        let mut session = Self::restore(stored, identifiers, profile, sabotage);
        session.is_new = true;
        session
    }

    /// A session as the store has it.
    pub fn restore(
        stored: Stored,
        identifiers: Randomness,
        profile: Arc<Profile>,
        sabotage: Sabotage,
    ) -> Self {
        let Stored {
            metadata,
            core,
            messages,
            executions,
            entities,
        } = stored;
        let executions = executions
            .into_iter()
            .map(|execution| (execution.id().clone(), execution));
        let mut session = Self {
            metadata,
            is_new: false,
            core,
            messages: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            executions: executions.collect(),
            entities: BTreeMap::new(),
            transcript: Transcript::default(),
            volatile: Volatile::default(),
            identifiers,
            profile,
            sabotage,
        };
        for message in messages {
            session.insert(message);
        }
        if sabotage.loses_pending_entries() {
            session.unfinished.retain(|id| session.messages[id].is_accepted());
        }
        for EventRow { event, entity } in entities {
            if let Some(entity) = entity {
                session.entities.insert(entity, event.id);
            }
            session.transcript.observe(&KiloEvent::read(&event.data));
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
            || self.core.deadlines.has_work()
            || self.executions.values().any(Execution::is_unfinished)
    }

    /// Takes in one input at the time `now` and decides what follows from it.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Decision {
        let mut decision = Decision::default();
        let was_new = std::mem::take(&mut self.is_new);
        if was_new {
            self.change_metadata(now, &mut decision);
        }
        let is_activity = input.is_activity();
        decision.reply = if self.core.deleted {
            self.handle_deleted(now, input, &mut decision)
        } else {
            self.handle_living(now, input, &mut decision)
        };
        if was_new && matches!(decision.reply, Reply::Admission(Err(_))) {
            // A session whose first message is refused never was.
            self.is_new = true;
            decision.writes = Writes::default();
            return decision;
        }
        self.finalize_batch_without_run(&mut decision);
        self.watch_over_run(now, &mut decision);
        self.note_activity(now, is_activity, &mut decision);
        self.remove_if_nothing_is_owed(&mut decision);
        decision
    }

    fn handle_living(&mut self, now: Timestamp, input: Input, decision: &mut Decision) -> Reply {
        match input {
            Input::Prepare => Reply::None,
            Input::Admit(admission) => self.admit(now, *admission, decision),
            Input::Initiate => self.initiate(now, decision),
            Input::SetCallbackTarget(target) => self.set_callback_target(now, target, decision),
            Input::Interrupt => self.interrupt(now, decision),
            Input::Delete => self.delete(now, decision),
            Input::ClientConnected => self.request_snapshot(decision),
            Input::Resume => self.resume(now, decision),
            Input::Wake => self.meet_deadlines(now, decision),
            Input::Prepared { run, workspace } => self.prepared(now, &run, workspace, decision),
            Input::Delivered { message, run, result } => {
                self.delivered(now, &message, &run, result, decision)
            }
            Input::IngestOpened { socket, claim } => self.open_ingest(now, socket, &claim, decision),
            Input::ImportedIngestOpened { socket, execution } => {
                self.open_imported_ingest(socket, &execution, decision)
            }
            Input::IngestEvent { socket, frame } => {
                match self.volatile.execution_sockets.get(&socket).cloned() {
                    Some(execution) => self.take_imported_frame(now, socket, &execution, &frame, decision),
                    None => self.take_wrapper_frame(now, socket, &frame, decision),
                }
            }
            Input::IngestClosed { socket, closing } => self.close_ingest(now, socket, closing, decision),
            Input::Enqueued { owner, result } => self.enqueued(now, &owner, result, decision),
        }
    }

    /// When the next [`Input::Wake`] is due, if ever.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.core.deadlines.next()
    }

    /// What the session is about.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// An execution that an older service left behind.
    pub fn execution(&self, id: &execution::Id) -> Option<&Execution> {
        self.executions.get(id)
    }

    /// The durable part that is neither metadata, message nor event.
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
                let failed_in_queue = message.is_terminal()
                    && message.accepted_by.is_none()
                    && !self.sabotage.hides_failed_from_snapshot();
                message.is_queued() || failed_in_queue && !message.is_completed()
            })
            .collect();
        told.sort_by_key(|message| (message.created_at, &message.id));
        let mut snapshot = Vec::new();
        for message in told {
            snapshot.push((events::name::QUEUED, events::queued(message)));
            Row::SnapshotQueued.reach();
            if message.is_terminal() {
                Row::SnapshotFailed.reach();
                snapshot.push(events::ended(message));
            }
        }
        snapshot
    }

    /// What a client that connects is told of the cloud side (protocol §9).
    pub fn cloud_status(&self) -> Option<&'static str> {
        if self.metadata.lifecycle.prepared_at.is_some() {
            Row::ConnectedReady.reach();
            Some("ready")
        } else if self.queued().next().is_some() {
            Row::ConnectedPreparing.reach();
            Some("preparing")
        } else {
            Row::ConnectedNothing.reach();
            None
        }
    }

    /// Whether the session has ever had a ready workspace: the protocol's `warm` (§4).
    fn is_warm(&self) -> bool {
        self.metadata.workspace.is_some() || self.metadata.lifecycle.prepared_at.is_some()
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

    /// Changes what the session is about, and marks it to be written.
    fn change_metadata(&mut self, now: Timestamp, decision: &mut Decision) -> &mut Metadata {
        self.metadata.lifecycle.updated_at = now;
        decision.writes.metadata = true;
        decision.writes.core = true;
        &mut self.metadata
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
        self.emit_of(
            now,
            Origin::default(),
            stream_event_type,
            data,
            persistence,
            decision,
        );
    }

    /// Does so with an event that belongs to an older service's execution.
    fn emit_of(
        &mut self,
        now: Timestamp,
        origin: Origin,
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
                    Some(id) => {
                        Row::Upserted.reach();
                        *id
                    }
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
            origin,
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
        if self.messages[id].is_terminal() {
            Row::TerminalAgain.reach();
        }
        if self.messages[id].is_terminal() && !self.sabotage.overwrites_terminal() {
            return;
        }
        let was_queued = self.messages[id].is_queued();
        self.change(id, decision, |message| message.end(outcome));
        if !(was_queued && self.sabotage.keeps_ended_pending()) {
            self.unfinished.remove(id);
        }
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
