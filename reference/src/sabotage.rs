//! Rules that a test can have this server break, to see whether the harness notices.
//!
//! Without the feature `sabotage` no rule can be named and every question in here is answered at compile
//! time: a release build of the server cannot be told to misbehave.

/// The rules that are broken; none unless a test says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sabotage {
    #[cfg(feature = "sabotage")]
    broken: Option<Rule>,
}

/// A rule that can be broken; each has been, in some service of this kind.
#[cfg(feature = "sabotage")]
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

#[cfg(feature = "sabotage")]
impl Rule {
    /// Every one of them, in the order of the protocol's sections as good as it goes.
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

    /// What the rule says, in a sentence without its stop, and where the protocol has it.
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

#[cfg(feature = "sabotage")]
impl From<Rule> for Sabotage {
    fn from(rule: Rule) -> Self {
        Self { broken: Some(rule) }
    }
}

macro_rules! questions {
    ($($(#[$meta:meta])* $question:ident: $rule:ident;)*) => {
        impl Sabotage {
            $(
                $(#[$meta])*
                pub(crate) fn $question(self) -> bool {
                    #[cfg(feature = "sabotage")]
                    return self.broken == Some(Rule::$rule);
                    #[cfg(not(feature = "sabotage"))]
                    false
                }
            )*
        }
    };
}

questions! {
    /// Whether a callback counts as enqueued before the queue has answered.
    counts_enqueue_before_it_is_answered: EnqueueIsAwaited;
    /// Whether a callback's next try is kept in memory only.
    forgets_callback_retry: CallbackRetryIsDurable;
    /// Whether a restart leaves queued messages without their pending entries.
    loses_pending_entries: QueuedIsPending;
    /// Whether a message that ended in the queue stays pending.
    keeps_ended_pending: PendingIsQueued;
    /// Whether the first message of a batch stays its representative.
    calls_back_for_first: LastOfBatchIsRepresentative;
    /// Whether callbacks leave out what legacy receivers know a turn by.
    omits_execution_in_callback: CallbackNamesItsExecution;
    /// Whether any run releases a gate wait.
    releases_gate_for_any_run: GateWaitIsOfItsRun;
    /// Whether a stop that an earlier run owed is demanded of the next one.
    keeps_abort_across_runs: RebindForgetsAbort;
    /// Whether the grace runs on although the wrapper is back.
    lets_grace_run_on: ReconnectCancelsGrace;
    /// Whether any fence will do.
    accepts_stale_fence: StaleFenceIsRefused;
    /// Whether an end can be followed by another.
    overwrites_terminal: TerminalOnce;
    /// Whether a message that is given up leaves the queue without an end.
    drops_exhausted: TerminalBeforeRemoval;
    /// Whether a delivery is given up one attempt early.
    exhausts_early: LastSlotExhausts;
    /// Whether the snapshot leaves out what failed in the queue.
    hides_failed_from_snapshot: SnapshotTellsOfFailed;
    /// Whether a replay that does not begin at the beginning misses its first event.
    replays_with_gap: ReplayIsWhole;
    /// Whether `getSession` shows the callback's target.
    shows_callback_target: CallbackTargetIsSecret;
    /// Whether the queue takes one message more than it may.
    admits_one_too_many: QueueLimitIsExact;
    /// Whether a repeated id is admitted once more.
    admits_repeats: RepeatIsAdmittedOnce;
}
