//! One task a session, the only place that acts: input → decide → commit → act.
//!
//! It decides nothing about messages. What it knows is the order of things: a commit before anything of
//! it is seen, effects in their order, inputs one at a time. How effects are carried out is in `effects`, how others
//! speak to that task in `handle`.

mod effects;
mod handle;
pub mod interception;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use turnstile_profile::Profile;
use turnstile_seams::{BoxFuture, Clock};

use self::handle::Unanswered::NotStored;
pub use self::handle::{Claim, Description, IngestSocket, SessionHandle, Subscription, ToIngest, Unanswered};
use self::handle::{Command, IngestAnswer};
use self::interception::{Decided, Interceptor, Memory, Moment};
use crate::callbacks::CallbackQueue;
use crate::coverage::Row;
use crate::delivery::WrapperClient;
use crate::legacy::model::execution::Closing;
use crate::session::events::Event;
use crate::session::{Decision, Effect, Input, Reply, Session, SocketId, Volatile};
use crate::store::{SessionKey, Store, StoreError};

/// Points of the server's work between which a crash makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// A decision is made, nothing of it is durable.
    BeforeCommit,
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
    /// The values of the protocol.
    pub profile: Arc<Profile>,
    /// Durable state.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way to the wrappers.
    pub wrapper: WrapperClient,
    /// Where callbacks are handed to.
    pub queue: Arc<dyn CallbackQueue>,
    /// Who is told of checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Who stands between the session and this task, in a test of the harness.
    pub interceptor: Option<Arc<dyn Interceptor>>,
}

/// Makes a session from what the store has of it; none if it has nothing.
pub type Restore = Arc<dyn Fn(&SessionKey) -> Result<Option<Session>, StoreError> + Send + Sync>;

struct SessionHost {
    key: SessionKey,
    session: Session,
    /// Set when the session in memory is not what the store has: it must be restored, with this, before it is used
    /// again.
    spoiled: Option<Volatile>,
    /// Inputs that nobody can be asked to repeat and that the store has not taken yet.
    unheard: VecDeque<Input>,
    /// The session was removed, or never stored: whoever asked for it was told so, and nobody else knows of it.
    gone: bool,
    restore: Restore,
    services: Arc<Services>,
    /// Weak, so that the task ends when nobody else can reach it.
    mailbox: mpsc::WeakUnboundedSender<Command>,
    subscribers: Vec<mpsc::Sender<Arc<Event>>>,
    ingests: BTreeMap<SocketId, mpsc::UnboundedSender<ToIngest>>,
    last_socket: SocketId,
}

/// Starts the task of a session.
pub fn spawn(key: SessionKey, session: Session, restore: Restore, services: Arc<Services>) -> SessionHandle {
    let (mailbox, commands) = mpsc::unbounded_channel();
    let host = SessionHost {
        key,
        session,
        spoiled: None,
        unheard: VecDeque::new(),
        gone: false,
        restore,
        services,
        mailbox: mailbox.downgrade(),
        subscribers: Vec::new(),
        ingests: BTreeMap::new(),
        last_socket: 0,
    };
    tokio::spawn(host.run(commands));
    SessionHandle { mailbox }
}

impl SessionHost {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while !self.gone {
            let clock = self.services.clock.clone();
            let deadline = match (&self.spoiled, self.unheard.is_empty()) {
                (None, true) => self.session.next_deadline(),
                _ => Some(clock.now() + self.services.profile.commit_retry_delay),
            };
            tokio::select! {
                biased;
                // What is due comes first: a busy wrapper must not keep the clock from being heard.
                () = sleep_until_some(&*clock, deadline) => self.take_surely(Input::Wake).await,
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have gone away meanwhile; what was decided stands all the same.
        match command {
            Command::Tell(input) => self.take_surely(input).await,
            Command::Ask(input, answer) => {
                let decided = self.decide_after_unheard(input).await;
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
        let (reply, effects) = self.decide_after_unheard(opened).await?;
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
            turn: self.session.turn_health(),
            latest_reply: self.session.latest_reply(),
            execution: self.session.active_execution().cloned(),
        })
    }

    async fn subscribe(&mut self) -> Result<Subscription, Unanswered> {
        let (reply, effects) = self.decide_after_unheard(Input::ClientConnected).await?;
        if matches!(reply, Reply::NoSession) {
            return Err(Unanswered::Gone);
        }
        let replay = match self.services.store.replay(&self.key.session) {
            Ok(replay) => replay,
            Err(error) => {
                self.complain(&error, "events cannot be read");
                return Err(NotStored);
            }
        };
        // What the wrapper answers comes after the replay, live.
        self.act(effects);
        let (outlet, live) = mpsc::channel(self.services.profile.subscriber_backlog);
        self.subscribers.push(outlet);
        let mut subscription = Subscription {
            up_to: self.session.last_event(),
            replay,
            snapshot: self.session.delivery_snapshot(),
            cloud_status: self.session.cloud_status(),
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

    fn complain(&self, error: &StoreError, what: &str) {
        let error: &dyn std::error::Error = error;
        tracing::error!(session = %self.key.session, error, "{what}");
    }

    /// Takes in an input that nobody can be asked to repeat: a failing store makes it wait, not go away.
    async fn take_surely(&mut self, input: Input) {
        if let Input::IngestClosed { socket, .. } = &input {
            self.ingests.remove(socket);
        }
        // Time passes for everything that waits at once.
        if !matches!(input, Input::Wake) || self.unheard.is_empty() {
            self.unheard.push_back(input);
        }
        // What still waits then is tried again after a while, or when somebody asks for something.
        let _ = self.hear_unheard().await;
    }

    /// Takes in what a failing store has kept waiting, in its order.
    async fn hear_unheard(&mut self) -> Result<(), Unanswered> {
        while let Some(input) = self.unheard.front().cloned() {
            let (_, effects) = self.decide(input).await?;
            self.unheard.pop_front();
            self.act(effects);
        }
        Ok(())
    }

    /// Decides on an input of somebody who can ask again, once everything that came before it was heard.
    async fn decide_after_unheard(&mut self, input: Input) -> Result<(Reply, Vec<Effect>), Unanswered> {
        self.hear_unheard().await?;
        self.decide(input).await
    }

    /// Decides and commits. If the commit fails, the session is again what the store says it is.
    async fn decide(&mut self, mut input: Input) -> Result<(Reply, Vec<Effect>), Unanswered> {
        self.recover()?;
        let now = self.services.clock.now();
        let services = self.services.clone();
        let interception = match services.interceptor.as_deref() {
            Some(interceptor) => Some((interceptor, self.intercept(interceptor, &mut input)?)),
            None => None,
        };
        let volatile = self.session.volatile();
        let Decision {
            reply,
            writes,
            effects,
        } = self.session.handle(now, input);
        let mut decided = Decided {
            session: &self.session,
            reply,
            commit: self.session.commit(&writes),
            effects,
        };
        let memory = match &interception {
            Some((interceptor, (before, input))) => {
                let moment = Moment { now, before, input };
                interceptor.decided(&moment, &mut decided)
            }
            None => Memory::Stays,
        };
        let Decided {
            reply,
            commit,
            effects,
            ..
        } = decided;
        if !commit.is_empty() {
            services.checkpoints.pass(Checkpoint::BeforeCommit).await;
        }
        if let Err(error) = services.store.commit(&self.key, &commit) {
            Row::StoreFailed.reach();
            self.complain(&error, "commit failed");
            self.spoiled = Some(volatile);
            return Err(NotStored);
        }
        if !commit.is_empty() {
            services.checkpoints.pass(Checkpoint::AfterCommit).await;
        }
        self.gone |= commit.removal;
        if memory == Memory::IsReread && !self.gone {
            self.spoiled = Some(self.session.volatile());
            // If the store cannot be read now, it is tried again before the session is used.
            let _ = self.recover();
        }
        Ok((reply, effects))
    }

    /// Lets an interceptor look at an input. Returns the session and the input as they are then.
    fn intercept(
        &mut self,
        interceptor: &dyn Interceptor,
        input: &mut Input,
    ) -> Result<(Session, Input), Unanswered> {
        if interceptor.before(&self.session, input) == Memory::IsReread {
            self.spoiled = Some(self.session.volatile());
            self.recover()?;
        }
        Ok((self.session.clone(), input.clone()))
    }

    /// Sees to it that the session is what the store says it is.
    fn recover(&mut self) -> Result<(), Unanswered> {
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
            Ok(None) => {
                self.gone = true;
                Err(NotStored)
            }
            Err(error) => {
                self.complain(&error, "session cannot be restored yet");
                Err(NotStored)
            }
        }
    }
}

async fn sleep_until_some(clock: &dyn Clock, deadline: Option<jiff::Timestamp>) {
    match deadline {
        Some(deadline) => clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
