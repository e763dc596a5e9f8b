//! Lays out the steps of a generated scenario. Resolves references such as "any message" or "some session" to items that
//! exist at that step. Uses no randomness.

mod disturbances;

use proptest::sample::Index;
use turnstile_profile::Profile;
use turnstile_scenarios::{
    Answer, At, Await, Call, CallReply, CallbackTarget, Caller, ClientName, Close, Condition, Delete,
    Directive, Fault, Finalization, Finalizing, Form, IdMaker, Injection, Interrupt, Label, Lapse, Moment,
    Open, Prompt, ReadingSpeed, Reply, RequiredProfile, Resume, Scenario, Seam, SendMessage, Session,
    SessionName, Start, Step, SuccessReply, Surface, Tag, Update, WrapperBehaviour,
};

use super::swarm::Swarm;
use super::workload::{Act, ResumeChoice, Saying, TargetChoice, VIEWER};
use super::wrapper_faults::misbehaving;

/// Path that `updateSession` sets for callbacks.
const OTHER_PATH: &str = "/other";
/// Procedures that change nothing.
const QUERIES: [&str; 3] = ["getSession", "getSessionHealth", "getLatestAssistantMessage"];
/// Id of an event that no session has yet.
const FUTURE_EVENT: u64 = 1_000_000;
/// How long to wait for the end of a short turn.
const TURN: Lapse = Lapse::from_secs(20);
/// Name of the command in command messages.
const COMMAND: &str = "review";

/// The steps laid out so far, and the items that later steps can refer to.
pub(super) struct Layout<'a> {
    swarm: &'a Swarm,
    /// Whether sessions have a callback target from their start.
    has_callback: bool,
    steps: Vec<At<Step>>,
    /// Created sessions, in order.
    sessions: Vec<SessionName>,
    /// Labels of messages that can be awaited and repeated, each with its session and prompt.
    messages: Vec<(Label, SessionName, Prompt)>,
    /// Gateway tags that are in use and not released.
    tags: Vec<Tag>,
    /// Clients with a stream, and whether it is open.
    streams: Vec<(ClientName, bool)>,
    /// Number of ingest sockets that the script has opened.
    intruders: u32,
}

impl<'a> Layout<'a> {
    pub(super) fn new(swarm: &'a Swarm, settings: &Session) -> Self {
        Self {
            swarm,
            has_callback: settings.callback,
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

    /// Draws up the label and the prompt of a new message.
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
            Saying::Tools { calls } => Directive::Tools {
                calls: *calls,
                text: format!("m{number}"),
            },
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

    /// A new message that runs a command, in place of what it would say: its label and its prompt.
    fn command(&mut self, saying: &Saying, session: &SessionName) -> (Label, Prompt) {
        let (label, said) = self.message(saying, session);
        if let Prompt::Say(Directive::Gate(_)) = said {
            self.tags.pop();
        }
        let prompt = Prompt::Command(turnstile_scenarios::Command {
            name: COMMAND.to_owned(),
            arguments: None,
        });
        if let Some((_, _, said)) = self.messages.last_mut() {
            said.clone_from(&prompt);
        }
        (label, prompt)
    }

    /// Resolves a session: an existing one, or the next one if more are allowed.
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
                let is_legacy = surface.unwrap_or(self.swarm.surface) == Surface::Legacy;
                let (label, prompt) = match *is_command && is_legacy {
                    true => self.command(saying, &session),
                    false => self.message(saying, &session),
                };
                let client = self.sender(*by_viewer);
                let id = match id_by_server {
                    true => IdMaker::Server,
                    false => IdMaker::Client,
                };
                self.push(Step::Send(SendMessage {
                    form: matches!(prompt, Prompt::Command(_)).then(|| Form::Payload.into()),
                    client: client.into(),
                    id,
                    surface: surface.map(At::from),
                    ..plain(label, prompt, &session)
                }));
            }
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
            Act::Stream {
                session,
                by_viewer,
                from,
                reads_slowly,
            } => self.stream(*session, *by_viewer, from, *reads_slowly),
            Act::Query { session, which } => self.query(*session, *which),
            Act::Release(which) => self.release(*which),
            Act::Wait(lapse) => self.push(Step::Wait(*lapse)),
            Act::Sync { message, is, within } => {
                let (label, ..) = message.get(&self.messages).clone();
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

    /// Sends several messages at once.
    fn burst(&mut self, session: &SessionName, count: usize) {
        for _ in 0..count {
            let (label, prompt) = self.message(&Saying::Echo, session);
            self.push(Step::Send(plain(label, prompt, session)));
        }
    }

    /// Sends a message after which the wrapper commits for this long, and waits for the end of its turn.
    fn finalize(&mut self, session: &SessionName, takes: Lapse) {
        self.push(misbehaving(WrapperBehaviour {
            finalize: Some(Finalizing {
                takes,
                ..Finalizing::default()
            }),
            ..WrapperBehaviour::default()
        }));
        let (label, prompt) = self.message(&Saying::Echo, session);
        self.push(Step::Send(SendMessage {
            finalization: Some(Finalization {
                auto_commit: Some(true),
                ..Finalization::default()
            }),
            ..plain(label.clone(), prompt, session)
        }));
        self.push(await_message(label, Moment::Completed, TURN));
    }

    /// Sends an earlier message again, under a label of its own.
    fn repeat(&mut self, message: Index, on_other_surface: bool) {
        let (label, session, prompt) = message.get(&self.messages).clone();
        let again: Label = name(&format!("r{}", self.steps.len()));
        let surface = match prompt {
            // Only the legacy surface supports this.
            Prompt::Command(_) => Some(Surface::Legacy),
            _ => self.surface(on_other_surface),
        };
        self.push(Step::Send(SendMessage {
            repeat: Some(label.into()),
            surface: surface.map(At::from),
            ..plain(again, prompt, &session)
        }));
    }

    fn update(&mut self, session: Index, target: &TargetChoice) {
        let callback = match target {
            TargetChoice::Nowhere => CallbackTarget::None,
            TargetChoice::Receiver => CallbackTarget::Receiver,
            TargetChoice::Elsewhere => CallbackTarget::Path(OTHER_PATH.to_owned()),
            TargetChoice::OutOfReach => CallbackTarget::OutOfReach,
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
        let session = self.session(session).into();
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
            ResumeChoice::Future => Resume::After(FUTURE_EVENT),
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

    /// Lets every prompt that is sent request an auto-commit. A repeat must have the intent of its message (R3.9).
    fn commit_after_turns(&mut self) {
        let mut committed: Vec<Label> = Vec::new();
        for step in &mut self.steps {
            let Step::Send(send) = &mut step.value else {
                continue;
            };
            let commits = match &send.repeat {
                Some(repeated) => committed.contains(&repeated.value),
                None => matches!(send.prompt, Prompt::Say(_)),
            };
            if commits {
                committed.push(send.label.value.clone());
                send.finalization.get_or_insert_default().auto_commit = Some(true);
            }
        }
    }

    pub(super) fn finish(
        mut self,
        seed: u64,
        profile: &Profile,
        latency: Lapse,
        session: Session,
        receiver: Vec<Answer>,
    ) -> Scenario {
        for tag in std::mem::take(&mut self.tags) {
            self.push(Step::Release(tag.into()));
        }
        if self.steps.iter().any(|step| takes_time_to_finalize(&step.value)) {
            self.commit_after_turns();
        }
        Scenario {
            title: format!("seed {seed}"),
            about: "Generated. Judged by the rules for all runs.".to_owned(),
            seam: seam(&self.steps),
            rules: Vec::new(),
            api: self.swarm.surface.into(),
            tolerant: true,
            profile: RequiredProfile::differing(profile),
            latency: Some(latency).filter(|latency| !latency.is_zero()),
            session,
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

/// A message with default settings.
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

/// The seam of a generated scenario: the one of its first fault.
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
