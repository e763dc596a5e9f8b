//! The inputs and the decisions of a session.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admission::{Ack, Admission};
use super::events::{Event, EventRow};
use super::frame::Frame;
use super::job_size::TooLarge;
use super::wrapper::{Delivery, DeliveryFailure, IngestClaim, IngestRefusal};
use crate::coverage::ServerMark;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::execution::{self, Closing};
use crate::model::metadata::{CallbackTarget, Workspace};
use crate::refusal::Refusal;

/// The number of an ingest socket. The host draws it and never uses it twice.
pub type SocketId = u64;

/// An event that a session handles.
#[derive(Debug, Clone)]
pub enum Input {
    /// Store a new session with its prepared message (R2.64).
    Prepare,
    /// Admit a user turn (protocol §3).
    Admit(Box<Admission>),
    /// Admit the prepared message.
    Initiate,
    /// Set the callback target of messages that are admitted from now on, or remove it.
    SetCallbackTarget(Option<CallbackTarget>),
    /// Interrupt all work for the user (R6.10).
    Interrupt,
    /// Delete the session.
    Delete,
    /// A client opened the stream.
    ClientConnected,
    /// The server started and restored the session.
    Resume,
    /// A deadline may be due.
    Wake,
    /// A delivery made the wrapper ready.
    Prepared {
        /// The run of the delivery.
        run: WrapperRunId,
        /// The workspace of the wrapper.
        workspace: Workspace,
    },
    /// A delivery ended.
    Delivered {
        /// The message.
        message: MessageId,
        /// The run of the delivery.
        run: WrapperRunId,
        /// The result.
        result: Result<(), DeliveryFailure>,
    },
    /// A wrapper requests an ingest socket.
    IngestOpened {
        /// The number of the socket.
        socket: SocketId,
        /// The run and fence that the wrapper presents.
        claim: IngestClaim,
    },
    /// A legacy wrapper requests an ingest socket.
    ImportedIngestOpened {
        /// The number of the socket.
        socket: SocketId,
        /// The execution that the wrapper presents.
        execution: execution::Id,
    },
    /// A frame arrived on an ingest socket.
    IngestEvent {
        /// The number of the socket.
        socket: SocketId,
        /// The frame.
        frame: Frame,
    },
    /// An ingest socket was closed.
    IngestClosed {
        /// The number of the socket.
        socket: SocketId,
        /// The close frame.
        closing: Closing,
    },
    /// The queue answered a submitted job.
    Enqueued {
        /// The owner of the callback.
        owner: CallbackOwner,
        /// The answer.
        result: Result<(), EnqueueError>,
    },
}

impl Input {
    /// Whether the input is activity, which postpones the expiry (R7.34).
    pub(super) fn is_activity(&self) -> bool {
        !matches!(self, Self::Resume | Self::Wake | Self::Enqueued { .. })
    }
}

/// The decision about one input.
#[derive(Debug, Default)]
pub struct Decision {
    /// The reply to the sender of the input.
    pub reply: Reply,
    /// The changes, which must be committed before any other part becomes visible (R3.17).
    pub writes: Writes,
    /// The effects after the commit, in order.
    pub effects: Vec<Effect>,
}

/// The changes of a decision, to be written in one transaction.
#[derive(Debug, Default)]
pub struct Writes {
    /// The metadata changed.
    pub metadata: bool,
    /// The core changed.
    pub core: bool,
    /// The changed messages.
    pub messages: BTreeSet<MessageId>,
    /// The changed executions.
    pub executions: BTreeSet<execution::Id>,
    /// New events, and events that overwrite the row with their id.
    pub events: Vec<EventRow>,
    /// Entities that are removed: the next event of such an entity gets a new row (R9.30).
    pub forgotten_entities: Vec<String>,
    /// The change of the day of expiry.
    pub calendar: Option<CalendarMove>,
    /// The session is removed completely.
    pub removal: bool,
}

/// A move in the calendar of expiry. Days are counted from the Unix epoch, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalendarMove {
    /// The current day. `None` for a new session.
    pub from: Option<i64>,
    /// The new day.
    pub to: i64,
}

impl Writes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self {
            metadata,
            core,
            messages,
            executions,
            events,
            forgotten_entities,
            calendar,
            removal,
        } = self;
        let nothing_changed = !metadata && !core && messages.is_empty() && executions.is_empty();
        nothing_changed
            && events.is_empty()
            && forgotten_entities.is_empty()
            && calendar.is_none()
            && !removal
    }
}

/// The reply to an input.
#[derive(Debug, Default)]
pub enum Reply {
    /// No reply.
    #[default]
    None,
    /// The session was deleted.
    NoSession,
    /// The reply to [`Input::Admit`] and [`Input::Initiate`].
    Admission(Result<Ack, Refusal>),
    /// The reply to [`Input::Interrupt`].
    Interrupt(InterruptReport),
    /// The reply to [`Input::Prepared`]: whether the delivery should continue.
    Proceed(bool),
    /// The reply to [`Input::IngestOpened`].
    Ingest(Result<(), IngestRefusal>),
}

/// The result of an interrupt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterruptReport {
    /// The number of interrupted messages.
    pub interrupted: usize,
    /// The number of interrupted executions.
    pub imported: usize,
    /// Whether the wrapper of an execution was ordered to stop (R2.61).
    pub imported_stopped: bool,
}

impl InterruptReport {
    /// Whether a message or an execution was interrupted (R2.60).
    pub fn is_anything_interrupted(&self) -> bool {
        self.interrupted + self.imported > 0
    }
}

/// An effect, to be carried out after the commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send the event to all subscribers.
    Broadcast(Event),
    /// Deliver a message. Reports with [`Input::Prepared`] and [`Input::Delivered`].
    Deliver(Box<Delivery>),
    /// Cut the delivery to that run short, which then reports nothing: its requests must not reach the wrapper after
    /// those of a later run (R5.10, R6.28).
    CancelDelivery(WrapperRunId),
    /// Send a command on an ingest socket.
    Send(SocketId, ToWrapper),
    /// Close an ingest socket with this code.
    Close(SocketId, u16),
    /// Send an abort to the wrapper of that run, without waiting, unless a delivery to a later run begins first (R5.35).
    StopWrapper(WrapperRunId),
    /// Submit a callback to the queue. Reports with [`Input::Enqueued`].
    Enqueue(Box<CallbackJob>),
    /// Log that a callback is given up, because the queue takes no job of its size (R8.38).
    CallbackGivenUp(CallbackOwner, TooLarge),
    /// Close all streams of the session.
    EndStreams,
}

/// The commands to a wrapper (R5.57–R5.59).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToWrapper {
    /// `ping`.
    Ping,
    /// `kill`.
    Kill,
    /// `request_snapshot`.
    RequestSnapshot,
}

impl ToWrapper {
    pub(super) fn mark(self) -> ServerMark {
        match self {
            Self::Ping => ServerMark::SentPing,
            Self::Kill => ServerMark::SentKill,
            Self::RequestSnapshot => ServerMark::SentRequestSnapshot,
        }
    }
}

/// The owner of a callback: a message, or an execution of an older service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CallbackOwner {
    /// The representative of an idle batch.
    Message(MessageId),
    /// An execution.
    Imported(execution::Id),
}

impl CallbackOwner {
    /// The message, if the owner is one.
    pub fn message(&self) -> Option<&MessageId> {
        match self {
            Self::Message(message) => Some(message),
            Self::Imported(_) => None,
        }
    }
}

impl From<MessageId> for CallbackOwner {
    fn from(message: MessageId) -> Self {
        Self::Message(message)
    }
}

impl std::fmt::Display for CallbackOwner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(message) => message.fmt(formatter),
            Self::Imported(execution) => execution.fmt(formatter),
        }
    }
}

/// The queue did not accept a job, or failed to answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EnqueueError {
    /// The queue may accept the job later.
    #[error("the callback queue rejected the job: {0}")]
    Rejected(#[source] Arc<dyn Error + Send + Sync>),
    /// The queue never accepts the job, because it is too large (R8.35).
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl EnqueueError {
    /// The rejection with this cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Rejected(Arc::from(cause.into()))
    }
}

/// A job for the callback queue.
#[derive(Debug, Clone, PartialEq)]
pub struct CallbackJob {
    /// The owner.
    pub owner: CallbackOwner,
    /// The receiver.
    pub target: CallbackTarget,
    /// The body of the request.
    pub body: Value,
}
