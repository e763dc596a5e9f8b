//! The properties notice a session that breaks a rule.

use proptest::test_runner::{Config, TestError};
use turnstile_mutants::Rule;

use crate::session_properties::laws::Law;
use crate::session_properties::world::Outlook;
use crate::session_properties::{ALL_FAULTS, CASES, config, search};

fn is_caught_as(rule: Rule, laws: &[Law]) {
    let config = Config {
        cases: CASES,
        max_shrink_iters: 0,
        ..config()
    };
    match search(config, ALL_FAULTS, Some(Outlook::Works), Some(rule)) {
        Err(TestError::Fail(reason, _)) => {
            let named = laws.iter().any(|law| reason.message().contains(&law.to_string()));
            assert!(named, "{rule:?} was noticed as something else: {reason}");
        }
        outcome => panic!("{rule:?} went unnoticed: {outcome:?}"),
    }
}

#[test]
fn a_session_that_forgets_the_retry_of_a_callback_in_a_restart_is_caught() {
    is_caught_as(
        Rule::CallbackRetryIsDurable,
        &[Law::DeadlineKept, Law::CallbackRetry],
    );
}

#[test]
fn a_session_that_listens_to_a_stale_fence_is_caught() {
    is_caught_as(Rule::StaleFenceIsRefused, &[Law::StaleFence]);
}

#[test]
fn a_session_that_ends_a_message_twice_is_caught() {
    is_caught_as(Rule::TerminalOnce, &[Law::TerminalOnce]);
}

#[test]
fn a_session_that_calls_back_for_the_first_of_a_batch_is_caught() {
    is_caught_as(Rule::LastOfBatchIsRepresentative, &[Law::Batch]);
}
