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
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 18] = [
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
    ];

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
        }
    }
}
