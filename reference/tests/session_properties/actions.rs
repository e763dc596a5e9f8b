//! What can happen to a session, as data that proptest draws and shrinks.
//!
//! An action names things by an index that is taken modulo what there is when it is played; one that
//! finds nothing to act on does nothing. So any part of a plan is a plan, and shrinking just works.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use turnstile_reference::session::metadata::GateThreshold;

/// A session and all that happens to it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the session is like.
    pub setting: Setting,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// What a session is like before anything happens.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Messages have a callback.
    pub callback: bool,
    /// Gate of turns that do not name their own.
    pub gate: Option<GateThreshold>,
    /// A branch is asked for.
    pub branch: bool,
    /// The kilo session is known before any wrapper was ready.
    pub kilo_session: bool,
}

/// One action, and what goes wrong on the server's side.
#[derive(Debug, Clone)]
pub struct Step {
    /// What happens.
    pub action: Action,
    /// What becomes of the first decision that follows.
    pub fate: Fate,
}

/// What becomes of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is committed and acted on.
    Done,
    /// Its commit fails once.
    CommitFails,
    /// It is committed, and the server crashes before anything of it is done.
    CrashAfterCommit,
    /// The server had crashed, and was started again, just before.
    CrashBefore,
}

/// Which of several things is meant: taken modulo their number, the likeliest first.
pub type Index = u8;

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Action {
    /// Turns are admitted, each with an id of its own, at one time.
    Admit { count: u8, intent: Intent },
    /// A turn comes again, with its own or with another intent.
    Repeat { message: Index, same: bool },
    /// The user wants everything stopped.
    Interrupt,
    /// `updateSession` changes to which of several receivers later callbacks go, if to any.
    Retarget(Option<u8>),
    /// Time passes up to the next deadline, which is met.
    NextDeadline,
    /// This much time passes, and every deadline in it is met in time.
    Pass(Duration),
    /// This much time passes before the server gets to look at the clock.
    Late(Duration),
    /// The server is woken and nothing is due.
    Wake,
    /// This much time passes, in which the wrapper answers pings, and perhaps shows a text as it comes.
    Stream { time: Duration, shows: bool },
    /// The wrapper of a delivery is ready.
    Prepare { delivery: Index },
    /// A delivery is over.
    Report { delivery: Index, report: Report },
    /// A delivery goes as it should, from its start to its end.
    Serve { delivery: Index },
    /// A wrapper opens an ingest socket.
    Connect { run: Index, claim: Claim },
    /// An ingest socket is over.
    Close { socket: Index },
    /// A wrapper sends a frame.
    Say { socket: Index, frame: Frame },
    /// A wrapper answers a turn: the answer's text, the answer as far as it comes, and what follows.
    Answer {
        socket: Index,
        message: Index,
        end: ReplyEnd,
        then: Option<Frame>,
    },
    /// The queue answers for a job.
    Queue { job: Index, takes: bool },
}

/// What a turn asks for: two turns with the same number here have the same intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Turn, agent and finalization, as far as they make the intent.
    pub variety: u8,
    /// The gate, which does not.
    pub gate: Option<GateThreshold>,
}

/// How a delivery went.
#[derive(Debug, Clone, Copy)]
pub enum Report {
    /// The wrapper took the message.
    Taken,
    /// It may go better another time.
    Retryable,
    /// It will never go better.
    Permanent,
}

/// What a wrapper says it is, next to what it was told to be.
#[derive(Debug, Clone, Copy)]
pub enum Claim {
    /// Exactly that.
    True,
    /// Of another generation.
    OtherGeneration,
    /// Of another connection.
    OtherConnection,
    /// Of a run that never was.
    OtherRun,
}

/// What a wrapper says.
#[derive(Debug, Clone)]
pub enum Frame {
    /// An assistant's message that answers a turn.
    Reply {
        message: Index,
        assistant: u8,
        end: ReplyEnd,
    },
    /// An assistant's message that answers a turn nobody asked for.
    ReplyToNobody,
    /// The user's own message.
    UserMessage { message: Index },
    /// A part of an assistant's message.
    Part {
        message: Index,
        assistant: u8,
        part: u8,
        content: Option<&'static str>,
    },
    /// That part is no more.
    PartRemoved { message: Index, assistant: u8, part: u8 },
    /// A piece of a text, shown as it comes.
    Delta,
    /// The root is idle.
    RootIdle,
    /// Another session of kilo's is.
    ChildIdle,
    /// The wrapper has finished.
    Complete {
        branch: Option<&'static str>,
        gate: Option<&'static str>,
    },
    /// The wrapper stopped on demand.
    Interrupted,
    /// The wrapper has an error to report.
    Error { fatal: bool },
    /// The answer to a ping.
    Pong,
    /// Something else, with this name.
    Other(&'static str),
}

/// How an assistant's message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyEnd {
    /// Not yet.
    Open,
    /// It is complete.
    Completed,
    /// With an error.
    Failed,
}

/// How likely decisions are to meet anything but their due.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Commits that fail, in a hundred.
    pub commits: u32,
    /// Crashes, in a hundred; half of them fall between a commit and what follows from it.
    pub crashes: u32,
}

/// All plans with such faults, of at most `length` steps. Each does without some kinds of actions, so that
/// it gets further with the others.
pub fn plans(faults: Faults, length: usize) -> impl Strategy<Value = Plan> {
    let step = (actions(), fates(faults)).prop_map(|(action, fate)| Step { action, fate });
    let kinds = vec(prop::bool::weighted(0.8), KINDS);
    (settings(), vec(step, 1..length), kinds).prop_map(|(setting, mut steps, kinds)| {
        steps.retain(|step| kind(&step.action).is_none_or(|kind| kinds[kind]));
        Plan { setting, steps }
    })
}

/// How many kinds of actions a plan can do without.
const KINDS: usize = 12;

/// Which of them an action is of; none if nothing happens without it.
fn kind(action: &Action) -> Option<usize> {
    Some(match action {
        Action::Admit { .. } | Action::NextDeadline => return None,
        Action::Repeat { .. } => 0,
        Action::Interrupt => 1,
        Action::Retarget(_) => 2,
        Action::Pass(_) => 3,
        Action::Late(_) | Action::Wake => 4,
        Action::Stream { .. } => 5,
        Action::Prepare { .. } | Action::Report { .. } => 6,
        Action::Serve { .. } => 7,
        Action::Connect { .. } | Action::Close { .. } => 8,
        Action::Say { .. } => 9,
        Action::Answer { .. } => 10,
        Action::Queue { .. } => 11,
    })
}

fn settings() -> impl Strategy<Value = Setting> {
    (prop::bool::weighted(0.9), gates(), any::<bool>(), any::<bool>()).prop_map(
        |(callback, gate, branch, kilo_session)| Setting {
            callback,
            gate,
            branch,
            kilo_session,
        },
    )
}

fn gates() -> impl Strategy<Value = Option<GateThreshold>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(GateThreshold::Off)),
        2 => Just(Some(GateThreshold::Warning)),
    ]
}

fn fates(faults: Faults) -> impl Strategy<Value = Fate> {
    let done = 100 - faults.commits - faults.crashes;
    (0..100_u32).prop_map(move |lot| match lot {
        lot if lot < done => Fate::Done,
        lot if lot < done + faults.commits => Fate::CommitFails,
        lot if lot % 2 == 0 => Fate::CrashAfterCommit,
        _ => Fate::CrashBefore,
    })
}

/// Mostly the likeliest, now and then any.
fn index() -> impl Strategy<Value = Index> {
    prop_oneof![6 => Just(0), 3 => 0..4_u8, 1 => any::<u8>()]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop::sample::select(vec![
        1, 500, 1_000, 2_000, 9_999, 15_000, 29_999, 45_000, 60_000, 300_000,
    ])
    .prop_map(Duration::from_millis)
}

fn actions() -> impl Strategy<Value = Action> {
    let count = prop_oneof![8 => Just(1_u8), 1 => 2..12_u8];
    let intent = (0..4_u8, gates()).prop_map(|(variety, gate)| Intent { variety, gate });
    let report = prop_oneof![
        4 => Just(Report::Taken),
        2 => Just(Report::Retryable),
        1 => Just(Report::Permanent),
    ];
    let claim = prop_oneof![
        12 => Just(Claim::True),
        1 => Just(Claim::OtherGeneration),
        1 => Just(Claim::OtherConnection),
        1 => Just(Claim::OtherRun),
    ];
    let end = prop_oneof![
        1 => Just(ReplyEnd::Open),
        8 => Just(ReplyEnd::Completed),
        1 => Just(ReplyEnd::Failed),
    ];
    let flag = any::<bool>;
    prop_oneof![
        60 => (count, intent).prop_map(|(count, intent)| Action::Admit { count, intent }),
        10 => (index(), flag()).prop_map(|(message, same)| Action::Repeat { message, same }),
        10 => Just(Action::Interrupt),
        5 => prop::option::of(1..3_u8).prop_map(Action::Retarget),
        100 => Just(Action::NextDeadline),
        35 => durations().prop_map(Action::Pass),
        10 => durations().prop_map(Action::Late),
        5 => Just(Action::Wake),
        15 => (durations(), flag()).prop_map(|(time, shows)| Action::Stream { time, shows }),
        20 => index().prop_map(|delivery| Action::Prepare { delivery }),
        35 => (index(), report).prop_map(|(delivery, report)| Action::Report { delivery, report }),
        50 => index().prop_map(|delivery| Action::Serve { delivery }),
        35 => (index(), claim).prop_map(|(run, claim)| Action::Connect { run, claim }),
        25 => index().prop_map(|socket| Action::Close { socket }),
        100 => (index(), frames()).prop_map(|(socket, frame)| Action::Say { socket, frame }),
        50 => (index(), index(), end, endings())
            .prop_map(|(socket, message, end, then)| Action::Answer { socket, message, end, then }),
        40 => (index(), flag()).prop_map(|(job, takes)| Action::Queue { job, takes }),
    ]
}

/// What a wrapper says when a turn is over: nothing yet, that it is idle, or that it is done.
fn endings() -> impl Strategy<Value = Option<Frame>> {
    prop_oneof![
        1 => Just(None),
        2 => Just(Some(Frame::RootIdle)),
        1 => completes().prop_map(Some),
    ]
}

fn completes() -> impl Strategy<Value = Frame> {
    let branch = prop::sample::select(vec![None, Some("side"), Some("other")]);
    let gate = prop::sample::select(vec![None, Some("pass"), Some("fail")]);
    (branch, gate).prop_map(|(branch, gate)| Frame::Complete { branch, gate })
}

fn frames() -> impl Strategy<Value = Frame> {
    let end = prop_oneof![
        1 => Just(ReplyEnd::Open),
        2 => Just(ReplyEnd::Completed),
        1 => Just(ReplyEnd::Failed),
    ];
    // A turn has one answer as a rule.
    let assistants = || prop_oneof![3 => Just(0_u8), 1 => Just(1_u8)];
    let content = prop::sample::select(vec![Some(" hi "), Some("there"), Some("  "), None]);
    let others = vec![
        "heartbeat",
        "wrapper_resumed",
        "autocommit_started",
        "session.status",
        "session.error",
        "todo.updated",
    ];
    prop_oneof![
        5 => (index(), assistants(), end)
            .prop_map(|(message, assistant, end)| Frame::Reply { message, assistant, end }),
        1 => Just(Frame::ReplyToNobody),
        1 => index().prop_map(|message| Frame::UserMessage { message }),
        3 => (index(), assistants(), 0..2_u8, content)
            .prop_map(|(message, assistant, part, content)| Frame::Part { message, assistant, part, content }),
        1 => (index(), assistants(), 0..2_u8)
            .prop_map(|(message, assistant, part)| Frame::PartRemoved { message, assistant, part }),
        1 => Just(Frame::Delta),
        4 => Just(Frame::RootIdle),
        1 => Just(Frame::ChildIdle),
        4 => completes(),
        1 => Just(Frame::Interrupted),
        2 => any::<bool>().prop_map(|fatal| Frame::Error { fatal }),
        3 => Just(Frame::Pong),
        1 => prop::sample::select(others).prop_map(Frame::Other),
    ]
}
