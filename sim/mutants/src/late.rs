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

/// Changes a duration of the profile so that it violates `rule`. Returns false if it is not a rule about a duration.
pub fn mistime(rule: Rule, profile: &mut Profile) -> bool {
    match rule {
        Rule::EnqueueRetryIsPrompt => profile.enqueue_retry_delay += LATE,
        Rule::EnqueueRetryWaits => {
            profile.enqueue_retry_delay = profile.enqueue_retry_delay.saturating_sub(EARLY)
        }
        Rule::CallbackRetryIsPrompt => profile.callback_retry_base += LATE,
        Rule::CallbackRetryWaits => {
            profile.callback_retry_base = profile.callback_retry_base.saturating_sub(EARLY)
        }
        Rule::DrainIsPrompt => profile.drain_delay += LATE,
        Rule::DrainWaits => profile.drain_delay /= 2,
        Rule::WarmRetryIsPrompt => postpone(&mut profile.delivery_retry_delays_warm),
        Rule::ColdRetryIsPrompt => postpone(&mut profile.delivery_retry_delays_cold),
        Rule::CallbackIsPrompt => profile.callback_latency += LATE,
        _ => return false,
    }
    true
}

fn postpone(delays: &mut [Duration]) {
    for delay in delays {
        *delay += LATE;
    }
}
