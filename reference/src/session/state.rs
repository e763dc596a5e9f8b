//! The state of a session as others keep it: what a store has, and what a restart loses.
//!
//! The rooms of a session give their parts and take them back; here is only the form, and that of [`Core`] is stored.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadline::Deadlines;
use super::events::EventRow;
use super::outbox::Batch;
use super::stream::Told;
use super::wrapper::Run;
use super::wrapper_run::DeliveryInFlight;
use super::{CallbackOwner, SocketId};
use crate::identity::WrapperRunId;
use crate::legacy::model::execution::{self, Execution};
use crate::model::message::Message;
use crate::model::metadata::Metadata;

/// A session as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What it is about.
    pub metadata: Metadata,
    /// Its core; that of a session which only an older service ever wrote is as empty as a new one's.
    pub core: Core,
    /// Its messages.
    pub messages: Vec<Message>,
    /// Executions of an older service.
    pub executions: Vec<Execution>,
    /// The latest events about its entities.
    pub entities: Vec<EventRow>,
}

/// The durable part of a session that changes with nearly every input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Core {
    /// Id of the latest event that was kept.
    pub(super) last_event: u64,
    /// Generation of the latest allocation of the wrapper.
    pub(super) wrapper_generation: u64,
    /// The wrapper run that is current.
    pub(super) run: Option<Run>,
    /// Since when the root is idle, if nothing was accepted since.
    pub(super) idle_since: Option<Timestamp>,
    /// The branch that `complete` last reported.
    pub(super) reported_branch: Option<String>,
    /// The idle batch that is open.
    pub(super) batch: Option<Batch>,
    /// The run whose wrapper was told to stop, or should have been, and has not said that it did.
    pub(super) kill_owed: Option<WrapperRunId>,
    /// Whose callback the queue has not taken yet.
    pub(super) outbox: BTreeSet<CallbackOwner>,
    pub(super) deadlines: Deadlines,
    /// The day on which the store's calendar has the session expire.
    pub(super) calendar_day: Option<i64>,
    /// It was deleted, and is kept only until the queue has taken the callbacks that it owes.
    pub(super) deleted: bool,
}

/// What a restart of the server loses: what is known of sockets and of what is under way.
#[derive(Debug, Clone, Default)]
pub struct Volatile {
    /// Open ingest sockets with the run each was admitted for.
    pub(super) sockets: BTreeMap<SocketId, Run>,
    /// Open ingest sockets of older wrappers with the execution each was admitted for.
    pub(super) execution_sockets: BTreeMap<SocketId, execution::Id>,
    pub(super) delivery: Option<DeliveryInFlight>,
    /// Callbacks that are being handed to the queue right now.
    pub(super) enqueueing: BTreeSet<CallbackOwner>,
    /// When the core was last written.
    pub(super) recorded_at: Option<Timestamp>,
    /// What clients were told last of the cloud side.
    pub(super) told: Option<Told>,
}
