//! A pure session with a manual clock, a store, a scripted wrapper and a scripted queue. It keeps the contract of a
//! host: one input at a time, and the commit before any effect.
//!
//! The tests decide what happens and check the results.

pub mod frames;
pub mod setting;
mod store;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use turnstile_mutants::Rule;
use turnstile_reference::host::interception::{self, Interceptor, Memory};
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::execution::Closing;
use turnstile_reference::model::message::Message;
use turnstile_reference::session::wrapper::{Delivery, DeliveryFailure, FailureCode, IngestClaim, Run};
use turnstile_reference::session::{
    CallbackOwner, Effect, EnqueueError, Input, Reply, Session, SocketId, ToWrapper, Writes, frame,
};
use turnstile_seams::Randomness;

use self::frames::Frame;
use self::setting::Setting;
use self::store::Store;

/// The longest time until a delivery.
const PATIENCE: Duration = Duration::from_secs(200);

/// A session and its environment.
pub struct Bench {
    /// The current time.
    pub now: Timestamp,
    session: Session,
    randomness: Randomness,
    /// The mutant, if any.
    interceptor: Option<Arc<dyn Interceptor>>,
    store: Store,
    /// All effects, with their times.
    log: Vec<(Timestamp, Effect)>,
    /// All commits, in order.
    pub commits: Vec<Writes>,
    /// Whether the wrapper answers pings at once.
    pub answers_pings: bool,
    /// Whether the queue accepts callbacks at once. Otherwise it does not answer.
    pub queue_accepts: bool,
    /// The delivery in progress.
    pub delivery: Option<Delivery>,
    /// The last run that was delivered to.
    pub run: Option<Run>,
    /// The last socket, and its run if it is open.
    socket: SocketId,
    connected: Option<Run>,
}

impl Bench {
    /// Creates a session.
    pub fn new(setting: Setting) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("this is a time");
        let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(7));
        let metadata = setting::metadata(setting, now);
        let session = Session::create(metadata, randomness.clone(), Arc::clone(&setting::PROFILE));
        Self {
            now,
            store: Store::new(&session),
            session,
            randomness,
            interceptor: setting.broken.and_then(Rule::interceptor),
            log: Vec::new(),
            commits: Vec::new(),
            answers_pings: true,
            queue_accepts: true,
            delivery: None,
            run: None,
            socket: 0,
            connected: None,
        }
    }

    /// Handles an input, commits and performs the effects.
    pub fn put(&mut self, input: Input) -> Reply {
        let (reply, effects) = self.decide(input);
        for effect in effects {
            self.log.push((self.now, effect.clone()));
            self.perform(effect);
        }
        reply
    }

    /// Decides and commits as a host does, with the mutant in between.
    fn decide(&mut self, mut input: Input) -> (Reply, Vec<Effect>) {
        let interceptor = self.interceptor.clone();
        if let Some(interceptor) = &interceptor
            && interceptor.before(&self.session, &mut input) == Memory::IsReread
        {
            self.reread();
        }
        let mut writes = Writes::default();
        let (decided, memory) = interception::decide(
            interceptor.as_deref(),
            &mut self.session,
            self.now,
            input,
            &mut writes,
        );
        let (reply, effects) = (decided.reply, decided.effects);
        self.store.commit(&decided.commit);
        self.commits.push(writes);
        if memory == Memory::IsReread {
            self.reread();
        }
        (reply, effects)
    }

    /// Restores the session from its records, with its volatile state.
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
                self.send_on(socket, frames::pong());
            }
            Effect::Enqueue(job) if self.queue_accepts => self.queue_answers(job.owner, Ok(())),
            Effect::Close(socket, _) => self.close(socket),
            _ => {}
        }
    }

    /// Lets time pass, and wakes the session exactly at its deadlines.
    pub fn pass(&mut self, duration: Duration) {
        self.pass_until(self.now + duration);
    }

    /// Lets time pass until `end`.
    pub fn pass_until(&mut self, end: Timestamp) {
        while let Some(deadline) = self.session.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.put(Input::Wake);
        }
        self.now = self.now.max(end);
    }

    /// Restarts the server: only the committed state remains.
    pub fn restart(&mut self) {
        self.session = self.restored();
        self.connected = None;
        self.delivery = None;
        self.put(Input::Resume);
    }

    /// Draws a message id.
    pub fn draw(&self) -> MessageId {
        MessageId::draw(self.now, &self.randomness)
    }

    /// Admits a turn with that id.
    pub fn admit_as(&mut self, id: &MessageId) {
        let reply = self.put(Input::Admit(Box::new(setting::admission(id))));
        assert!(matches!(reply, Reply::Admission(Ok(_))), "{reply:?}");
    }

    /// Admits a turn.
    pub fn admit(&mut self) -> MessageId {
        let id = self.draw();
        self.admit_as(&id);
        id
    }

    /// Waits for the next delivery, which stays in progress until it is reported.
    pub fn next_delivery(&mut self) -> Delivery {
        let end = self.now + PATIENCE;
        while self.delivery.is_none() {
            let next = self.session.next_deadline().filter(|next| *next <= end);
            self.pass_until(next.expect("a delivery is due"));
        }
        self.delivery.clone().expect("a delivery is in progress")
    }

    /// Makes the wrapper ready for the delivery, and connects it unless it is connected.
    pub fn get_ready(&mut self) {
        self.prepare();
        if self.connected != self.run {
            assert!(self.connect(), "the run of a delivery is current");
        }
    }

    /// Makes the wrapper ready for the delivery.
    pub fn prepare(&mut self) {
        let delivery = self.delivery.clone().expect("a delivery is in progress");
        let reply = self.put(Input::Prepared {
            run: delivery.run.id,
            workspace: setting::workspace(),
        });
        assert!(matches!(reply, Reply::Proceed(true)), "{reply:?}");
    }

    /// Ends the delivery in progress.
    pub fn report(&mut self, result: Result<(), FailureCode>) {
        let delivery = self.delivery.take().expect("a delivery is in progress");
        self.put(Input::Delivered {
            message: delivery.message.id,
            run: delivery.run.id,
            result: result.map_err(|code| DeliveryFailure::new(code, "no")),
        });
    }

    /// Waits for the next delivery and accepts it.
    pub fn accept(&mut self) {
        self.next_delivery();
        self.get_ready();
        self.report(Ok(()));
    }

    /// Opens a socket for the last run. Returns false if it is refused.
    pub fn connect(&mut self) -> bool {
        let Some(run) = self.run.clone() else { return false };
        self.connect_as(&run)
    }

    /// Opens a socket for `run`. Returns false if it is refused.
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
            self.connected = Some(run.clone());
        }
        taken
    }

    /// Closes the last socket.
    pub fn disconnect(&mut self) {
        self.close(self.socket);
    }

    /// Closes a socket.
    pub fn close(&mut self, socket: SocketId) {
        self.connected.take_if(|_| socket == self.socket);
        let closing = Closing::default();
        self.put(Input::IngestClosed { socket, closing });
    }

    /// Sends a frame on the last socket.
    pub fn send(&mut self, frame: Frame) {
        self.send_on(self.socket, frame);
    }

    fn send_on(&mut self, socket: SocketId, (name, data): Frame) {
        self.put(Input::IngestEvent {
            socket,
            frame: frame::Frame::read(name.to_owned(), data),
        });
    }

    /// Answers a submitted callback.
    pub fn queue_answers(&mut self, owner: CallbackOwner, result: Result<(), &str>) {
        self.put(Input::Enqueued {
            owner,
            result: result.map_err(EnqueueError::new),
        });
    }

    /// The message in the session.
    pub fn message(&self, id: &MessageId) -> &Message {
        self.session.message(id).expect("the message was admitted")
    }

    /// All effects, with their times.
    pub fn log(&self) -> &[(Timestamp, Effect)] {
        &self.log
    }

    /// The broadcast events of a message: types without the common prefix, and data.
    pub fn broadcasts(&self, id: &MessageId) -> Vec<(&str, &Value)> {
        let events = self.log.iter().filter_map(|(_, effect)| match effect {
            Effect::Broadcast(event) => Some((event.stream_event_type.as_str(), &*event.data)),
            _ => None,
        });
        of_message(events, id)
    }

    /// The kept events of a message, in the same form.
    pub fn kept(&self, id: &MessageId) -> Vec<(&str, &Value)> {
        let rows = self.commits.iter().flat_map(|writes| &writes.events);
        of_message(
            rows.map(|row| (row.event.stream_event_type.as_str(), &*row.event.data)),
            id,
        )
    }

    /// How often the callback of a message was submitted.
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
