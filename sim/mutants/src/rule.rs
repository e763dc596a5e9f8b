//! The rules that mutants violate: one line a mutant, with the rule as a sentence and its ids in the protocol.

/// Creates the enum and its texts from one line for each mutant.
macro_rules! rules {
    ($($rule:ident: $text:literal, [$($id:literal),+];)*) => {
        /// A protocol rule that one mutant violates. Each violation has occurred in a service of this kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule {
            $(#[doc = $text] $rule,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: [Self; [$(Self::$rule),*].len()] = [$(Self::$rule),*];

            /// The rule as a sentence without a full stop.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$rule => $text,)*
                }
            }

            /// The ids of the violated rules in the protocol, such as `R8.19`; at least one.
            pub fn ids(self) -> &'static [&'static str] {
                match self {
                    $(Self::$rule => &[$($id),+],)*
                }
            }
        }
    };
}

rules! {
    EnqueueIsAwaited: "A callback counts as enqueued only after the queue has accepted it", ["R8.19", "R8.20"];
    CallbackRetryIsDurable: "The next attempt of a callback survives a restart", ["R8.21"];
    QueuedIsPending: "A queued message is pending, also after a restart", ["R4.1"];
    PendingIsQueued: "A terminal message is not pending", ["R4.1"];
    LastOfBatchIsRepresentative: "The callback is for the last message of its batch", ["R8.1"];
    CallbackNamesItsExecution: "A callback has the `executionId` that legacy receivers require", ["R8.12"];
    GateWaitIsOfItsRun: "Only the awaited run ends the wait for its gate result", ["R8.6"];
    RebindForgetsAbort: "A new run does not inherit the stop of an earlier run", ["R6.26", "R6.27"];
    ReconnectCancelsGrace: "A reconnect with the same fence cancels the disconnect grace", ["R7.1"];
    StaleFenceIsRefused: "Ingest sockets and frames with a stale fence are refused", ["R5.50", "R5.61"];
    TerminalOnce: "A terminal state is final", ["R6.1"];
    TerminalBeforeRemoval: "An exhausted message becomes terminal before it leaves the queue", ["R4.10"];
    LastSlotExhausts: "The failure after which no delay is left exhausts the message, and no earlier one does", ["R4.9"];
    SnapshotTellsOfFailed: "The snapshot reports messages that failed in the queue", ["R9.57"];
    ReplayIsWhole: "A replay begins with the event after `fromId`", ["R9.3"];
    CallbackTargetIsSecret: "`getSession` does not show the callback target", ["R9.68"];
    QueueLimitIsExact: "The queue accepts exactly as many messages as its limit", ["R3.11"];
    RepeatIsAdmittedOnce: "A repeated message id is acknowledged and not admitted again", ["R3.7", "R3.8"];
}

impl Rule {
    /// The section of the protocol that contains the first violated rule, such as `§8`.
    pub fn section(self) -> String {
        let [id, ..] = self.ids() else {
            return String::new();
        };
        let number = id.trim_start_matches('R').split('.').next();
        format!("§{}", number.unwrap_or_default())
    }
}
