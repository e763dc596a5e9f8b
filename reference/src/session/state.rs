//! The stored and the volatile state of a session.
//!
//! The parts of a session export and import their state. Only the form is here; the form of [`Core`] is stored.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadline::Deadlines;
use super::events::EventRow;
use super::outbox::Batch;
use super::stream::CloudStatus;
use super::wrapper::Run;
use super::wrapper_run::{DeliveryInFlight, Socket};
use super::{CallbackOwner, SocketId};
use crate::legacy::model::execution::{self, Execution};
use crate::model::message::Message;
use crate::model::metadata::Metadata;

/// A session as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The metadata.
    pub metadata: Metadata,
    /// The core. The default for a session that was imported and has not changed since.
    pub core: Core,
    /// The messages.
    pub messages: Vec<Message>,
    /// The executions of an older service.
    pub executions: Vec<Execution>,
    /// The latest events of entities.
    pub entities: Vec<EventRow>,
}

/// The part of the state that changes with nearly every input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Core {
    /// The id of the last kept event.
    pub(super) last_event: u64,
    /// The generation of the last allocation of the wrapper.
    pub(super) wrapper_generation: u64,
    /// The current run.
    pub(super) run: Option<Run>,
    /// The time of the last root idle, if nothing was accepted since.
    pub(super) idle_since: Option<Timestamp>,
    /// The branch of the last `complete`.
    pub(super) reported_branch: Option<String>,
    /// The open batch.
    pub(super) batch: Option<Batch>,
    /// The owners of callbacks that the queue has not accepted yet.
    pub(super) outbox: BTreeSet<CallbackOwner>,
    pub(super) deadlines: Deadlines,
    /// The day of expiry in the store's calendar.
    pub(super) calendar_day: Option<i64>,
    /// Whether the session was deleted. It is kept until the queue has accepted its callbacks.
    pub(super) deleted: bool,
}

/// The state that a restart loses: sockets, and operations in progress.
#[derive(Debug, Clone, Default)]
pub struct Volatile {
    /// The ingest sockets whose end was not reported.
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    /// The open ingest sockets of executions.
    pub(super) execution_sockets: BTreeMap<SocketId, execution::Id>,
    pub(super) delivery: Option<DeliveryInFlight>,
    /// The owners of callbacks whose submission is in progress.
    pub(super) enqueueing: BTreeSet<CallbackOwner>,
    /// The time of the last write of the core.
    pub(super) recorded_at: Option<Timestamp>,
    /// The last `cloud.status` that clients received.
    pub(super) cloud_status: Option<CloudStatus>,
}
