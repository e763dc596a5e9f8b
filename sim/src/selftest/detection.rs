//! Which oracle and which script must detect each mutant.

use turnstile_mutants::Rule;

use super::name_of;

/// Each mutant with the oracle that must detect it in every script that exercises its rule, whatever the script expects,
/// and the shortest script of the suite that exercises the rule.
#[rustfmt::skip]
const DETECTIONS: [(Rule, &str, &str); Rule::ALL.len()] = [
    (Rule::EnqueueIsAwaited, "one-callback-per-batch", "suite/callback/queue-refuses-for-a-while"),
    (Rule::CallbackRetryIsDurable, "one-callback-per-batch", "suite/callback/queue-refuses-over-a-restart"),
    (Rule::QueuedIsPending, "every-acked-message-ends", "suite/crash/acceptance-not-stored"),
    (Rule::PendingIsQueued, "every-acked-message-ends", "suite/crash/server-during-the-retries"),
    (Rule::LastOfBatchIsRepresentative, "one-callback-per-batch", "suite/callback/two-batches"),
    (Rule::CallbackNamesItsExecution, "execution-id-only-in-v2", "regressions/interrupt-during-a-hanging-delivery"),
    (Rule::GateWaitIsOfItsRun, "one-callback-per-batch", "suite/callback/gate-of-another-run"),
    (Rule::RebindForgetsAbort, "interrupted-only-if-asked", "suite/interrupt/never-says-that-it-stopped"),
    (Rule::ReconnectCancelsGrace, "lost-only-after-the-grace", "regressions/ping-lost-with-its-socket"),
    (Rule::StaleFenceIsRefused, "stale-fence-counts-for-nothing", "suite/callback/gate-after-the-loss"),
    (Rule::TerminalOnce, "terminal-once", "suite/turn/latest-message-of-a-tool-loop"),
    (Rule::TerminalBeforeRemoval, "every-acked-message-ends", "suite/wrapper/start-refused-permanently"),
    (Rule::LastSlotExhausts, "exhausted-by-its-tries", "suite/crash/wrapper-never-there"),
    (Rule::SnapshotTellsOfFailed, "clients-show-the-same-badges", "suite/crash/one-of-two-sessions-wrecked"),
    (Rule::ReplayIsWhole, "replay-is-exact", "suite/crash/ack-lost"),
    (Rule::CallbackTargetIsSecret, "no-secret-leaves", "suite/legacy/execution-loses-its-wrapper"),
    (Rule::QueueLimitIsExact, "ten-pending-at-most", "suite/queue/overflow-then-interrupt"),
    (Rule::RepeatIsAdmittedOnce, "states-go-forward", "suite/crash/ack-lost"),
    (Rule::LatestAnswerIsCalledBack, "callbacks-tell-the-outcome", "suite/turn/tool-loop"),
    (Rule::CompleteSettles, "complete-settles", "suite/wrapper/complete-without-an-answer"),
    (Rule::OutputKeepsReconciliation, "no-turn-outlives-its-deadlines", "suite/wrapper/output-after-the-idle"),
    (Rule::GraceSuspendsDeadlines, "no-deadline-inside-the-grace", "suite/reconnect/pong-in-the-grace"),
    (Rule::ReconnectForgetsPing, "no-deadline-inside-the-grace", "suite/reconnect/pong-in-the-grace"),
    (Rule::SupersededIsLeftOut, "snapshot-is-exact", "suite/stream/superseded-failure"),
    (Rule::DelayFollowsFailure, "exhausted-by-its-tries", "suite/wrapper/slow-attempt-then-retry"),
    (Rule::CutShortIsNoAttempt, "exhausted-by-its-tries", "suite/crash/last-failure-not-stored"),
    (Rule::JobFitsTheQueue, "job-fits-the-queue", "suite/callback/answer-too-long"),
    (Rule::DeadlinesSurviveCrash, "no-turn-outlives-its-deadlines", "suite/crash/server-during-the-grace"),
    (Rule::ExhaustionIsOneCommit, "every-acked-message-ends", "suite/crash/last-failure-stored"),
    (Rule::QueueOutlivesRun, "states-go-forward", "suite/reconnect/queue-outlives-the-run"),
    (Rule::UnknownFieldsAreIgnored, "no-error-without-a-cause", "suite/crash/record-of-a-newer-server"),
    (Rule::InterruptEndsAccepted, "interrupts-settle", "regressions/kill-lost-with-its-socket"),
    (Rule::HeartbeatIsNoOutput, "no-turn-outlives-its-deadlines", "suite/reconnect/heartbeats-keep-no-turn"),
    (Rule::HeartbeatKeepsPing, "no-turn-outlives-its-deadlines", "suite/reconnect/heartbeats-keep-no-turn"),
    (Rule::InterruptSilencesRun, "stale-fence-counts-for-nothing", "suite/interrupt/words-after-the-interrupt"),
    (Rule::FinalizingWrapperQueues, "wrapper-keeps-its-word", "suite/wrapper/prompt-while-finalizing"),
    (Rule::FutureCursorIsAnswered, "replay-is-exact", "suite/stream/cursor-in-the-future"),
    (Rule::DeltasReachEveryClient, "relay-is-exact", "suite/stream/three-at-once"),
    (Rule::FramesKeepTheirOrder, "relay-is-exact", "suite/turn/streamed-in-chunks"),
    (Rule::FramesAreShownOnce, "relay-is-exact", "suite/reconnect/inside-the-grace"),
    (Rule::FramesAreUnchanged, "relay-is-exact", "suite/turn/streamed-in-chunks"),
    (Rule::SessionUpdatesAreKept, "relay-is-exact", "suite/stream/every-kind-of-frame"),
    (Rule::VersionsShareARow, "one-row-per-entity", "suite/wrapper/parts-updated"),
    (Rule::ConnectedShowsReady, "stream-has-its-shape", "suite/stream/connects-in-every-state"),
    (Rule::ConnectedShowsPreparing, "stream-has-its-shape", "suite/stream/connects-in-every-state"),
    (Rule::CatalogueIsTheLatest, "stream-has-its-shape", "suite/stream/connects-in-every-state"),
    (Rule::OnlyACommitFinalizes, "server-names-are-its-own", "suite/turn/cold"),
    (Rule::OnlyFatalErrorsAreShown, "server-names-are-its-own", "suite/stream/every-kind-of-frame"),
    (Rule::RemovedPartGetsANewRow, "one-row-per-entity", "suite/stream/part-comes-back"),
    (Rule::RetryKeepsImages, "wrapper-gets-what-was-asked", "suite/wrapper/images-after-a-failure"),
    (Rule::TurnHasItsAgent, "wrapper-gets-what-was-asked", "suite/wrapper/another-agent-for-each-turn"),
    (Rule::VariantSurvivesCrash, "wrapper-gets-what-was-asked", "suite/crash/variant-of-a-queued-message"),
    (Rule::BranchReachesWrapper, "wrapper-gets-what-was-asked", "suite/wrapper/branch-is-told"),
    (Rule::FailureSaysWhy, "server-events-have-their-shape", "suite/wrapper/turn-refused"),
    (Rule::StatusHasItsStep, "server-events-have-their-shape", "suite/wrapper/turn-refused"),
    (Rule::AckNamesItsStream, "replies-have-their-shape", "suite/interrupt/one-run-after-another"),
    (Rule::InterruptSaysWhat, "replies-have-their-shape", "suite/interrupt/one-run-after-another"),
    (Rule::FailedRunIsReleased, "every-job-has-its-run", "suite/wrapper/start-fails-twice"),
    (Rule::ConnectionIsNew, "every-job-has-its-run", "suite/interrupt/one-run-after-another"),
    (Rule::ReleaseKills, "released-runs-are-stopped", "suite/interrupt/one-run-after-another"),
    (Rule::AbortNamesItsRun, "released-runs-are-stopped", "suite/interrupt/one-run-after-another"),
    (Rule::SnapshotIsRequested, "snapshot-is-requested", "suite/stream/clients-come-during-a-turn"),
    (Rule::EveryClientGetsSnapshot, "snapshot-is-requested", "suite/stream/clients-come-during-a-turn"),
    (Rule::HealthReportsWork, "replies-follow-from-the-log", "suite/turn/asked-meanwhile"),
    (Rule::PendingIsNotRunning, "replies-follow-from-the-log", "suite/turn/get-session-while-it-works"),
    (Rule::InterruptReportsNothing, "replies-follow-from-the-log", "suite/interrupt/nothing-to-interrupt"),
    (Rule::LatestMessageIsWhole, "replies-follow-from-the-log", "suite/turn/latest-message-of-a-tool-loop"),
    (Rule::SessionShowsItsMode, "replies-follow-from-the-log", "suite/turn/values-of-the-session"),
    (Rule::SessionShowsItsBranch, "replies-follow-from-the-log", "suite/turn/values-of-the-session"),
    (Rule::SessionCommits, "wrapper-gets-what-was-asked", "suite/turn/values-of-the-session"),
    (Rule::RepeatReportsDelivery, "replies-follow-from-the-log", "suite/queue/repeated-after-sent"),
    (Rule::RefusalHasOneStatus, "refusals-say-one-thing", "suite/deletion/while-it-works"),
    (Rule::RefusalNamesItsPath, "refusals-say-one-thing", "suite/deletion/while-it-works"),
    (Rule::QueriesNeedRights, "doors-are-closed", "suite/turn/asked-by-others-afterwards"),
    (Rule::StreamNeedsTicket, "doors-are-closed", "suite/stream/doors"),
    (Rule::IngestNeedsToken, "doors-are-closed", "suite/wrapper/doors-of-the-ingest"),
    (Rule::JobIsSubmittedOnce, "callbacks-repeat-unchanged", "suite/turn/cold"),
    (Rule::AcceptedJobIsDone, "callbacks-repeat-unchanged", "suite/turn/cold"),
    (Rule::DeletionKeepsCallbacks, "deletion-is-an-end", "suite/deletion/while-it-works"),
    (Rule::DeletionTellsEnds, "deletion-is-an-end", "suite/deletion/while-it-works"),
    (Rule::EnqueueRetryIsPrompt, "callbacks-are-on-time", "suite/callback/queue-refuses-for-a-while"),
    (Rule::EnqueueRetryWaits, "callbacks-are-on-time", "suite/callback/queue-refuses-for-a-while"),
    (Rule::CallbackRetryIsPrompt, "callbacks-are-on-time", "suite/callback/receiver-fails-for-a-while"),
    (Rule::CallbackRetryWaits, "callbacks-are-on-time", "suite/callback/receiver-fails-for-a-while"),
    (Rule::DrainIsPrompt, "deliveries-are-on-time", "suite/turn/cold"),
    (Rule::DrainWaits, "deliveries-are-on-time", "suite/turn/cold"),
    (Rule::WarmRetryIsPrompt, "deliveries-are-on-time", "suite/wrapper/warm-start-fails-twice"),
    (Rule::ColdRetryIsPrompt, "deliveries-are-on-time", "suite/wrapper/start-fails-twice"),
    (Rule::KeepWarmIsPrompt, "idle-runs-are-released", "suite/wrapper/released-after-the-warm-time"),
    (Rule::IdleRunIsReleased, "idle-runs-are-released", "suite/wrapper/released-after-the-warm-time"),
    (Rule::PingIsPrompt, "pings-are-on-time", "suite/reconnect/pongs-keep-a-silent-turn"),
    (Rule::PingWaits, "pings-are-on-time", "suite/reconnect/pongs-keep-a-silent-turn"),
    (Rule::GraceIsPrompt, "no-turn-outlives-its-deadlines", "suite/reconnect/grace-runs-out"),
    (Rule::GraceLasts, "lost-only-after-the-grace", "suite/reconnect/grace-runs-out"),
    (Rule::PongTimeoutIsPrompt, "no-turn-outlives-its-deadlines", "suite/wrapper/deaf"),
    (Rule::PongTimeoutLasts, "no-deadline-inside-the-grace", "suite/wrapper/deaf"),
    (Rule::NoOutputIsPrompt, "no-turn-outlives-its-deadlines", "suite/wrapper/silent"),
    (Rule::NoOutputLasts, "no-deadline-inside-the-grace", "suite/wrapper/silent"),
    (Rule::ReconciliationIsPrompt, "no-turn-outlives-its-deadlines", "suite/wrapper/no-reply"),
    (Rule::ReconciliationWaits, "reconciled-by-its-own-idle", "suite/wrapper/no-reply"),
    (Rule::BusyCancelsReconciliation, "reconciled-by-its-own-idle", "suite/wrapper/busy-after-the-idle"),
    (Rule::PongAnswersPing, "no-deadline-inside-the-grace", "suite/reconnect/pongs-keep-a-silent-turn"),
    (Rule::OutputMovesNoOutput, "no-deadline-inside-the-grace", "suite/gateway/thinking"),
    (Rule::LossIsNoError, "ends-have-their-evidence", "suite/reconnect/grace-runs-out"),
    (Rule::LossIsNoInterrupt, "interrupted-only-if-asked", "suite/reconnect/grace-runs-out"),
    (Rule::UnfinishedReplyIsNone, "ends-have-their-evidence", "suite/wrapper/unfinished-reply"),
    (Rule::KeepWarmLasts, "idle-runs-are-released", "suite/wrapper/released-after-the-warm-time"),
    (Rule::ReadyOnlyIsPrompt, "idle-runs-are-released", "suite/wrapper/ready-and-never-used"),
    (Rule::ReadyOnlyLasts, "idle-runs-are-released", "suite/wrapper/ready-and-never-used"),
    (Rule::UnusedSessionIsRemoved, "replies-follow-from-the-log", "suite/deletion/unused-for-its-lifetime"),
    (Rule::RequestsAreAnswered, "refusals-say-one-thing", "suite/deletion/while-it-works"),
    (Rule::RefusedStreamHasItsStatus, "doors-are-closed", "suite/stream/doors"),
    (Rule::FiltersApplyToAll, "stream-has-its-shape", "suite/stream/filtered"),
    (Rule::ExecutionsAreFiltered, "stream-has-its-shape", "suite/legacy/filtered-by-execution"),
    (Rule::TimesAreFiltered, "stream-has-its-shape", "suite/stream/filtered"),
    (Rule::FilteredStreamIsWhole, "replay-is-exact", "suite/stream/filtered"),
    (Rule::CallbackIsPrompt, "callbacks-are-on-time", "suite/turn/cold"),
    (Rule::ReservedNamesAreRefused, "server-names-are-its-own", "suite/wrapper/forged-completed"),
    (Rule::ReadyTimeoutIsPrompt, "deliveries-are-on-time", "suite/wrapper/answers-too-late"),
    (Rule::ReadyTimeoutLasts, "exhausted-by-its-tries", "suite/wrapper/answers-too-late"),
    (Rule::JobTimeoutIsPrompt, "deliveries-are-on-time", "suite/wrapper/answers-too-late"),
    (Rule::JobTimeoutLasts, "exhausted-by-its-tries", "suite/wrapper/answers-too-late"),
    (Rule::ExecutionTimeoutIsPrompt, "executions-end-in-time", "suite/legacy/execution-never-heard-of"),
    (Rule::ExecutionTimeoutLasts, "executions-end-in-time", "suite/legacy/execution-never-heard-of"),
    (Rule::ResumeIsPrompt, "callbacks-are-on-time", "suite/callback/retry-overdue-at-the-restart"),
    (Rule::ResumeWaits, "callbacks-are-on-time", "suite/callback/retry-overdue-at-the-restart"),
    (Rule::CallbackNamesKiloSession, "callbacks-tell-the-outcome", "suite/turn/hot"),
    (Rule::PromptLimitIsExact, "invalid-inputs-are-refused", "suite/queue/very-long-prompt"),
    (Rule::CommitEndIsShown, "status-follows-its-event", "suite/turn/committed-afterwards"),
    (Rule::AcceptanceIsShown, "status-follows-its-event", "suite/turn/cold"),
    (Rule::FatalErrorIsShown, "status-follows-its-event", "suite/wrapper/fatal-error"),
    (Rule::EndIsShown, "status-follows-its-event", "suite/interrupt/while-it-gets-ready"),
    (Rule::FatalErrorKeepsItsText, "errors-keep-their-text", "suite/wrapper/fatal-error"),
    (Rule::ClockPutsNothingOff, "no-turn-outlives-its-deadlines", "suite/crash/clock-set-back-in-a-silent-turn"),
    (Rule::ClockKeepsTheOrder, "first-in-first-out", "suite/crash/clock-set-back-with-a-queue"),
];

/// The oracle that must detect the mutant of `rule`.
pub fn oracle_of(rule: Rule) -> &'static str {
    detection_of(rule).1
}

/// The script that must detect the mutant of `rule`, in both simulated worlds.
pub fn script_of(rule: Rule) -> &'static str {
    detection_of(rule).2
}

fn detection_of(rule: Rule) -> (Rule, &'static str, &'static str) {
    let detection = DETECTIONS.into_iter().find(|(of, ..)| *of == rule);
    detection.unwrap_or_else(|| panic!("the table of detections has no row for {rule:?}"))
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
    fn every_mutant_has_an_oracle_that_exists() {
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
