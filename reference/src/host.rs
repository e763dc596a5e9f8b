//! One task a session, the only place that acts: input → decide → commit → act.
//!
//! It decides nothing about messages. What it knows is the order of things: a commit before anything of
//! it is seen, effects in their order, inputs one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use turnstile_seams::{BoxFuture, Clock, ClockExt as _};

use crate::callbacks::CallbackQueue;
use crate::delivery::WrapperClient;
use crate::limits::COMMIT_RETRY_DELAY;
use crate::session::events::Event;
use crate::session::metadata::Metadata;
use crate::session::wrapper::{IngestClaim, IngestRefusal};
use crate::session::{Effect, Input, Reply, Session, SocketId, ToWrapper, Volatile};
use crate::store::{SessionKey, Store, StoreError};

/// Points of the server's work between which a crash makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// A decision is durable, nothing of it has been done or answered.
    AfterCommit,
    /// The queue has taken a callback, the session has not recorded that.
    AfterEnqueue,
}

/// Somebody who wants to know when a checkpoint is passed, and may make it take for ever.
pub trait Checkpoints: Send + Sync + 'static {
    /// The server is at `checkpoint`; it goes on when the future is done.
    fn pass(&self, checkpoint: Checkpoint) -> BoxFuture<'static, ()>;
}

/// What a session's task acts through.
pub struct Services {
    /// Durable state.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way to the wrapper.
    pub wrapper: WrapperClient,
    /// Where callbacks are handed to.
    pub queue: Arc<dyn CallbackQueue>,
    /// Who is told of checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
}

/// The store failed, and nothing of what was asked for has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be stored")]
pub struct NotStored;

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
    /// Messages to tell of before the live events, as names and data of events.
    pub snapshot: Vec<(&'static str, Value)>,
    /// What to tell of the cloud side, if anything.
    pub cloud_status: Option<&'static str>,
    /// Events from the subscription on.
    pub live: mpsc::UnboundedReceiver<Event>,
}

enum Command {
    Ask(Input, oneshot::Sender<Result<Reply, NotStored>>),
    Tell(Input),
    OpenIngest(
        IngestClaim,
        mpsc::UnboundedSender<ToIngest>,
        oneshot::Sender<Result<IngestTicket, NotStored>>,
    ),
    Subscribe(oneshot::Sender<Subscription>),
    Describe(oneshot::Sender<Metadata>),
}

type IngestTicket = Result<SocketId, IngestRefusal>;

/// The way to a session's task. Cheap to clone; the task lives as long as the server.
#[derive(Clone)]
pub struct SessionHandle {
    mailbox: mpsc::UnboundedSender<Command>,
}

impl SessionHandle {
    /// Hands in an input and waits for the reply, which is durable by then.
    ///
    /// # Errors
    ///
    /// If it could not be stored.
    pub async fn ask(&self, input: Input) -> Result<Reply, NotStored> {
        self.request(|answer| Command::Ask(input, answer)).await?
    }

    /// Hands in an input that nobody waits for. It is not lost to a failing store: it is tried again.
    pub fn tell(&self, input: Input) {
        // A task that is gone went with its server.
        let _ = self.mailbox.send(Command::Tell(input));
    }

    /// Asks for an ingest socket; what is to be sent on it goes to `outlet` from then on.
    ///
    /// # Errors
    ///
    /// If the session's state could not be stored.
    pub async fn open_ingest(
        &self,
        claim: IngestClaim,
        outlet: mpsc::UnboundedSender<ToIngest>,
    ) -> Result<Result<SocketId, IngestRefusal>, NotStored> {
        self.request(|answer| Command::OpenIngest(claim, outlet, answer))
            .await?
    }

    /// Takes a place in the stream.
    ///
    /// # Errors
    ///
    /// If the session's task is gone.
    pub async fn subscribe(&self) -> Result<Subscription, NotStored> {
        self.request(Command::Subscribe).await
    }

    /// What the session is about.
    ///
    /// # Errors
    ///
    /// If the session's task is gone.
    pub async fn describe(&self) -> Result<Metadata, NotStored> {
        self.request(Command::Describe).await
    }

    async fn request<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NotStored> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(command(answer)).map_err(|_| NotStored)?;
        answered.await.map_err(|_| NotStored)
    }
}

/// Makes a session from what the store has of it; none if it has nothing.
pub type Restore = Arc<dyn Fn(&SessionKey) -> Result<Option<Session>, StoreError> + Send + Sync>;

struct SessionHost {
    key: SessionKey,
    session: Session,
    /// Set when a commit failed: the session must be restored, with this, before it is used again.
    spoiled: Option<Volatile>,
    restore: Restore,
    services: Arc<Services>,
    handle: SessionHandle,
    subscribers: Vec<mpsc::UnboundedSender<Event>>,
    ingests: BTreeMap<SocketId, mpsc::UnboundedSender<ToIngest>>,
    last_socket: SocketId,
}

/// Starts the task of a session.
pub fn spawn(key: SessionKey, session: Session, restore: Restore, services: Arc<Services>) -> SessionHandle {
    let (mailbox, commands) = mpsc::unbounded_channel();
    let handle = SessionHandle { mailbox };
    let host = SessionHost {
        key,
        session,
        spoiled: None,
        restore,
        services,
        handle: handle.clone(),
        subscribers: Vec::new(),
        ingests: BTreeMap::new(),
        last_socket: 0,
    };
    tokio::spawn(host.run(commands));
    handle
}

impl SessionHost {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let deadline = self.session.next_deadline().filter(|_| self.spoiled.is_none());
            let clock = self.services.clock.clone();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                () = sleep_until_some(&*clock, deadline) => self.step_surely(Input::Wake).await,
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have gone away meanwhile; what was decided stands all the same.
        match command {
            Command::Tell(input) => self.step_surely(input).await,
            Command::Ask(input, answer) => match self.decide(input).await {
                Ok((reply, effects)) => {
                    let _ = answer.send(Ok(reply));
                    self.act(effects);
                }
                Err(NotStored) => {
                    let _ = answer.send(Err(NotStored));
                }
            },
            Command::OpenIngest(claim, outlet, answer) => {
                self.last_socket += 1;
                let socket = self.last_socket;
                let decided = self.decide(Input::IngestOpened { socket, claim }).await;
                let ticket = decided.map(|(reply, effects)| {
                    let ticket = match reply {
                        Reply::Ingest(Err(refusal)) => Err(refusal),
                        _ => Ok(socket),
                    };
                    if ticket.is_ok() {
                        self.ingests.insert(socket, outlet);
                    }
                    self.act(effects);
                    ticket
                });
                if let Err(Ok(Ok(socket))) = answer.send(ticket) {
                    self.step_surely(Input::IngestClosed { socket }).await;
                }
            }
            // A session that cannot be read answers nobody; the asker sees that it went away.
            Command::Subscribe(_) | Command::Describe(_) if self.recover().is_err() => {}
            Command::Subscribe(answer) => {
                let (outlet, live) = mpsc::unbounded_channel();
                self.subscribers.push(outlet);
                let _ = answer.send(Subscription {
                    up_to: self.session.last_event(),
                    snapshot: self.session.delivery_snapshot(),
                    cloud_status: self.session.cloud_status(),
                    live,
                });
            }
            Command::Describe(answer) => {
                let _ = answer.send(self.session.metadata().clone());
            }
        }
    }

    /// Takes in an input that nobody can be asked to repeat: a failing store makes it wait, not go away.
    async fn step_surely(&mut self, input: Input) {
        loop {
            match self.decide(input.clone()).await {
                Ok((_, effects)) => return self.act(effects),
                Err(NotStored) => self.services.clock.sleep(COMMIT_RETRY_DELAY).await,
            }
        }
    }

    /// Decides and commits. If the commit fails, the session is again what the store says it is.
    async fn decide(&mut self, input: Input) -> Result<(Reply, Vec<Effect>), NotStored> {
        if let Input::IngestClosed { socket } = &input {
            self.ingests.remove(socket);
        }
        self.recover()?;
        let volatile = self.session.volatile().clone();
        let decision = self.session.handle(self.services.clock.now(), input);
        match self
            .services
            .store
            .commit(&self.key, &self.session, &decision.writes)
        {
            Ok(()) => {
                if !decision.writes.is_empty() {
                    self.services.checkpoints.pass(Checkpoint::AfterCommit).await;
                }
                Ok((decision.reply, decision.effects))
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(session = %self.key.session, error, "commit failed");
                self.spoiled = Some(volatile);
                Err(NotStored)
            }
        }
    }

    /// Sees to it that the session is what the store says it is.
    fn recover(&mut self) -> Result<(), NotStored> {
        let Some(volatile) = &self.spoiled else {
            return Ok(());
        };
        match (self.restore)(&self.key) {
            Ok(Some(mut session)) => {
                session.keep_volatile(volatile.clone());
                self.session = session;
                self.spoiled = None;
                Ok(())
            }
            // It never was stored: whoever asked for it is told so, and nobody else knows of it.
            Ok(None) => Err(NotStored),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(session = %self.key.session, error, "session cannot be restored yet");
                Err(NotStored)
            }
        }
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Broadcast(event) => {
                    self.subscribers
                        .retain(|subscriber| subscriber.send(event.clone()).is_ok());
                }
                Effect::Send(socket, command) => self.to_ingest(socket, ToIngest::Command(command)),
                Effect::Close(socket, code) => {
                    self.to_ingest(socket, ToIngest::Close(code));
                    self.ingests.remove(&socket);
                }
                Effect::Deliver(delivery) => {
                    let (services, handle) = (self.services.clone(), self.handle.clone());
                    tokio::spawn(async move {
                        let message = delivery.message.id.clone();
                        let run = delivery.run.id.clone();
                        let result = services.wrapper.deliver(&delivery, &handle).await;
                        handle.tell(Input::Delivered { message, run, result });
                    });
                }
                Effect::StopWrapper(run) => {
                    let services = self.services.clone();
                    tokio::spawn(async move { services.wrapper.abort(&run).await });
                }
                Effect::Enqueue(job) => {
                    let (services, handle) = (self.services.clone(), self.handle.clone());
                    tokio::spawn(async move {
                        let message = job.message.clone();
                        let result = services
                            .queue
                            .enqueue(*job)
                            .await
                            .map_err(|error| error.to_string());
                        services.checkpoints.pass(Checkpoint::AfterEnqueue).await;
                        handle.tell(Input::Enqueued { message, result });
                    });
                }
            }
        }
    }

    fn to_ingest(&self, socket: SocketId, what: ToIngest) {
        if let Some(outlet) = self.ingests.get(&socket) {
            // A socket that is gone says so itself.
            let _ = outlet.send(what);
        }
    }
}

async fn sleep_until_some(clock: &dyn Clock, deadline: Option<jiff::Timestamp>) {
    match deadline {
        Some(deadline) => clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
