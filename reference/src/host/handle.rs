//! What others hold of a session's task: the way to ask it, and what they are given for it.
//!
//! Nothing is decided or committed here.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::legacy::model::execution::{self, Closing};
use crate::model::metadata::Metadata;
use crate::refusal::Refusal;
use crate::session::events::Event;
use crate::session::frame::Frame;
use crate::session::health::{LatestReply, TurnHealth};
use crate::session::wrapper::{IngestClaim, IngestRefusal};
use crate::session::{Input, Reply, SocketId, ToWrapper};
use crate::store::Replay;

/// Why a session does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The store failed, and nothing of what was asked for has happened.
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

/// What is told of a session that is asked about.
#[derive(Debug, Clone)]
pub struct Description {
    /// What it is about.
    pub metadata: Metadata,
    /// The turn it is at, if any.
    pub turn: Option<TurnHealth>,
    /// The latest answer of the assistant's.
    pub latest_reply: Option<LatestReply>,
    /// What an older service left running, if anything.
    pub execution: Option<execution::Execution>,
}

/// To whoever holds an ingest socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToIngest {
    /// Send this command.
    Command(ToWrapper),
    /// Close with this code.
    Close(u16),
}

/// A client's place in the stream of a session.
#[derive(Debug)]
pub struct Subscription {
    /// Id of the latest event that was kept before the subscription; later ones come live.
    pub up_to: u64,
    /// The kept events as they were at the subscription.
    pub replay: Replay,
    /// Messages to tell of before the live events, as names and data of events.
    pub snapshot: Vec<(&'static str, Value)>,
    /// What to tell of the cloud side, if anything.
    pub cloud_status: Option<&'static str>,
    /// Events from the subscription on. It ends early if they are not taken out: a client that falls too
    /// far behind has to come back and have them replayed.
    pub live: mpsc::Receiver<Arc<Event>>,
}

/// An ingest socket that the session knows of. Whichever way it is dropped, the session is told, unless it is
/// [left open](Self::leave_open).
pub struct IngestSocket {
    pub(super) session: SessionHandle,
    pub(super) id: SocketId,
    /// How it was closed, once that is known.
    pub closing: Closing,
    /// What is to be sent on it.
    pub commands: mpsc::UnboundedReceiver<ToIngest>,
    pub(super) is_left_open: bool,
}

impl IngestSocket {
    /// Hands in a frame that came on the socket.
    pub fn take(&self, frame: Frame) {
        let socket = self.id;
        self.session.tell(Input::IngestEvent { socket, frame });
    }

    /// Ends with the server, not with the socket: the session is not told. A wrapper has its whole grace from
    /// the next start on (protocol §7), and not what an orderly end of the server has left of it.
    pub fn leave_open(mut self) {
        self.is_left_open = true;
    }
}

impl Drop for IngestSocket {
    fn drop(&mut self) {
        if self.is_left_open {
            return;
        }
        self.session.tell(Input::IngestClosed {
            socket: self.id,
            closing: std::mem::take(&mut self.closing),
        });
    }
}

pub(super) enum Command {
    Ask(Input, oneshot::Sender<Result<Reply, Unanswered>>),
    Tell(Input),
    OpenIngest(Claim, oneshot::Sender<Result<IngestAnswer, Unanswered>>),
    Subscribe(oneshot::Sender<Result<Subscription, Unanswered>>),
    Describe(oneshot::Sender<Result<Description, Unanswered>>),
}

pub(super) type IngestAnswer = Result<IngestSocket, IngestRefusal>;

/// On whose behalf a wrapper opens a socket.
#[derive(Debug, Clone)]
pub enum Claim {
    /// Of a wrapper run of this server's.
    Run(IngestClaim),
    /// Of an execution of an older service's.
    Imported(execution::Id),
}

/// The way to a session's task. Cheap to clone; the task lives as long as any of the clones.
#[derive(Clone)]
pub struct SessionHandle {
    pub(super) mailbox: mpsc::UnboundedSender<Command>,
}

impl SessionHandle {
    /// Hands in an input and waits for the reply, which is durable by then.
    ///
    /// # Errors
    ///
    /// If it could not be stored.
    pub async fn ask(&self, input: Input) -> Result<Reply, Unanswered> {
        self.request(|answer| Command::Ask(input, answer)).await?
    }

    /// Hands in an input that nobody waits for. It is not lost to a failing store: it is tried again.
    pub fn tell(&self, input: Input) {
        // A task that is gone went with its server.
        let _ = self.mailbox.send(Command::Tell(input));
    }

    /// Asks for an ingest socket.
    ///
    /// # Errors
    ///
    /// If the session's state could not be stored.
    pub async fn open_ingest(&self, claim: Claim) -> Result<Result<IngestSocket, IngestRefusal>, Unanswered> {
        self.request(|answer| Command::OpenIngest(claim, answer)).await?
    }

    /// Takes a place in the stream.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    pub async fn subscribe(&self) -> Result<Subscription, Unanswered> {
        self.request(Command::Subscribe).await?
    }

    /// What is told of the session.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    pub async fn describe(&self) -> Result<Description, Unanswered> {
        self.request(Command::Describe).await?
    }

    /// Whether the session's task has ended: the session was deleted, or never stored.
    pub fn is_over(&self) -> bool {
        self.mailbox.is_closed()
    }

    async fn request<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Unanswered> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(command(answer)).map_err(|_| Unanswered::Gone)?;
        // Whatever it was busy with when it ended: a session ends when it is gone.
        answered.await.map_err(|_| Unanswered::Gone)
    }
}
