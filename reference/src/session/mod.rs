//! One session as a pure state machine.
//!
//! [`Session`] decides and does not act. No socket, clock or disk is used below this module: the time is an argument,
//! new ids come from the source given at the start, and all effects are returned in a [`Decision`].
//!
//! The contract, in the order in which a host keeps it:
//!
//! 1. [`Session::create`] or [`Session::restore`], once.
//! 2. [`Session::handle`] with an [`Input`] and the time, which never decreases. The first input of a restored
//!    session is [`Input::Resume`].
//! 3. Of the [`Decision`]: commit its [`Writes`] ([`Session::commit`]) in one transaction; only then send its [`Reply`]
//!    and perform its [`Effect`]s in order, and return their results as inputs. If the commit fails, no part of the
//!    decision may become visible: [`Session::restore`] what the store has, restore the previous [`Session::volatile`]
//!    with [`Session::keep_volatile`], and report the failure to the sender of the input.
//! 4. [`Session::next_deadline`] is the time of the next [`Input::Wake`].
//!
//! So a crash happens either before a commit, and nothing happened, or between a commit and its effects.
//! [`Input::Resume`] repeats the effects that would be missed: deliveries and callbacks. Clients recover broadcasts
//! by the replay, and a wrapper receives commands again when it opens a new socket.
//!
//! A session consists of parts, each a struct with private fields in its own module: `queue`, `outbox`,
//! `wrapper_run`, `supervision`, `imported`, `stream`. A part changes only itself, and records writes and
//! effects in the `step`. [`Session`] decides what involves several parts, in one module for each subject:
//! `admission`, `delivering`, `ingest`, `settlement`, `batch`, `calling_back`, `executions`, `timing`, `deletion`.
//! `state` has the stored form of a session.

pub mod admission;
mod batch;
mod calling_back;
pub mod commit;
mod deadline;
pub mod deletion;
mod delivering;
pub mod events;
mod executions;
pub mod frame;
pub mod health;
mod imported;
mod ingest;
mod input;
pub mod job_size;
pub mod kilo;
mod outbox;
mod queue;
mod settlement;
mod state;
mod step;
mod stream;
mod supervision;
mod timing;
pub mod transcript;
pub mod wrapper;
mod wrapper_run;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_profile::Profile;
use turnstile_seams::Randomness;

use self::deletion::Lifetime;
use self::events::EventRow;
use self::frame::{Frame, Meaning};
use self::imported::Imported;
pub use self::input::{
    CalendarMove, CallbackJob, CallbackOwner, Decision, Effect, EnqueueError, Input, InterruptReport, Reply,
    SocketId, ToWrapper, Writes,
};
use self::kilo::KiloEvent;
use self::outbox::Outbox;
use self::queue::Queue;
pub use self::state::{Core, Stored, Volatile};
use self::step::Step;
use self::stream::Stream;
use self::supervision::Supervision;
use self::transcript::{LogRow, Transcript};
use self::wrapper_run::WrapperRun;
use crate::coverage::ServerMark;
use crate::identity::MessageId;
use crate::legacy::model::Origin;
use crate::legacy::model::execution::{self, Execution};
use crate::model::message::{Message, Outcome};
use crate::model::metadata::Metadata;
use events::ended;

/// A session. The module's documentation describes its use.
#[derive(Debug, Clone)]
pub struct Session {
    metadata: Metadata,
    /// Whether the session was never stored.
    is_new: bool,
    /// The branch of the last `complete` (R6.18).
    reported_branch: Option<String>,
    queue: Queue,
    outbox: Outbox,
    wrapper: WrapperRun,
    supervision: Supervision,
    /// The executions of an older service.
    imported: Imported,
    stream: Stream,
    lifetime: Lifetime,
    transcript: Transcript,
    identifiers: Randomness,
    profile: Arc<Profile>,
}

impl Session {
    /// Creates a session. Its first commit stores it.
    pub fn create(metadata: Metadata, identifiers: Randomness, profile: Arc<Profile>) -> Self {
        let stored = Stored {
            metadata,
            core: Core::default(),
            messages: Vec::new(),
            executions: Vec::new(),
            entities: Vec::new(),
        };
        let mut session = Self::restore(stored, identifiers, profile);
        session.is_new = true;
        session
    }

    /// Restores a stored session.
    pub fn restore(stored: Stored, identifiers: Randomness, profile: Arc<Profile>) -> Self {
        let Stored {
            metadata,
            core,
            messages,
            executions,
            entities,
        } = stored;
        let transcript = transcript_of(&entities);
        Self {
            metadata,
            is_new: false,
            reported_branch: core.reported_branch,
            queue: Queue::restore(messages),
            outbox: Outbox::restore(core.batch, core.outbox),
            wrapper: WrapperRun::restore(core.wrapper_generation, core.run),
            supervision: Supervision::restore(core.deadlines, core.idle_since),
            imported: Imported::restore(executions),
            stream: Stream::restore(core.last_event, &entities),
            lifetime: Lifetime::restore(core.calendar_day, core.deleted),
            transcript,
            identifiers,
            profile,
        }
    }

    /// The stored state other than metadata, messages, executions and events.
    pub fn core(&self) -> Core {
        Core {
            last_event: self.stream.last_event(),
            wrapper_generation: self.wrapper.generation(),
            run: self.wrapper.run().cloned(),
            idle_since: self.supervision.idle_since(),
            reported_branch: self.reported_branch.clone(),
            batch: self.outbox.batch().cloned(),
            outbox: self.outbox.pending().clone(),
            deadlines: self.supervision.deadlines().clone(),
            calendar_day: self.lifetime.calendar_day(),
            deleted: self.lifetime.is_deleted(),
        }
    }

    /// The state that is not stored.
    pub fn volatile(&self) -> Volatile {
        Volatile {
            sockets: self.wrapper.sockets().clone(),
            execution_sockets: self.imported.sockets().clone(),
            delivery: self.wrapper.delivery().cloned(),
            enqueueing: self.outbox.enqueueing().clone(),
            recorded_at: self.supervision.recorded_at(),
            cloud_status: self.stream.status(),
        }
    }

    /// Restores the state that is not stored, after a failed commit.
    pub fn keep_volatile(&mut self, volatile: Volatile) {
        self.wrapper.keep_volatile(volatile.sockets, volatile.delivery);
        self.imported.keep_sockets(volatile.execution_sockets);
        self.outbox.keep_enqueueing(volatile.enqueueing);
        self.supervision.keep_recorded_at(volatile.recorded_at);
        self.stream.keep_status(volatile.cloud_status);
    }

    /// Whether the server must load the session when it starts.
    pub fn needs_resuming(&self) -> bool {
        self.queue.has_unfinished()
            || !self.outbox.pending().is_empty()
            || self.outbox.batch().is_some()
            || self.supervision.deadlines().has_work()
            || self.imported.unfinished().next().is_some()
    }

    /// Decides about one input at the time `now`.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Decision {
        let (profile, identifiers) = (self.profile.clone(), self.identifiers.clone());
        let mut step = Step::new(now, profile, identifiers);
        let was_new = std::mem::take(&mut self.is_new);
        if was_new {
            self.change_metadata(&mut step);
        }
        let is_activity = input.is_activity();
        let reply = if self.lifetime.is_deleted() {
            self.handle_deleted(input, &mut step)
        } else {
            self.handle_living(input, &mut step)
        };
        if was_new && matches!(reply, Reply::Admission(Err(_))) {
            // A session whose first message is refused is never stored.
            self.is_new = true;
            return step.finish_unwritten(reply);
        }
        self.finalize_batch_without_run(&mut step);
        self.watch_over_run(&mut step);
        self.note_activity(is_activity, &mut step);
        self.remove_if_settled(&mut step);
        step.finish(reply)
    }

    /// Relays a frame of a wrapper, and records what clients and callbacks learn from it later.
    fn relay(&mut self, origin: Origin, frame: &Frame, step: &mut Step) {
        let event_id = self.stream.relay(origin, frame, step);
        match frame.meaning() {
            Meaning::Kilo(event) => {
                let row = LogRow {
                    event_id,
                    at: step.now,
                };
                self.transcript.observe(event, frame.data(), row);
            }
            Meaning::Other if frame.stream_event_type() == events::name::COMMANDS_AVAILABLE => {
                self.note_commands(&frame.data()["commands"], step);
            }
            _ => {}
        }
    }

    /// Remembers the commands that the wrapper offers, for clients that connect later (R5.84).
    fn note_commands(&mut self, commands: &Value, step: &mut Step) {
        if commands.is_array() && self.metadata.commands.as_ref() != Some(commands) {
            ServerMark::CommandsRemembered.hit();
            self.change_metadata(step).commands = Some(commands.clone());
        }
    }

    fn handle_living(&mut self, input: Input, step: &mut Step) -> Reply {
        match input {
            Input::Prepare => Reply::None,
            Input::Admit(admission) => self.admit(*admission, step),
            Input::Initiate => self.initiate(step),
            Input::SetCallbackTarget(target) => self.set_callback_target(target, step),
            Input::Interrupt => self.interrupt(step),
            Input::Delete => self.delete(step),
            Input::ClientConnected => self.request_snapshot(step),
            Input::Resume => self.resume(step),
            Input::Wake => self.fire_deadlines(step),
            Input::Prepared { run, workspace } => self.prepared(&run, workspace, step),
            Input::Delivered { message, run, result } => self.delivered(&message, &run, result, step),
            Input::IngestOpened { socket, claim } => self.open_ingest(socket, &claim, step),
            Input::ImportedIngestOpened { socket, execution } => {
                self.open_imported_ingest(socket, &execution, step)
            }
            Input::IngestEvent { socket, frame } => {
                match self.imported.execution_of_socket(socket).cloned() {
                    Some(execution) => self.take_imported_frame(socket, &execution, &frame, step),
                    None => self.take_wrapper_frame(socket, &frame, step),
                }
            }
            Input::IngestClosed { socket, closing } => {
                self.wrapper.forget_socket(socket);
                self.close_imported_ingest(socket, closing, step);
                Reply::None
            }
            Input::Enqueued { owner, result } => self.enqueued(&owner, result, step),
        }
    }

    /// The time of the next [`Input::Wake`], if any.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.supervision.deadlines().next()
    }

    /// The commands that the wrapper last offered: a list.
    pub fn commands(&self) -> Value {
        self.metadata.commands.clone().unwrap_or_else(|| json!([]))
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The execution of that id, if any.
    pub fn execution(&self, id: &execution::Id) -> Option<&Execution> {
        self.imported.find(id)
    }

    /// The current execution: the unfinished one that began last (R5.66).
    pub fn active_execution(&self) -> Option<&Execution> {
        self.imported.active()
    }

    /// The message of that id, if any.
    pub fn message(&self, id: &MessageId) -> Option<&Message> {
        self.queue.find(id)
    }

    /// All messages.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.queue.messages()
    }

    /// The id of the last kept event.
    pub fn last_event(&self) -> u64 {
        self.stream.last_event()
    }

    /// Whether the session has had a ready workspace: *warm* in the protocol (§4).
    fn is_warm(&self) -> bool {
        self.metadata.had_workspace()
    }

    /// Changes the metadata.
    fn change_metadata(&mut self, step: &mut Step) -> &mut Metadata {
        step.write_metadata();
        self.metadata.lifecycle.updated_at = step.now;
        self.metadata.lifecycle.changes += 1;
        &mut self.metadata
    }

    /// Ends a message and emits the event. Does nothing if the message has ended already (R6.1).
    fn end(&mut self, id: &MessageId, outcome: Outcome, step: &mut Step) {
        let was_queued = self.queue.message(id).is_queued();
        if !self.queue.end(id, outcome, step) {
            return;
        }
        if was_queued {
            // The next message need not wait for the retry time of this one.
            self.schedule_drain_if_pending(step);
        }
        let message = self.queue.message(id);
        let has_callback = message.callback_target.is_some();
        let (name, data) = ended(message);
        self.stream.emit_kept(name, data, step);
        if has_callback {
            self.outbox.represent_batch(id, step);
        }
    }
}

/// The transcript by the stored events of entities, in the order in which the entities appeared.
fn transcript_of(entities: &[EventRow]) -> Transcript {
    let mut rows: Vec<&EventRow> = entities.iter().collect();
    rows.sort_by_key(|row| row.event.id);
    let mut transcript = Transcript::default();
    for EventRow { event, .. } in rows {
        let (event_id, at) = (event.id, event.timestamp);
        transcript.observe(
            &KiloEvent::read(&event.data),
            &event.data,
            LogRow { event_id, at },
        );
    }
    transcript
}
