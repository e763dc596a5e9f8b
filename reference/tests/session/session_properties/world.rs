//! The environment of a session: a clock, its records, wrappers, their sockets, and the queue. The actions of a plan
//! drive it.
//!
//! It keeps the contract of a host: one input at a time, the commit before any effect, and restoring after a failed
//! commit or a crash.

mod outlook;
mod perform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use turnstile_mutants::Rule;
use turnstile_reference::host::interception::{self, Interceptor, Memory};
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::wrapper::{Delivery, Run};
use turnstile_reference::session::{CallbackJob, Effect, Input, Reply, Session, SocketId, ToWrapper, Writes};
use turnstile_seams::Randomness;

pub use self::outlook::Outlook;
use crate::session_properties::actions::{Fate, Intent, Origin, Plan, Setting, Step};
use crate::session_properties::committed::Committed;
use crate::session_properties::laws::{Law, Laws, Observation, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;
use crate::session_properties::setting::{PLAIN, executions, metadata};

/// The limit up to which deadlines are waited for. Later ones are only about the end of the session.
const NEAR: Duration = Duration::from_hours(24);

/// A session and its environment.
pub struct World {
    now: Timestamp,
    setting: Setting,
    session: Session,
    /// Whether the session was removed.
    gone: bool,
    randomness: Randomness,
    /// The mutant, if any.
    interceptor: Option<Arc<dyn Interceptor>>,
    committed: Committed,
    laws: Laws,
    /// The fate of the next decision.
    fate: Fate,
    /// The deliveries in progress.
    deliveries: Vec<Delivery>,
    /// The submitted jobs without an answer.
    jobs: Vec<CallbackJob>,
    /// The sockets whose end was not reported, oldest first.
    sockets: Vec<SocketId>,
    last_socket: SocketId,
    /// All runs that were delivered to, oldest first.
    runs: Vec<Run>,
    /// The number of unanswered pings.
    pings: usize,
    intents: BTreeMap<MessageId, Intent>,
    /// The timeline, if requested.
    timeline: Option<Vec<String>>,
}

impl World {
    /// Creates a world, with a mutant if given.
    pub fn new(setting: &Setting, broken: Option<Rule>) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("this is a time");
        let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(7));
        let metadata = metadata(setting, now);
        let (session, committed) = match setting.origin {
            Origin::Started | Origin::Prepared { .. } => {
                let session = Session::create(metadata, randomness.clone(), Arc::clone(&PROTOCOL));
                (session, Committed::default())
            }
            Origin::Imported(_) => {
                let committed = Committed::left_behind(metadata, executions(setting, now));
                let session = committed.restore(&randomness, |_| {});
                (session.expect("the imported records exist"), committed)
            }
        };
        Self {
            now,
            laws: Laws::new(setting, &session, &executions(setting, now), now),
            setting: setting.clone(),
            committed,
            gone: false,
            session,
            randomness,
            interceptor: broken.and_then(Rule::interceptor),
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

    /// The kinds of events, effects and refusals that occurred.
    pub fn reached(&self) -> &BTreeSet<String> {
        self.laws.reached()
    }

    /// Records a timeline.
    pub fn with_timeline(mut self) -> Self {
        self.timeline = Some(Vec::new());
        self
    }

    /// The timeline, one line for each event.
    pub fn timeline(&self) -> String {
        self.timeline.as_deref().unwrap_or_default().join("\n")
    }

    /// Plays a plan until its end or the removal of the session.
    pub fn play(&mut self, plan: &Plan) -> Result<(), Violation> {
        self.begin(plan.beginning)?;
        for Step { action, fate } in &plan.steps {
            if self.gone {
                break;
            }
            self.fate = *fate;
            if *fate == Fate::CrashBefore {
                self.fate = Fate::Done;
                self.crash(Duration::ZERO)?;
            }
            self.act(action)?;
        }
        self.fate = Fate::Done;
        Ok(())
    }

    fn begin(&mut self, fate: Fate) -> Result<(), Violation> {
        let first = match self.setting.origin {
            Origin::Started => Input::Admit(Box::new(self.new_admission(PLAIN))),
            Origin::Prepared { initiates: false } => Input::Prepare,
            Origin::Prepared { initiates: true } => Input::Initiate,
            Origin::Imported(_) => Input::Resume,
        };
        self.fate = fate;
        self.laws.judge_record(&self.session)?;
        self.put(first.clone())?;
        if !self.committed.has_session() {
            self.put(first)?;
        }
        Ok(())
    }

    /// Handles an input, with the fate of the decision. `None` if the sender receives no reply, or the session does
    /// not exist.
    fn put(&mut self, input: Input) -> Result<Option<Reply>, Violation> {
        if self.gone {
            return Ok(None);
        }
        let fate = std::mem::replace(&mut self.fate, Fate::Done);
        if fate == Fate::CommitFails {
            let volatile = self.session.volatile();
            drop(self.session.handle(self.now, input.clone()));
            self.restore();
            self.session.keep_volatile(volatile);
            self.laws.restore();
            self.record(|| format!("commit fails: {input:?}"));
            if !self.committed.has_session() {
                return Ok(None);
            }
            if may_be_refused(&input) {
                self.laws.judge_at_rest(&self.session, self.now)?;
                return Ok(None);
            }
            self.now += PROTOCOL.commit_retry_delay;
        }
        let (reply, removal, effects, writes) = self.decide(&input);
        self.record(|| {
            let effects = effects.iter().map(brief).collect::<Vec<_>>().join("\n        ");
            format!("{input:?} → {reply:?}\n        {effects}")
        });
        if !removal {
            self.committed.agree_with(&self.session)?;
        }
        self.laws.judge(&Observation {
            now: self.now,
            input: &input,
            reply: &reply,
            writes: &writes,
            effects: &effects,
            session: &self.session,
        })?;
        self.gone = removal;
        if self.gone {
            return Ok(Some(reply));
        }
        if fate == Fate::CrashAfterCommit {
            self.crash(Duration::ZERO)?;
            return Ok(None);
        }
        self.perform(effects);
        self.laws.judge_at_rest(&self.session, self.now)?;
        Ok(Some(reply))
    }

    /// Decides and commits as a host does, with the mutant in between.
    fn decide(&mut self, input: &Input) -> (Reply, bool, Vec<Effect>, Writes) {
        let mut input = input.clone();
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
        self.committed.commit(&decided.commit);
        let removal = decided.commit.removal;
        if memory == Memory::IsReread && !removal {
            self.reread();
        }
        (reply, removal, effects, writes)
    }

    /// Restores the session from its records, with its volatile state.
    fn reread(&mut self) {
        let volatile = self.session.volatile();
        self.restore();
        self.session.keep_volatile(volatile);
    }

    /// Wakes the session for what is due, which may make something else due, but not without end.
    fn wake(&mut self) -> Result<(), Violation> {
        self.put(Input::Wake)?;
        if self.is_due() {
            self.put(Input::Wake)?;
        }
        ensure!(
            !self.is_due(),
            Law::Supervision,
            "{:?} is still due at {}",
            self.session.next_deadline(),
            self.now
        );
        Ok(())
    }

    fn is_due(&self) -> bool {
        let next = self.session.next_deadline();
        !self.gone && next.is_some_and(|next| next <= self.now)
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
                // The report of a cancelled delivery may be on its way.
                Effect::CancelDelivery(_)
                | Effect::Send(..)
                | Effect::Close(..)
                | Effect::Broadcast(_)
                | Effect::StopWrapper(_)
                | Effect::CallbackGivenUp(..)
                | Effect::EndStreams => {}
            }
        }
    }

    /// Crashes the server and restarts it after a while.
    fn crash(&mut self, away: Duration) -> Result<(), Violation> {
        if self.gone {
            return Ok(());
        }
        self.record(|| format!("crash, away for {away:?}"));
        self.now += away;
        self.restore();
        self.deliveries.clear();
        self.jobs.clear();
        self.sockets.clear();
        self.laws.crash(self.now);
        self.laws.judge_record(&self.session)?;
        self.put(Input::Resume)?;
        Ok(())
    }

    /// Restores the session from its records, or creates it again if there are none.
    fn restore(&mut self) {
        let restored = self.committed.restore(&self.randomness, |stored| {
            if let Some(interceptor) = &self.interceptor {
                interceptor.read(stored);
            }
        });
        self.session = restored.unwrap_or_else(|| {
            let metadata = metadata(&self.setting, self.now);
            Session::create(metadata, self.randomness.clone(), Arc::clone(&PROTOCOL))
        });
    }

    fn pass(&mut self, duration: Duration) -> Result<(), Violation> {
        let end = self.now + duration;
        while !self.gone
            && let Some(deadline) = self.session.next_deadline().filter(|deadline| *deadline <= end)
        {
            self.now = self.now.max(deadline);
            self.wake()?;
        }
        self.now = self.now.max(end);
        Ok(())
    }

    fn pass_to_deadline(&mut self) -> Result<(), Violation> {
        if let Some(deadline) = self.near_deadline() {
            self.now = self.now.max(deadline);
            self.wake()?;
        }
        Ok(())
    }

    /// The next deadline, unless it is only about the end of the session.
    fn near_deadline(&self) -> Option<Timestamp> {
        let end = self.now + NEAR;
        self.session.next_deadline().filter(|deadline| *deadline <= end)
    }

    fn record(&mut self, line: impl FnOnce() -> String) {
        if let Some(timeline) = &mut self.timeline {
            timeline.push(format!("{} {}", self.now, line()));
        }
    }
}

/// Whether the sender of the input waits for the result and can be refused.
fn may_be_refused(input: &Input) -> bool {
    match input {
        Input::Prepare
        | Input::Admit(_)
        | Input::Initiate
        | Input::SetCallbackTarget(_)
        | Input::Interrupt
        | Input::Delete
        | Input::ClientConnected
        | Input::Prepared { .. }
        | Input::IngestOpened { .. }
        | Input::ImportedIngestOpened { .. } => true,
        Input::Resume
        | Input::Wake
        | Input::Delivered { .. }
        | Input::IngestEvent { .. }
        | Input::IngestClosed { .. }
        | Input::Enqueued { .. } => false,
    }
}

fn brief(effect: &Effect) -> String {
    match effect {
        Effect::Broadcast(event) => format!("{} {} {}", event.id, event.stream_event_type, event.data),
        Effect::Deliver(delivery) => format!("deliver {} to {:?}", delivery.message.id, delivery.run),
        other => format!("{other:?}"),
    }
}
