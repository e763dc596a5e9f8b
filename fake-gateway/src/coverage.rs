//! Coverage marks of the fakes (R11): one for each directive, answer and misbehaviour.
//!
//! A new directive, answer or misbehaviour needs a mark here; otherwise coverage cannot show that it was ever
//! used.

turnstile_seams::marks! {
    /// Something that a fake did.
    pub enum Deed in "fakes" {
        CatalogueAsked: 11, "gateway: tells its catalogue";
        Echo: 11, "gateway: echo, an answer in one chunk";
        Slow: 11, "gateway: slow, an answer in chunks";
        Idle: 11, "gateway: idle, an empty answer";
        Hang: 11, "gateway: hang, an answer that never ends";
        Error: 11, "gateway: error, no answer";
        Gate: 11, "gateway: gate, an answer that waits at its tag";
        GateOpened: 11, "gateway: a release frees the one at its tag";
        GateOpenedForSeveral: 11, "gateway: a release frees several at its tag";
        GatePassed: 11, "gateway: one more passes within ten seconds of a release";
        GateLeft: 11, "gateway: who waits at a tag goes away";
        UnknownDirective: 11, "gateway: no answer to an unknown directive";
        UnknownModel: 11, "gateway: no answer from a model outside the catalogue";
        NoCompletionRequest: 11, "gateway: no answer to what is no completion request";
        ReceiverTakes: 11, "receiver: 200 by itself";
        ReceiverStatus: 11, "receiver: another status at once";
        ReceiverLate: 11, "receiver: a status after a while";
        ReceiverStalls: 11, "receiver: no answer, and the connection stays";
        ReceiverDrops: 11, "receiver: no answer, and the connection ends";
        ReceiverTwice: 11, "receiver: 200, written two times on one connection";
        Bound: 11, "wrapper: bound to a run";
        BoundAgain: 11, "wrapper: made ready again for the same run";
        Rebound: 11, "wrapper: bound to another run, all else forgotten";
        TurnTaken: 11, "wrapper: a turn is taken";
        TurnTakenOnce: 11, "wrapper: a repeated message id is taken once";
        TurnWaits: 11, "wrapper: a turn waits for the one that runs";
        CommandTaken: 11, "wrapper: a command is understood";
        NoSession: 11, "wrapper: a turn is refused, for no session";
        NoConnection: 11, "wrapper: a turn is refused, for no ingest";
        Malformed: 11, "wrapper: a request is refused, for what is missing in it";
        StatusTold: 11, "wrapper: tells its state over HTTP";
        TurnFinished: 11, "wrapper: a turn ends in an answer";
        TurnRefused: 11, "wrapper: a turn ends in the gateway's refusal";
        TurnWithUnknownModel: 11, "wrapper: a turn ends in `Model not found`";
        AutoCommitted: 11, "wrapper: commits what a turn did";
        Completed: 11, "wrapper: complete";
        CompletedWithGate: 11, "wrapper: complete with the result of a gate";
        Left: 11, "wrapper: leaves the ingest when it has been idle";
        BusyAgain: 11, "wrapper: stays, for it is busy again";
        Pong: 11, "wrapper: answers a ping";
        Killed: 11, "wrapper: aborts its turns at a kill";
        KilledIdle: 11, "wrapper: has nothing to abort at a kill";
        Aborted: 11, "wrapper: is told over HTTP to abort";
        SnapshotTold: 11, "wrapper: tells how its turn stands";
        IngestLost: 11, "wrapper: loses its ingest";
        IngestDialledAgain: 11, "wrapper: tries the ingest again";
        IngestResumed: 11, "wrapper: has its ingest back, and says what it kept";
        BufferOverflown: 11, "wrapper: drops what is more than a thousand events";
        GaveUp: 11, "wrapper: gives up after its last try";
        GaveUpStale: 11, "wrapper: gives up because its fence is stale";
        ReadyLate: 11, "wrapper told to: be ready late";
        ReadyFails: 11, "wrapper told to: fail to get ready";
        JobLate: 11, "wrapper told to: answer a turn late";
        JobFails: 11, "wrapper told to: refuse a turn";
        JobReplyLost: 11, "wrapper told to: take a turn and not say so";
        Deaf: 11, "wrapper told to: ignore a ping";
        Silent: 11, "wrapper told to: keep an event to itself";
        Babbles: 11, "wrapper told to: babble";
        LateReply: 11, "wrapper told to: contradict an end that it has told of";
        Duplicate: 11, "wrapper told to: say an event twice";
        EndsOutOfOrder: 11, "wrapper told to: be idle before its answer";
        NoReply: 11, "wrapper told to: tell of no answer";
        UnfinishedReply: 11, "wrapper told to: never finish an answer";
        ChildIdle: 11, "wrapper told to: have a child fall idle";
        BufferLost: 11, "wrapper told to: lose what it kept";
        OldSocketKept: 11, "wrapper told to: keep its old socket";
        NeverComplete: 11, "wrapper told to: never complete";
        CompleteGate: 11, "wrapper told to: complete with a gate result of its own";
        CompleteBranch: 11, "wrapper told to: complete with a branch of its own";
        CompleteExitCode: 11, "wrapper told to: complete with an exit code";
        Fatal: 11, "wrapper told to: fail for good";
    }
}
