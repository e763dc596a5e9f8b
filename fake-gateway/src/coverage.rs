//! Coverage marks of the fakes (PROTOCOL.md §11): one for each directive, answer and misbehaviour.
//!
//! A new directive, answer or misbehaviour needs a mark here; otherwise coverage cannot show that it was ever
//! used.

turnstile_seams::marks! {
    /// Something that a fake did.
    pub enum FakeEvent in "fakes" {
        CatalogueRequested: 11, "gateway: catalogue";
        Echo: 11, "gateway: `echo`, one chunk";
        Slow: 11, "gateway: `slow`, several chunks";
        Idle: 11, "gateway: `idle`, an empty answer";
        Hang: 11, "gateway: `hang`, an answer that never ends";
        Error: 11, "gateway: `error`, a 402";
        Gate: 11, "gateway: `gate`, an answer that waits";
        Tools: 11, "gateway: `tools`, answers with tool calls";
        Plain: 11, "gateway: no directive, an echo of the prompt";
        GateOpened: 11, "gateway: a release frees one request";
        GateOpenedForSeveral: 11, "gateway: a release frees several requests";
        GatePassed: 11, "gateway: one more request passes after a release";
        GateAbandoned: 11, "gateway: a waiting request disconnects";
        UnknownDirective: 11, "gateway: unknown directive, a 402";
        MalformedCompletionRequest: 11, "gateway: malformed request, a 400";
        ReceiverAccepts: 11, "receiver: 200 by default";
        ReceiverStatus: 11, "receiver: configured status";
        ReceiverLate: 11, "receiver: configured status after a delay";
        ReceiverStalls: 11, "receiver: no answer, connection stays open";
        ReceiverDrops: 11, "receiver: no answer, connection closes";
        ReceiverTwice: 11, "receiver: 200 written twice on one connection";
        Bound: 11, "wrapper: bound to a run";
        BoundAgain: 11, "wrapper: made ready again for the same run";
        Rebound: 11, "wrapper: bound to another run";
        TurnAccepted: 11, "wrapper: accepts a turn";
        TurnRepeated: 11, "wrapper: ignores a repeated message id";
        TurnWaits: 11, "wrapper: a turn waits for the running one";
        CommandAccepted: 11, "wrapper: accepts a command";
        NoSession: 11, "wrapper: refuses a turn, not ready";
        NoConnection: 11, "wrapper: refuses a turn, no ingest";
        MalformedRequest: 11, "wrapper: refuses a malformed request";
        StatusReported: 11, "wrapper: answers `/job/status`";
        TurnFinished: 11, "wrapper: a turn ends with an answer";
        TurnRefused: 11, "wrapper: a turn ends with an error of the gateway";
        TurnWithUnknownModel: 11, "wrapper: a turn ends with `Model not found`";
        AutoCommitted: 11, "wrapper: auto-commit";
        Completed: 11, "wrapper: complete";
        CompletedWithGate: 11, "wrapper: complete with a gate result";
        IngestClosed: 11, "wrapper: closes its idle ingest";
        BusyAgain: 11, "wrapper: gets a turn before closing its ingest";
        Pong: 11, "wrapper: answers a ping";
        Killed: 11, "wrapper: a kill aborts turns";
        KilledIdle: 11, "wrapper: a kill without turns";
        Aborted: 11, "wrapper: an abort over HTTP";
        SnapshotSent: 11, "wrapper: sends a snapshot";
        IngestLost: 11, "wrapper: loses its ingest";
        IngestReconnecting: 11, "wrapper: tries to reconnect its ingest";
        IngestResumed: 11, "wrapper: reconnects and sends its buffer";
        BufferOverflow: 11, "wrapper: drops events beyond its buffer";
        GaveUp: 11, "wrapper: gives up after its last attempt";
        GaveUpStale: 11, "wrapper: gives up, stale fence";
        ReadyLate: 11, "misbehaviour: ready late";
        ReadyFails: 11, "misbehaviour: ready fails";
        JobLate: 11, "misbehaviour: answers a turn late";
        JobFails: 11, "misbehaviour: refuses a turn";
        JobReplyLost: 11, "misbehaviour: accepts a turn without answering";
        Deaf: 11, "misbehaviour: ignores a ping";
        Silent: 11, "misbehaviour: suppresses an event";
        Babble: 11, "misbehaviour: babbles";
        LateReply: 11, "misbehaviour: contradicts a reported end";
        Duplicate: 11, "misbehaviour: sends an event twice";
        EndsOutOfOrder: 11, "misbehaviour: idle before the answer";
        NoReply: 11, "misbehaviour: reports no answer";
        UnfinishedReply: 11, "misbehaviour: never finishes an answer";
        ChildIdle: 11, "misbehaviour: a child session is idle";
        BufferLost: 11, "misbehaviour: loses its buffer";
        OldSocketKept: 11, "misbehaviour: keeps its old socket";
        NeverComplete: 11, "misbehaviour: never completes";
        CompleteGate: 11, "misbehaviour: configured gate result";
        CompleteBranch: 11, "misbehaviour: configured branch";
        CompleteExitCode: 11, "misbehaviour: configured exit code";
        Fatal: 11, "misbehaviour: fatal error";
        OddAnswer: 11, "misbehaviour: an answer that is not a wrapper's";
        GivenReply: 11, "misbehaviour: a configured status and body";
        OpeningAbandoned: 11, "misbehaviour: gives up an ingest while it opens";
        Heartbeat: 11, "wrapper: heartbeat";
        FinalizingTakesTime: 11, "wrapper: the work after the last turn takes time";
        PromptWhileFinalizing: 11, "wrapper: accepts a turn during the work after the last turn";
        PromptLost: 11, "wrapper: loses a turn that it accepts during the work after the last turn";
        CompleteDropped: 11, "wrapper: drops an unsent complete because of a new turn";
        CompleteStays: 11, "misbehaviour: keeps its ingest after complete";
        CommandsAnnounced: 11, "wrapper: announces commands";
        PreparingReported: 11, "wrapper: reports preparation";
        ToolCalled: 11, "wrapper: reports a tool call";
        AnswerContinued: 11, "wrapper: another answer in the same turn";
        LongText: 11, "wrapper: a long text";
        LoneSurrogate: 11, "wrapper: half of a surrogate pair";
        PartReordered: 11, "wrapper: a part before the others comes last";
        PartUpdated: 11, "wrapper: a part changes without a delta";
        PartRemoved: 11, "wrapper: a part is removed";
    }
}
