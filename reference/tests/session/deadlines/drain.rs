//! The schedule of the queue (protocol §4): who is delivered when, what a failure costs, and when it is the
//! last.

use std::time::Duration;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::{Reason, Source};
use turnstile_reference::session::Effect;
use turnstile_reference::session::wrapper::{FailureCode, Run};

use crate::bench::Bench;
use crate::bench::setting::Setting;
use crate::bench::words::{self, Reply};
use crate::deadlines::acts::{Act, COMPLETE};
use crate::deadlines::report;
use crate::deadlines::rows::{accepted, is_delivery};
use crate::deadlines::times::*;

/// How long a delivery takes that does not fail at once.
const TAKES: Duration = Duration::from_secs(7);

/// A way for deliveries to fail.
struct Way {
    name: &'static str,
    /// What happens before the message is admitted.
    before: fn(&mut Bench),
    /// Whether the workspace gets ready before the failure.
    gets_ready: bool,
    /// How long it takes to fail.
    takes: Duration,
    delays: &'static [u64],
    /// Whether each delivery goes to the same run; if not, to one of the next generation.
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

/// A turn that went well, after which the wrapper is idle.
fn answered(bench: &mut Bench) -> MessageId {
    let message = accepted(bench);
    bench.say(words::assistant(&message, Reply::Completed));
    bench.say(words::root_idle());
    message
}

fn new_bench() -> Bench {
    Bench::new(Setting {
        callback: true,
        ..Setting::default()
    })
}

/// When what was delivered since a place in the log.
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
fn failures_follow_their_schedule_to_the_second_and_the_last_slot_exhausts() {
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
    for (count, delay) in (1..).zip(way.delays) {
        let seen = bench.log().len();
        bench.pass_until(due);
        let delivered = deliveries(&bench, seen);
        if delivered != [(due, message.clone())] {
            return Err(format!(
                "delivery {count} was due at {due}, and there was {delivered:?}"
            ));
        }
        if bench.message(&message).failed_deliveries != count - 1 {
            return Err(format!("{:?} before delivery {count}", bench.message(&message)));
        }
        runs.extend(bench.run.clone());
        if way.gets_ready {
            bench.take_up();
        }
        bench.pass(way.takes);
        bench.report(Err(FailureCode::WrapperStartFailed));
        due = bench.now + Duration::from_secs(*delay);
    }
    let outcome = bench.message(&message).outcome().cloned();
    let end = outcome.as_ref().map(|outcome| (outcome.reason, outcome.source));
    if end != Some((Some(Reason::Exhausted), Source::DeliveryFailure)) {
        return Err(format!("the last failure left {outcome:?}"));
    }
    let told = bench.told(&message);
    if !told
        .last()
        .is_some_and(|(name, data)| *name == "failed" && data["attempts"] == way.delays.len())
    {
        return Err(format!("clients were told {told:?}"));
    }
    if bench.kept(&message) != told {
        return Err(format!(
            "{told:?} was told, and {:?} was kept",
            bench.kept(&message)
        ));
    }
    for pair in runs.windows(2) {
        let kept = pair[0] == pair[1];
        let is_next = pair[0].id != pair[1].id && pair[1].fence.generation == pair[0].fence.generation + 1;
        if way.keeps_run != kept || kept == is_next {
            return Err(format!("the run {:?} was followed by {:?}", pair[0], pair[1]));
        }
    }
    let (seen, ended_at) = (bench.log().len(), bench.now);
    bench.pass(LONG);
    let delivered = deliveries(&bench, seen);
    if delivered != [(ended_at + DRAIN, next)] {
        return Err(format!(
            "it ended at {ended_at}, and then there was {delivered:?}"
        ));
    }
    Ok(())
}

#[test]
fn a_drain_that_was_asked_for_before_a_failure_does_not_cut_its_delay_short() {
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
fn what_a_retry_may_mend_is_tried_again_and_what_it_cannot_ends_the_message_at_once() {
    let codes = [
        ("SANDBOX_CONNECT_FAILED", FailureCode::SandboxConnectFailed, true),
        ("WORKSPACE_SETUP_FAILED", FailureCode::WorkspaceSetupFailed, true),
        ("KILO_SERVER_FAILED", FailureCode::KiloServerFailed, true),
        ("WRAPPER_START_FAILED", FailureCode::WrapperStartFailed, true),
        ("BAD_REQUEST", FailureCode::BadRequest, false),
    ];
    let mut found = Vec::new();
    for (name, code, retried) in codes {
        if code.as_str() != name {
            found.push(format!("{name} is called {}", code.as_str()));
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
                .told(&message)
                .last()
                .map(|(_, data)| data["attempts"].clone());
            let exhausted = outcome.is_some_and(|outcome| outcome.reason == Some(Reason::Exhausted));
            if exhausted == retried || !retried && attempts != Some(1.into()) {
                found.push(format!(
                    "{name}, warm {warm}: it left {outcome:?} with {attempts:?} attempts"
                ));
            }
            if bench.callbacks(&message) != 0 {
                found.push(format!(
                    "{name}, warm {warm}: a message is pending, and the batch was finalized"
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
    bench.report(Err(FailureCode::BadRequest));
    assert_eq!(bench.callbacks(&message), 1);
}

#[test]
fn messages_are_delivered_one_a_second_in_the_order_of_their_admission_then_of_their_ids() {
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
fn nothing_is_delivered_while_a_delivery_is_under_way_and_the_next_one_follows_a_second_after_it() {
    let mut bench = new_bench();
    bench.admit();
    let second = bench.admit();
    bench.next_delivery();
    let seen = bench.log().len();
    bench.pass(Duration::from_secs(600));
    bench.take_up();
    bench.pass(Duration::from_secs(20));
    assert_eq!(deliveries(&bench, seen), []);
    bench.report(Ok(()));
    let taken_at = bench.now;
    bench.pass(DRAIN);
    assert_eq!(deliveries(&bench, seen), [(taken_at + DRAIN, second)]);
}

#[test]
fn a_wrapper_that_is_at_work_and_connected_is_fed_and_every_other_is_made_ready_first() {
    let mut bench = new_bench();
    let first = bench.admit();
    assert!(bench.next_delivery().ensure_ready, "there is no wrapper yet");
    bench.take_up();
    bench.report(Ok(()));
    let second = bench.admit();
    let fed = bench.next_delivery();
    assert!(!fed.ensure_ready, "the wrapper is at work");
    bench.report(Ok(()));
    bench.disconnect();
    bench.admit();
    let unconnected = bench.next_delivery();
    assert!(unconnected.ensure_ready, "the wrapper is not connected");
    assert_eq!(fed.run, unconnected.run);
    bench.connect();
    bench.report(Err(FailureCode::BadRequest));
    for message in [first, second] {
        bench.say(words::assistant(&message, Reply::Completed));
    }
    bench.say(words::root_idle());
    bench.admit();
    let idle = bench.next_delivery();
    assert!(idle.ensure_ready, "nothing is at work");
    assert_eq!(idle.run, fed.run);
}

#[test]
fn the_end_is_written_in_the_commit_that_takes_the_message_off_the_queue() {
    let mut bench = new_bench();
    let message = bench.admit();
    for _ in 1..COLD.len() {
        bench.next_delivery();
        bench.report(Err(FailureCode::SandboxConnectFailed));
    }
    bench.next_delivery();
    // The server stops before the last failure is known: the message still waits, and is delivered once more.
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

    // And it is nowhere but there: a server that has only that commit has nothing to deliver.
    bench.restart();
    let seen = bench.log().len();
    bench.pass(LONG);
    assert!(bench.message(&message).is_terminal());
    assert!(!bench.log()[seen..].iter().any(|(_, effect)| is_delivery(effect)));
}

#[test]
fn what_ended_before_its_turn_is_dropped_and_the_next_one_takes_the_turn() {
    // Each way ends the second of three messages while the first one blocks the queue.
    let ways = [
        Act {
            name: "answered behind the head",
            does: |bench, message| bench.say(words::assistant(message, Reply::Completed)),
        },
        Act {
            name: "failed behind the head",
            does: |bench, message| bench.say(words::assistant(message, Reply::Failed)),
        },
        Act {
            name: "answered behind the head, and the server restarts",
            does: |bench, message| {
                bench.say(words::assistant(message, Reply::Completed));
                bench.restart();
                bench.connect();
            },
        },
    ];
    let mut found = Vec::new();
    for Act { name, does: end } in ways {
        let mut bench = new_bench();
        answered(&mut bench);
        let [head, dropped, next] = [(); 3].map(|()| {
            bench.pass(MOMENT);
            bench.admit()
        });
        bench.next_delivery();
        bench.take_up();
        bench.report(Err(FailureCode::WrapperStartFailed));
        end(&mut bench, &dropped);
        let seen = bench.log().len();
        for _ in 0..2 {
            bench.accept();
        }
        bench.pass(DRAIN * 2);
        let order: Vec<_> = deliveries(&bench, seen).into_iter().map(|(_, id)| id).collect();
        if order != [head.clone(), next.clone()] {
            found.push(format!(
                "{name}: {head} {dropped} {next} were delivered as {order:?}"
            ));
        }
    }
    report(&found);
}

#[test]
fn a_message_that_was_taken_before_a_crash_and_ends_before_it_is_delivered_again_is_dropped() {
    let mut bench = new_bench();
    answered(&mut bench);
    let message = bench.admit();
    bench.next_delivery();
    bench.take_up();
    bench.restart();
    assert!(bench.connect());
    bench.pass(BOOT - MOMENT);
    bench.say(words::assistant(&message, Reply::Completed));
    let seen = bench.log().len();
    bench.pass(LONG);
    assert_eq!(deliveries(&bench, seen), []);
    let told: Vec<_> = bench.told(&message).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["queued", "sent", "completed"]);
}
