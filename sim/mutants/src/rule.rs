//! The rules that can be broken, with their texts.

/// A rule of the protocol that a server can break. Each was broken once, in some service of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A callback counts as enqueued only once the queue has said so (protocol §8).
    EnqueueIsAwaited,
    /// A callback's next try survives a restart (protocol §8).
    CallbackRetryIsDurable,
    /// A message whose state is queued is pending, also after a restart (protocol §3).
    QueuedIsPending,
    /// A message that ended is not pending any more (protocol §3).
    PendingIsQueued,
    /// The callback is for the last message of its batch (protocol §8).
    LastOfBatchIsRepresentative,
    /// A callback carries what legacy receivers know a turn by (protocol §8).
    CallbackNamesItsExecution,
    /// A gate wait is released for the run that it waits for (protocol §8).
    GateWaitIsOfItsRun,
    /// A new run does not inherit the stop of an earlier one (protocol §5).
    RebindForgetsAbort,
    /// A reconnect with the same fence cancels the grace (protocol §7).
    ReconnectCancelsGrace,
    /// An ingest socket with a stale fence is refused, and so are its frames (protocol §5).
    StaleFenceIsRefused,
    /// An end is final (protocol §6).
    TerminalOnce,
    /// A message that is given up is terminal before it leaves the queue (protocol §4).
    TerminalBeforeRemoval,
    /// The failure that uses the last delay exhausts, and none before it (protocol §4).
    LastSlotExhausts,
    /// A client that connects is told of messages that failed in the queue (protocol §9).
    SnapshotTellsOfFailed,
    /// A replay begins with the event after `fromId` (protocol §9).
    ReplayIsWhole,
    /// `getSession` does not show the callback's target (protocol §9).
    CallbackTargetIsSecret,
    /// The queue takes as many messages as it says, and no more (protocol §3).
    QueueLimitIsExact,
    /// A repeated message id is answered and not admitted again (protocol §3).
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

    /// The rule as a sentence without a full stop, and its section of the protocol.
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::EnqueueIsAwaited => (
                "A callback counts as enqueued only once the queue has said so",
                "§8",
            ),
            Self::CallbackRetryIsDurable => ("A callback's next try survives a restart", "§8"),
            Self::QueuedIsPending => (
                "A message whose state is queued is pending, also after a restart",
                "§3",
            ),
            Self::PendingIsQueued => ("A message that ended is not pending any more", "§3"),
            Self::LastOfBatchIsRepresentative => ("The callback is for the last message of its batch", "§8"),
            Self::CallbackNamesItsExecution => {
                ("A callback carries what legacy receivers know a turn by", "§8")
            }
            Self::GateWaitIsOfItsRun => ("A gate wait is released for the run that it waits for", "§8"),
            Self::RebindForgetsAbort => ("A new run does not inherit the stop of an earlier one", "§5"),
            Self::ReconnectCancelsGrace => ("A reconnect with the same fence cancels the grace", "§7"),
            Self::StaleFenceIsRefused => (
                "An ingest socket with a stale fence is refused, and so are its frames",
                "§5",
            ),
            Self::TerminalOnce => ("An end is final", "§6"),
            Self::TerminalBeforeRemoval => (
                "A message that is given up is terminal before it leaves the queue",
                "§4",
            ),
            Self::LastSlotExhausts => (
                "The failure that uses the last delay exhausts, and none before it",
                "§4",
            ),
            Self::SnapshotTellsOfFailed => (
                "A client that connects is told of messages that failed in the queue",
                "§9",
            ),
            Self::ReplayIsWhole => ("A replay begins with the event after `fromId`", "§9"),
            Self::CallbackTargetIsSecret => ("`getSession` does not show the callback's target", "§9"),
            Self::QueueLimitIsExact => ("The queue takes as many messages as it says, and no more", "§3"),
            Self::RepeatIsAdmittedOnce => ("A repeated message id is answered and not admitted again", "§3"),
        }
    }
}
