//! The rules that mutants violate: one line a mutant, with the rule as a sentence and its ids in the protocol.

/// Creates the enum and its texts from one line for each mutant.
macro_rules! rules {
    (
        { $($rule:ident: $text:literal, [$($id:literal),+];)* }
        historic { $($historic:ident: $historic_text:literal, [$($historic_id:literal),+];)* }
        blind { $($blind:ident: $blind_text:literal, [$($blind_id:literal),+];)* }
    ) => {
        /// A protocol rule that one mutant violates.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule {
            $(#[doc = $text] $rule,)*
            $(#[doc = $historic_text] $historic,)*
            $(#[doc = $blind_text] $blind,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: [Self; [$(Self::$rule,)* $(Self::$historic,)* $(Self::$blind,)*].len()] =
                [$(Self::$rule,)* $(Self::$historic,)* $(Self::$blind,)*];

            /// The rule as a sentence without a full stop.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$rule => $text,)*
                    $(Self::$historic => $historic_text,)*
                    $(Self::$blind => $blind_text,)*
                }
            }

            /// The ids of the violated rules in the protocol, such as `R8.19`; at least one.
            pub fn ids(self) -> &'static [&'static str] {
                match self {
                    $(Self::$rule => &[$($id),+],)*
                    $(Self::$historic => &[$($historic_id),+],)*
                    $(Self::$blind => &[$($blind_id),+],)*
                }
            }

            /// Whether the mutant is a bug that a service of this kind has had and fixed.
            pub fn is_historic(self) -> bool {
                matches!(self, $(Self::$historic)|*)
            }
        }
    };
}

rules! {
    {
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
    // Bugs that services of this kind have had and fixed.
    historic {
        LatestAnswerIsCalledBack: "The callback has the text of the latest finished assistant message of the turn", ["R8.18"];
        CompleteSettles: "`complete` settles the accepted messages of its run at once", ["R6.17"];
        OutputKeepsReconciliation: "Output after root idle does not cancel idle reconciliation", ["R7.5"];
        GraceSuspendsDeadlines: "The pong and no-output deadlines do not fire inside the disconnect grace", ["R7.19"];
        ReconnectForgetsPing: "A ping that was lost with the old socket does not count after a reconnect", ["R7.20"];
        SupersededIsLeftOut: "The snapshot leaves out a failure in the queue once a later message was accepted", ["R9.69"];
        DelayFollowsFailure: "The delay of a retry counts from the failure", ["R4.23"];
        CutShortIsNoAttempt: "A delivery that the server cut short does not use up an attempt", ["R4.24"];
        JobFitsTheQueue: "A callback job over the limit of the queue is made smaller or given up once", ["R8.36", "R8.38"];
        DeadlinesSurviveCrash: "The deadlines of an accepted message survive a crash", ["R7.28"];
        ExhaustionIsOneCommit: "The last failed delivery and the end of its message are stored together", ["R4.10"];
        QueueOutlivesRun: "Queued messages stay pending when a run is lost", ["R6.15"];
        UnknownFieldsAreIgnored: "Unknown fields of a stored record do not make its session unreadable", ["R10.42"];
        InterruptEndsAccepted: "An interrupt that reports success has ended the accepted messages", ["R6.24", "R6.25"];
        HeartbeatIsNoOutput: "A heartbeat does not postpone the no-output deadline", ["R7.14"];
        HeartbeatKeepsPing: "A heartbeat does not postpone the ping", ["R7.14"];
        InterruptSilencesRun: "Frames of an interrupted run do not reach clients", ["R6.25"];
        FinalizingWrapperQueues: "A wrapper that commits runs the prompts that it accepts meanwhile", ["R11.52"];
        FutureCursorIsAnswered: "A client whose cursor is higher than every event gets `connected` and live events", ["R9.3"];
    }
    // Bugs that one oracle alone can see.
    blind {
        DeltasReachEveryClient: "Deltas reach every client, however many are connected", ["R9.43"];
        FramesKeepTheirOrder: "A stream has the order of the wrapper's frames", ["R9.43"];
        FramesAreShownOnce: "A frame is shown once, also after the wrapper has reconnected", ["R9.43"];
        FramesAreUnchanged: "A stream shows the wrapper's frames with all their fields", ["R9.43"];
        SessionUpdatesAreKept: "Updates of kilo's session are kept", ["R9.26"];
        VersionsShareARow: "A later version of an entity overwrites the row of the first one", ["R9.27"];
        ConnectedShowsReady: "`connected` shows that the session is ready", ["R9.36"];
        ConnectedShowsPreparing: "`connected` shows that the session is being prepared", ["R9.36"];
        CatalogueIsTheLatest: "A client that connects gets the latest catalogue of commands", ["R5.84", "R9.20"];
        OnlyACommitFinalizes: "The status of a commit follows only from a commit", ["R5.85"];
        OnlyFatalErrorsAreShown: "The status of an error follows only from a fatal error", ["R5.22"];
        RemovedPartGetsANewRow: "A part that was removed and comes back gets a new row", ["R9.30"];
        RetryKeepsImages: "A repeated delivery has the images of its message", ["R5.80"];
        TurnHasItsAgent: "A turn runs with the mode and the model that were asked for it", ["R5.30"];
        VariantSurvivesCrash: "A queued message keeps its variant over a crash", ["R3.15", "R5.30"];
        BranchReachesWrapper: "The wrapper is told the branch that was asked", ["R5.27", "R5.72"];
        FailureSaysWhy: "The event of a failure has an error text", ["R9.35"];
        StatusHasItsStep: "The status of a preparation names its step", ["R9.39"];
        AckNamesItsStream: "The acknowledgement of a message names the stream", ["R2.56"];
        InterruptSaysWhat: "The answer to an interrupt has a text", ["R2.121"];
        FailedRunIsReleased: "A run that was allocated for a delivery that failed is not used again", ["R5.9"];
        ConnectionIsNew: "Every run has a connection id of its own", ["R1.5"];
        ReleaseKills: "A released run receives `kill` on its socket", ["R7.13"];
        AbortNamesItsRun: "An abort is for the run that was released", ["R5.35", "R7.13"];
        SnapshotIsRequested: "The wrapper is asked for a snapshot when a client connects during a turn", ["R5.59"];
        EveryClientGetsSnapshot: "The wrapper is asked for a snapshot for each client that connects", ["R5.59"];
        HealthReportsWork: "`getSessionHealth` reports the message that is at work", ["R2.102", "R2.103"];
        PendingIsNotRunning: "`getSession` reports a message as running only once it is accepted", ["R9.74"];
        InterruptReportsNothing: "An interrupt that finds nothing reports no success", ["R2.60"];
        LatestMessageIsWhole: "`getLatestAssistantMessage` has all parts of the message", ["R2.128"];
        RepeatReportsDelivery: "A repeat of an accepted message is acknowledged as sent", ["R3.8"];
        RefusalHasOneStatus: "A refusal names the status that it has", ["R2.6"];
        RefusalNamesItsPath: "A refusal names the procedure that was called", ["R2.6"];
        QueriesNeedRights: "A query is answered only to a user of the session", ["R2.9", "R2.31"];
        StreamNeedsTicket: "A stream opens only with a valid ticket for its session", ["R9.11", "R9.12"];
        IngestNeedsToken: "An ingest opens only with a valid token for its session", ["R5.46", "R5.48"];
        JobIsSubmittedOnce: "A callback job is submitted once", ["R8.8", "R8.19"];
        AcceptedJobIsDone: "A job that the queue has accepted is never submitted again", ["R8.19"];
        DeletionKeepsCallbacks: "The callbacks that are pending after a deletion are still delivered", ["R2.122"];
        DeletionTellsEnds: "Every message gets an end before its session is deleted", ["R2.93"];
        EnqueueRetryIsPrompt: "A refused callback job is submitted again after the retry delay, not later", ["R8.20", "R8.21"];
        EnqueueRetryWaits: "A refused callback job is not submitted again before the retry delay has passed", ["R8.20"];
        CallbackRetryIsPrompt: "A failed callback request is repeated after its delay, not later", ["R8.30"];
        CallbackRetryWaits: "A failed callback request is not repeated before its delay has passed", ["R8.30"];
        DrainIsPrompt: "The head of the queue is delivered a drain delay after its admission, not later", ["R3.14", "R7.8"];
        DrainWaits: "The head of the queue is not delivered before the drain delay has passed", ["R3.14"];
        WarmRetryIsPrompt: "A failed delivery in a warm session is repeated after its delay, not later", ["R4.7"];
        ColdRetryIsPrompt: "A failed delivery in a cold session is repeated after its delay, not later", ["R4.8"];
        KeepWarmIsPrompt: "An idle run is released when the time that it is kept warm is over, not later", ["R7.7"];
        IdleRunIsReleased: "An idle run is released", ["R7.7"];
        PingIsPrompt: "A wrapper is pinged an interval after its last sign of life, not later", ["R7.2"];
        PingWaits: "A wrapper is not pinged before an interval has passed since its last sign of life", ["R7.2"];
        GraceIsPrompt: "A turn without a socket fails when the grace is over, not later", ["R7.1"];
        GraceLasts: "A turn without a socket does not fail before the grace is over", ["R7.1"];
        PongTimeoutIsPrompt: "A turn without a pong fails when the time for it is over, not later", ["R7.3"];
        PongTimeoutLasts: "A turn without a pong does not fail before the time for it is over", ["R7.3"];
        NoOutputIsPrompt: "A turn without output fails when the time for it is over, not later", ["R7.4"];
        NoOutputLasts: "A turn without output does not fail before the time for it is over", ["R7.4"];
        ReconciliationIsPrompt: "Idle reconciliation follows the idle after its delay, not later", ["R7.5"];
        ReconciliationWaits: "Idle reconciliation does not come before its delay has passed", ["R7.5"];
        BusyCancelsReconciliation: "A root that is busy again cancels idle reconciliation", ["R7.5"];
        PongAnswersPing: "A wrapper that answers its pings is not unhealthy", ["R7.3"];
        OutputMovesNoOutput: "A wrapper that sends output is not unhealthy", ["R7.4"];
        LossIsNoError: "A lost wrapper is not reported as a fatal error of the wrapper", ["R6.5", "R6.6"];
        LossIsNoInterrupt: "A lost wrapper is not reported as an interrupt", ["R6.6", "R6.10"];
        UnfinishedReplyIsNone: "A reply that was not finished does not complete its message", ["R7.23"];
        KeepWarmLasts: "An idle run is not released before the time is over that it is kept warm", ["R7.7"];
        ReadyOnlyIsPrompt: "A run that was made ready and got no message is released after its time, not later", ["R7.6"];
        ReadyOnlyLasts: "A run that was made ready and got no message is not released before its time is over", ["R7.6"];
        UnusedSessionIsRemoved: "A session that nothing uses is removed after its lifetime", ["R7.11"];
        RequestsAreAnswered: "A request for a session that does not exist is answered", ["R2.5", "R2.6"];
        RefusedStreamHasItsStatus: "A stream with the ticket of another session is refused with 403", ["R9.12"];
        FiltersApplyToAll: "A filtered stream has only the events that were asked for", ["R9.5", "R9.9"];
        ExecutionsAreFiltered: "A stream of some executions has only their events", ["R9.6", "R9.9"];
        TimesAreFiltered: "A stream of a time has only the events of that time", ["R9.7", "R9.9"];
        FilteredStreamIsWhole: "A filtered stream has all events that were asked for", ["R9.5", "R9.9"];
        CallbackIsPrompt: "A callback is requested as soon as the queue has its job", ["R8.39"];
        ReservedNamesAreRefused: "A frame with a name of the server changes nothing and is not relayed", ["R5.83"];
        ReadyTimeoutIsPrompt: "A wrapper that does not get ready is given up after its time, not later", ["R5.12"];
        ReadyTimeoutLasts: "A wrapper that does not get ready is not given up before its time is over", ["R5.12"];
        JobTimeoutIsPrompt: "A turn that the wrapper does not answer is given up after its time, not later", ["R5.12"];
        JobTimeoutLasts: "A turn that the wrapper does not answer is not given up before its time is over", ["R5.12"];
        ExecutionTimeoutIsPrompt: "An imported execution times out when its time is over, not later", ["R7.10", "R10.31"];
        ExecutionTimeoutLasts: "An imported execution does not time out before its time is over", ["R7.10", "R10.31"];
        ResumeIsPrompt: "A deadline that passed while the server was down is due soon after its start, not later", ["R7.28"];
        ResumeWaits: "A deadline that passed while the server was down is not due at its start", ["R7.28"];
        CallbackNamesKiloSession: "A callback names the kilo session", ["R8.16"];
        PromptLimitIsExact: "A prompt has at most as many characters as its limit", ["R2.38"];
        CommitEndIsShown: "The end of a commit is shown", ["R5.86"];
        AcceptanceIsShown: "The status `ready` follows a delivery that was accepted", ["R5.21"];
        FatalErrorIsShown: "The status `error` follows a fatal error", ["R5.22"];
        EndIsShown: "The status `ready` follows the end of the work, if the last status was another one", ["R5.70"];
        FatalErrorKeepsItsText: "A message that fails by a fatal error has the text of the error", ["R6.13"];
        SessionShowsItsMode: "`getSession` shows the mode that the session was created with", ["R9.58"];
        SessionShowsItsBranch: "`getSession` shows the branch that the session was created with", ["R9.58"];
        SessionCommits: "A turn is committed if its session says so and its message does not contradict", ["R3.9", "R5.30"];
        ClockPutsNothingOff: "A clock that was set back makes no deadline later", ["R7.36"];
        ClockKeepsTheOrder: "A clock that was set back does not change the order of the queue", ["R4.25"];
    }
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
