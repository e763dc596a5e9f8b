//! A pure session with a clock that is a variable, a store, and a wrapper and a queue that do as they are
//! told. It keeps the contract of a host: an input at a time, a commit before anything else of a decision.
//!
//! What to bring about, and what must come of it, is said by the tests.

pub mod setting;
mod store;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use turnstile_mutants::Rule;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::execution::Closing;
use turnstile_reference::model::message::Message;
use turnstile_reference::session::wrapper::{Delivery, DeliveryFailure, FailureCode, IngestClaim, Run};
use turnstile_reference::session::{
    CallbackOwner, Decision, Effect, EnqueueError, Input, Reply, Session, SocketId, ToWrapper, Writes, frame,
};
use turnstile_seams::Randomness;

use self::setting::Setting;
use self::store::Store;
use self::words::Frame;

/// The longest that any delivery has to be waited for.
const PATIENCE: Duration = Duration::from_secs(200);

/// A session and its surroundings.
pub struct Bench {
    /// What time it is.
    pub now: Timestamp,
    session: Session,
    randomness: Randomness,
    /// What breaks a rule, if one is broken.
    interceptor: Option<Arc<dyn Interceptor>>,
    store: Store,
    /// All that was done, with its time.
    log: Vec<(Timestamp, Effect)>,
    /// All that was written, in order.
    pub commits: Vec<Writes>,
    /// Whether the wrapper answers a ping at once.
    pub answers_pings: bool,
    /// Whether the queue takes callbacks at once; if not, it says nothing.
    pub queue_takes: bool,
    /// The delivery that has not been reported on.
    pub delivery: Option<Delivery>,
    /// The run that the wrapper was told of last.
    pub run: Option<Run>,
    /// The socket that was opened last, and whether it is open still.
    socket: SocketId,
    connected: bool,
}

impl Bench {
    /// A session to which nothing has happened yet.
    pub fn new(setting: Setting) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("this is a time");
        let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(7));
        let metadata = setting::metadata(setting, now);
        let session = Session::create(metadata, randomness.clone(), Arc::default());
        Self {
            now,
            store: Store::new(&session),
            session,
            randomness,
            interceptor: setting.broken.and_then(Rule::interceptor),
            log: Vec::new(),
            commits: Vec::new(),
            answers_pings: true,
            queue_takes: true,
            delivery: None,
            run: None,
            socket: 0,
            connected: false,
        }
    }

    /// Hands in an input, commits, and does what was decided.
    pub fn put(&mut self, input: Input) -> Reply {
        let (reply, effects) = self.decide(input);
        for effect in effects {
            self.log.push((self.now, effect.clone()));
            self.perform(effect);
        }
        reply
    }

    /// Decides and commits as a host does, with what breaks a rule in between.
    fn decide(&mut self, mut input: Input) -> (Reply, Vec<Effect>) {
        let interceptor = self.interceptor.clone();
        if let Some(interceptor) = &interceptor
            && interceptor.before(&self.session, &mut input) == Memory::IsReread
        {
            self.reread();
        }
        let before = interceptor.as_ref().map(|_| self.session.clone());
        let Decision {
            reply,
            writes,
            effects,
        } = self.session.handle(self.now, input.clone());
        let mut decided = Decided {
            session: &self.session,
            reply,
            commit: self.session.commit(&writes),
            effects,
        };
        let mut memory = Memory::Stays;
        if let (Some(interceptor), Some(before)) = (&interceptor, &before) {
            let (now, input) = (self.now, &input);
            memory = interceptor.decided(&Moment { now, before, input }, &mut decided);
        }
        let Decided {
            reply,
            commit,
            effects,
            ..
        } = decided;
        self.store.commit(&commit);
        self.commits.push(writes);
        if memory == Memory::IsReread {
            self.reread();
        }
        (reply, effects)
    }

    /// The session is what its records make it, but for what no store has.
    fn reread(&mut self) {
        let volatile = self.session.volatile();
        self.session = self.restored();
        self.session.keep_volatile(volatile);
    }

    fn restored(&self) -> Session {
        self.store.restore(&self.randomness, |stored| {
            if let Some(interceptor) = &self.interceptor {
                interceptor.read(stored);
            }
        })
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Deliver(delivery) => {
                self.run = Some(delivery.run.clone());
                self.delivery = Some(*delivery);
            }
            Effect::Send(socket, ToWrapper::Ping) if self.answers_pings => {
                self.say_on(socket, words::pong());
            }
            Effect::Enqueue(job) if self.queue_takes => self.queue_answers(job.owner, Ok(())),
            Effect::Close(socket, _) => self.close(socket),
            _ => {}
        }
    }

    /// Lets time pass, waking the session exactly when it wants to be woken.
    pub fn pass(&mut self, duration: Duration) {
        self.pass_until(self.now + duration);
    }

    /// The same, up to that time.
    pub fn pass_until(&mut self, end: Timestamp) {
        while let Some(deadline) = self.session.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.put(Input::Wake);
        }
        self.now = self.now.max(end);
    }

    /// The server stops and starts: only what was committed is left.
    pub fn restart(&mut self) {
        self.session = self.restored();
        self.connected = false;
        self.delivery = None;
        self.put(Input::Resume);
    }

    /// An id that nobody has used.
    pub fn draw(&self) -> MessageId {
        MessageId::draw(self.now, &self.randomness)
    }

    /// A user turn with that id is asked for.
    pub fn admit_as(&mut self, id: &MessageId) {
        let reply = self.put(Input::Admit(Box::new(setting::admission(id))));
        assert!(matches!(reply, Reply::Admission(Ok(_))), "{reply:?}");
    }

    /// A user turn is asked for.
    pub fn admit(&mut self) -> MessageId {
        let id = self.draw();
        self.admit_as(&id);
        id
    }

    /// Waits for the next delivery. It is under way until it is reported on.
    pub fn next_delivery(&mut self) -> Delivery {
        let end = self.now + PATIENCE;
        while self.delivery.is_none() {
            let next = self.session.next_deadline().filter(|next| *next <= end);
            self.pass_until(next.expect("a delivery is due"));
        }
        self.delivery.clone().expect("this is what was waited for")
    }

    /// The wrapper is made ready for the delivery that is under way, if it has to be, and connects, if it is
    /// not connected.
    pub fn take_up(&mut self) {
        self.prepare();
        if !self.connected {
            assert!(self.connect(), "the run of a delivery is the current one");
        }
    }

    /// The wrapper is made ready for the delivery that is under way, if it has to be.
    pub fn prepare(&mut self) {
        let delivery = self.delivery.clone().expect("a delivery is under way");
        if delivery.ensure_ready {
            let reply = self.put(Input::Prepared {
                run: delivery.run.id,
                workspace: setting::workspace(),
            });
            assert!(matches!(reply, Reply::Proceed(true)), "{reply:?}");
        }
    }

    /// The delivery that is under way is over.
    pub fn report(&mut self, result: Result<(), FailureCode>) {
        let delivery = self.delivery.take().expect("a delivery is under way");
        self.put(Input::Delivered {
            message: delivery.message.id,
            run: delivery.run.id,
            result: result.map_err(|code| DeliveryFailure::new(code, "no")),
        });
    }

    /// Waits for the next delivery and has the wrapper take it.
    pub fn accept(&mut self) {
        self.next_delivery();
        self.take_up();
        self.report(Ok(()));
    }

    /// The wrapper opens a socket for the run that it was told of last. False if it is refused.
    pub fn connect(&mut self) -> bool {
        let Some(run) = self.run.clone() else { return false };
        self.connect_as(&run)
    }

    /// A wrapper opens a socket for `run`. False if it is refused.
    pub fn connect_as(&mut self, run: &Run) -> bool {
        let socket = self.socket + 1;
        let claim = IngestClaim {
            run: run.id.clone(),
            fence: run.fence.clone(),
        };
        let reply = self.put(Input::IngestOpened { socket, claim });
        let taken = matches!(reply, Reply::Ingest(Ok(())));
        if taken {
            self.socket = socket;
            self.connected = true;
        }
        taken
    }

    /// The socket that was opened last is over.
    pub fn disconnect(&mut self) {
        self.close(self.socket);
    }

    /// A socket is over.
    pub fn close(&mut self, socket: SocketId) {
        self.connected &= socket != self.socket;
        let closing = Closing::default();
        self.put(Input::IngestClosed { socket, closing });
    }

    /// The wrapper says something on the socket that it opened last.
    pub fn say(&mut self, frame: Frame) {
        self.say_on(self.socket, frame);
    }

    fn say_on(&mut self, socket: SocketId, (name, data): Frame) {
        self.put(Input::IngestEvent {
            socket,
            frame: frame::Frame::read(name.to_owned(), data),
        });
    }

    /// The queue answers for a callback.
    pub fn queue_answers(&mut self, owner: CallbackOwner, result: Result<(), &str>) {
        self.put(Input::Enqueued {
            owner,
            result: result.map_err(EnqueueError::new),
        });
    }

    /// A message as the session has it.
    pub fn message(&self, id: &MessageId) -> &Message {
        self.session.message(id).expect("the message was admitted")
    }

    /// All that was done, with its time.
    pub fn log(&self) -> &[(Timestamp, Effect)] {
        &self.log
    }

    /// Events that clients were told of a message: names without what they all begin with, and data.
    pub fn broadcasts(&self, id: &MessageId) -> Vec<(&str, &Value)> {
        let told = self.log.iter().filter_map(|(_, effect)| match effect {
            Effect::Broadcast(event) => Some((event.stream_event_type.as_str(), &event.data)),
            _ => None,
        });
        of_message(told, id)
    }

    /// The same of those that were kept.
    pub fn kept(&self, id: &MessageId) -> Vec<(&str, &Value)> {
        let rows = self.commits.iter().flat_map(|writes| &writes.events);
        of_message(
            rows.map(|row| (row.event.stream_event_type.as_str(), &row.event.data)),
            id,
        )
    }

    /// How often the callback of a message was handed to the queue.
    pub fn callbacks(&self, id: &MessageId) -> usize {
        let owner = CallbackOwner::Message(id.clone());
        let is_this = |effect: &Effect| matches!(effect, Effect::Enqueue(job) if job.owner == owner);
        self.log.iter().filter(|(_, effect)| is_this(effect)).count()
    }
}

fn of_message<'a>(
    events: impl Iterator<Item = (&'a str, &'a Value)>,
    id: &MessageId,
) -> Vec<(&'a str, &'a Value)> {
    events
        .filter_map(|(name, data)| Some((name.strip_prefix("cloud.message.")?, data)))
        .filter(|(_, data)| data["messageId"] == json!(id))
        .collect()
}
