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
//!
//! A session is made of rooms, each a struct with private fields in a module of its own: [`queue`], [`outbox`],
//! [`wrapper_run`], [`supervision`], [`imported`], [`stream`]. A room changes only itself, and records in the
//! [`step`] what has to be written and done. What involves several rooms is decided by [`Session`], in a module for each
//! subject: `admission`, `delivering`, `ingest`, `settlement`, `batch`, `calling_back`, `executions`, `timing`,
//! `deletion`. What others keep of a session is in [`state`].

pub mod admission;
mod batch;
mod calling_back;
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
use turnstile_profile::Profile;
use turnstile_seams::Randomness;

use self::deletion::Lifetime;
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
use self::transcript::Transcript;
use self::wrapper_run::WrapperRun;
use crate::identity::MessageId;
use crate::legacy::model::execution::{self, Execution};
use crate::model::message::{Message, Outcome};
use crate::model::metadata::Metadata;
use crate::sabotage::Sabotage;
use events::ended;

/// One session. See the module's documentation for how it is used.
#[derive(Debug, Clone)]
pub struct Session {
    metadata: Metadata,
    /// Whether the store has never heard of the session.
    is_new: bool,
    /// The branch that `complete` last reported.
    reported_branch: Option<String>,
    queue: Queue,
    outbox: Outbox,
    wrapper: WrapperRun,
    supervision: Supervision,
    /// What an older service left behind.
    imported: Imported,
    stream: Stream,
    lifetime: Lifetime,
    transcript: Transcript,
    identifiers: Randomness,
    profile: Arc<Profile>,
    sabotage: Sabotage,
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
        let mut transcript = Transcript::default();
        for row in &entities {
            transcript.observe(&KiloEvent::read(&row.event.data));
        }
        Self {
            metadata,
            is_new: false,
            reported_branch: core.reported_branch,
            queue: Queue::restore(messages, sabotage),
            outbox: Outbox::restore(core.batch, core.outbox),
            wrapper: WrapperRun::restore(core.wrapper_generation, core.run, core.kill_owed, sabotage),
            supervision: Supervision::restore(core.deadlines, core.idle_since),
            imported: Imported::restore(executions),
            stream: Stream::restore(core.last_event, &entities),
            lifetime: Lifetime::restore(core.calendar_day, core.deleted),
            transcript,
            identifiers,
            profile,
            sabotage,
        }
    }

    /// The durable part that is neither metadata, message nor event.
    pub fn core(&self) -> Core {
        Core {
            last_event: self.stream.last_event(),
            wrapper_generation: self.wrapper.generation(),
            run: self.wrapper.run().cloned(),
            idle_since: self.supervision.idle_since(),
            reported_branch: self.reported_branch.clone(),
            batch: self.outbox.batch().cloned(),
            kill_owed: self.wrapper.kill_owed().cloned(),
            outbox: self.outbox.owed().clone(),
            deadlines: self.supervision.deadlines().clone(),
            calendar_day: self.lifetime.calendar_day(),
            deleted: self.lifetime.is_deleted(),
        }
    }

    /// What no store has of the session.
    pub fn volatile(&self) -> Volatile {
        Volatile {
            sockets: self.wrapper.sockets().clone(),
            execution_sockets: self.imported.sockets().clone(),
            delivery: self.wrapper.delivery().cloned(),
            enqueueing: self.outbox.enqueueing().clone(),
            recorded_at: self.supervision.recorded_at(),
            told: self.stream.told(),
        }
    }

    /// Takes over what no store has, as it was before a decision that could not be committed.
    pub fn keep_volatile(&mut self, volatile: Volatile) {
        self.wrapper.keep_volatile(volatile.sockets, volatile.delivery);
        self.imported.keep_sockets(volatile.execution_sockets);
        self.outbox.keep_enqueueing(volatile.enqueueing);
        self.supervision.keep_recorded_at(volatile.recorded_at);
        self.stream.keep_told(volatile.told);
    }

    /// Whether a restart of the server must take the session up without being asked to.
    pub fn needs_resuming(&self) -> bool {
        self.queue.has_unfinished()
            || !self.outbox.owed().is_empty()
            || self.outbox.batch().is_some()
            || self.supervision.deadlines().has_work()
            || self.imported.unfinished().next().is_some()
    }

    /// Takes in one input at the time `now` and decides what follows from it.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Decision {
        let (profile, identifiers) = (self.profile.clone(), self.identifiers.clone());
        let mut step = Step::new(now, profile, identifiers, self.sabotage);
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
            // A session whose first message is refused never was.
            self.is_new = true;
            return step.finish_unwritten(reply);
        }
        self.finalize_batch_without_run(&mut step);
        self.watch_over_run(&mut step);
        self.note_activity(is_activity, &mut step);
        self.remove_if_nothing_is_owed(&mut step);
        step.finish(reply)
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
            Input::Wake => self.meet_deadlines(step),
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

    /// When the next [`Input::Wake`] is due, if ever.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.supervision.deadlines().next()
    }

    /// What the session is about.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// An execution that an older service left behind.
    pub fn execution(&self, id: &execution::Id) -> Option<&Execution> {
        self.imported.find(id)
    }

    /// The execution that has not ended and began last: the one that an older service would still run.
    pub fn active_execution(&self) -> Option<&Execution> {
        self.imported.active()
    }

    /// A message of the session.
    pub fn message(&self, id: &MessageId) -> Option<&Message> {
        self.queue.find(id)
    }

    /// All messages of the session.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.queue.messages()
    }

    /// Id of the latest event that was kept.
    pub fn last_event(&self) -> u64 {
        self.stream.last_event()
    }

    /// Whether the session has ever had a ready workspace: the protocol's `warm` (§4).
    fn is_warm(&self) -> bool {
        self.metadata.workspace.is_some() || self.metadata.lifecycle.prepared_at.is_some()
    }

    /// Changes what the session is about, and has it written.
    fn change_metadata(&mut self, step: &mut Step) -> &mut Metadata {
        step.write_metadata();
        self.metadata.lifecycle.updated_at = step.now;
        &mut self.metadata
    }

    /// Ends a message and tells of it; nothing at all if it has ended already.
    fn end(&mut self, id: &MessageId, outcome: Outcome, step: &mut Step) {
        let was_queued = self.queue.message(id).is_queued();
        if !self.queue.end(id, outcome, step) {
            return;
        }
        if was_queued {
            // What comes next need not wait for when this one was to be tried again.
            self.ask_for_drain_if_pending(step);
        }
        let message = self.queue.message(id);
        let has_callback = message.callback_target.is_some();
        let (name, data) = ended(message);
        self.stream.tell(name, data, step);
        if has_callback {
            self.outbox.represent_batch(id, step);
        }
    }
}
