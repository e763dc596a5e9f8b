//! Good and bad traces of deliveries and their exhaustion.

use std::time::Duration;

use serde_json::json;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{ConnectionEnd, Fault};
use turnstile_profile::Profile;

use crate::oracle::written::Writer;
use crate::parties::{SERVER, WRAPPER};

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["exhausted-by-its-tries"];
/// Delays in a session that never had a workspace, in seconds.
const COLD: [u64; 4] = [2, 4, 8, 16];
/// Delays in a session that has had one.
const WARM: [u64; 2] = [2, 4];

fn profile() -> Profile {
    Profile {
        delivery_retry_delays_cold: COLD.map(Duration::from_secs).into(),
        delivery_retry_delays_warm: WARM.map(Duration::from_secs).into(),
        ..Profile::default()
    }
}

/// A session that never had a workspace, with a queued message.
fn cold() -> Writer {
    let mut writer = Writer::started("m1");
    writer.judged_by(profile());
    writer.queued("m1");
    writer
}

/// A session that has had a ready workspace, with a queued message.
fn warm() -> Writer {
    let mut writer = Writer::started("m0");
    writer.judged_by(profile());
    writer.queued("m0");
    writer.bound(1);
    writer.delivered("m0");
    writer.sent("m0");
    writer.completed("m0");
    writer.acked("send", "m1", json!({}));
    writer.queued("m1");
    writer
}

/// The wrapper fails to get ready, with these delays after the failures.
fn attempt(writer: &mut Writer, delays: &[u64]) {
    writer.fails_to_get_ready("KILO_SERVER_FAILED");
    for delay in delays {
        writer.wait(*delay);
        writer.fails_to_get_ready("KILO_SERVER_FAILED");
    }
}

fn given_up(mut writer: Writer, code: &str, attempts: usize) -> Vec<String> {
    writer.exhausted("m1", code, attempts);
    writer.judged()
}

#[test]
fn a_message_has_one_attempt_more_than_there_are_delays() {
    for (attempts, rules) in [(4, &FOUND[..]), (5, &NOTHING)] {
        let mut writer = cold();
        attempt(&mut writer, &COLD[..attempts - 1]);
        let found = given_up(writer, "KILO_SERVER_FAILED", attempts);
        assert_eq!(found, rules, "{attempts}");
    }
    for (attempts, rules) in [(2, &FOUND[..]), (3, &NOTHING)] {
        let mut writer = warm();
        attempt(&mut writer, &WARM[..attempts - 1]);
        let found = given_up(writer, "KILO_SERVER_FAILED", attempts);
        assert_eq!(found, rules, "{attempts}");
    }
    let mut too_often = warm();
    attempt(&mut too_often, &COLD);
    assert_eq!(given_up(too_often, "KILO_SERVER_FAILED", 5), FOUND);
}

#[test]
fn a_message_that_is_delivered_in_the_end_has_no_more_attempts_either() {
    for (failures, rules) in [(2, &NOTHING[..]), (3, &FOUND)] {
        let mut writer = warm();
        attempt(&mut writer, &COLD[..failures - 1]);
        writer.wait(20);
        writer.bound(2);
        writer.delivered("m1");
        writer.sent("m1");
        assert_eq!(writer.ended("m1"), rules, "{failures}");
    }
}

#[test]
fn a_session_that_becomes_warm_exhausts_at_the_next_failure() {
    for (more, rules) in [(0, &NOTHING[..]), (1, &FOUND)] {
        let mut writer = cold();
        attempt(&mut writer, &COLD[..2]);
        for _ in 0..=more {
            writer.wait(16);
            writer.bound(1);
            writer.refused("m1", 500);
        }
        let found = given_up(writer, "WRAPPER_START_FAILED", 4 + more);
        assert_eq!(found, rules, "{more}");
    }
}

#[test]
fn a_delay_counts_from_the_failure() {
    for (waited, rules) in [(0, &FOUND[..]), (2, &NOTHING)] {
        let mut writer = cold();
        writer.fails_to_get_ready_after(20, "KILO_SERVER_FAILED");
        writer.wait(waited);
        writer.bound(1);
        writer.delivered("m1");
        writer.sent("m1");
        assert_eq!(writer.ended("m1"), rules, "{waited}");
    }
}

#[test]
fn a_fault_excuses_only_the_attempts_that_follow_it() {
    // The delay after the first failure is two seconds, and five attempts are allowed.
    for (delays, is_wrong) in [(&[0][..], true), (&[2, 4], false), (&[2, 4, 8, 16, 16], true)] {
        for is_late in [true, false] {
            let mut writer = cold();
            let crash = WorldEvent::began(Fault::crash(SERVER), Cause::Order);
            if is_late {
                attempt(&mut writer, delays);
                writer.wait(5);
                writer.world(crash);
            } else {
                writer.world(crash);
                attempt(&mut writer, delays);
                writer.wait(5);
            }
            let findings = writer.findings();
            let is_found = findings.iter().any(|finding| finding.rule == FOUND[0]);
            assert_eq!(is_found, is_wrong && is_late, "{delays:?}, {is_late}");
        }
    }
}

#[test]
fn an_attempt_that_the_server_may_have_cut_short_need_not_count() {
    for (generation, reported, rules) in [
        (2, 2, &FOUND[..]),
        (2, 3, &NOTHING),
        (2, 4, &FOUND),
        (1, 3, &FOUND),
    ] {
        let mut writer = warm();
        // The run that has had an earlier message.
        writer.bound(1);
        writer.refused("m1", 500);
        for delay in [1, 4, 8] {
            writer.wait(delay);
            writer.bound(generation);
            writer.refused("m1", 500);
        }
        let found = given_up(writer, "WRAPPER_START_FAILED", reported);
        assert_eq!(
            found.contains(&FOUND[0].to_owned()),
            !rules.is_empty(),
            "{found:?}"
        );
    }
}

#[test]
fn a_number_of_attempts_that_the_wrapper_did_not_receive_is_found() {
    let mut writer = cold();
    attempt(&mut writer, &COLD[..3]);
    writer.wait(16);
    assert_eq!(given_up(writer.clone(), "KILO_SERVER_FAILED", 5), FOUND);

    // A fault may have kept the last attempt from the wrapper.
    let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
    writer.world(WorldEvent::ended_connections(&reset, 1));
    assert_eq!(given_up(writer, "KILO_SERVER_FAILED", 5), NOTHING);
}

#[test]
fn delays_are_checked_also_if_no_attempt_is_visible() {
    for (waited, rules) in [(COLD.iter().sum(), &NOTHING[..]), (20, &FOUND)] {
        let mut writer = cold();
        let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        writer.world(WorldEvent::ended_connections(&reset, 1));
        writer.wait(waited);
        let found = given_up(writer, "SANDBOX_CONNECT_FAILED", 5);
        assert_eq!(found, rules, "{waited}");
    }
}

#[test]
fn an_attempt_after_a_permanent_refusal_is_found() {
    let refused = |permanent: &[&str], attempts: usize| {
        let mut writer = cold();
        writer.judged_by(Profile {
            permanent_refusals: permanent.iter().map(|code| (*code).to_owned()).collect(),
            ..profile()
        });
        for delay in &WARM[..attempts] {
            writer.wait(*delay);
            writer.bound(1);
            writer.refused("m1", 400);
        }
        given_up(writer, "BAD_REQUEST", attempts)
    };
    assert_eq!(refused(&["BAD_REQUEST"], 1), NOTHING);
    assert_eq!(refused(&["BAD_REQUEST"], 2), FOUND);
    assert_eq!(refused(&[], 1), FOUND, "no refusal is permanent by default");
}

#[test]
fn an_end_without_its_number_of_attempts_is_found() {
    let mut writer = cold();
    let data = json!({"status": "failed", "completionSource": "delivery_failure", "reason": "exhausted",
        "accepted": false, "delivery": "queued"});
    writer.message_event("failed", "m1", data);
    assert_eq!(writer.judged(), FOUND);
}

#[test]
fn the_exhaustion_of_an_accepted_message_is_found() {
    let mut writer = cold();
    attempt(&mut writer, &[]);
    writer.sent("m1");
    let found = given_up(writer, "SANDBOX_CONNECT_FAILED", 1);
    assert!(found.iter().any(|rule| rule == FOUND[0]), "{found:?}");
}

/// What happens in milliseconds, in real time with a tolerance of 150 ms.
fn in_real_time(mut writer: Writer, happens: impl FnOnce(&mut Writer)) -> Writer {
    writer.in_real_time(Duration::from_millis(150));
    writer.is_at_the_moment(happens);
    writer
}

#[test]
fn a_request_near_the_acceptance_before_it_is_one_of_the_next_message() {
    for (is_own, rules) in [(false, &NOTHING[..]), (true, &FOUND)] {
        let writer = in_real_time(cold(), |writer| {
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.wait(1);
            writer.bound(1);
            writer.delivered_to("m1", 1);
            writer.sent("m1");
            // The end of an earlier run made a drain due.
            writer.wait_ms(87);
            if is_own {
                writer.bound(1);
                writer.delivered_to("m1", 1);
                writer.wait(2);
            }
            writer.fails_to_get_ready("KILO_SERVER_FAILED");
            for delay in &WARM {
                writer.wait(*delay);
                writer.fails_to_get_ready("KILO_SERVER_FAILED");
            }
            writer.exhausted("m2", "KILO_SERVER_FAILED", 3);
            writer.completed("m1");
        });
        assert_eq!(writer.judged(), rules, "{is_own}");
    }
}

#[test]
fn a_request_near_the_exhaustion_before_it_may_be_one_of_either_message() {
    // The certain requests of both messages, and the number of attempts that the end of the first one reports.
    for (certain, reported, rules) in [
        ([3, 2], 3, &NOTHING[..]),
        ([2, 3], 3, &NOTHING),
        ([3, 3], 4, &FOUND),
        ([3, 1], 3, &FOUND),
    ] {
        let mut writer = cold();
        writer.judged_by(Profile {
            delivery_retry_delays_cold: WARM.map(Duration::from_secs).into(),
            ..Profile::default()
        });
        let writer = in_real_time(writer, |writer| {
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            for _ in 0..certain[0] {
                writer.wait(4);
                writer.fails_to_get_ready("KILO_SERVER_FAILED");
            }
            writer.wait(if certain[0] == 2 { 4 } else { 0 });
            writer.wait_ms(1);
            writer.exhausted("m1", "KILO_SERVER_FAILED", reported);
            writer.wait_ms(100);
            writer.fails_to_get_ready("KILO_SERVER_FAILED");
            for _ in 0..certain[1] {
                writer.wait(4);
                writer.fails_to_get_ready("KILO_SERVER_FAILED");
            }
            writer.exhausted("m2", "KILO_SERVER_FAILED", 3);
        });
        assert_eq!(writer.judged(), rules, "{certain:?} {reported}");
    }
}
