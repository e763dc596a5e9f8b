//! Lays out the steps of a generated scenario. Resolves references such as "any message" or "some session" to items that
//! exist at that step. Uses no randomness.

mod disturbances;
mod messages;

use proptest::sample::Index;
use turnstile_profile::Profile;
use turnstile_scenarios::{
    Answer, At, Await, Call, CallbackTarget, Caller, ClientName, Close, Condition, Delete, Fault, Initiate,
    Injection, Interrupt, Label, Lapse, Moment, Open, ReadingSpeed, Reply, RequiredProfile, Resume, Scenario,
    Seam, Session, SessionName, Start, Step, Stored, SuccessReply, Surface, Tag, Ticket, Update,
    WrapperBehaviour,
};

use self::messages::{Sent, plain};
use super::imported::Imported;
use super::swarm::Swarm;
use super::values::{Values, trespasses};
use super::workload::{Act, Opening, ResumeChoice, Saying, TargetChoice, VIEWER};
use super::wrapper_faults::misbehaving;

/// Path that `updateSession` sets for callbacks.
const OTHER_PATH: &str = "/other";
/// Procedures that change nothing.
pub(super) const QUERIES: [&str; 3] = ["getSession", "getSessionHealth", "getLatestAssistantMessage"];
/// Id of an event that no session has yet.
const FUTURE_EVENT: u64 = 1_000_000;
/// How long to wait for the end of a short turn.
const TURN: Lapse = Lapse::from_secs(20);
/// The client without a valid ticket.
const THIEF: &str = "thief";
/// Name of the command in command messages.
const COMMAND: &str = "review";

/// The steps laid out so far, and the items that later steps can refer to.
pub(super) struct Layout<'a> {
    swarm: &'a Swarm,
    /// The settings of all sessions.
    settings: &'a Session,
    steps: Vec<At<Step>>,
    /// Created sessions, in order.
    sessions: Vec<SessionName>,
    /// Messages that can be awaited and repeated.
    messages: Vec<Sent>,
    /// Gateway tags that are in use and not released.
    tags: Vec<Tag>,
    /// Clients with a stream, and whether it is open.
    streams: Vec<(ClientName, bool)>,
    /// Number of ingest sockets that the script has opened.
    intruders: u32,
    /// Executions of an older service.
    executions: Vec<At<Label>>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(swarm: &'a Swarm, settings: &'a Session) -> Self {
        Self {
            swarm,
            settings,
            steps: Vec::new(),
            sessions: Vec::new(),
            messages: Vec::new(),
            tags: Vec::new(),
            streams: Vec::new(),
            intruders: 0,
            executions: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step.into());
    }

    pub(super) fn begin(&mut self, saying: &Saying, user: Option<&str>) {
        self.start(SessionName::default(), saying, user);
    }

    /// Begins with a session that exists. Returns what is stored, with the label and the prompt of its first message.
    pub(super) fn begin_imported(&mut self, imported: Imported, saying: &Saying) -> Stored {
        let session = SessionName::default();
        self.sessions.push(session.clone());
        let mut stored = imported.stored;
        self.executions
            .extend(stored.executions.iter().map(|execution| execution.r#as.clone()));
        if let Some(behaviour) = imported.behaviour {
            self.push(misbehaving(behaviour));
        }
        if imported.waits_for_initiation {
            let (label, prompt) = self.message(&Saying::Echo, &session);
            stored.initial_message = Some(label.into());
            let text = prompt.text().into();
            stored.record.value.0.insert("prompt".to_owned(), text);
            self.push(Step::Initiate(Initiate::default()));
        } else {
            let (label, prompt) = self.message(saying, &session);
            self.push(Step::Send(plain(label, prompt, &session)));
        }
        self.disturb(vec![imported.wrapper]);
        stored
    }

    fn start(&mut self, session: SessionName, saying: &Saying, user: Option<&str>) {
        let (label, prompt) = self.message(saying, &session);
        self.sessions.push(session.clone());
        self.push(Step::Start(Start {
            label: label.into(),
            prompt,
            model: None,
            id: None,
            user: user.map(|user| user.parse().expect("it is a user's id")),
            session: session.into(),
            client: At::default(),
            reply: Reply::default(),
        }));
    }

    /// Resolves a session: an existing one, or the next one if more are allowed.
    fn session(&self, index: Index) -> SessionName {
        index.get(&self.sessions).clone()
    }

    pub(super) fn act(&mut self, act: &Act, values: &Values) {
        match act {
            Act::Send(send) => self.send(send, values),
            Act::Burst { session, count } => self.burst(&self.session(*session), *count),
            Act::BurstWhileFinalizing {
                session,
                count,
                takes,
            } => {
                let session = self.session(*session);
                self.finalize(&session, *takes);
                self.burst(&session, *count);
            }
            Act::Repeat {
                message,
                on_other_surface,
            } => self.repeat(*message, *on_other_surface),
            Act::Interrupt(session) => {
                let session = self.session(*session).into();
                self.push(Step::Interrupt(Interrupt {
                    session,
                    ..Interrupt::default()
                }));
            }
            Act::Update { session, target } => self.update(*session, target),
            Act::Stream(open) => self.stream(open),
            Act::Trespass {
                session,
                which,
                caller,
            } => self.trespass(*session, *which, *caller),
            Act::Knock { session, ticket } => self.knock(*session, *ticket),
            Act::FallBehind { session, babble } => self.fall_behind(*session, *babble),
            Act::Query { session, which } => self.query(*session, *which),
            Act::Release(which) => self.release(*which),
            Act::Wait(lapse) => self.push(Step::Wait(*lapse)),
            Act::Sync { message, is, within } => {
                let label = message.get(&self.messages).label.clone();
                self.push(await_message(label, *is, *within));
            }
            Act::Delete { session, times } => {
                let session = self.session(*session);
                for _ in 0..*times {
                    self.push(Step::Delete(Delete {
                        session: session.clone().into(),
                        ..Delete::default()
                    }));
                }
            }
        }
    }

    fn update(&mut self, session: Index, target: &TargetChoice) {
        let callback = match target {
            TargetChoice::Nowhere => CallbackTarget::None,
            TargetChoice::Receiver => CallbackTarget::Receiver,
            TargetChoice::Elsewhere => CallbackTarget::Path(OTHER_PATH.to_owned()),
            TargetChoice::OutOfReach => CallbackTarget::OutOfReach,
            TargetChoice::NoSuchHost => CallbackTarget::NoSuchHost,
            TargetChoice::Https => CallbackTarget::Https,
        };
        let session = self.session(session).into();
        self.push(Step::Update(Update {
            callback,
            session,
            client: At::default(),
            reply: SuccessReply::default(),
        }));
    }

    fn release(&mut self, which: Index) {
        if !self.tags.is_empty() {
            let tag = self.tags.remove(which.index(self.tags.len()));
            self.push(Step::Release(tag.into()));
        }
    }

    fn query(&mut self, session: Index, which: Index) {
        let session = self.session(session);
        let query: &&str = which.get(&QUERIES);
        self.push(Step::Call(Call::by_owner(query, &session)));
    }

    /// A request that the server must refuse, or that must change nothing.
    fn trespass(&mut self, session: Index, which: Index, by: Caller) {
        let trespasses = trespasses();
        let (procedure, input) = which.get(&trespasses);
        let session = self.session(session);
        self.push(Step::Call(Call {
            by,
            input: Some(input.clone().into()),
            ..Call::by_owner(procedure, &session)
        }));
    }

    /// Knocks at the door of a stream with a ticket that does not open it.
    fn knock(&mut self, session: Index, ticket: Ticket) {
        let session = self.session(session).into();
        self.push(Step::Open(Open {
            client: name::<ClientName>(THIEF).into(),
            ticket,
            ..opens(session)
        }));
    }

    fn fall_behind(&mut self, session: Index, babble: u32) {
        if self
            .streams
            .iter()
            .any(|(name, is_open)| **name == *VIEWER && *is_open)
        {
            self.push(Step::Close(Close {
                client: viewer().into(),
            }));
        }
        self.streams.retain(|(name, _)| **name != *VIEWER);
        self.stream(&Opening {
            session,
            by_viewer: true,
            from: ResumeChoice::Start,
            reads_slowly: true,
            event_types: &[],
            of_executions: false,
            since: None,
            until: None,
        });
        self.push(misbehaving(WrapperBehaviour {
            babble,
            ..WrapperBehaviour::default()
        }));
        let session = self.session(session);
        let (label, prompt) = self.message(&Saying::Echo, &session);
        self.push(Step::Send(plain(label, prompt, &session)));
    }

    fn stream(&mut self, opening: &Opening) {
        let client = if opening.by_viewer {
            viewer()
        } else {
            ClientName::default()
        };
        let known = self.streams.iter_mut().find(|(name, _)| *name == client);
        let was_open = known.is_some();
        if let Some((_, is_open)) = known {
            *is_open = !*is_open;
            if !*is_open {
                return self.push(Step::Close(Close {
                    client: client.into(),
                }));
            }
        } else {
            self.streams.push((client.clone(), true));
        }
        let from = match opening.from {
            ResumeChoice::Last if was_open => Resume::Last,
            ResumeChoice::Start | ResumeChoice::Last => Resume::Start,
            ResumeChoice::Live => Resume::None,
            ResumeChoice::Future => Resume::After(FUTURE_EVENT),
        };
        let session = self.session(opening.session).into();
        self.push(Step::Open(Open {
            client: client.into(),
            from,
            event_types: opening
                .event_types
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            executions: match opening.of_executions {
                true => self.executions.clone(),
                false => Vec::new(),
            },
            since: opening.since,
            until: opening.until,
            reads: match opening.reads_slowly {
                true => ReadingSpeed::Slowly,
                false => ReadingSpeed::Eagerly,
            },
            ..opens(session)
        }));
    }

    /// The surface to name in a step, or `None` for the seed's own.
    fn surface(&self, is_other: bool) -> Option<Surface> {
        let other = match self.swarm.surface {
            Surface::Unified => Surface::Legacy,
            Surface::Legacy => Surface::Unified,
        };
        is_other.then_some(other)
    }

    /// The client that sends: the viewer only if it exists.
    fn sender(&self, by_viewer: bool) -> ClientName {
        let has_viewer = self.streams.iter().any(|(name, _)| **name == *VIEWER);
        if by_viewer && has_viewer {
            viewer()
        } else {
            ClientName::default()
        }
    }

    pub(super) fn finish(
        mut self,
        title: String,
        profile: &Profile,
        latency: Lapse,
        stored: Option<Stored>,
        receiver: Vec<Answer>,
    ) -> Scenario {
        for tag in std::mem::take(&mut self.tags) {
            self.push(Step::Release(tag.into()));
        }
        if self.steps.iter().any(|step| takes_time_to_finalize(&step.value)) {
            self.commit_after_turns();
        }
        Scenario {
            title,
            about: "Generated. Judged by the rules for all runs.".to_owned(),
            seam: seam(&self.steps),
            rules: Vec::new(),
            api: self.swarm.surface.into(),
            seed: None,
            tolerant: true,
            profile: RequiredProfile::differing(profile),
            latency: Some(latency).filter(|latency| !latency.is_zero()),
            session: Session {
                stored,
                ..self.settings.clone()
            },
            receiver,
            steps: self.steps,
            expect: Vec::new(),
        }
    }
}

/// Whether a step has the wrapper take time for the work after the last turn.
fn takes_time_to_finalize(step: &Step) -> bool {
    matches!(step, Step::Fault(injection)
        if matches!(&injection.fault, Fault::Wrapper(behaviour) if behaviour.finalize.is_some()))
}

/// Waits until a message is in this state.
fn await_message(label: Label, is: Moment, within: Lapse) -> Step {
    let of = label.into();
    let condition = Condition::Message { of, is };
    Step::Await(Await { condition, within })
}

/// A stream of a session from its start.
fn opens(session: At<SessionName>) -> Open {
    Open {
        client: At::default(),
        session,
        from: Resume::Start,
        event_types: Vec::new(),
        executions: Vec::new(),
        since: None,
        until: None,
        reads: ReadingSpeed::Eagerly,
        ticket: Ticket::Own,
        reply: None,
    }
}

/// The seam of a generated scenario: the one of its first fault.
fn seam(steps: &[At<Step>]) -> Seam {
    let seam = |step: &At<Step>| match &step.value {
        Step::Fault(Injection { fault, .. }) => Some(match fault {
            Fault::Link { .. } | Fault::Connections { .. } => Seam::Reconnect,
            Fault::Host { .. } | Fault::Disk { .. } | Fault::Clock { .. } => Seam::Crash,
            Fault::Wrapper(_) => Seam::Wrapper,
            Fault::Receiver { .. } | Fault::Queue { .. } => Seam::Callback,
        }),
        _ => None,
    };
    steps.iter().find_map(seam).unwrap_or(Seam::Turn)
}

fn viewer() -> ClientName {
    name(VIEWER)
}

/// A generated name.
fn name<N: std::str::FromStr>(text: &str) -> N
where
    N::Err: std::fmt::Debug,
{
    text.parse().expect("what the generator calls things are names")
}
