//! What goes into a session and what comes out of it.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admission::{Ack, Admission};
use super::events::{Event, EventRow};
use super::frame::Frame;
use super::wrapper::{Delivery, DeliveryFailure, IngestClaim, IngestRefusal};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::execution::{self, Closing};
use crate::model::metadata::{CallbackTarget, Workspace};
use crate::refusal::Refusal;

/// A number for an ingest socket, drawn by the host; never used twice by one host.
pub type SocketId = u64;

/// All that can happen to a session.
#[derive(Debug, Clone)]
pub enum Input {
    /// A session is made whose first message is to be asked for later.
    Prepare,
    /// A user turn is asked for (protocol §3).
    Admit(Box<Admission>),
    /// The message that the session was prepared with is asked for.
    Initiate,
    /// Callbacks of messages that are admitted from now on go there, or nowhere.
    SetCallbackTarget(Option<CallbackTarget>),
    /// The user wants everything stopped.
    Interrupt,
    /// The user wants the session gone.
    Delete,
    /// A client begins to listen.
    ClientConnected,
    /// The server started and the session was restored.
    Resume,
    /// Time has passed.
    Wake,
    /// A delivery has got the wrapper ready.
    Prepared {
        /// The run it was made ready for.
        run: WrapperRunId,
        /// Where it will work.
        workspace: Workspace,
    },
    /// A delivery is over.
    Delivered {
        /// The message that was to be delivered.
        message: MessageId,
        /// The run it was to be delivered to.
        run: WrapperRunId,
        /// What came of it.
        result: Result<(), DeliveryFailure>,
    },
    /// A wrapper wants to open an ingest socket.
    IngestOpened {
        /// The socket's number.
        socket: SocketId,
        /// What the wrapper says it is.
        claim: IngestClaim,
    },
    /// A wrapper of an older service's wants to open an ingest socket.
    ImportedIngestOpened {
        /// The socket's number.
        socket: SocketId,
        /// The execution on whose behalf it speaks.
        execution: execution::Id,
    },
    /// A frame came on an ingest socket.
    IngestEvent {
        /// The socket's number.
        socket: SocketId,
        /// The frame.
        frame: Frame,
    },
    /// An ingest socket is over.
    IngestClosed {
        /// The socket's number.
        socket: SocketId,
        /// How it was closed.
        closing: Closing,
    },
    /// The queue answered.
    Enqueued {
        /// Whose callback it is.
        owner: CallbackOwner,
        /// What it said.
        result: Result<(), EnqueueError>,
    },
}

impl Input {
    /// Whether somebody did something: what the server does by itself keeps no session from expiring.
    pub(super) fn is_activity(&self) -> bool {
        !matches!(self, Self::Resume | Self::Wake | Self::Enqueued { .. })
    }
}

/// What a session decided on one input.
#[derive(Debug, Default)]
pub struct Decision {
    /// The answer to whoever caused the input.
    pub reply: Reply,
    /// What must be durable before anything else of the decision is seen.
    pub writes: Writes,
    /// What is to be done then, in this order.
    pub effects: Vec<Effect>,
}

/// What has changed and must be written in one transaction.
#[derive(Debug, Default)]
pub struct Writes {
    /// What the session is about changed.
    pub metadata: bool,
    /// The core changed.
    pub core: bool,
    /// These messages changed.
    pub messages: BTreeSet<MessageId>,
    /// These executions of an older service's changed.
    pub executions: BTreeSet<execution::Id>,
    /// These events are new, or replace the row with their id.
    pub events: Vec<EventRow>,
    /// These entities are gone: the next word on one of them gets a row of its own.
    pub forgotten_entities: Vec<String>,
    /// The session expires on another day than before.
    pub calendar: Option<CalendarMove>,
    /// The session goes, and everything of it.
    pub removal: bool,
}

/// From one day of the calendar of expiry to another. Days are counted from the Unix epoch, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalendarMove {
    /// Where the session stands; nowhere, if it is new.
    pub from: Option<i64>,
    /// Where it is to stand.
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

/// The answer to an input.
#[derive(Debug, Default)]
pub enum Reply {
    /// Nobody waits for one.
    #[default]
    None,
    /// There is no such session any more.
    NoSession,
    /// To [`Input::Admit`] and [`Input::Initiate`].
    Admission(Result<Ack, Refusal>),
    /// To [`Input::Interrupt`].
    Interrupt(InterruptReport),
    /// To [`Input::Prepared`]: whether the delivery shall go on.
    Proceed(bool),
    /// To [`Input::IngestOpened`].
    Ingest(Result<(), IngestRefusal>),
}

/// What an interrupt came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptReport {
    /// Messages and executions that it ended.
    pub interrupted: usize,
    /// A wrapper was told to stop.
    pub command_sent: bool,
}

/// Something to be done after the commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Give the event to everyone who listens.
    Broadcast(Event),
    /// Deliver a message; [`Input::Prepared`] and [`Input::Delivered`] tell how it went.
    Deliver(Box<Delivery>),
    /// Send a command on an ingest socket.
    Send(SocketId, ToWrapper),
    /// Close an ingest socket with this code.
    Close(SocketId, u16),
    /// Have the wrapper of that run end what it does; nobody waits for it.
    StopWrapper(WrapperRunId),
    /// Hand a callback to the queue; [`Input::Enqueued`] tells how it went.
    Enqueue(Box<CallbackJob>),
    /// Nobody listens to this session any more.
    EndStreams,
}

/// Commands to a wrapper (protocol §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToWrapper {
    /// Show that you are there.
    Ping,
    /// Stop everything.
    Kill,
    /// Say once more how the messages at work stand.
    RequestSnapshot,
}

impl ToWrapper {
    pub(super) fn row(self) -> Row {
        match self {
            Self::Ping => Row::SentPing,
            Self::Kill => Row::SentKill,
            Self::RequestSnapshot => Row::SentRequestSnapshot,
        }
    }
}

/// Whose callback it is: a message's, or that of an execution of an older service's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CallbackOwner {
    /// Of the message that represents an idle batch.
    Message(MessageId),
    /// Of an execution.
    Imported(execution::Id),
}

impl CallbackOwner {
    /// The message, if it is one's.
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

/// The queue did not take a callback, or did not say that it did.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the callback queue did not take the job: {0}")]
pub struct EnqueueError(#[source] Arc<dyn Error + Send + Sync>);

impl EnqueueError {
    /// An error with this cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

/// A callback on its way to its receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct CallbackJob {
    /// What it tells of.
    pub owner: CallbackOwner,
    /// Where it goes to.
    pub target: CallbackTarget,
    /// What it says.
    pub body: Value,
}
