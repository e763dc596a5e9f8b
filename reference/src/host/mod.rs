//! Runs one task per session, which is the only place that acts: input → decide → commit → act.
//!
//! The host decides nothing about messages. It guarantees the order: one input at a time, the commit before any
//! visible effect, and effects in order. `effects` carries out effects, `wrapper_requests` keeps those to the wrapper in
//! order, and `handle` has the interface of the task.

mod effects;
mod handle;
pub mod interception;
mod wrapper_requests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use turnstile_profile::Profile;
use turnstile_seams::{BoxFuture, Clock};

use self::handle::Unanswered::NotStored;
pub use self::handle::{
    Claim, Description, IngestSocket, LiveEvent, SessionHandle, Subscription, ToIngest, Unanswered,
};
use self::handle::{Command, IngestAnswer};
use self::interception::{Decided, Interceptor, Memory};
use self::wrapper_requests::WrapperRequests;
use crate::callbacks::CallbackQueue;
use crate::coverage::ServerMark;
use crate::delivery::WrapperClient;
use crate::legacy::model::execution::Closing;
use crate::session::{Effect, Input, Reply, Session, SocketId, Volatile, Writes};
use crate::store::{SessionKey, Storage, StoreError};

/// A point at which a crash has distinct consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// A decision is made and not committed.
    BeforeCommit,
    /// A decision is committed; no effect or reply has happened.
    AfterCommit,
    /// The queue has accepted a callback; the session has not recorded it.
    AfterEnqueue,
}

/// Receives the checkpoints of the server, and may block them forever.
pub trait Checkpoints: Send + Sync + 'static {
    /// Reports a checkpoint. The server continues when the future completes.
    fn pass(&self, checkpoint: Checkpoint) -> BoxFuture<'static, ()>;
}

/// The services that sessions act through.
pub struct Services {
    /// The durations, limits and numbers of attempts.
    pub profile: Arc<Profile>,
    /// The durable state.
    pub store: Arc<dyn Storage>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The client of the wrappers.
    pub wrapper: WrapperClient,
    /// The callback queue.
    pub queue: Arc<dyn CallbackQueue>,
    /// The receiver of checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// The interceptor, in a test of the harness.
    pub interceptor: Option<Arc<dyn Interceptor>>,
}

/// Restores a session from the store. `None` if the session does not exist.
pub type Restore = Arc<dyn Fn(&SessionKey) -> Result<Option<Session>, StoreError> + Send + Sync>;

struct SessionHost {
    key: SessionKey,
    session: Session,
    /// Set if the session in memory differs from the store. Before its next use it must be restored with this
    /// volatile state.
    stale: Option<Volatile>,
    /// Inputs that cannot be requested again and wait for a failing store (R3.18).
    waiting: VecDeque<Input>,
    /// The session was removed or never stored. Pending and later requests fail.
    gone: bool,
    restore: Restore,
    services: Arc<Services>,
    /// Weak, so that the task ends when no handle is left.
    mailbox: mpsc::WeakUnboundedSender<Command>,
    subscribers: Vec<mpsc::Sender<Arc<LiveEvent>>>,
    ingests: BTreeMap<SocketId, mpsc::UnboundedSender<ToIngest>>,
    last_socket: SocketId,
    requests: WrapperRequests,
}

/// Starts the task of a session, with an input that it handles before any other and before any deadline.
pub fn spawn(
    key: SessionKey,
    session: Session,
    first: Option<Input>,
    restore: Restore,
    services: Arc<Services>,
) -> SessionHandle {
    let (mailbox, commands) = mpsc::unbounded_channel();
    let host = SessionHost {
        key,
        session,
        stale: None,
        waiting: VecDeque::new(),
        gone: false,
        restore,
        services,
        mailbox: mailbox.downgrade(),
        subscribers: Vec::new(),
        ingests: BTreeMap::new(),
        last_socket: 0,
        requests: WrapperRequests::default(),
    };
    // The future of a task is copied several times before the task starts, and this one is large.
    tokio::spawn(Box::pin(host.run(first, commands)));
    SessionHandle { mailbox }
}

impl SessionHost {
    async fn run(mut self, first: Option<Input>, mut commands: mpsc::UnboundedReceiver<Command>) {
        // A deadline that passed while the server was down must not fire before it is postponed (R7.28).
        if let Some(first) = first {
            self.handle_durably(first).await;
        }
        while !self.gone {
            let clock = self.services.clock.clone();
            let deadline = match (&self.stale, self.waiting.is_empty()) {
                (None, true) => self.session.next_deadline(),
                _ => Some(clock.now() + self.services.profile.commit_retry_delay),
            };
            tokio::select! {
                biased;
                // Deadlines come first: a busy wrapper must not delay them.
                () = sleep_until_deadline(&*clock, deadline) => self.handle_durably(Input::Wake).await,
                command = commands.recv() => match command {
                    Some(command) => self.execute(command).await,
                    None => return,
                },
            }
        }
    }

    async fn execute(&mut self, command: Command) {
        // The sender may be gone; the decision is valid nevertheless.
        match command {
            Command::Send(input) => self.handle_durably(input).await,
            Command::Request(input, answer) => {
                let decided = self.decide_after_waiting(input).await;
                let (reply, effects) = decided.map_or_else(
                    |error| (Err(error), Vec::new()),
                    |(reply, effects)| (Ok(reply), effects),
                );
                let _ = answer.send(reply);
                self.act(effects);
            }
            Command::OpenIngest(claim, answer) => {
                let opened = self.open_ingest(claim).await;
                let _ = answer.send(opened);
            }
            Command::Subscribe(answer) => {
                let subscription = self.subscribe().await;
                let _ = answer.send(subscription);
            }
            Command::Describe(answer) => {
                let description = self.describe();
                let _ = answer.send(description);
            }
        }
    }

    async fn open_ingest(&mut self, claim: Claim) -> Result<IngestAnswer, Unanswered> {
        self.last_socket += 1;
        let id = self.last_socket;
        let opened = match claim {
            Claim::Run(claim) => Input::IngestOpened { socket: id, claim },
            Claim::Imported(execution) => Input::ImportedIngestOpened {
                socket: id,
                execution,
            },
        };
        let (reply, effects) = self.decide_after_waiting(opened).await?;
        match reply {
            Reply::Ingest(Err(refusal)) => {
                self.act(effects);
                return Ok(Err(refusal));
            }
            Reply::NoSession => return Err(Unanswered::Gone),
            _ => {}
        }
        let (outlet, commands) = mpsc::unbounded_channel();
        self.ingests.insert(id, outlet);
        self.act(effects);
        let session = self.handle().ok_or(NotStored)?;
        Ok(Ok(IngestSocket {
            session,
            id,
            closing: Closing::default(),
            commands,
            is_left_open: false,
        }))
    }

    fn describe(&mut self) -> Result<Description, Unanswered> {
        self.recover()?;
        if self.session.is_deleted() {
            return Err(Unanswered::Gone);
        }
        Ok(Description {
            metadata: self.session.metadata().clone(),
            work: self.session.current_work(self.services.clock.now()),
            latest_assistant_message: self.session.latest_assistant_message(),
            execution: self.session.active_execution().cloned(),
        })
    }

    async fn subscribe(&mut self) -> Result<Subscription, Unanswered> {
        let (reply, effects) = self.decide_after_waiting(Input::ClientConnected).await?;
        if matches!(reply, Reply::NoSession) {
            return Err(Unanswered::Gone);
        }
        let replay = match self.services.store.replay(&self.key.session) {
            Ok(replay) => replay,
            Err(error) => {
                self.log_error(&error, "events cannot be read");
                return Err(NotStored);
            }
        };
        // The wrapper's snapshot arrives after the replay, as live events.
        self.act(effects);
        let (outlet, live) = mpsc::channel(self.services.profile.subscriber_backlog);
        self.subscribers.push(outlet);
        let mut subscription = Subscription {
            up_to: self.session.last_event(),
            replay,
            snapshot: self.session.delivery_snapshot(),
            cloud_status: self.session.cloud_status(),
            commands: self.session.commands(),
            live,
        };
        if let Some(interceptor) = &self.services.interceptor {
            interceptor.subscribed(&self.session, &mut subscription);
        }
        Ok(subscription)
    }

    fn handle(&self) -> Option<SessionHandle> {
        self.mailbox.upgrade().map(|mailbox| SessionHandle { mailbox })
    }

    fn log_error(&self, error: &StoreError, what: &str) {
        let error: &dyn std::error::Error = error;
        tracing::error!(session = %self.key.session, error, "{what}");
    }

    /// Handles an input that cannot be requested again. If the store fails, the input waits.
    async fn handle_durably(&mut self, input: Input) {
        if let Input::IngestClosed { socket, .. } = &input {
            self.ingests.remove(socket);
        }
        // One wake covers all deadlines.
        if !matches!(input, Input::Wake) || self.waiting.is_empty() {
            self.waiting.push_back(input);
        }
        // Inputs that still wait are tried again after a delay, or with the next request.
        let _ = self.handle_waiting().await;
    }

    /// Handles the waiting inputs in order.
    async fn handle_waiting(&mut self) -> Result<(), Unanswered> {
        while let Some(input) = self.waiting.front().cloned() {
            let (_, effects) = self.decide(input).await?;
            self.waiting.pop_front();
            self.act(effects);
        }
        Ok(())
    }

    /// Handles an input that can be requested again, after all waiting inputs.
    async fn decide_after_waiting(&mut self, input: Input) -> Result<(Reply, Vec<Effect>), Unanswered> {
        self.handle_waiting().await?;
        self.decide(input).await
    }

    /// Decides and commits. After a failed commit the session must be restored from the store.
    async fn decide(&mut self, mut input: Input) -> Result<(Reply, Vec<Effect>), Unanswered> {
        self.recover()?;
        let now = self.services.clock.now();
        let services = self.services.clone();
        let interceptor = services.interceptor.as_deref();
        if let Some(interceptor) = interceptor
            && interceptor.before(&self.session, &mut input) == Memory::IsReread
        {
            self.stale = Some(self.session.volatile());
            self.recover()?;
        }
        let volatile = self.session.volatile();
        let mut writes = Writes::default();
        let (decided, memory) = interception::decide(interceptor, &mut self.session, now, input, &mut writes);
        let Decided {
            reply,
            commit,
            effects,
            ..
        } = decided;
        let (is_empty, removal) = (commit.is_empty(), commit.removal);
        if !is_empty {
            services.checkpoints.pass(Checkpoint::BeforeCommit).await;
        }
        if let Err(error) = services.store.commit(&self.key, &commit) {
            ServerMark::StoreFailed.hit();
            self.log_error(&error, "commit failed");
            self.stale = Some(volatile);
            return Err(NotStored);
        }
        if !is_empty {
            services.checkpoints.pass(Checkpoint::AfterCommit).await;
        }
        self.gone |= removal;
        if memory == Memory::IsReread && !self.gone {
            self.stale = Some(self.session.volatile());
            // If the store cannot be read now, the session is restored before its next use.
            let _ = self.recover();
        }
        Ok((reply, effects))
    }

    /// Restores the session from the store if necessary.
    fn recover(&mut self) -> Result<(), Unanswered> {
        let Some(volatile) = &self.stale else {
            return Ok(());
        };
        match (self.restore)(&self.key) {
            Ok(Some(mut session)) => {
                session.keep_volatile(volatile.clone());
                self.session = session;
                self.stale = None;
                Ok(())
            }
            Ok(None) => {
                self.gone = true;
                Err(NotStored)
            }
            Err(error) => {
                self.log_error(&error, "session cannot be restored yet");
                Err(NotStored)
            }
        }
    }
}

async fn sleep_until_deadline(clock: &dyn Clock, deadline: Option<jiff::Timestamp>) {
    match deadline {
        Some(deadline) => clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
