//! What stands around a session: a clock, its records, wrappers, their sockets, the queue. All of it is a
//! few lists; what happens in it is said by the actions of a plan.
//!
//! It keeps the contract of a host: an input at a time, a commit before anything else of a decision, and
//! what a failed commit or a crash leaves.

mod outlook;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::legacy::execution::Closing;
use turnstile_reference::limits::COMMIT_RETRY_DELAY;
use turnstile_reference::sabotage::Sabotage;
use turnstile_reference::session::wrapper::{Delivery, DeliveryFailure, FailureCode, IngestClaim, Run};
use turnstile_reference::session::{
    CallbackJob, Decision, Effect, Input, Reply, Session, SocketId, ToWrapper,
};
use turnstile_seams::Randomness;

pub use self::outlook::Outlook;
use crate::actions::{Action, Claim, Fate, Frame, Index, Intent, ReplyEnd, Report, Setting, Step};
use crate::committed::Committed;
use crate::laws::{Law, Laws, Observation, Violation, ensure};
use crate::setting::{admission, metadata, target, workspace};
use crate::words::words;

/// How long a wrapper that shows a text is silent between two pieces of it.
const STREAM_PAUSE: Duration = Duration::from_secs(20);

/// A session and its surroundings.
pub struct World {
    now: Timestamp,
    session: Session,
    randomness: Randomness,
    sabotage: Sabotage,
    committed: Committed,
    laws: Laws,
    /// What becomes of the next decision.
    fate: Fate,
    /// Deliveries that have not been reported on.
    deliveries: Vec<Delivery>,
    /// Jobs that the queue has not answered for.
    jobs: Vec<CallbackJob>,
    /// Sockets whose end has not been reported, oldest first.
    sockets: Vec<SocketId>,
    last_socket: SocketId,
    /// Every run a wrapper was ever told of, oldest first.
    runs: Vec<Run>,
    /// Pings that the wrapper has not answered.
    pings: usize,
    intents: BTreeMap<MessageId, Intent>,
    /// What happened, if somebody wants to read it.
    timeline: Option<Vec<String>>,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(setting: &Setting, sabotage: Sabotage) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("this is a time");
        let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(7));
        let session = Session::create(metadata(setting, now), randomness.clone(), sabotage);
        Self {
            now,
            committed: Committed::new(&session),
            laws: Laws::new(setting, &session, now),
            session,
            randomness,
            sabotage,
            fate: Fate::Done,
            deliveries: Vec::new(),
            jobs: Vec::new(),
            sockets: Vec::new(),
            last_socket: 0,
            runs: Vec::new(),
            pings: 0,
            intents: BTreeMap::new(),
            timeline: None,
        }
    }

    /// Kinds of things that the session told, did or refused.
    pub fn reached(&self) -> &BTreeSet<String> {
        self.laws.reached()
    }

    /// Has the world keep a timeline.
    pub fn narrated(mut self) -> Self {
        self.timeline = Some(Vec::new());
        self
    }

    /// What happened, line by line.
    pub fn timeline(&self) -> String {
        self.timeline.as_deref().unwrap_or_default().join("\n")
    }

    /// Plays the steps of a plan.
    pub fn play(&mut self, steps: &[Step]) -> Result<(), Violation> {
        for Step { action, fate } in steps {
            self.fate = *fate;
            if *fate == Fate::CrashBefore {
                self.fate = Fate::Done;
                self.crash()?;
            }
            self.act(action)?;
        }
        self.fate = Fate::Done;
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<(), Violation> {
        match action {
            Action::Admit { count, intent } => {
                for _ in 0..*count {
                    let id = MessageId::draw(self.now, &self.randomness);
                    self.intents.insert(id.clone(), *intent);
                    self.put(Input::Admit(Box::new(admission(id, *intent))))?;
                }
            }
            Action::Repeat { message, same } => {
                if let Some(id) = self.message(*message) {
                    let Intent { variety, .. } = self.intents[&id];
                    let variety = if *same { variety } else { (variety + 1) % 4 };
                    let intent = Intent { variety, gate: None };
                    self.put(Input::Admit(Box::new(admission(id, intent))))?;
                }
            }
            Action::Interrupt => {
                self.put(Input::Interrupt)?;
            }
            Action::Retarget(receiver) => self.retarget(*receiver),
            Action::NextDeadline => self.pass_to_deadline()?,
            Action::Pass(duration) => self.pass(*duration)?,
            Action::Late(duration) => {
                self.now += *duration;
                self.put(Input::Wake)?;
            }
            Action::Wake => {
                self.put(Input::Wake)?;
            }
            Action::Stream { time, shows } => self.stream(*time, *shows)?,
            Action::Prepare { delivery } => {
                if let Some(place) = place(*delivery, self.deliveries.len()) {
                    self.prepare(place)?;
                }
            }
            Action::Report { delivery, report } => {
                if let Some(place) = place(*delivery, self.deliveries.len()) {
                    self.report(place, *report)?;
                }
            }
            Action::Serve { delivery } => {
                if let Some(place) = place(*delivery, self.deliveries.len()) {
                    self.serve(place, true)?;
                }
            }
            Action::Connect { run, claim } => {
                if let Some(place) = place(*run, self.runs.len()) {
                    let run = self.runs[place].clone();
                    self.connect(run, *claim)?;
                }
            }
            Action::Close { socket } => {
                if let Some(place) = place(*socket, self.sockets.len()) {
                    let socket = self.sockets.remove(place);
                    self.put(Input::IngestClosed {
                        socket,
                        closing: Closing::default(),
                    })?;
                }
            }
            Action::Say { socket, frame } => {
                if let Some(place) = place(*socket, self.sockets.len()) {
                    self.say(self.sockets[place], frame)?;
                }
            }
            Action::Answer {
                socket,
                message,
                end,
                then,
            } => {
                if let Some(place) = place(*socket, self.sockets.len()) {
                    self.answer(self.sockets[place], *message, *end, then.clone())?;
                }
            }
            Action::Queue { job, takes } => {
                if let Some(place) = place(*job, self.jobs.len()) {
                    self.queue_answers(place, *takes)?;
                }
            }
        }
        Ok(())
    }

    /// Hands in an input, and does with the decision as its fate has it. None if whoever asked is not told
    /// the reply.
    fn put(&mut self, input: Input) -> Result<Option<Reply>, Violation> {
        let fate = std::mem::replace(&mut self.fate, Fate::Done);
        if fate == Fate::CommitFails {
            let volatile = self.session.volatile().clone();
            drop(self.session.handle(self.now, input.clone()));
            self.session = self.committed.restore(&self.randomness, self.sabotage);
            self.session.keep_volatile(volatile);
            self.laws.restore();
            self.narrate(|| format!("commit fails: {input:?}"));
            let may_be_refused = matches!(
                input,
                Input::Admit(_) | Input::Interrupt | Input::Prepared { .. } | Input::IngestOpened { .. }
            );
            if may_be_refused {
                self.laws.judge_at_rest(&self.session)?;
                return Ok(None);
            }
            self.now += COMMIT_RETRY_DELAY;
        }
        let Decision {
            reply,
            writes,
            effects,
        } = self.session.handle(self.now, input.clone());
        self.narrate(|| {
            let told = effects.iter().map(brief).collect::<Vec<_>>().join("\n        ");
            format!("{input:?} → {reply:?}\n        {told}")
        });
        self.committed.commit(&self.session, &writes);
        self.committed.agree_with(&self.session)?;
        self.laws.judge(&Observation {
            now: self.now,
            input: &input,
            reply: &reply,
            writes: &writes,
            effects: &effects,
            session: &self.session,
        })?;
        if matches!(input, Input::Wake) {
            let next = self.session.next_deadline();
            ensure!(
                next.is_none_or(|next| next > self.now),
                Law::Supervision,
                "{next:?} is due at {} still",
                self.now
            );
        }
        if fate == Fate::CrashAfterCommit {
            self.crash()?;
            return Ok(None);
        }
        self.perform(effects);
        self.laws.judge_at_rest(&self.session)?;
        Ok(Some(reply))
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Deliver(delivery) => {
                    if !self.runs.contains(&delivery.run) {
                        self.runs.push(delivery.run.clone());
                    }
                    self.deliveries.push(*delivery);
                }
                Effect::Enqueue(job) => self.jobs.push(*job),
                Effect::Send(_, ToWrapper::Ping) => self.pings += 1,
                Effect::Send(..)
                | Effect::Close(..)
                | Effect::Broadcast(_)
                | Effect::StopWrapper(_)
                | Effect::EndStreams => {}
            }
        }
    }

    fn crash(&mut self) -> Result<(), Violation> {
        self.narrate(|| "crash".to_owned());
        self.session = self.committed.restore(&self.randomness, self.sabotage);
        self.deliveries.clear();
        self.jobs.clear();
        self.sockets.clear();
        self.laws.crash(self.now);
        self.put(Input::Resume)?;
        Ok(())
    }

    /// `updateSession` has no input of its own: it changes the record.
    fn retarget(&mut self, receiver: Option<u8>) {
        let volatile = self.session.volatile().clone();
        let target = receiver.map(target);
        self.committed.retarget(target.clone());
        self.session = self.committed.restore(&self.randomness, self.sabotage);
        self.session.keep_volatile(volatile);
        self.laws.restore();
        self.laws.retarget(target);
    }

    fn pass(&mut self, duration: Duration) -> Result<(), Violation> {
        let end = self.now + duration;
        while let Some(deadline) = self.session.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.put(Input::Wake)?;
        }
        self.now = self.now.max(end);
        Ok(())
    }

    fn stream(&mut self, time: Duration, shows: bool) -> Result<(), Violation> {
        let mut left = time;
        while !left.is_zero() {
            let pause = left.min(STREAM_PAUSE);
            left -= pause;
            self.pass(pause)?;
            let Some(socket) = self.laws.current_socket() else {
                continue;
            };
            if self.pings > 0 {
                self.pings = 0;
                self.say(socket, &Frame::Pong)?;
            }
            if shows && self.laws.current_socket() == Some(socket) {
                self.say(socket, &Frame::Delta)?;
            }
        }
        Ok(())
    }

    fn pass_to_deadline(&mut self) -> Result<(), Violation> {
        if let Some(deadline) = self.session.next_deadline() {
            self.now = self.now.max(deadline);
            self.put(Input::Wake)?;
        }
        Ok(())
    }

    /// The wrapper is ready. False if the delivery shall not go on, or nobody could say.
    fn prepare(&mut self, place: usize) -> Result<bool, Violation> {
        let run = self.deliveries[place].run.id.clone();
        let workspace = workspace();
        let reply = self.put(Input::Prepared { run, workspace })?;
        Ok(matches!(reply, Some(Reply::Proceed(true))))
    }

    fn report(&mut self, place: usize, report: Report) -> Result<(), Violation> {
        let delivery = self.deliveries.remove(place);
        let (message, run) = (delivery.message.id, delivery.run.id);
        let result = match report {
            Report::Taken => Ok(()),
            Report::Retryable => Err(DeliveryFailure::new(FailureCode::SandboxConnectFailed, "no")),
            Report::Permanent => Err(DeliveryFailure::new(FailureCode::BadRequest, "no")),
        };
        self.put(Input::Delivered { message, run, result })?;
        Ok(())
    }

    /// A delivery from its start to its end, with the wrapper's socket opened on the way if it `connects`.
    fn serve(&mut self, place: usize, connects: bool) -> Result<(), Violation> {
        let run = self.deliveries[place].run.clone();
        if self.deliveries[place].ensure_ready && !self.prepare(place)? {
            // The host calls it off, unless it crashed and there is nothing to call off.
            if place < self.deliveries.len() {
                self.report(place, Report::Retryable)?;
            }
            return Ok(());
        }
        if connects && self.laws.current_run() == Some(&run) && self.laws.current_socket().is_none() {
            self.connect(run, Claim::True)?;
        }
        if place < self.deliveries.len() {
            self.report(place, Report::Taken)?;
        }
        Ok(())
    }

    fn connect(&mut self, mut run: Run, claim: Claim) -> Result<(), Violation> {
        match claim {
            Claim::True => {}
            Claim::OtherGeneration => run.fence.generation += 1,
            Claim::OtherConnection => run.fence.connection = self.randomness.uuid(),
            Claim::OtherRun => run.id = WrapperRunId::draw(&self.randomness),
        }
        self.last_socket += 1;
        let socket = self.last_socket;
        let claim = IngestClaim {
            run: run.id,
            fence: run.fence,
        };
        let reply = self.put(Input::IngestOpened { socket, claim })?;
        if let Some(Reply::Ingest(Ok(()))) = reply {
            self.sockets.push(socket);
        }
        Ok(())
    }

    fn say(&mut self, socket: SocketId, frame: &Frame) -> Result<(), Violation> {
        let Some((stream_event_type, data)) = words(frame, |index| self.message(index)) else {
            return Ok(());
        };
        self.put(Input::IngestEvent {
            socket,
            stream_event_type: stream_event_type.to_owned(),
            data,
        })?;
        Ok(())
    }

    fn answer(
        &mut self,
        socket: SocketId,
        message: Index,
        end: ReplyEnd,
        then: Option<Frame>,
    ) -> Result<(), Violation> {
        let assistant = 0;
        let part = Frame::Part {
            message,
            assistant,
            part: 0,
            content: Some("done "),
        };
        let reply = Frame::Reply {
            message,
            assistant,
            end,
        };
        let said = [Some(part), Some(reply), then];
        for frame in said.iter().flatten() {
            if self.sockets.contains(&socket) {
                self.say(socket, frame)?;
            }
        }
        Ok(())
    }

    fn queue_answers(&mut self, place: usize, takes: bool) -> Result<(), Violation> {
        let owner = self.jobs.remove(place).owner;
        let result = if takes {
            Ok(())
        } else {
            Err("the queue is away".to_owned())
        };
        self.put(Input::Enqueued { owner, result })?;
        Ok(())
    }

    fn message(&self, index: Index) -> Option<MessageId> {
        let messages = self.laws.messages();
        let place = usize::from(index).checked_rem(messages.len())?;
        Some(messages[place].clone())
    }

    fn narrate(&mut self, line: impl FnOnce() -> String) {
        if let Some(timeline) = &mut self.timeline {
            timeline.push(format!("{} {}", self.now, line()));
        }
    }
}

/// Which of `count` things in a list is meant, the latest being the likeliest.
fn place(index: Index, count: usize) -> Option<usize> {
    usize::from(index).checked_rem(count).map(|back| count - 1 - back)
}

fn brief(effect: &Effect) -> String {
    match effect {
        Effect::Broadcast(event) => format!("{} {} {}", event.id, event.stream_event_type, event.data),
        Effect::Deliver(delivery) => format!("deliver {} to {:?}", delivery.message.id, delivery.run),
        other => format!("{other:?}"),
    }
}
