//! The properties catch sessions that break a rule.

use proptest::test_runner::{Config, TestError};
use turnstile_mutants::Rule;

use crate::session_properties::laws::Law;
use crate::session_properties::world::Outlook;
use crate::session_properties::{ALL_FAULTS, MANY_CASES, config, search};

fn is_caught_as(rule: Rule, laws: &[Law]) {
    let config = Config {
        cases: MANY_CASES,
        max_shrink_iters: 0,
        ..config()
    };
    match search(config, ALL_FAULTS, Some(Outlook::Works), Some(rule)) {
        Err(TestError::Fail(reason, _)) => {
            let named = laws.iter().any(|law| reason.message().contains(&law.to_string()));
            assert!(named, "{rule:?} violated another law: {reason}");
        }
        outcome => panic!("{rule:?} was not caught: {outcome:?}"),
    }
}

#[test]
fn losing_the_retry_of_a_callback_in_a_restart_is_caught() {
    is_caught_as(
        Rule::CallbackRetryIsDurable,
        &[Law::DeadlineKept, Law::CallbackRetry],
    );
}

#[test]
fn accepting_a_stale_fence_is_caught() {
    is_caught_as(Rule::StaleFenceIsRefused, &[Law::StaleFence]);
}

#[test]
fn ending_a_message_twice_is_caught() {
    is_caught_as(Rule::TerminalOnce, &[Law::TerminalOnce]);
}

#[test]
fn a_callback_for_the_first_message_of_a_batch_is_caught() {
    is_caught_as(Rule::LastOfBatchIsRepresentative, &[Law::Batch]);
}
