//! The actions that can happen to a session, as data. [`plans`](crate::session_properties::plans) draws them.
//!
//! An action refers to messages, sockets and so on by an index modulo their number at the time when it is played. An
//! action without an object does nothing. So any part of a plan is a valid plan, and shrinking needs no special code.

use std::time::Duration;

use turnstile_reference::model::metadata::GateThreshold;

/// A session and the actions that happen to it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The setting of the session.
    pub setting: Setting,
    /// The fate of the decision that creates the session.
    pub beginning: Fate,
    /// The actions, in order.
    pub steps: Vec<Step>,
}

/// The setting of a session.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The origin of the session.
    pub origin: Origin,
    /// Whether messages have a callback.
    pub callback: bool,
    /// The gate of turns that name none.
    pub gate: Option<GateThreshold>,
    /// Whether a branch is requested.
    pub branch: bool,
    /// Whether the kilo session is known before a wrapper was ready.
    pub kilo_session: bool,
}

/// The origin of a session.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Created with its first message.
    Started,
    /// Created with a prepared message, which is initiated at once if `initiates`.
    Prepared { initiates: bool },
    /// Imported from an older service.
    Imported(Leftovers),
}

/// The state that an older service stored.
#[derive(Debug, Clone)]
pub struct Leftovers {
    /// The time since its last change.
    pub age: Duration,
    /// The prepared message.
    pub prompt: Option<OldPrompt>,
    /// Whether a workspace had been ready.
    pub prepared: bool,
    /// The executions, finished or not.
    pub executions: Vec<OldExecution>,
}

/// A prepared message of an older service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldPrompt {
    /// With an id.
    Named,
    /// Without an id.
    Nameless,
}

/// An execution of an older service.
#[derive(Debug, Clone)]
pub struct OldExecution {
    /// The `status` in the record.
    pub status: &'static str,
    /// The time since its start.
    pub age: Duration,
    /// Whether the record names the message that it answers.
    pub has_message: bool,
}

/// One action, and a fault of the server.
#[derive(Debug, Clone)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// The fate of the first decision after it.
    pub fate: Fate,
}

/// The fate of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Committed and performed.
    Done,
    /// The commit fails once.
    CommitFails,
    /// Committed; the server crashes before any effect.
    CrashAfterCommit,
    /// The server crashed and was restarted before the input.
    CrashBefore,
}

/// An index, taken modulo the number of objects, the most likely one first.
pub type Index = u8;

/// An action.
#[derive(Debug, Clone)]
pub enum Action {
    /// Admits turns with different ids at the same time.
    Admit { count: u8, intent: Intent },
    /// Initiates the prepared message.
    Initiate,
    /// Repeats an admission, with the same or another intent.
    Repeat { message: Index, same: bool },
    /// The user interrupts.
    Interrupt,
    /// `updateSession` sets one of several callback targets, or removes the target.
    Retarget(Option<u8>),
    /// The user deletes the session.
    Delete,
    /// A client opens the stream.
    Listen,
    /// Lets time pass to the next deadline, unless it is far away.
    NextDeadline,
    /// Lets time pass; every deadline within it fires on time.
    Pass(Duration),
    /// Lets time pass without waking the session before the end.
    Late(Duration),
    /// Wakes the session although no deadline is due.
    Wake,
    /// The server crashes, and starts again after this time.
    Restart { away: Duration },
    /// Lets time pass while the wrapper answers pings, and sends text deltas if `shows`.
    Stream { time: Duration, shows: bool },
    /// The workspace of a delivery is ready.
    Prepare { delivery: Index },
    /// A delivery ends.
    Report { delivery: Index, report: Report },
    /// A delivery succeeds, from its start to its end.
    Serve { delivery: Index },
    /// A wrapper opens an ingest socket.
    Connect { run: Index, claim: Claim },
    /// A legacy wrapper opens an ingest socket.
    ConnectImported { execution: Index },
    /// An ingest socket closes, with this close frame if any.
    Close {
        socket: Index,
        closing: Option<(u16, &'static str)>,
    },
    /// A wrapper sends a frame.
    Send { socket: Index, frame: Frame },
    /// A wrapper answers a turn: a text part, the reply, and the frame after it.
    Answer {
        socket: Index,
        message: Index,
        end: ReplyEnd,
        then: Option<Frame>,
    },
    /// The queue answers a submitted job.
    Queue { job: Index, accepts: bool },
}

/// The intent of a turn: turns with the same `variety` have the same intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Selects turn, agent and finalization.
    pub variety: u8,
    /// The gate, which is not part of the intent.
    pub gate: Option<GateThreshold>,
}

/// The result of a delivery.
#[derive(Debug, Clone, Copy)]
pub enum Report {
    /// The wrapper accepted the message.
    Taken,
    /// A retryable failure.
    Retryable,
    /// A permanent refusal.
    Permanent,
}

/// The fence that a wrapper presents, compared with the one that it got.
#[derive(Debug, Clone, Copy)]
pub enum Claim {
    /// The same.
    True,
    /// Another generation.
    OtherGeneration,
    /// Another connection.
    OtherConnection,
    /// A run that does not exist.
    OtherRun,
}

/// A frame of a wrapper.
#[derive(Debug, Clone)]
pub enum Frame {
    /// An assistant message that answers a turn.
    Reply {
        message: Index,
        assistant: u8,
        end: ReplyEnd,
    },
    /// An assistant message that answers an unknown turn.
    ReplyToUnknown,
    /// The user's message.
    UserMessage { message: Index },
    /// A part of an assistant message.
    Part {
        message: Index,
        assistant: u8,
        part: u8,
        content: Option<&'static str>,
    },
    /// The removal of such a part.
    PartRemoved { message: Index, assistant: u8, part: u8 },
    /// A text delta.
    Delta,
    /// The idle of the root session.
    RootIdle,
    /// The idle of a child session.
    ChildIdle,
    /// `complete`.
    Complete {
        branch: Option<&'static str>,
        gate: Option<&'static str>,
    },
    /// `interrupted`.
    Interrupted,
    /// `error`.
    Error { fatal: bool },
    /// `pong`.
    Pong,
    /// Another event, with this name.
    Other(&'static str),
}

/// The end of an assistant message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyEnd {
    /// Not finished.
    Open,
    /// Completed.
    Completed,
    /// Failed.
    Failed,
}
