//! The rules that mutants violate, with their texts.

/// A protocol rule that one mutant violates. Each violation has occurred in a service of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A callback counts as enqueued only after the queue has accepted it (R8.19, R8.20).
    EnqueueIsAwaited,
    /// The next attempt of a callback survives a restart (R8.21).
    CallbackRetryIsDurable,
    /// A queued message is pending, also after a restart (R4.1).
    QueuedIsPending,
    /// A terminal message is not pending (R4.1).
    PendingIsQueued,
    /// The callback is for the last message of its batch (R8.1).
    LastOfBatchIsRepresentative,
    /// A callback has the `executionId` that legacy receivers require (R8.12).
    CallbackNamesItsExecution,
    /// Only the run that is awaited ends the wait for its gate result (R8.6).
    GateWaitIsOfItsRun,
    /// A new run does not inherit the stop of an earlier run (R6.26, R6.27).
    RebindForgetsAbort,
    /// A reconnect with the same fence cancels the disconnect grace (R7.1).
    ReconnectCancelsGrace,
    /// Ingest sockets and frames with a stale fence are refused (R5.50, R5.61).
    StaleFenceIsRefused,
    /// A terminal state is final (R6.1).
    TerminalOnce,
    /// An exhausted message becomes terminal before it leaves the queue (R4.10).
    TerminalBeforeRemoval,
    /// The failure after which no delay is left exhausts the message, and no earlier one does (R4.9).
    LastSlotExhausts,
    /// The snapshot reports messages that failed in the queue to a connecting client (R9.57).
    SnapshotTellsOfFailed,
    /// A replay begins with the event after `fromId` (R9.3).
    ReplayIsWhole,
    /// `getSession` does not show the callback target (R9.68).
    CallbackTargetIsSecret,
    /// The queue accepts exactly as many messages as its limit (protocol §3).
    QueueLimitIsExact,
    /// A repeated message id is acknowledged and not admitted again (R3.7, R3.8).
    RepeatIsAdmittedOnce,

    // Bugs that services of this kind have had and fixed.
    /// The callback has the text of the latest finished assistant message of the turn (R8.18).
    LatestAnswerIsCalledBack,
    /// `complete` settles the accepted messages of its run at once (R6.17).
    CompleteSettles,
    /// Output after root idle does not cancel idle reconciliation (R7.5).
    OutputKeepsReconciliation,
    /// The pong and no-output deadlines do not fire inside the disconnect grace (R7.19).
    GraceSuspendsDeadlines,
    /// A ping that was lost with the old socket does not count after a reconnect (R7.20).
    ReconnectForgetsPing,
    /// The snapshot leaves out a failure in the queue once a later message was accepted (R9.69).
    SupersededIsLeftOut,
    /// The delay of a retry counts from the failure (R4.23).
    DelayFollowsFailure,
    /// A delivery that the server cut short does not use up an attempt (R4.24).
    CutShortIsNoAttempt,
    /// A callback job over the limit of the queue is made smaller or given up once (R8.36, R8.38).
    JobFitsTheQueue,
    /// The deadlines of an accepted message survive a crash (R7.28).
    DeadlinesSurviveCrash,
    /// The last failed delivery and the end of its message are stored together (R4.10).
    ExhaustionIsOneCommit,
    /// Queued messages stay pending when a run is lost (R6.15).
    QueueOutlivesRun,
    /// Unknown fields of a stored record do not make its session unreadable (R10.42).
    UnknownFieldsAreIgnored,
    /// An interrupt that reports success has ended the accepted messages (R6.24, R6.25).
    InterruptEndsAccepted,
    /// A heartbeat does not postpone the no-output deadline (R7.14).
    HeartbeatIsNoOutput,
    /// A heartbeat does not postpone the ping (R7.14).
    HeartbeatKeepsPing,
    /// Frames of an interrupted run do not reach clients (R6.25).
    InterruptSilencesRun,
    /// A client whose cursor is higher than every event gets `connected` and live events (R9.3).
    FutureCursorIsAnswered,
}

/// The position of the first historic mutant in [`Rule::ALL`].
const FIRST_HISTORIC: usize = 18;

impl Rule {
    /// All rules.
    pub const ALL: [Self; 36] = [
        Self::EnqueueIsAwaited,
        Self::CallbackRetryIsDurable,
        Self::QueuedIsPending,
        Self::PendingIsQueued,
        Self::LastOfBatchIsRepresentative,
        Self::CallbackNamesItsExecution,
        Self::GateWaitIsOfItsRun,
        Self::RebindForgetsAbort,
        Self::ReconnectCancelsGrace,
        Self::StaleFenceIsRefused,
        Self::TerminalOnce,
        Self::TerminalBeforeRemoval,
        Self::LastSlotExhausts,
        Self::SnapshotTellsOfFailed,
        Self::ReplayIsWhole,
        Self::CallbackTargetIsSecret,
        Self::QueueLimitIsExact,
        Self::RepeatIsAdmittedOnce,
        Self::LatestAnswerIsCalledBack,
        Self::CompleteSettles,
        Self::OutputKeepsReconciliation,
        Self::GraceSuspendsDeadlines,
        Self::ReconnectForgetsPing,
        Self::SupersededIsLeftOut,
        Self::DelayFollowsFailure,
        Self::CutShortIsNoAttempt,
        Self::JobFitsTheQueue,
        Self::DeadlinesSurviveCrash,
        Self::ExhaustionIsOneCommit,
        Self::QueueOutlivesRun,
        Self::UnknownFieldsAreIgnored,
        Self::InterruptEndsAccepted,
        Self::HeartbeatIsNoOutput,
        Self::HeartbeatKeepsPing,
        Self::InterruptSilencesRun,
        Self::FutureCursorIsAnswered,
    ];

    /// Whether the mutant is a bug that a service of this kind has had and fixed.
    pub fn is_historic(self) -> bool {
        Self::ALL.iter().position(|rule| *rule == self) >= Some(FIRST_HISTORIC)
    }

    /// Returns the rule as a sentence without a full stop, and its section of the protocol.
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::EnqueueIsAwaited => (
                "A callback counts as enqueued only after the queue has accepted it",
                "§8",
            ),
            Self::CallbackRetryIsDurable => ("The next attempt of a callback survives a restart", "§8"),
            Self::QueuedIsPending => ("A queued message is pending, also after a restart", "§3"),
            Self::PendingIsQueued => ("A terminal message is not pending", "§3"),
            Self::LastOfBatchIsRepresentative => ("The callback is for the last message of its batch", "§8"),
            Self::CallbackNamesItsExecution => (
                "A callback has the `executionId` that legacy receivers require",
                "§8",
            ),
            Self::GateWaitIsOfItsRun => ("Only the awaited run ends the wait for its gate result", "§8"),
            Self::RebindForgetsAbort => ("A new run does not inherit the stop of an earlier run", "§5"),
            Self::ReconnectCancelsGrace => (
                "A reconnect with the same fence cancels the disconnect grace",
                "§7",
            ),
            Self::StaleFenceIsRefused => ("Ingest sockets and frames with a stale fence are refused", "§5"),
            Self::TerminalOnce => ("A terminal state is final", "§6"),
            Self::TerminalBeforeRemoval => (
                "An exhausted message becomes terminal before it leaves the queue",
                "§4",
            ),
            Self::LastSlotExhausts => (
                "The failure after which no delay is left exhausts the message, and no earlier one does",
                "§4",
            ),
            Self::SnapshotTellsOfFailed => ("The snapshot reports messages that failed in the queue", "§9"),
            Self::ReplayIsWhole => ("A replay begins with the event after `fromId`", "§9"),
            Self::CallbackTargetIsSecret => ("`getSession` does not show the callback target", "§9"),
            Self::QueueLimitIsExact => ("The queue accepts exactly as many messages as its limit", "§3"),
            Self::RepeatIsAdmittedOnce => (
                "A repeated message id is acknowledged and not admitted again",
                "§3",
            ),
            Self::LatestAnswerIsCalledBack => (
                "The callback has the text of the latest finished assistant message of the turn",
                "§8",
            ),
            Self::CompleteSettles => (
                "`complete` settles the accepted messages of its run at once",
                "§6",
            ),
            Self::OutputKeepsReconciliation => {
                ("Output after root idle does not cancel idle reconciliation", "§7")
            }
            Self::GraceSuspendsDeadlines => (
                "The pong and no-output deadlines do not fire inside the disconnect grace",
                "§7",
            ),
            Self::ReconnectForgetsPing => (
                "A ping that was lost with the old socket does not count after a reconnect",
                "§7",
            ),
            Self::SupersededIsLeftOut => (
                "The snapshot leaves out a failure in the queue once a later message was accepted",
                "§9",
            ),
            Self::DelayFollowsFailure => ("The delay of a retry counts from the failure", "§4"),
            Self::CutShortIsNoAttempt => (
                "A delivery that the server cut short does not use up an attempt",
                "§4",
            ),
            Self::JobFitsTheQueue => (
                "A callback job over the limit of the queue is made smaller or given up once",
                "§8",
            ),
            Self::DeadlinesSurviveCrash => ("The deadlines of an accepted message survive a crash", "§7"),
            Self::ExhaustionIsOneCommit => (
                "The last failed delivery and the end of its message are stored together",
                "§4",
            ),
            Self::QueueOutlivesRun => ("Queued messages stay pending when a run is lost", "§6"),
            Self::UnknownFieldsAreIgnored => (
                "Unknown fields of a stored record do not make its session unreadable",
                "§10",
            ),
            Self::InterruptEndsAccepted => (
                "An interrupt that reports success has ended the accepted messages",
                "§6",
            ),
            Self::HeartbeatIsNoOutput => ("A heartbeat does not postpone the no-output deadline", "§7"),
            Self::HeartbeatKeepsPing => ("A heartbeat does not postpone the ping", "§7"),
            Self::InterruptSilencesRun => ("Frames of an interrupted run do not reach clients", "§6"),
            Self::FutureCursorIsAnswered => (
                "A client whose cursor is higher than every event gets `connected` and live events",
                "§9",
            ),
        }
    }
}
