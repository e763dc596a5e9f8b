//! Which oracle and which script must detect each mutant.

use turnstile_mutants::Rule;

use super::name_of;

/// The oracle that must detect the mutant of `rule` in every script that exercises the rule, independent of the script's
/// expectations.
pub fn oracle_of(rule: Rule) -> &'static str {
    match rule {
        Rule::EnqueueIsAwaited
        | Rule::CallbackRetryIsDurable
        | Rule::LastOfBatchIsRepresentative
        | Rule::GateWaitIsOfItsRun => "one-callback-per-batch",
        Rule::QueuedIsPending
        | Rule::PendingIsQueued
        | Rule::TerminalBeforeRemoval
        | Rule::ExhaustionIsOneCommit => "every-acked-message-ends",
        Rule::CallbackNamesItsExecution => "execution-id-only-in-v2",
        Rule::StaleFenceIsRefused | Rule::InterruptSilencesRun => "stale-fence-counts-for-nothing",
        Rule::TerminalOnce => "terminal-once",
        Rule::SnapshotTellsOfFailed => "clients-show-the-same-badges",
        Rule::ReplayIsWhole | Rule::FutureCursorIsAnswered => "replay-is-exact",
        Rule::CallbackTargetIsSecret => "no-secret-leaves",
        Rule::QueueLimitIsExact => "ten-pending-at-most",
        Rule::RepeatIsAdmittedOnce | Rule::QueueOutlivesRun => "states-go-forward",
        Rule::RebindForgetsAbort => "interrupted-only-if-asked",
        Rule::LatestAnswerIsCalledBack => "callbacks-tell-the-outcome",
        Rule::CompleteSettles => "complete-settles",
        Rule::OutputKeepsReconciliation
        | Rule::DeadlinesSurviveCrash
        | Rule::HeartbeatIsNoOutput
        | Rule::GraceIsPrompt
        | Rule::PongTimeoutIsPrompt
        | Rule::NoOutputIsPrompt
        | Rule::ReconciliationIsPrompt
        | Rule::HeartbeatKeepsPing => "no-turn-outlives-its-deadlines",
        Rule::GraceSuspendsDeadlines
        | Rule::PongTimeoutLasts
        | Rule::NoOutputLasts
        | Rule::PongAnswersPing
        | Rule::OutputMovesNoOutput
        | Rule::ReconnectForgetsPing => "no-deadline-inside-the-grace",
        Rule::SupersededIsLeftOut => "snapshot-is-exact",
        Rule::FinalizingWrapperQueues => "wrapper-keeps-its-word",
        Rule::JobFitsTheQueue => "job-fits-the-queue",
        Rule::UnknownFieldsAreIgnored => "no-error-without-a-cause",
        Rule::InterruptEndsAccepted => "interrupts-settle",
        Rule::EnqueueRetryIsPrompt
        | Rule::EnqueueRetryWaits
        | Rule::CallbackRetryIsPrompt
        | Rule::CallbackRetryWaits
        | Rule::CallbackIsPrompt => "callbacks-are-on-time",
        Rule::KeepWarmIsPrompt | Rule::IdleRunIsReleased => "idle-runs-are-released",
        Rule::PingIsPrompt | Rule::PingWaits => "pings-are-on-time",
        Rule::LossIsNoError | Rule::UnfinishedReplyIsNone => "ends-have-their-evidence",
        Rule::ReconciliationWaits | Rule::BusyCancelsReconciliation => "reconciled-by-its-own-idle",
        Rule::LossIsNoInterrupt => "interrupted-only-if-asked",
        Rule::DrainIsPrompt | Rule::DrainWaits | Rule::WarmRetryIsPrompt | Rule::ColdRetryIsPrompt => {
            "deliveries-are-on-time"
        }
        Rule::ReconnectCancelsGrace | Rule::GraceLasts => "lost-only-after-the-grace",
        Rule::DeltasReachEveryClient
        | Rule::FramesKeepTheirOrder
        | Rule::FramesAreShownOnce
        | Rule::FramesAreUnchanged
        | Rule::SessionUpdatesAreKept => "relay-is-exact",
        Rule::ConnectedShowsReady | Rule::ConnectedShowsPreparing | Rule::CatalogueIsTheLatest => {
            "stream-has-its-shape"
        }
        Rule::OnlyACommitFinalizes | Rule::OnlyFatalErrorsAreShown => "server-names-are-its-own",
        Rule::VersionsShareARow | Rule::RemovedPartGetsANewRow => "one-row-per-entity",
        Rule::LastSlotExhausts | Rule::DelayFollowsFailure | Rule::CutShortIsNoAttempt => {
            "exhausted-by-its-tries"
        }
        Rule::FailureSaysWhy | Rule::StatusHasItsStep => "server-events-have-their-shape",
        Rule::AckNamesItsStream | Rule::InterruptSaysWhat => "replies-have-their-shape",
        Rule::RetryKeepsImages
        | Rule::TurnHasItsAgent
        | Rule::VariantSurvivesCrash
        | Rule::BranchReachesWrapper => "wrapper-gets-what-was-asked",
        Rule::FailedRunIsReleased | Rule::ConnectionIsNew => "every-job-has-its-run",
        Rule::ReleaseKills | Rule::AbortNamesItsRun => "released-runs-are-stopped",
        Rule::SnapshotIsRequested | Rule::EveryClientGetsSnapshot => "snapshot-is-requested",
        Rule::HealthReportsWork
        | Rule::PendingIsNotRunning
        | Rule::InterruptReportsNothing
        | Rule::LatestMessageIsWhole
        | Rule::RepeatReportsDelivery => "replies-follow-from-the-log",
        Rule::RefusalHasOneStatus | Rule::RefusalNamesItsPath => "refusals-say-one-thing",
        Rule::JobIsSubmittedOnce | Rule::AcceptedJobIsDone => "callbacks-repeat-unchanged",
        Rule::DeletionKeepsCallbacks | Rule::DeletionTellsEnds => "deletion-is-an-end",
        Rule::QueriesNeedRights | Rule::StreamNeedsTicket | Rule::IngestNeedsToken => "doors-are-closed",
    }
}

/// The id of a script that detects the mutant of `rule`, in the simulated world and in the witness.
pub fn script_of(rule: Rule) -> &'static str {
    match rule {
        Rule::EnqueueIsAwaited => "suite/callback/queue-refuses-for-a-while",
        Rule::CallbackRetryIsDurable => "suite/callback/queue-refuses-over-a-restart",
        Rule::QueuedIsPending => "suite/crash/acceptance-not-stored",
        Rule::PendingIsQueued => "suite/crash/server-during-the-retries",
        Rule::LastOfBatchIsRepresentative => "suite/callback/two-batches",
        Rule::CallbackNamesItsExecution => "regressions/interrupt-during-a-hanging-delivery",
        Rule::GateWaitIsOfItsRun => "suite/callback/gate-of-another-run",
        Rule::RebindForgetsAbort => "suite/interrupt/never-says-that-it-stopped",
        Rule::ReconnectCancelsGrace => "regressions/ping-lost-with-its-socket",
        Rule::StaleFenceIsRefused => "suite/callback/gate-after-the-loss",
        Rule::TerminalOnce => "suite/turn/latest-message-of-a-tool-loop",
        Rule::TerminalBeforeRemoval => "suite/wrapper/start-refused-permanently",
        Rule::LastSlotExhausts => "suite/crash/wrapper-never-there",
        Rule::SnapshotTellsOfFailed => "suite/crash/one-of-two-sessions-wrecked",
        Rule::CallbackTargetIsSecret => "suite/legacy/execution-loses-its-wrapper",
        Rule::QueueLimitIsExact => "suite/queue/overflow-then-interrupt",
        Rule::ReplayIsWhole | Rule::RepeatIsAdmittedOnce => "suite/crash/ack-lost",
        Rule::LatestAnswerIsCalledBack => "suite/turn/tool-loop",
        Rule::CompleteSettles => "suite/wrapper/complete-without-an-answer",
        Rule::OutputKeepsReconciliation => "suite/wrapper/output-after-the-idle",
        Rule::GraceSuspendsDeadlines | Rule::ReconnectForgetsPing => "suite/reconnect/pong-in-the-grace",
        Rule::SupersededIsLeftOut => "suite/stream/superseded-failure",
        Rule::DelayFollowsFailure => "suite/wrapper/slow-attempt-then-retry",
        Rule::CutShortIsNoAttempt => "suite/crash/last-failure-not-stored",
        Rule::JobFitsTheQueue => "suite/callback/answer-too-long",
        Rule::DeadlinesSurviveCrash => "suite/crash/server-during-the-grace",
        Rule::ExhaustionIsOneCommit => "suite/crash/last-failure-stored",
        Rule::QueueOutlivesRun => "suite/reconnect/queue-outlives-the-run",
        Rule::InterruptEndsAccepted => "regressions/kill-lost-with-its-socket",
        Rule::HeartbeatIsNoOutput | Rule::HeartbeatKeepsPing => "suite/reconnect/heartbeats-keep-no-turn",
        Rule::InterruptSilencesRun => "suite/interrupt/words-after-the-interrupt",
        Rule::UnknownFieldsAreIgnored => "suite/crash/record-of-a-newer-server",
        Rule::FinalizingWrapperQueues => "suite/wrapper/prompt-while-finalizing",
        Rule::FutureCursorIsAnswered => "suite/stream/cursor-in-the-future",
        Rule::DeltasReachEveryClient => "suite/stream/three-at-once",
        Rule::FramesKeepTheirOrder | Rule::FramesAreUnchanged => "suite/turn/streamed-in-chunks",
        Rule::FramesAreShownOnce => "suite/reconnect/inside-the-grace",
        Rule::SessionUpdatesAreKept | Rule::OnlyFatalErrorsAreShown => "suite/stream/every-kind-of-frame",
        Rule::ConnectedShowsReady | Rule::ConnectedShowsPreparing | Rule::CatalogueIsTheLatest => {
            "suite/stream/connects-in-every-state"
        }
        Rule::OnlyACommitFinalizes => "suite/turn/cold",
        Rule::VersionsShareARow => "suite/wrapper/parts-updated",
        Rule::RemovedPartGetsANewRow => "suite/stream/part-comes-back",
        Rule::FailureSaysWhy | Rule::StatusHasItsStep => "suite/wrapper/turn-refused",
        Rule::AckNamesItsStream => "suite/interrupt/one-run-after-another",
        Rule::InterruptSaysWhat => "suite/interrupt/one-run-after-another",
        Rule::RetryKeepsImages => "suite/wrapper/images-after-a-failure",
        Rule::TurnHasItsAgent => "suite/wrapper/another-agent-for-each-turn",
        Rule::VariantSurvivesCrash => "suite/crash/variant-of-a-queued-message",
        Rule::BranchReachesWrapper => "suite/wrapper/branch-is-told",
        Rule::FailedRunIsReleased => "suite/wrapper/start-fails-twice",
        Rule::ConnectionIsNew | Rule::ReleaseKills | Rule::AbortNamesItsRun => {
            "suite/interrupt/one-run-after-another"
        }
        Rule::HealthReportsWork => "suite/turn/asked-meanwhile",
        Rule::PendingIsNotRunning => "suite/turn/get-session-while-it-works",
        Rule::InterruptReportsNothing => "suite/interrupt/nothing-to-interrupt",
        Rule::LatestMessageIsWhole => "suite/turn/latest-message-of-a-tool-loop",
        Rule::RepeatReportsDelivery => "suite/queue/repeated-after-sent",
        Rule::RefusalHasOneStatus
        | Rule::RefusalNamesItsPath
        | Rule::DeletionKeepsCallbacks
        | Rule::DeletionTellsEnds => "suite/deletion/while-it-works",
        Rule::JobIsSubmittedOnce | Rule::AcceptedJobIsDone => "suite/turn/cold",
        Rule::QueriesNeedRights => "suite/turn/asked-by-others-afterwards",
        Rule::StreamNeedsTicket => "suite/stream/doors",
        Rule::IngestNeedsToken => "suite/wrapper/doors-of-the-ingest",
        Rule::SnapshotIsRequested | Rule::EveryClientGetsSnapshot => {
            "suite/stream/clients-come-during-a-turn"
        }
        Rule::EnqueueRetryIsPrompt | Rule::EnqueueRetryWaits => "suite/callback/queue-refuses-for-a-while",
        Rule::CallbackRetryIsPrompt | Rule::CallbackRetryWaits => "suite/callback/receiver-fails-for-a-while",
        Rule::CallbackIsPrompt | Rule::DrainIsPrompt | Rule::DrainWaits => "suite/turn/cold",
        Rule::KeepWarmIsPrompt | Rule::IdleRunIsReleased => "suite/wrapper/keep-warm-and-a-late-message",
        Rule::PingIsPrompt | Rule::PingWaits | Rule::PongAnswersPing => {
            "suite/reconnect/pongs-keep-a-silent-turn"
        }
        Rule::GraceIsPrompt | Rule::GraceLasts | Rule::LossIsNoError | Rule::LossIsNoInterrupt => {
            "suite/reconnect/grace-runs-out"
        }
        Rule::PongTimeoutIsPrompt | Rule::PongTimeoutLasts => "suite/wrapper/deaf",
        Rule::NoOutputIsPrompt | Rule::NoOutputLasts => "suite/wrapper/silent",
        Rule::ReconciliationIsPrompt | Rule::ReconciliationWaits => "suite/wrapper/no-reply",
        Rule::BusyCancelsReconciliation => "suite/wrapper/busy-after-the-idle",
        Rule::OutputMovesNoOutput => "suite/gateway/thinking",
        Rule::UnfinishedReplyIsNone => "suite/wrapper/unfinished-reply",
        Rule::WarmRetryIsPrompt => "suite/wrapper/warm-start-fails-twice",
        Rule::ColdRetryIsPrompt => "suite/wrapper/start-fails-twice",
    }
}

/// The mutant with this name on the command line.
pub fn mutant_named(name: &str) -> Option<Rule> {
    Rule::ALL.into_iter().find(|rule| name_of(*rule) == name)
}

#[cfg(test)]
mod tests {
    use turnstile_judge::rules::RuleId;

    use super::*;
    use crate::selftest::is_oracle;

    #[test]
    fn the_oracle_of_a_mutant_exists() {
        for rule in Rule::ALL {
            assert!(is_oracle(oracle_of(rule)), "{rule:?}");
        }
    }

    #[test]
    fn mutants_violate_rules_of_the_protocol() {
        for rule in Rule::ALL {
            assert!(!rule.ids().is_empty(), "{rule:?}");
            for id in rule.ids() {
                assert!(id.parse::<RuleId>().is_ok(), "{rule:?} names {id}");
            }
        }
    }

    #[test]
    fn a_mutant_has_a_unique_name() {
        for rule in Rule::ALL {
            assert_eq!(mutant_named(&name_of(rule)), Some(rule));
        }
        assert_eq!(mutant_named("terminal"), None);
    }
}
