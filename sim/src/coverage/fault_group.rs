//! Groups of faults for the coverage report, and the groups that a scenario contains.
//!
//! They are derived from the script alone, whether or not a fault had an effect.

use std::borrow::Cow;
use std::collections::BTreeSet;

use fake_gateway::gateway;
use turnstile_judge::parties::{GATEWAY, RECEIVER, SERVER, WRAPPER};
use turnstile_scenarios::{
    Answer, ClientName, ClockChange, Completion, CrashPoint, Credentials, Directive, DiskBehaviour, Fault,
    FaultKind, Fence, Ingest, Prompt, QueueBehaviour, ReadingSpeed, Scenario, Step, Ticket, WrapperBehaviour,
};

/// The optional prefix of a model (protocol §3).
const MODEL_PREFIX: &str = "kilo/";
/// A status after which a callback is retried (protocol §8).
const TOO_MANY_REQUESTS: u16 = 429;
/// The lowest status from which on a callback is retried (protocol §8).
const SERVER_ERROR: u16 = 500;

/// Creates the enum: network faults by kind, all others by name.
macro_rules! fault_groups {
    ($($group:ident: $name:literal,)*) => {
        /// Faults and other unusual events that the report counts together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultGroup {
            /// Faults of links or connections, by kind.
            Network(FaultKind),
            /// Faults that block only one direction of a link.
            OneWay(FaultKind),
            $(#[doc = $name] $group,)*
        }

        impl FaultGroup {
            /// All groups except those of the network.
            const OTHERS: &[Self] = &[$(Self::$group,)*];

            /// Its name.
            pub fn name(self) -> Cow<'static, str> {
                match self {
                    Self::Network(kind) if kind.is_of_link() => format!("link: {}", kind.text()).into(),
                    Self::Network(kind) => format!("connection: {}", kind.text()).into(),
                    Self::OneWay(kind) => format!("link: {}, one way", kind.text()).into(),
                    $(Self::$group => $name.into(),)*
                }
            }
        }
    };
}

fault_groups! {
    ServerCrash: "crash: server",
    WrapperCrash: "crash: wrapper",
    GatewayCrash: "crash: gateway",
    ReceiverCrash: "crash: receiver",
    PowerLoss: "crash: power loss",
    CrashBetweenCommits: "crash: between commits",
    CrashAfterCommit: "crash: after commit",
    CrashAfterEnqueue: "crash: after enqueue",
    DiskFails: "disk: fails",
    CrashAtTheDisk: "crash: after a write or sync",
    DiskFull: "disk: full",
    DiskFailsOnce: "disk: one operation fails",
    ClockForward: "clock: set forward while the server is down",
    ClockBack: "clock: set back while the server is down",
    QueueRefuses: "queue: refuses",
    QueueLosesAck: "queue: loses the ack",
    QueueAway: "queue: away",
    QueueDeliversTwice: "queue: delivers twice",
    ReceiverPutsOff: "receiver: 429 or 5xx",
    ReceiverRefuses: "receiver: another refusal",
    ReceiverLate: "receiver: late",
    ReceiverStalls: "receiver: stalls",
    ReceiverDrops: "receiver: drops",
    ReceiverAnswersTwice: "receiver: answers twice",
    GatewayRefuses: "gateway: refuses",
    GatewayHangs: "gateway: hangs",
    UnknownModel: "gateway: unknown model",
    ReadyLate: "wrapper: slow start",
    ReadyFails: "wrapper: start fails",
    JobLate: "wrapper: slow delivery",
    JobFails: "wrapper: delivery fails",
    JobReplyLost: "wrapper: delivery reply lost",
    Deaf: "wrapper: deaf",
    Silent: "wrapper: silent",
    Babbles: "wrapper: babbles",
    LateReply: "wrapper: late error",
    Duplicate: "wrapper: duplicate events",
    EndsOutOfOrder: "wrapper: end out of order",
    NoReply: "wrapper: no reply",
    UnfinishedReply: "wrapper: unfinished reply",
    ChildIdle: "wrapper: child session idle",
    LosesBuffer: "wrapper: loses its buffer",
    KeepsOldSocket: "wrapper: keeps its old socket",
    OwnGateResult: "wrapper: set gate result",
    OwnBranch: "wrapper: set branch",
    OwnExitCode: "wrapper: set exit code",
    NeverCompletes: "wrapper: never completes",
    Fatal: "wrapper: fatal error",
    KeepsIngest: "wrapper: keeps its ingest after complete",
    OddReadyAnswer: "wrapper: odd answer to session/ready",
    OddJobAnswer: "wrapper: odd answer to a job",
    GivenReadyReply: "wrapper: set answer to session/ready",
    GivenJobReply: "wrapper: set answer to a job",
    AgentLatency: "wrapper: latency of the agent",
    Heartbeats: "wrapper: heartbeats",
    FinalizingTakesTime: "wrapper: slow finalization",
    LongText: "wrapper: long text",
    PartsChange: "wrapper: parts change",
    LoneSurrogate: "wrapper: lone surrogate",
    Commands: "wrapper: catalogue of commands",
    PreparingReported: "wrapper: reports preparation",
    AbandonsOpening: "wrapper: gives up opening its ingest",
    SecondSocket: "ingest: second socket",
    StaleRun: "ingest: stale run",
    StaleConnection: "ingest: stale connection",
    NoFrame: "ingest: invalid frame",
    WrongTicket: "socket: wrong ticket",
    SlowReader: "client: slow reader",
    SeveralClients: "client: several clients",
    RepeatedMessage: "client: repeated message",
    AnswerLost: "client: lost response",
}

impl FaultGroup {
    /// Every group.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_network = FaultKind::ALL
            .iter()
            .filter(|kind| kind.is_of_link() || kind.is_of_connections())
            .flat_map(|kind| {
                let one_way = kind.blocks().then_some(Self::OneWay(*kind));
                [Self::Network(*kind)].into_iter().chain(one_way)
            });
        of_network.chain(Self::OTHERS.iter().copied())
    }

    /// The groups that a scenario contains.
    pub fn of(scenario: &Scenario) -> BTreeSet<Self> {
        let mut found = Found::default();
        if is_unknown(&scenario.session.model) {
            found.kinds.insert(Self::UnknownModel);
        }
        found.see_answers(&scenario.receiver);
        for step in &scenario.steps {
            found.see(step);
        }
        if found.clients.len() > 1 {
            found.kinds.insert(Self::SeveralClients);
        }
        found.kinds
    }
}

/// The groups found so far.
#[derive(Default)]
struct Found<'a> {
    kinds: BTreeSet<FaultGroup>,
    clients: BTreeSet<&'a ClientName>,
}

impl<'a> Found<'a> {
    fn add_if(&mut self, is_there: bool, kind: FaultGroup) {
        if is_there {
            self.kinds.insert(kind);
        }
    }

    fn see(&mut self, step: &'a Step) {
        use FaultGroup as F;
        match step {
            Step::Start(start) => {
                self.see_prompt(&start.prompt, start.model.as_deref());
                self.see_request(&start.client, start.reply.lost);
            }
            Step::Send(send) => {
                self.see_prompt(&send.prompt, send.model.as_deref());
                self.see_request(&send.client, send.reply.lost);
                self.add_if(send.repeat.is_some(), F::RepeatedMessage);
            }
            Step::Prepare(prepare) => {
                self.see_prompt(&prepare.prompt, None);
                self.see_request(&prepare.client, prepare.reply.lost);
            }
            Step::Initiate(initiate) => self.see_request(&initiate.client, initiate.reply.lost),
            Step::Update(update) => self.see_request(&update.client, update.reply.lost),
            Step::Delete(delete) => self.see_request(&delete.client, delete.reply.lost),
            Step::Interrupt(interrupt) => self.see_request(&interrupt.client, interrupt.reply.lost),
            Step::Call(call) => self.see_request(&call.client, call.reply.lost),
            Step::Open(open) => {
                self.see_request(&open.client, false);
                self.add_if(open.ticket != Ticket::Own, F::WrongTicket);
                self.add_if(open.reads == ReadingSpeed::Slowly, F::SlowReader);
            }
            Step::Fault(injection) => self.see_fault(&injection.fault),
            Step::Ingest(ingest) => self.see_ingest(ingest),
            Step::Close(_)
            | Step::Await(_)
            | Step::Release(_)
            | Step::Heal(_)
            | Step::Restart(_)
            | Step::Wait(_) => {}
        }
    }

    fn see_request(&mut self, client: &'a ClientName, is_lost: bool) {
        self.clients.insert(client);
        self.add_if(is_lost, FaultGroup::AnswerLost);
    }

    fn see_prompt(&mut self, prompt: &Prompt, model: Option<&str>) {
        self.add_if(model.is_some_and(is_unknown), FaultGroup::UnknownModel);
        if let Prompt::Say(directive) = prompt {
            self.add_if(*directive == Directive::Hang, FaultGroup::GatewayHangs);
            self.add_if(
                matches!(directive, Directive::Error(_)),
                FaultGroup::GatewayRefuses,
            );
        }
    }

    fn see_fault(&mut self, fault: &Fault) {
        match fault {
            Fault::Link { link, effect } => {
                let kind = effect.kind();
                self.kinds.insert(match link.one_way && kind.blocks() {
                    true => FaultGroup::OneWay(kind),
                    false => FaultGroup::Network(kind),
                });
            }
            Fault::Connections { end, .. } => {
                self.kinds.insert(FaultGroup::Network(end.kind()));
            }
            Fault::Host { host, power_loss, at } => self.see_crash(host, *power_loss, *at),
            Fault::Disk { at: Some(_), .. } => self.add_if(true, FaultGroup::DiskFailsOnce),
            Fault::Disk { is, at: None, .. } => self.see_disk(*is),
            Fault::Clock {
                set: ClockChange::Forward(_),
                ..
            } => self.add_if(true, FaultGroup::ClockForward),
            Fault::Clock {
                set: ClockChange::Back(_),
                ..
            } => self.add_if(true, FaultGroup::ClockBack),
            Fault::Queue { is } => self.see_queue(*is),
            Fault::Receiver { answers } => self.see_answers(answers),
            Fault::Wrapper(behaviour) => self.see_behaviour(behaviour),
        }
    }

    fn see_crash(&mut self, host: &str, power_loss: bool, at: Option<CrashPoint>) {
        use FaultGroup as F;
        self.kinds.extend(match host {
            SERVER => Some(F::ServerCrash),
            WRAPPER => Some(F::WrapperCrash),
            GATEWAY => Some(F::GatewayCrash),
            RECEIVER => Some(F::ReceiverCrash),
            _ => None,
        });
        self.add_if(power_loss, F::PowerLoss);
        self.kinds.extend(at.map(|point| match point {
            CrashPoint::BetweenCommits => F::CrashBetweenCommits,
            CrashPoint::AfterCommit => F::CrashAfterCommit,
            CrashPoint::AfterEnqueue => F::CrashAfterEnqueue,
            CrashPoint::Write(_) | CrashPoint::Sync(_) => F::CrashAtTheDisk,
        }));
    }

    fn see_behaviour(&mut self, behaviour: &WrapperBehaviour) {
        use FaultGroup as F;
        let WrapperBehaviour {
            ready,
            job,
            deaf,
            silent,
            babble,
            late,
            duplicate,
            ends_out_of_order,
            no_reply,
            unfinished_reply,
            child_idle,
            loses_buffer,
            keeps_old_socket,
            complete,
            fatal,
            latency,
            heartbeat,
            finalize,
            long_text,
            parts,
            lone_surrogate,
            commands,
            preparing,
            abandons_opening,
        } = behaviour;
        let ready = ready.clone().unwrap_or_default();
        let job = job.clone().unwrap_or_default();
        let Completion {
            gate,
            branch,
            never,
            exit_code,
            stays,
        } = complete.clone().unwrap_or_default();
        for (is_there, kind) in [
            (ready.delay.is_some(), F::ReadyLate),
            (ready.fail.is_some(), F::ReadyFails),
            (job.delay.is_some(), F::JobLate),
            (job.fail.is_some(), F::JobFails),
            (job.lose_reply > 0, F::JobReplyLost),
            (*deaf, F::Deaf),
            (*silent, F::Silent),
            (*babble > 0, F::Babbles),
            (*late > 0, F::LateReply),
            (*duplicate, F::Duplicate),
            (*ends_out_of_order, F::EndsOutOfOrder),
            (*no_reply, F::NoReply),
            (*unfinished_reply, F::UnfinishedReply),
            (*child_idle, F::ChildIdle),
            (*loses_buffer, F::LosesBuffer),
            (*keeps_old_socket, F::KeepsOldSocket),
            (gate.is_some(), F::OwnGateResult),
            (branch.is_some(), F::OwnBranch),
            (exit_code.is_some(), F::OwnExitCode),
            (never, F::NeverCompletes),
            (fatal.is_some(), F::Fatal),
            (stays, F::KeepsIngest),
            (ready.answer.is_some(), F::OddReadyAnswer),
            (job.answer.is_some(), F::OddJobAnswer),
            (ready.reply.is_some(), F::GivenReadyReply),
            (job.reply.is_some(), F::GivenJobReply),
            (latency.is_some(), F::AgentLatency),
            (heartbeat.is_some(), F::Heartbeats),
            (finalize.is_some(), F::FinalizingTakesTime),
            (*long_text > 0, F::LongText),
            (parts.is_some(), F::PartsChange),
            (*lone_surrogate, F::LoneSurrogate),
            (!commands.is_empty(), F::Commands),
            (preparing.is_some(), F::PreparingReported),
            (*abandons_opening > 0, F::AbandonsOpening),
        ] {
            self.add_if(is_there, kind);
        }
    }

    fn see_answers(&mut self, answers: &[Answer]) {
        for answer in answers {
            let status = match answer {
                Answer::Status(status) => *status,
                Answer::Late(late) => {
                    self.kinds.insert(FaultGroup::ReceiverLate);
                    late.status
                }
                Answer::Stall => {
                    self.kinds.insert(FaultGroup::ReceiverStalls);
                    continue;
                }
                Answer::Drop => {
                    self.kinds.insert(FaultGroup::ReceiverDrops);
                    continue;
                }
                Answer::Twice => {
                    self.kinds.insert(FaultGroup::ReceiverAnswersTwice);
                    continue;
                }
            };
            if status.is_success() {
                continue;
            }
            let is_put_off = status.code() == TOO_MANY_REQUESTS || status.code() >= SERVER_ERROR;
            self.kinds.insert(if is_put_off {
                FaultGroup::ReceiverPutsOff
            } else {
                FaultGroup::ReceiverRefuses
            });
        }
    }

    fn see_queue(&mut self, behaviour: QueueBehaviour) {
        self.kinds.extend(match behaviour {
            QueueBehaviour::Works => None,
            QueueBehaviour::Refuses => Some(FaultGroup::QueueRefuses),
            QueueBehaviour::LosesAck => Some(FaultGroup::QueueLosesAck),
            QueueBehaviour::Away => Some(FaultGroup::QueueAway),
            QueueBehaviour::DeliversTwice => Some(FaultGroup::QueueDeliversTwice),
        });
    }

    fn see_disk(&mut self, behaviour: DiskBehaviour) {
        self.kinds.extend(match behaviour {
            DiskBehaviour::Works => None,
            DiskBehaviour::Fails => Some(FaultGroup::DiskFails),
            DiskBehaviour::Full => Some(FaultGroup::DiskFull),
        });
    }

    fn see_ingest(&mut self, ingest: &Ingest) {
        use turnstile_scenarios::IngestFrame;
        match ingest {
            Ingest::Open {
                credentials, ticket, ..
            } => {
                self.add_if(*ticket != Ticket::Own, FaultGroup::WrongTicket);
                self.kinds.extend(match credentials {
                    // The regular wrapper of an execution.
                    Credentials::Execution(_) => None,
                    Credentials::Fence(Fence::Current) => Some(FaultGroup::SecondSocket),
                    Credentials::Fence(Fence::StaleRun) => Some(FaultGroup::StaleRun),
                    Credentials::Fence(Fence::StaleConnection) => Some(FaultGroup::StaleConnection),
                });
            }
            Ingest::Send { frame, .. } => {
                let is_none = matches!(frame, IngestFrame::Raw(_) | IngestFrame::Binary);
                self.add_if(is_none, FaultGroup::NoFrame);
            }
            Ingest::Close { .. } => {}
        }
    }
}

fn is_unknown(model: &str) -> bool {
    model.strip_prefix(MODEL_PREFIX).unwrap_or(model) != gateway::MODEL
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_group_has_an_example_in_the_documentation_of_the_language() {
        let readme = include_str!("../../../scenarios/README.md");
        let (_, section) = readme
            .split_once("\n## Every kind of fault\n")
            .expect("it has a section of them");
        let section = section.split("\n## ").next().unwrap_or(section);
        let blocks = section.split("```yaml\n").skip(1);
        let steps: String = blocks.filter_map(|block| block.split("```").next()).collect();
        let script = format!(
            "scenario: s\nabout: a\nseam: wrapper\nsession: {{ callback: true }}\nsteps:\n\
             - start: {{ as: first, say: idle }}\n{steps}"
        );
        let scenario =
            Scenario::parse(&script, Path::new("README.md")).unwrap_or_else(|errors| panic!("{errors}"));
        let found = FaultGroup::of(&scenario);
        let missing: Vec<_> = FaultGroup::all()
            .filter(|group| !found.contains(group))
            .map(FaultGroup::name)
            .collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn a_script_has_the_groups_of_its_steps_and_of_its_head() {
        let script = "\
scenario: everything at once
about: so that it is found
seam: crash
session: { callback: true }
receiver: [200, { delay: 3s, status: 404 }, 503, twice]
steps:
  - start: { as: first, say: hang, model: kilo/fake-deterministic }
  - open: { client: phone }
  - cut: { from: wrapper, to: server, for: 4s }
  - crash: { party: server, at: after-commit, restart-after: 1s }
  - wrapper: { deaf: true, complete: { never: true } }
  - queue: works
";
        let scenario = Scenario::parse(script, Path::new("script.yaml")).unwrap();
        let expected = [
            FaultGroup::OneWay(FaultKind::Cut),
            FaultGroup::ServerCrash,
            FaultGroup::CrashAfterCommit,
            FaultGroup::ReceiverPutsOff,
            FaultGroup::ReceiverRefuses,
            FaultGroup::ReceiverLate,
            FaultGroup::ReceiverAnswersTwice,
            FaultGroup::GatewayHangs,
            FaultGroup::Deaf,
            FaultGroup::NeverCompletes,
            FaultGroup::SeveralClients,
        ];
        assert_eq!(FaultGroup::of(&scenario), BTreeSet::from(expected));
    }
}
