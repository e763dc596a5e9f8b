//! The handle of a session's task, and the values that its requests return.
//!
//! Nothing is decided or committed here.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::legacy::model::execution::{self, Closing};
use crate::model::metadata::Metadata;
use crate::refusal::Refusal;
use crate::session::events::Event;
use crate::session::frame::Frame;
use crate::session::health::CurrentWork;
use crate::session::transcript::AssistantMessage;
use crate::session::wrapper::{IngestClaim, IngestRefusal};
use crate::session::{Input, Reply, SocketId, ToWrapper};
use crate::store::Replay;

/// Why a request to a session failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The store failed, and nothing was changed.
    #[error("the request could not be stored")]
    NotStored,
    /// The session was deleted.
    #[error("the session is gone")]
    Gone,
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotStored => Self::store_failed(),
            Unanswered::Gone => Self::unknown_session(),
        }
    }
}

/// A view of a session for queries.
#[derive(Debug, Clone)]
pub struct Description {
    /// The metadata.
    pub metadata: Metadata,
    /// The current message work, if any.
    pub work: Option<CurrentWork>,
    /// The latest assistant message, if any.
    pub latest_assistant_message: Option<AssistantMessage>,
    /// The current execution of an older service, if any.
    pub execution: Option<execution::Execution>,
}

/// An order for the owner of an ingest socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToIngest {
    /// Send this command.
    Command(ToWrapper),
    /// Close the socket with this code.
    Close(u16),
}

/// A subscription to the stream of a session.
#[derive(Debug)]
pub struct Subscription {
    /// The id of the last kept event before the subscription. Later events are live.
    pub up_to: u64,
    /// The kept events as of the subscription.
    pub replay: Replay,
    /// The snapshot of messages, as types and data of events (R9.21).
    pub snapshot: Vec<(&'static str, Value)>,
    /// The `cloudStatus` of `connected`, if any (R9.36).
    pub cloud_status: Option<&'static str>,
    /// The commands that the wrapper last offered: a list (R9.20).
    pub commands: Value,
    /// The events since the subscription. Ends early if the receiver falls too far behind; the client must then
    /// reconnect and replay (R9.25).
    pub live: mpsc::Receiver<Arc<LiveEvent>>,
}

/// An event for all subscribers of a session, and the text that they send, which the first of them writes.
#[derive(Debug)]
pub struct LiveEvent {
    /// The event.
    pub event: Event,
    text: OnceLock<Utf8Bytes>,
}

impl LiveEvent {
    pub(super) fn new(event: Event) -> Self {
        Self {
            event,
            text: OnceLock::new(),
        }
    }

    /// The text, which `write` makes if no subscriber has written it yet.
    pub fn text(&self, write: impl FnOnce(&Event) -> Utf8Bytes) -> Utf8Bytes {
        self.text.get_or_init(|| write(&self.event)).clone()
    }
}

/// An accepted ingest socket. Dropping it reports its end to the session, unless it is [left open](Self::leave_open).
pub struct IngestSocket {
    pub(super) session: SessionHandle,
    pub(super) id: SocketId,
    /// The close frame, if one was received.
    pub closing: Closing,
    /// The commands to send.
    pub commands: mpsc::UnboundedReceiver<ToIngest>,
    pub(super) is_left_open: bool,
}

impl IngestSocket {
    /// Sends a received frame to the session.
    pub fn take(&self, frame: Frame) {
        let socket = self.id;
        self.session.send(Input::IngestEvent { socket, frame });
    }

    /// Drops the socket without a report, because the server shuts down. The wrapper's grace then begins at the next
    /// start with its full length (R7.30).
    pub fn leave_open(mut self) {
        self.is_left_open = true;
    }
}

impl Drop for IngestSocket {
    fn drop(&mut self) {
        if self.is_left_open {
            return;
        }
        self.session.send(Input::IngestClosed {
            socket: self.id,
            closing: std::mem::take(&mut self.closing),
        });
    }
}

pub(super) enum Command {
    Request(Input, oneshot::Sender<Result<Reply, Unanswered>>),
    Send(Input),
    OpenIngest(Claim, oneshot::Sender<Result<IngestAnswer, Unanswered>>),
    Subscribe(oneshot::Sender<Result<Subscription, Unanswered>>),
    Describe(oneshot::Sender<Result<Description, Unanswered>>),
}

pub(super) type IngestAnswer = Result<IngestSocket, IngestRefusal>;

/// The claim of a wrapper that opens an ingest.
#[derive(Debug, Clone)]
pub enum Claim {
    /// A run and its fence.
    Run(IngestClaim),
    /// An execution of an older service.
    Imported(execution::Id),
}

/// A handle of a session's task. Cheap to clone. The task lives as long as a handle exists.
#[derive(Clone)]
pub struct SessionHandle {
    pub(super) mailbox: mpsc::UnboundedSender<Command>,
}

impl SessionHandle {
    /// Sends an input and waits for its reply, which is then durable.
    ///
    /// # Errors
    ///
    /// If the store failed, or the session was deleted.
    pub async fn request(&self, input: Input) -> Result<Reply, Unanswered> {
        self.call(|answer| Command::Request(input, answer)).await?
    }

    /// Sends an input without waiting. If the store fails, the input waits and is tried again (R3.18).
    pub fn send(&self, input: Input) {
        // The task ends only with the server.
        let _ = self.mailbox.send(Command::Send(input));
    }

    /// Requests an ingest socket.
    ///
    /// # Errors
    ///
    /// If the store failed, or the session was deleted.
    pub async fn open_ingest(&self, claim: Claim) -> Result<Result<IngestSocket, IngestRefusal>, Unanswered> {
        self.call(|answer| Command::OpenIngest(claim, answer)).await?
    }

    /// Subscribes to the stream.
    ///
    /// # Errors
    ///
    /// If the store failed, or the session was deleted.
    pub async fn subscribe(&self) -> Result<Subscription, Unanswered> {
        self.call(Command::Subscribe).await?
    }

    /// Returns a view of the session.
    ///
    /// # Errors
    ///
    /// If the store failed, or the session was deleted.
    pub async fn describe(&self) -> Result<Description, Unanswered> {
        self.call(Command::Describe).await?
    }

    /// Whether the task has ended, because the session was deleted or never stored.
    pub fn is_over(&self) -> bool {
        self.mailbox.is_closed()
    }

    async fn call<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Unanswered> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(command(answer)).map_err(|_| Unanswered::Gone)?;
        // The task ends only when the session is gone.
        answered.await.map_err(|_| Unanswered::Gone)
    }
}
