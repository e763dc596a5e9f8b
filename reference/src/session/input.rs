//! What goes into a session and what comes out of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::admission::{Ack, Admission};
use super::events::{Event, EventRow};
use super::metadata::{CallbackTarget, Workspace};
use super::wrapper::{Delivery, DeliveryFailure, IngestClaim, IngestRefusal};
use crate::identity::{MessageId, WrapperRunId};
use crate::refusal::Refusal;

/// A number for an ingest socket, drawn by the host; never used twice by one host.
pub type SocketId = u64;

/// All that can happen to a session.
#[derive(Debug, Clone)]
pub enum Input {
    /// A user turn is asked for (protocol §3).
    Admit(Box<Admission>),
    /// The user wants everything stopped.
    Interrupt,
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
    /// A frame came on an ingest socket.
    IngestEvent {
        /// The socket's number.
        socket: SocketId,
        /// The event's name.
        stream_event_type: String,
        /// What it carries.
        data: Value,
    },
    /// An ingest socket is over.
    IngestClosed {
        /// The socket's number.
        socket: SocketId,
    },
    /// The queue answered.
    Enqueued {
        /// The message whose callback it is.
        message: MessageId,
        /// What it said; the error in words.
        result: Result<(), String>,
    },
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
    /// The core changed.
    pub core: bool,
    /// These messages changed.
    pub messages: BTreeSet<MessageId>,
    /// These events are new, or replace the row with their id.
    pub events: Vec<EventRow>,
    /// These entities are gone: the next word on one of them gets a row of its own.
    pub forgotten_entities: Vec<String>,
}

impl Writes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        !self.core && self.messages.is_empty() && self.events.is_empty() && self.forgotten_entities.is_empty()
    }
}

/// The answer to an input.
#[derive(Debug, Default)]
pub enum Reply {
    /// Nobody waits for one.
    #[default]
    None,
    /// To [`Input::Admit`].
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
    /// Messages that it ended.
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
}

/// Commands to a wrapper (protocol §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToWrapper {
    /// Show that you are there.
    Ping,
    /// Stop everything.
    Kill,
}

/// A callback on its way to its receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct CallbackJob {
    /// The message it tells of.
    pub message: MessageId,
    /// Where it goes to.
    pub target: CallbackTarget,
    /// What it says.
    pub body: Value,
}
