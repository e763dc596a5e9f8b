//! The schedule of the queue (protocol §4): the order and the times of deliveries, the delays after failures, and
//! exhaustion.

use std::time::Duration;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::{Reason, Source};
use turnstile_reference::session::Effect;
use turnstile_reference::session::wrapper::{FailureCode, Run};

use crate::bench::Bench;
use crate::bench::frames::{self, Reply};
use crate::bench::setting::{COLD, PERMANENT, Setting, WARM};
use crate::deadlines::acts::{Act, COMPLETE};
use crate::deadlines::report;
use crate::deadlines::rows::{accepted, is_delivery};
use crate::deadlines::times::*;

/// The duration of a slow delivery.
const TAKES: Duration = Duration::from_secs(7);

/// A way in which deliveries fail.
struct Way {
    name: &'static str,
    /// The steps before the message is admitted.
    before: fn(&mut Bench),
    /// Whether the workspace becomes ready before the failure.
    gets_ready: bool,
    /// The time until the failure.
    takes: Duration,
    delays: &'static [u64],
    /// Whether all deliveries go to the same run. If not, each goes to a new generation.
    keeps_run: bool,
}

fn ways() -> [Way; 5] {
    let cold = Way {
        name: "cold",
        before: |_| {},
        gets_ready: false,
        takes: Duration::ZERO,
        delays: &COLD,
        keeps_run: false,
    };
    [
        Way {
            name: "cold and slow",
            takes: TAKES,
            ..cold
        },
        Way {
            name: "warm by its own preparation",
            gets_ready: true,
            delays: &WARM,
            ..cold
        },
        Way {
            name: "warm with a run that is over",
            before: |bench| {
                let opening = answered(bench);
                (COMPLETE.does)(bench, &opening);
            },
            delays: &WARM,
            ..cold
        },
        Way {
            name: "warm with a run that is kept",
            before: |bench| {
                answered(bench);
            },
            gets_ready: true,
            takes: TAKES,
            delays: &WARM,
            keeps_run: true,
        },
        cold,
    ]
}

/// A completed turn, after which the wrapper is idle.
fn answered(bench: &mut Bench) -> MessageId {
    let message = accepted(bench);
    bench.send(frames::assistant(&message, Reply::Completed));
    bench.send(frames::root_idle());
    message
}

fn new_bench() -> Bench {
    Bench::new(Setting {
        callback: true,
        ..Setting::default()
    })
}

/// The times and ids of the deliveries since a position in the log.
fn deliveries(bench: &Bench, since: usize) -> Vec<(Timestamp, MessageId)> {
    bench.log()[since..]
        .iter()
        .filter_map(|(at, effect)| match effect {
            Effect::Deliver(delivery) => Some((*at, delivery.message.id.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn failures_follow_the_schedule_and_the_one_after_the_last_delay_exhausts() {
    let mut found = Vec::new();
    for way in ways() {
        found.extend(
            fail_to_the_end(&way)
                .err()
                .map(|wrong| format!("{}: {wrong}", way.name)),
        );
    }
    report(&found);
}

fn fail_to_the_end(way: &Way) -> Result<(), String> {
    let mut bench = new_bench();
    (way.before)(&mut bench);
    let message = bench.admit();
    let next = bench.admit();
    let mut due = bench.now + DRAIN;
    let mut runs: Vec<Run> = Vec::new();
    let delays = way.delays.iter().copied().map(Some).chain([None]);
    for (count, delay) in (1..).zip(delays) {
        let seen = bench.log().len();
        bench.pass_until(due);
        let delivered = deliveries(&bench, seen);
        if delivered != [(due, message.clone())] {
            return Err(format!(
                "delivery {count} was due at {due}, but the deliveries were {delivered:?}"
            ));
        }
        if bench.message(&message).failed_deliveries != count - 1 {
            return Err(format!("{:?} before delivery {count}", bench.message(&message)));
        }
        runs.extend(bench.run.clone());
        if way.gets_ready {
            bench.get_ready();
        }
        bench.pass(way.takes);
        bench.report(Err(FailureCode::WrapperStartFailed));
        due = bench.now + Duration::from_secs(delay.unwrap_or_default());
    }
    let outcome = bench.message(&message).outcome().cloned();
    let end = outcome.as_ref().map(|outcome| (outcome.reason, outcome.source));
    if end != Some((Some(Reason::Exhausted), Source::DeliveryFailure)) {
        return Err(format!("the outcome after the last failure is {outcome:?}"));
    }
    let reported = bench.broadcasts(&message);
    if !reported
        .last()
        .is_some_and(|(name, data)| *name == "failed" && data["attempts"] == way.delays.len() + 1)
    {
        return Err(format!("the events were {reported:?}"));
    }
    if bench.kept(&message) != reported {
        return Err(format!(
            "{reported:?} was broadcast, and {:?} was kept",
            bench.kept(&message)
        ));
    }
    for pair in runs.windows(2) {
        let kept = pair[0] == pair[1];
        let is_next = pair[0].id != pair[1].id && pair[1].fence.generation == pair[0].fence.generation + 1;
        if way.keeps_run != kept || kept == is_next {
            return Err(format!("run {:?} was followed by {:?}", pair[0], pair[1]));
        }
    }
    let (seen, ended_at) = (bench.log().len(), bench.now);
    bench.pass(LONG);
    let delivered = deliveries(&bench, seen);
    if delivered != [(ended_at + DRAIN, next)] {
        return Err(format!(
            "it ended at {ended_at}; the later deliveries are {delivered:?}"
        ));
    }
    Ok(())
}

#[test]
fn a_drain_scheduled_before_a_failure_does_not_shorten_its_delay() {
    let mut bench = new_bench();
    let message = bench.admit();
    bench.next_delivery();
    bench.admit();
    bench.pass(DRAIN / 2);
    bench.report(Err(FailureCode::SandboxConnectFailed));
    let (seen, failed_at) = (bench.log().len(), bench.now);
    let delay = Duration::from_secs(COLD[0]);
    bench.pass(delay);
    assert_eq!(deliveries(&bench, seen), [(failed_at + delay, message)]);
}

#[test]
fn failures_are_retried_and_a_permanent_refusal_exhausts_at_once() {
    let codes = [
        ("SANDBOX_CONNECT_FAILED", FailureCode::SandboxConnectFailed, true),
        ("WORKSPACE_SETUP_FAILED", FailureCode::WorkspaceSetupFailed, true),
        ("KILO_SERVER_FAILED", FailureCode::KiloServerFailed, true),
        ("WRAPPER_START_FAILED", FailureCode::WrapperStartFailed, true),
        ("BAD_REQUEST", PERMANENT, false),
    ];
    let mut found = Vec::new();
    for (name, code, retried) in codes {
        if code.as_str() != name {
            found.push(format!("the code of {name} is {}", code.as_str()));
        }
        for warm in [false, true] {
            let mut bench = new_bench();
            if warm {
                answered(&mut bench);
            }
            let message = bench.admit();
            let next = bench.admit();
            bench.next_delivery();
            bench.report(Err(code));
            let (seen, failed_at) = (bench.log().len(), bench.now);
            bench.pass(Duration::from_secs(WARM[0]));
            let delivered = deliveries(&bench, seen);
            let first_delay = Duration::from_secs(WARM[0]);
            let due = if retried {
                (failed_at + first_delay, message.clone())
            } else {
                (failed_at + DRAIN, next)
            };
            if delivered != [due] {
                found.push(format!(
                    "{name}, warm {warm}: failed at {failed_at}, then {delivered:?}"
                ));
            }
            let outcome = bench.message(&message).outcome();
            let attempts = bench
                .broadcasts(&message)
                .last()
                .map(|(_, data)| data["attempts"].clone());
            let exhausted = outcome.is_some_and(|outcome| outcome.reason == Some(Reason::Exhausted));
            if exhausted == retried || !retried && attempts != Some(1.into()) {
                found.push(format!(
                    "{name}, warm {warm}: the outcome is {outcome:?} with {attempts:?} attempts"
                ));
            }
            if bench.callbacks(&message) != 0 {
                found.push(format!(
                    "{name}, warm {warm}: the batch was finalized while a message is pending"
                ));
            }
        }
    }
    report(&found);
}

#[test]
fn exhaustion_finalizes_the_batch_without_an_idle() {
    let mut bench = new_bench();
    let message = bench.admit();
    bench.next_delivery();
    bench.report(Err(PERMANENT));
    assert_eq!(bench.callbacks(&message), 1);
}

#[test]
fn messages_are_delivered_one_per_second_by_admission_then_id() {
    let mut bench = new_bench();
    let mut together = [bench.draw(), bench.draw(), bench.draw()];
    together.sort();
    for id in together.iter().rev() {
        bench.admit_as(id);
    }
    let admitted_at = bench.now;
    bench.pass(MOMENT);
    let later = bench.admit();
    for _ in 0..4 {
        bench.accept();
    }
    let [first, second, third] = together;
    let order = [first, second, third, later];
    let expected: Vec<_> = (1..)
        .map(|count| admitted_at + DRAIN * count)
        .zip(order)
        .collect();
    assert_eq!(deliveries(&bench, 0), expected);
}

#[test]
fn deliveries_do_not_overlap_and_follow_each_other_after_one_second() {
    let mut bench = new_bench();
    bench.admit();
    let second = bench.admit();
    bench.next_delivery();
    let seen = bench.log().len();
    bench.pass(Duration::from_secs(600));
    bench.get_ready();
    bench.pass(Duration::from_secs(20));
    assert_eq!(deliveries(&bench, seen), []);
    bench.report(Ok(()));
    let accepted_at = bench.now;
    bench.pass(DRAIN);
    assert_eq!(deliveries(&bench, seen), [(accepted_at + DRAIN, second)]);
}

#[test]
fn a_delivery_goes_to_the_current_run_at_work_unconnected_or_idle() {
    let mut bench = new_bench();
    let first = bench.admit();
    bench.next_delivery();
    bench.get_ready();
    bench.report(Ok(()));
    let second = bench.admit();
    let fed = bench.next_delivery();
    bench.get_ready();
    bench.report(Ok(()));
    bench.disconnect();
    bench.admit();
    let unconnected = bench.next_delivery();
    assert_eq!(fed.run, unconnected.run);
    bench.get_ready();
    bench.report(Err(PERMANENT));
    for message in [first, second] {
        bench.send(frames::assistant(&message, Reply::Completed));
    }
    bench.send(frames::root_idle());
    bench.admit();
    let idle = bench.next_delivery();
    assert_eq!(idle.run, fed.run);
}

#[test]
fn exhaustion_ends_and_dequeues_a_message_in_one_commit() {
    let mut bench = new_bench();
    let message = bench.admit();
    for _ in COLD {
        bench.next_delivery();
        bench.report(Err(FailureCode::SandboxConnectFailed));
    }
    bench.next_delivery();
    // The server stops before it learns of the last failure, so the message is still queued and is delivered again.
    bench.restart();
    let started_at = bench.now;
    assert_eq!(bench.next_delivery().message.id, message);
    assert_eq!(bench.now, started_at + BOOT);

    let commits = bench.commits.len();
    bench.report(Err(FailureCode::SandboxConnectFailed));
    let commit = &bench.commits[commits];
    let kept: Vec<_> = commit
        .events
        .iter()
        .map(|row| row.event.stream_event_type.as_str())
        .collect();
    assert!(commit.messages.contains(&message), "{commit:?}");
    assert_eq!(kept, ["cloud.message.failed"]);

    // No other record matters: a server with only that commit has nothing to deliver.
    bench.restart();
    let seen = bench.log().len();
    bench.pass(LONG);
    assert!(bench.message(&message).is_terminal());
    assert!(!bench.log()[seen..].iter().any(|(_, effect)| is_delivery(effect)));
}

#[test]
fn a_message_that_ended_before_its_turn_is_skipped() {
    // Each case ends the second of three messages while the first one blocks the queue.
    let ways = [
        Act {
            name: "answered behind the head",
            does: |bench, message| bench.send(frames::assistant(message, Reply::Completed)),
        },
        Act {
            name: "failed behind the head",
            does: |bench, message| bench.send(frames::assistant(message, Reply::Failed)),
        },
        Act {
            name: "answered behind the head, and the server restarts",
            does: |bench, message| {
                bench.send(frames::assistant(message, Reply::Completed));
                bench.restart();
                bench.connect();
            },
        },
    ];
    let mut found = Vec::new();
    for Act { name, does: end } in ways {
        let mut bench = new_bench();
        answered(&mut bench);
        let [head, skipped, next] = [(); 3].map(|()| {
            bench.pass(MOMENT);
            bench.admit()
        });
        bench.next_delivery();
        bench.get_ready();
        bench.report(Err(FailureCode::WrapperStartFailed));
        end(&mut bench, &skipped);
        let seen = bench.log().len();
        for _ in 0..2 {
            bench.accept();
        }
        bench.pass(DRAIN * 2);
        let order: Vec<_> = deliveries(&bench, seen).into_iter().map(|(_, id)| id).collect();
        if order != [head.clone(), next.clone()] {
            found.push(format!(
                "{name}: expected {head} and {next} without {skipped}, delivered {order:?}"
            ));
        }
    }
    report(&found);
}

#[test]
fn a_message_that_ends_after_a_crash_is_not_delivered_again() {
    let mut bench = new_bench();
    answered(&mut bench);
    let message = bench.admit();
    bench.next_delivery();
    bench.get_ready();
    bench.restart();
    assert!(bench.connect());
    bench.pass(BOOT - MOMENT);
    bench.send(frames::assistant(&message, Reply::Completed));
    let seen = bench.log().len();
    bench.pass(LONG);
    assert_eq!(deliveries(&bench, seen), []);
    let reported: Vec<_> = bench
        .broadcasts(&message)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(reported, ["queued", "sent", "completed"]);
}
