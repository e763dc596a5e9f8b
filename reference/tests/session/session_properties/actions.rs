//! What can happen to a session, as data. Which of it happens is drawn in [`plans`](crate::session_properties::plans).
//!
//! An action names things by an index that is taken modulo what there is when it is played; one that
//! finds nothing to act on does nothing. So any part of a plan is a plan, and shrinking just works.

use std::time::Duration;

use turnstile_reference::model::metadata::GateThreshold;

/// A session and all that happens to it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the session is like.
    pub setting: Setting,
    /// What becomes of the decision that it begins with.
    pub beginning: Fate,
    /// What happens then, in order.
    pub steps: Vec<Step>,
}

/// What a session is like before anything happens.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How it comes about.
    pub origin: Origin,
    /// Messages have a callback.
    pub callback: bool,
    /// Gate of turns that do not name their own.
    pub gate: Option<GateThreshold>,
    /// A branch is asked for.
    pub branch: bool,
    /// The kilo session is known before any wrapper was ready.
    pub kilo_session: bool,
}

/// How a session comes about.
#[derive(Debug, Clone)]
pub enum Origin {
    /// With its first message.
    Started,
    /// With a message that is asked for later, or at once.
    Prepared { initiates: bool },
    /// An older service left it.
    Imported(Leftovers),
}

/// What an older service left.
#[derive(Debug, Clone)]
pub struct Leftovers {
    /// How long ago that was.
    pub age: Duration,
    /// A message that was to be asked for later, with an id or without.
    pub prompt: Option<OldPrompt>,
    /// A workspace had been ready.
    pub prepared: bool,
    /// What was under way or over.
    pub executions: Vec<OldExecution>,
}

/// A message that an older service was to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldPrompt {
    /// It has an id.
    Named,
    /// It has none yet.
    Nameless,
}

/// An execution as an older service left it.
#[derive(Debug, Clone)]
pub struct OldExecution {
    /// How far it had come, in the word of its record.
    pub status: &'static str,
    /// How long ago it began.
    pub age: Duration,
    /// The older service knew the message that it answers.
    pub has_message: bool,
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
    /// The message that the session was prepared with is asked for.
    Initiate,
    /// A turn comes again, with its own or with another intent.
    Repeat { message: Index, same: bool },
    /// The user wants everything stopped.
    Interrupt,
    /// `updateSession` changes to which of several receivers later callbacks go, if to any.
    Retarget(Option<u8>),
    /// The user wants the session gone.
    Delete,
    /// A client begins to listen.
    Listen,
    /// Time passes up to the next deadline, which is met, unless it is far away.
    NextDeadline,
    /// This much time passes, and every deadline in it is met in time.
    Pass(Duration),
    /// This much time passes before the server gets to look at the clock.
    Late(Duration),
    /// The server is woken and nothing is due.
    Wake,
    /// The server crashes and is away for this long.
    Restart { away: Duration },
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
    /// A wrapper of an older service's opens one.
    ConnectImported { execution: Index },
    /// An ingest socket is over, with this code and reason if its wrapper said so.
    Close {
        socket: Index,
        closing: Option<(u16, &'static str)>,
    },
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
