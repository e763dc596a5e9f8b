//! The steps of a generated scenario, laid out one after another: what was drawn speaks of "any message" or "some
//! session", and here that becomes one that there is by then.
//!
//! Nothing is drawn here.

use proptest::sample::Index;
use turnstile_scenarios::{
    Answer, At, Await, Call, CallReply, CallbackTarget, Caller, ClientName, Close, Condition, Delete,
    Directive, Fault, Form, IdMaker, Ingest, IngestName, Injection, Interrupt, Label, Lapse, Moment, Open,
    Prompt, ReadingSpeed, Reply, Resume, Scenario, Seam, SendMessage, Session, SessionName, Start, Step,
    SuccessReply, Surface, Tag, Update,
};

use super::fault_group::{AfterWork, FaultGroup};
use super::swarm::Swarm;
use super::workload::{Act, ResumeChoice, Saying, TargetChoice, VIEWER};

/// Where `updateSession` sends callbacks to.
const OTHER_PATH: &str = "/other";
/// Questions that change nothing.
const QUERIES: [&str; 3] = ["getSession", "getSessionHealth", "getLatestAssistantMessage"];
/// The command that commands run.
const COMMAND: &str = "review";

/// The steps as far as they are laid out, and what there is to speak of by then.
pub(super) struct Layout<'a> {
    swarm: &'a Swarm,
    steps: Vec<At<Step>>,
    /// Sessions that were made, in order.
    sessions: Vec<SessionName>,
    /// Labels that can be awaited and repeated: of messages, each with its session and what it says.
    messages: Vec<(Label, SessionName, Prompt)>,
    /// Tags that are said and not released.
    tags: Vec<Tag>,
    /// Clients with a stream, and whether it is open.
    streams: Vec<(ClientName, bool)>,
    /// How many ingest sockets of its own it has opened.
    intruders: u32,
}

impl<'a> Layout<'a> {
    pub(super) fn new(swarm: &'a Swarm) -> Self {
        Self {
            swarm,
            steps: Vec::new(),
            sessions: Vec::new(),
            messages: Vec::new(),
            tags: Vec::new(),
            streams: Vec::new(),
            intruders: 0,
        }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step.into());
    }

    pub(super) fn begin(&mut self, saying: &Saying) {
        self.start(SessionName::default(), saying);
    }

    fn start(&mut self, session: SessionName, saying: &Saying) {
        let (label, prompt) = self.message(saying, &session);
        self.sessions.push(session.clone());
        self.push(Step::Start(Start {
            label: label.into(),
            prompt,
            model: None,
            session: session.into(),
            client: At::default(),
            reply: Reply::default(),
        }));
    }

    /// A new message's label, and what it says.
    fn message(&mut self, saying: &Saying, session: &SessionName) -> (Label, Prompt) {
        let number = self.messages.len() + 1;
        let label: Label = name(&format!("m{number}"));
        let directive = match saying {
            Saying::Echo => Directive::Echo(format!("m{number}")),
            Saying::Slow { chunks, milliseconds } => Directive::Slow {
                chunks: *chunks,
                milliseconds: *milliseconds,
            },
            Saying::Idle => Directive::Idle,
            Saying::Hang => Directive::Hang,
            Saying::Error => Directive::Error("refused".to_owned()),
            Saying::Gate => {
                let tag: Tag = name(&format!("t{number}"));
                self.tags.push(tag.clone());
                Directive::Gate(tag)
            }
        };
        let prompt = Prompt::Say(directive);
        self.messages
            .push((label.clone(), session.clone(), prompt.clone()));
        (label, prompt)
    }

    /// The session that an act is about: one that is there, or the next one to come if there may be more.
    fn session(&self, index: Index) -> SessionName {
        index.get(&self.sessions).clone()
    }

    pub(super) fn act(&mut self, act: &Act) {
        match act {
            Act::Send {
                session,
                saying,
                by_viewer,
                id_by_server,
                on_other_surface,
                is_command,
            } => {
                let which = session.index(self.swarm.sessions);
                if which >= self.sessions.len() {
                    let next = format!("s{}", self.sessions.len() + 1);
                    return self.start(name(&next), saying);
                }
                let session = self.sessions[which].clone();
                let surface = self.surface(*on_other_surface);
                let (label, mut prompt) = self.message(saying, &session);
                let is_legacy = surface.unwrap_or(self.swarm.surface) == Surface::Legacy;
                if *is_command && is_legacy {
                    if let Prompt::Say(Directive::Gate(_)) = prompt {
                        self.tags.pop();
                    }
                    prompt = Prompt::Command(turnstile_scenarios::Command {
                        name: COMMAND.to_owned(),
                        arguments: None,
                    });
                    if let Some((_, _, said)) = self.messages.last_mut() {
                        said.clone_from(&prompt);
                    }
                }
                let client = self.sender(*by_viewer);
                self.push(Step::Send(SendMessage {
                    form: matches!(prompt, Prompt::Command(_)).then(|| Form::Payload.into()),
                    client: client.into(),
                    id: if *id_by_server {
                        IdMaker::Server
                    } else {
                        IdMaker::Client
                    },
                    surface: surface.map(At::from),
                    ..plain(label, prompt, &session)
                }));
            }
            Act::Burst { session, count } => {
                let session = self.session(*session);
                for _ in 0..*count {
                    let (label, prompt) = self.message(&Saying::Echo, &session);
                    self.push(Step::Send(plain(label, prompt, &session)));
                }
            }
            Act::Repeat {
                message,
                on_other_surface,
            } => {
                let (label, session, prompt) = message.get(&self.messages).clone();
                let again: Label = name(&format!("r{}", self.steps.len()));
                let surface = match prompt {
                    // Only one surface has a place for it.
                    Prompt::Command(_) => Some(Surface::Legacy),
                    _ => self.surface(*on_other_surface),
                };
                self.push(Step::Send(SendMessage {
                    repeat: Some(label.into()),
                    surface: surface.map(At::from),
                    ..plain(again, prompt, &session)
                }));
            }
            Act::Interrupt(session) => {
                let session = self.session(*session).into();
                self.push(Step::Interrupt(Interrupt {
                    session,
                    ..Interrupt::default()
                }));
            }
            Act::Update { session, target } => {
                let callback = match target {
                    TargetChoice::Nowhere => CallbackTarget::None,
                    TargetChoice::Receiver => CallbackTarget::Receiver,
                    TargetChoice::Elsewhere => CallbackTarget::Path(OTHER_PATH.to_owned()),
                };
                let session = self.session(*session).into();
                self.push(Step::Update(Update {
                    callback,
                    session,
                    client: At::default(),
                    reply: SuccessReply::default(),
                }));
            }
            Act::Stream {
                session,
                by_viewer,
                from,
                reads_slowly,
            } => self.stream(*session, *by_viewer, from, *reads_slowly),
            Act::Query { session, which } => {
                let session = self.session(*session).into();
                self.push(Step::Call(Call {
                    procedure: (*which.get(&QUERIES)).to_owned(),
                    input: None,
                    body: None,
                    by: Caller::default(),
                    method: None,
                    session,
                    client: At::default(),
                    reply: CallReply::default(),
                }));
            }
            Act::Release(which) => {
                if !self.tags.is_empty() {
                    let tag = self.tags.remove(which.index(self.tags.len()));
                    self.push(Step::Release(tag.into()));
                }
            }
            Act::Wait(lapse) => self.push(Step::Wait(*lapse)),
            Act::Sync { message, is, within } => {
                let (label, ..) = message.get(&self.messages).clone();
                self.push(Step::Await(Await {
                    condition: Condition::Message {
                        of: label.into(),
                        is: *is,
                    },
                    within: *within,
                }));
            }
            Act::Delete(session) => {
                let session = self.session(*session).into();
                self.push(Step::Delete(Delete {
                    session,
                    ..Delete::default()
                }));
            }
        }
    }

    fn stream(&mut self, session: Index, by_viewer: bool, from: &ResumeChoice, reads_slowly: bool) {
        let client = if by_viewer {
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
        let from = match from {
            ResumeChoice::Last if was_open => Resume::Last,
            ResumeChoice::Start | ResumeChoice::Last => Resume::Start,
            ResumeChoice::Live => Resume::None,
        };
        let session = self.session(session).into();
        self.push(Step::Open(Open {
            client: client.into(),
            session,
            from,
            event_types: Vec::new(),
            executions: Vec::new(),
            since: None,
            until: None,
            reads: if reads_slowly {
                ReadingSpeed::Slowly
            } else {
                ReadingSpeed::Eagerly
            },
        }));
    }

    /// The surface to be named for a message that need not be on the seed's own.
    fn surface(&self, is_other: bool) -> Option<Surface> {
        let other = match self.swarm.surface {
            Surface::Unified => Surface::Legacy,
            Surface::Legacy => Surface::Unified,
        };
        is_other.then_some(other)
    }

    /// Who sends: the viewer only if it has been there.
    fn sender(&self, by_viewer: bool) -> ClientName {
        let has_viewer = self.streams.iter().any(|(name, _)| **name == *VIEWER);
        if by_viewer && has_viewer {
            viewer()
        } else {
            ClientName::default()
        }
    }

    /// Lays faults out, but for those that would fall on a client that has never been there.
    pub(super) fn strike(&mut self, groups: Vec<FaultGroup>) {
        for FaultGroup { steps, after_work } in groups {
            self.strike_with(steps);
            if let Some(AfterWork { within, steps }) = after_work {
                self.await_work(within);
                self.strike_with(steps);
            }
        }
    }

    fn strike_with(&mut self, steps: Vec<Step>) {
        let has_viewer = self.streams.iter().any(|(name, _)| **name == *VIEWER);
        for mut step in steps {
            if let Step::Ingest(ingest) = &mut step {
                self.name_intruder(ingest);
            }
            if has_viewer || !mentions_viewer(&step) {
                self.push(step);
            }
        }
    }

    /// Waits for the end of what the first session was asked last.
    fn await_work(&mut self, within: Lapse) {
        let of_first = |(_, session, _): &&(Label, SessionName, Prompt)| *session == SessionName::default();
        if let Some((label, ..)) = self.messages.iter().rev().find(of_first) {
            let of = label.clone().into();
            let is = Moment::Completed;
            self.push(Step::Await(Await {
                condition: Condition::Message { of, is },
                within,
            }));
        }
    }

    /// Gives an ingest socket a name that no other one has: each is opened first, and then spoken on.
    fn name_intruder(&mut self, ingest: &mut Ingest) {
        self.intruders += u32::from(matches!(ingest, Ingest::Open { .. }));
        let (Ingest::Open { name: socket, .. }
        | Ingest::Send { name: socket, .. }
        | Ingest::Close { name: socket, .. }) = ingest;
        *socket = name::<IngestName>(&format!("intruder{}", self.intruders)).into();
    }

    pub(super) fn finish(mut self, seed: u64, session: Session, receiver: Vec<Answer>) -> Scenario {
        for tag in std::mem::take(&mut self.tags) {
            self.push(Step::Release(tag.into()));
        }
        Scenario {
            title: format!("what seed {seed} does"),
            about: "Generated: whatever goes wrong here, what must hold in every run has to hold.".to_owned(),
            seam: seam(&self.steps),
            rules: Vec::new(),
            api: self.swarm.surface.into(),
            tolerant: true,
            session,
            receiver,
            steps: self.steps,
            expect: Vec::new(),
        }
    }
}

/// A message that is sent in the plainest way.
fn plain(label: Label, prompt: Prompt, session: &SessionName) -> SendMessage {
    SendMessage {
        label: label.into(),
        prompt,
        repeat: None,
        model: None,
        finalization: None,
        session: session.clone().into(),
        client: At::default(),
        id: IdMaker::default(),
        surface: None,
        form: None,
        reply: Reply::default(),
    }
}

/// The seam that a generated scenario is about: that of its first fault.
fn seam(steps: &[At<Step>]) -> Seam {
    let seam = |step: &At<Step>| match &step.value {
        Step::Fault(Injection { fault, .. }) => Some(match fault {
            Fault::Link { .. } | Fault::Connections { .. } => Seam::Reconnect,
            Fault::Host { .. } | Fault::Disk { .. } => Seam::Crash,
            Fault::Wrapper(_) => Seam::Wrapper,
            Fault::Receiver { .. } | Fault::Queue { .. } => Seam::Callback,
        }),
        _ => None,
    };
    steps.iter().find_map(seam).unwrap_or(Seam::Turn)
}

fn mentions_viewer(step: &Step) -> bool {
    let Step::Fault(Injection { fault, .. }) = step else {
        return false;
    };
    fault.ends().is_some_and(|ends| ends.contains(&VIEWER))
}

fn viewer() -> ClientName {
    name(VIEWER)
}

/// A name of the generator's own making.
fn name<N: std::str::FromStr>(text: &str) -> N
where
    N::Err: std::fmt::Debug,
{
    text.parse().expect("what the generator calls things are names")
}
