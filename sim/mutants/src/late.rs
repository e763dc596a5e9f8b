//! Mutants whose timers are wrong by a few seconds (protocol §4, §7, §8): everything happens, but too late or too early.
//!
//! A profile has almost all durations of a server, so most of these mutants work with another profile than the one that
//! they are judged by.

use std::time::Duration;

use turnstile_profile::Profile;

use crate::rule::Rule;

/// How late a timer fires.
const LATE: Duration = Duration::from_millis(1500);
/// How early a timer fires.
const EARLY: Duration = Duration::from_secs(5);

/// Changes a value of the profile so that it violates `rule`. Returns false if the rule needs another change.
pub fn mistime(rule: Rule, profile: &mut Profile) -> bool {
    match rule {
        Rule::EnqueueRetryIsPrompt => profile.enqueue_retry_delay += LATE,
        Rule::EnqueueRetryWaits => shorten(&mut profile.enqueue_retry_delay),
        Rule::CallbackRetryIsPrompt => profile.callback_retry_base += LATE,
        Rule::CallbackRetryWaits => shorten(&mut profile.callback_retry_base),
        Rule::DrainIsPrompt => profile.drain_delay += LATE,
        Rule::DrainWaits => profile.drain_delay /= 2,
        Rule::WarmRetryIsPrompt => postpone(&mut profile.delivery_retry_delays_warm),
        Rule::ColdRetryIsPrompt => postpone(&mut profile.delivery_retry_delays_cold),
        Rule::KeepWarmIsPrompt => profile.keep_warm += LATE,
        Rule::KeepWarmLasts => shorten(&mut profile.keep_warm),
        Rule::ReadyOnlyIsPrompt => profile.ready_only_timeout += LATE,
        Rule::ReadyOnlyLasts => shorten(&mut profile.ready_only_timeout),
        Rule::UnusedSessionIsRemoved => profile.session_lifetime *= 2,
        Rule::IdleRunIsReleased => profile.keep_warm *= 1000,
        Rule::PingIsPrompt => profile.ping_interval += LATE,
        Rule::PingWaits => shorten(&mut profile.ping_interval),
        Rule::GraceIsPrompt => profile.disconnect_grace += LATE,
        Rule::GraceLasts => shorten(&mut profile.disconnect_grace),
        Rule::PongTimeoutIsPrompt => profile.pong_timeout += LATE,
        Rule::PongTimeoutLasts => shorten(&mut profile.pong_timeout),
        Rule::NoOutputIsPrompt => profile.no_output_timeout += LATE,
        Rule::NoOutputLasts => shorten(&mut profile.no_output_timeout),
        Rule::ReconciliationIsPrompt => profile.idle_reconciliation_delay += LATE,
        Rule::ReconciliationWaits => shorten(&mut profile.idle_reconciliation_delay),
        Rule::UnfinishedReplyIsNone => profile.unfinished_reply_counts = true,
        Rule::CallbackIsPrompt => profile.callback_latency += LATE,
        Rule::ReadyTimeoutIsPrompt => profile.wrapper_ready_timeout += LATE,
        Rule::ReadyTimeoutLasts => shorten(&mut profile.wrapper_ready_timeout),
        Rule::JobTimeoutIsPrompt => profile.wrapper_job_timeout += LATE,
        Rule::JobTimeoutLasts => shorten(&mut profile.wrapper_job_timeout),
        Rule::ExecutionTimeoutIsPrompt => profile.execution_timeout += LATE,
        Rule::ExecutionTimeoutLasts => shorten(&mut profile.execution_timeout),
        Rule::ResumeIsPrompt => profile.resume_delay += LATE,
        Rule::ResumeWaits => shorten(&mut profile.resume_delay),
        _ => return false,
    }
    true
}

fn shorten(duration: &mut Duration) {
    *duration = duration.saturating_sub(EARLY);
}

fn postpone(delays: &mut [Duration]) {
    for delay in delays {
        *delay += LATE;
    }
}
