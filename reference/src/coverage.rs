//! What of the protocol this server can come by: its rows, refusals and deadlines, each a mark that is set
//! where the rule is.
//!
//! A new rule gets a mark here, or nobody can tell whether it was ever tried.

use crate::session::supervision::Deadline;

turnstile_seams::marks! {
    /// A row of the protocol.
    pub enum Row in "server" {
        ProcedureHealth: 2, "procedure health";
        ProcedureStart: 2, "procedure start";
        ProcedureSend: 2, "procedure send";
        ProcedurePrepareSession: 2, "procedure prepareSession";
        ProcedureAutoInitiate: 2, "procedure prepareSession with autoInitiate";
        ProcedureInitiate: 2, "procedure initiateFromKilocodeSessionV2";
        ProcedureSendFlat: 2, "procedure sendMessageV2, flat";
        ProcedureSendPayload: 2, "procedure sendMessageV2, payload with a prompt";
        ProcedureSendCommand: 2, "procedure sendMessageV2, payload with a command";
        ProcedureUpdateSession: 2, "procedure updateSession sets a target";
        ProcedureUpdateClears: 2, "procedure updateSession clears the target";
        ProcedureInterruptSession: 2, "procedure interruptSession";
        ProcedureDeleteSession: 2, "procedure deleteSession";
        ProcedureDeleteAgain: 2, "procedure deleteSession, repeated";
        ProcedureGetSession: 2, "procedure getSession";
        ProcedureGetSessionHealth: 2, "procedure getSessionHealth";
        ProcedureGetLatestAssistantMessage: 2, "procedure getLatestAssistantMessage";
        RefusalParseError: 2, "refusal PARSE_ERROR";
        RefusalBadRequest: 2, "refusal BAD_REQUEST";
        RefusalUnauthorized: 2, "refusal UNAUTHORIZED";
        RefusalPaymentRequired: 2, "refusal PAYMENT_REQUIRED";
        RefusalForbidden: 2, "refusal FORBIDDEN";
        RefusalNotFound: 2, "refusal NOT_FOUND";
        RefusalMethodNotSupported: 2, "refusal METHOD_NOT_SUPPORTED";
        RefusalConflict: 2, "refusal CONFLICT";
        RefusalPayloadTooLarge: 2, "refusal PAYLOAD_TOO_LARGE";
        RefusalTooManyRequests: 2, "refusal TOO_MANY_REQUESTS";
        RefusalInternal: 2, "refusal INTERNAL_SERVER_ERROR";
        RefusalServiceUnavailable: 2, "refusal SERVICE_UNAVAILABLE";
        Admitted: 3, "a new message is admitted";
        AdmittedWithoutTarget: 3, "a new message without a callback's target is admitted";
        RepeatedQueued: 3, "repeated while queued, same intent";
        RepeatedAccepted: 3, "repeated while accepted, same intent";
        RepeatedTerminal: 3, "repeated when terminal: refused";
        RepeatedOtherIntent: 3, "repeated with another intent: refused";
        QueueFull: 3, "the queue is full: refused";
        NoModel: 3, "no model at all: refused";
        StoreFailed: 3, "the store fails: nothing is kept";
        Drained: 4, "the head is delivered to a wrapper that is made ready first";
        Fed: 4, "the head is fed to a wrapper at work";
        RetriedWarm: 4, "a failed delivery is put off, warm";
        RetriedCold: 4, "a failed delivery is put off, cold";
        ExhaustedWarm: 4, "the last slot exhausts, warm";
        ExhaustedCold: 4, "the last slot exhausts, cold";
        ExhaustedAtOnce: 4, "a failure that is not retryable exhausts at once";
        DeliveryMoot: 4, "a delivery ends of a message that is not queued any more";
        EvidenceBeforeReply: 4, "evidence of the end comes before the reply to the delivery";
        FailedSandboxConnect: 5, "delivery fails with SANDBOX_CONNECT_FAILED";
        FailedWorkspaceSetup: 5, "delivery fails with WORKSPACE_SETUP_FAILED";
        FailedKiloServer: 5, "delivery fails with KILO_SERVER_FAILED";
        FailedWrapperStart: 5, "delivery fails with WRAPPER_START_FAILED";
        FailedBadRequest: 5, "delivery fails with BAD_REQUEST";
        RunAllocated: 5, "a run is allocated";
        RunReused: 5, "a run is reused";
        RunGivenUp: 5, "a run is given up after a failed delivery";
        TurnAccepted: 5, "a turn is accepted";
        ToldPreparing: 5, "clients are told what is being prepared";
        ToldReady: 5, "clients are told that nothing is";
        ToldError: 5, "clients are told of a fatal error";
        IngestAdmitted: 5, "an ingest socket is admitted";
        IngestReplaced: 5, "a socket with the same fence replaces an older one (1000)";
        IngestNoUpgrade: 5, "ingest refused: no upgrade (426)";
        IngestBadParameter: 5, "ingest refused: missing or malformed parameter (400)";
        IngestBadToken: 5, "ingest refused: bad token (401)";
        IngestOtherUser: 5, "ingest refused: other user (403)";
        IngestOtherSession: 5, "ingest refused: session mismatch (401)";
        IngestNoSession: 5, "ingest refused: no such session (404)";
        IngestStaleRun: 5, "ingest refused: stale run (409)";
        IngestStaleConnection: 5, "ingest refused: stale connection (409)";
        StaleFrame: 5, "a frame under a stale fence changes nothing (4401)";
        BadFrameBinary: 5, "a binary frame is answered with an error";
        BadFrameJson: 5, "a frame that is not JSON is answered with an error";
        BadFrameType: 5, "a frame without a type is answered with an error";
        SentPing: 5, "a ping is sent";
        SentKill: 5, "a kill is sent";
        SentRequestSnapshot: 5, "a snapshot is requested when a client connects";
        ImportedAdmitted: 5, "ingest of an execution is admitted";
        ImportedUnknown: 5, "ingest of an execution refused: unknown (404)";
        ImportedWrong: 5, "ingest of an execution refused: not the one under way (401)";
        ImportedOver: 5, "ingest of an execution refused: over (409)";
        AssistantCompleted: 6, "a finished assistant message completes";
        AssistantFailed: 6, "an assistant message with an error fails";
        WrapperInterrupted: 6, "an interrupted event interrupts";
        WrapperFatal: 6, "a fatal error event fails";
        WrapperDisconnected: 6, "the disconnect grace fails";
        NoPong: 6, "a missing pong fails";
        NoOutput: 6, "missing output fails";
        ReconciledWithReply: 6, "reconciliation completes what has a reply";
        ReconciledWithError: 6, "reconciliation fails what has a reply with an error";
        ReconciledWithoutReply: 6, "reconciliation fails what has no reply";
        UserInterruptAccepted: 6, "a user interrupt ends what was accepted";
        UserInterruptPending: 6, "a user interrupt ends what is pending";
        UserInterruptNothing: 6, "a user interrupt finds nothing";
        TerminalAgain: 6, "a second end changes nothing";
        Completed: 6, "complete with nothing left: the run's identity is cleared";
        CompletedWithWork: 6, "complete with work left: the run stays";
        BranchReported: 6, "complete reports a branch";
        ChildIdle: 7, "the idle of a child session is ignored";
        RootIdle: 7, "the root is idle";
        GraceDue: 7, "disconnect grace: due";
        GraceCancelled: 7, "disconnect grace: cancelled";
        GraceResumed: 7, "disconnect grace: survives a restart";
        PingDue: 7, "ping: due";
        PingCancelled: 7, "ping: cancelled";
        PingResumed: 7, "ping: survives a restart";
        PongDue: 7, "pong: due";
        PongCancelled: 7, "pong: cancelled";
        PongResumed: 7, "pong: survives a restart";
        NoOutputDue: 7, "no output: due";
        NoOutputCancelled: 7, "no output: cancelled";
        NoOutputResumed: 7, "no output: survives a restart";
        ReconciliationDue: 7, "idle reconciliation: due";
        ReconciliationCancelled: 7, "idle reconciliation: cancelled";
        ReconciliationResumed: 7, "idle reconciliation: survives a restart";
        ReadyOnlyDue: 7, "ready only: due";
        ReadyOnlyCancelled: 7, "ready only: cancelled";
        ReadyOnlyResumed: 7, "ready only: survives a restart";
        KeepWarmDue: 7, "keep warm: due";
        KeepWarmCancelled: 7, "keep warm: cancelled";
        KeepWarmResumed: 7, "keep warm: survives a restart";
        DrainDue: 7, "drain: due";
        DrainResumed: 7, "drain: survives a restart";
        CallbackRetryDue: 8, "retry of an enqueue: due";
        CallbackRetryResumed: 8, "retry of an enqueue: survives a restart";
        ImportedGraceDue: 10, "grace of an execution: due";
        ImportedGraceCancelled: 10, "grace of an execution: cancelled";
        ImportedGraceResumed: 10, "grace of an execution: survives a restart";
        ImportedTimeoutDue: 10, "time-out of an execution: due";
        ImportedTimeoutCancelled: 10, "time-out of an execution: cancelled";
        ImportedTimeoutResumed: 10, "time-out of an execution: survives a restart";
        ExpiryDue: 7, "session TTL: due";
        ExpiryResumed: 7, "session TTL: survives a restart";
        GraceOnBoot: 7, "a restart starts the grace of a run with unfinished messages";
        BatchOpened: 8, "an idle batch is opened";
        BatchReplaced: 8, "a later message replaces the representative";
        BatchFinalized: 8, "an idle batch is finalized";
        GateAwaited: 8, "a batch waits for its gate result";
        GatePassed: 8, "the gate passes";
        GateFailed: 8, "the gate fails";
        GateReleased: 8, "a gate wait is released because its run is over";
        Enqueued: 8, "the queue takes a callback";
        EnqueueFailed: 8, "the queue does not take a callback";
        EnqueueRepeated: 8, "a callback that may have been taken is handed over again after a restart";
        ReceiverTook: 8, "consumer: a 2xx";
        ReceiverPutOff: 8, "consumer: 429, 5xx or no answer, to be repeated";
        ReceiverRefused: 8, "consumer: another answer, given up";
        ReceiverGivenUp: 8, "consumer: the fifth failure, given up";
        StreamOpened: 9, "a stream is opened";
        StreamFromId: 9, "a stream is opened after an event";
        StreamNoReplay: 9, "a stream is opened without replay";
        StreamFiltered: 9, "a stream leaves out what its filter does not want";
        StreamRounds: 9, "a replay takes more than one round";
        StreamBehind: 9, "a client falls too far behind and has to come back";
        StreamNoUpgrade: 9, "stream refused: no upgrade (426)";
        StreamBadParameter: 9, "stream refused: missing or malformed parameter (400)";
        StreamBadTicket: 9, "stream refused: bad ticket (401)";
        StreamOtherSession: 9, "stream refused: ticket for another session (403)";
        StreamNoSession: 9, "stream refused: no such session (404)";
        SnapshotQueued: 9, "the snapshot tells of a pending message";
        SnapshotFailed: 9, "the snapshot tells of a message that failed in the queue";
        ConnectedReady: 9, "connected: ready";
        ConnectedPreparing: 9, "connected: preparing";
        ConnectedNothing: 9, "connected: neither";
        Upserted: 9, "an entity's row is replaced and keeps its id";
        PartRemoved: 9, "a part is removed";
        FlatRecordRead: 10, "a flat record is read";
        ImportedCompleted: 10, "an execution completes";
        ImportedFailed: 10, "an execution fails by its wrapper's word";
        ImportedInterrupted: 10, "an execution is interrupted";
    }
}

/// The marks of a deadline: that it was met, was cancelled, and was taken up after a restart.
pub(crate) struct DeadlineRows {
    pub due: Row,
    pub cancelled: Option<Row>,
    pub resumed: Row,
}

pub(crate) fn rows_of(deadline: &Deadline) -> DeadlineRows {
    use Row as R;
    let (due, cancelled, resumed) = match deadline {
        Deadline::Grace => (R::GraceDue, Some(R::GraceCancelled), R::GraceResumed),
        Deadline::Ping => (R::PingDue, Some(R::PingCancelled), R::PingResumed),
        Deadline::Pong => (R::PongDue, Some(R::PongCancelled), R::PongResumed),
        Deadline::NoOutput => (R::NoOutputDue, Some(R::NoOutputCancelled), R::NoOutputResumed),
        Deadline::Reconciliation => (
            R::ReconciliationDue,
            Some(R::ReconciliationCancelled),
            R::ReconciliationResumed,
        ),
        Deadline::ReadyOnly => (R::ReadyOnlyDue, Some(R::ReadyOnlyCancelled), R::ReadyOnlyResumed),
        Deadline::KeepWarm => (R::KeepWarmDue, Some(R::KeepWarmCancelled), R::KeepWarmResumed),
        Deadline::Drain => (R::DrainDue, None, R::DrainResumed),
        Deadline::Callback(_) => (R::CallbackRetryDue, None, R::CallbackRetryResumed),
        Deadline::ImportedGrace(_) => (
            R::ImportedGraceDue,
            Some(R::ImportedGraceCancelled),
            R::ImportedGraceResumed,
        ),
        Deadline::ImportedTimeout(_) => (
            R::ImportedTimeoutDue,
            Some(R::ImportedTimeoutCancelled),
            R::ImportedTimeoutResumed,
        ),
        Deadline::Expiry => (R::ExpiryDue, None, R::ExpiryResumed),
    };
    DeadlineRows {
        due,
        cancelled,
        resumed,
    }
}
