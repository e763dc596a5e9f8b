//! Faults of generated runs, and the budget that keeps runs recoverable.
//!
//! Every fault heals, restarts or ends when the steps end, at the latest. Faults that the protocol cannot recover from
//! are not generated, because such a run says nothing about the server:
//!
//! - Acknowledged data is on one disk, so a disk loses unsynced data only.
//! - The gateway detects the end of a request by its connection only, so nothing between wrapper and gateway is lost
//!   silently: no black hole, no silent connection loss, and no power loss at either end.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use turnstile_fault::Bandwidth;
use turnstile_judge::parties::{GATEWAY, RECEIVER, SERVER, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::{
    Answer, ClockChange, ConnectionEnd, CrashPoint, DiskBehaviour, DiskOperation, Fault, Lapse, LateAnswer,
    Link, LinkEffect, QueueBehaviour, Status, Step,
};

use super::disturbance::{Disturbance, Draft};
use super::situations::{outage, situation};
use super::swarm::{FaultRates, Rate, Shares};
use super::times::{between, lasting, moment};
use super::wrapper_faults::{intruder, misbehaving, thief, wrapper_behaviour, wrapper_start};

/// The client that sends requests.
pub(super) const CLIENT: &str = "client";

/// Two parties by name.
type Ends = (&'static str, &'static str);

/// Generates one disturbance of the kinds with a rate above 0, or `None` if there are none.
pub(super) fn disturbance(
    rates: &FaultRates,
    profile: &Profile,
    shares: Shares,
) -> Option<impl Strategy<Value = Disturbance> + use<>> {
    let faults = fault(rates).map(|faults| (shares.faults, faults.boxed()));
    let situation = situation(rates, profile, shares).map(|situation| (shares.situations, situation.boxed()));
    let kinds: Vec<_> = faults.into_iter().chain(situation).collect();
    (!kinds.is_empty()).then(|| Union::new_weighted(kinds))
}

/// Generates one fault of the kinds with a rate above 0, or `None` if there are none.
fn fault(rates: &FaultRates) -> Option<impl Strategy<Value = Disturbance> + use<>> {
    let kinds: [(Rate, BoxedStrategy<Step>); 15] = [
        (rates.cut, on_link(link(), Just(LinkEffect::Cut))),
        (
            rates.black_hole,
            on_link(quiet_link(), Just(LinkEffect::BlackHole)),
        ),
        (
            rates.delay,
            on_link(
                link(),
                prop_oneof![6 => moment().prop_map(delay), 2 => throttle(), 1 => Just(LinkEffect::Stall)],
            ),
        ),
        (rates.reset, connections(ends(), ConnectionEnd::Reset)),
        (rates.silence, connections(quiet_ends(), ConnectionEnd::Silence)),
        (rates.fin, connections(ends(), ConnectionEnd::Finish)),
        (rates.server_crash, crash(Just(SERVER), any::<bool>())),
        (rates.crash_point, crash_point()),
        (rates.wrapper_crash, crash(Just(WRAPPER), Just(false))),
        (
            rates.other_crash,
            prop_oneof![
                crash(Just(GATEWAY), Just(false)),
                crash(Just(RECEIVER), any::<bool>())
            ]
            .boxed(),
        ),
        (rates.wrapper_start, wrapper_start().prop_map(misbehaving).boxed()),
        (
            rates.wrapper_behaviour,
            wrapper_behaviour().prop_map(misbehaving).boxed(),
        ),
        (rates.receiver, receiver()),
        (rates.queue, queue()),
        (rates.disk, disk()),
    ];
    let alone = kinds.into_iter().map(|(rate, step)| {
        (
            rate,
            step.prop_map(|step| Disturbance::at_any_time([step])).boxed(),
        )
    });
    let mut kinds: Vec<_> = alone.filter(|(rate, _)| *rate > 0).collect();
    if rates.intruder > 0 {
        kinds.push((rates.intruder, intruder().boxed()));
        let thief = thief().prop_map(|step| Disturbance::at_any_time([step]));
        kinds.push((1, thief.boxed()));
    }
    if rates.server_crash > 0 {
        kinds.push((1, set_clock().boxed()));
    }
    if rates.queue > 0 && rates.server_crash > 0 {
        kinds.push((rates.queue.min(rates.server_crash), forgetting().boxed()));
    }
    (!kinds.is_empty()).then(|| Union::new_weighted(kinds))
}

/// Two parties that communicate.
fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        1 => Just((WRAPPER, GATEWAY)),
        5 => quiet_ends(),
    ]
}

/// Two communicating parties that both detect silent loss by a timeout.
fn quiet_ends() -> impl Strategy<Value = Ends> {
    let other = prop_oneof![
        4 => Just(WRAPPER),
        2 => Just(RECEIVER),
        1 => Just(CLIENT),
        1 => Just(super::workload::VIEWER),
    ];
    (other, any::<bool>()).prop_map(move |(other, is_first)| {
        if is_first {
            (other, SERVER)
        } else {
            (SERVER, other)
        }
    })
}

fn link_between(ends: impl Strategy<Value = Ends>) -> impl Strategy<Value = Link> {
    (ends, prop_oneof![3 => Just(false), 1 => Just(true)]).prop_map(|((one, two), is_one_way)| {
        if is_one_way {
            Link::one_way(one, two)
        } else {
            Link::between(one, two)
        }
    })
}

fn link() -> impl Strategy<Value = Link> {
    link_between(ends())
}

fn quiet_link() -> impl Strategy<Value = Link> {
    link_between(quiet_ends())
}

/// A temporary effect on a link.
fn on_link(
    link: impl Strategy<Value = Link> + 'static,
    effect: impl Strategy<Value = LinkEffect> + 'static,
) -> BoxedStrategy<Step> {
    (link, effect, lasting())
        .prop_map(|(link, effect, lasts)| Step::fault(Fault::on(&link, effect), Some(lasts)))
        .boxed()
}

fn delay(by: Lapse) -> LinkEffect {
    LinkEffect::Delay {
        by: by.max(Lapse::from(Duration::from_millis(1))),
    }
}

/// A bandwidth at which a turn takes seconds or minutes.
fn throttle() -> impl Strategy<Value = LinkEffect> {
    prop_oneof![Just(500_u64), Just(2_000), Just(20_000)].prop_map(|bytes| LinkEffect::Throttle {
        rate: Bandwidth::bytes_per_second(bytes),
    })
}

fn connections(ends: impl Strategy<Value = Ends> + 'static, end: ConnectionEnd) -> BoxedStrategy<Step> {
    ends.prop_map(move |(from, to)| Step::fault(Fault::end_of(from, to, end), None))
        .boxed()
}

fn crash(
    host: impl Strategy<Value = &'static str> + 'static,
    power_loss: impl Strategy<Value = bool> + 'static,
) -> BoxedStrategy<Step> {
    let restart_after = prop_oneof![4 => moment(), 1 => lasting()];
    (host, power_loss, restart_after)
        .prop_map(|(host, power_loss, restart_after)| {
            let crash = if power_loss {
                Fault::power_loss(host)
            } else {
                Fault::crash(host)
            };
            Step::fault(crash, Some(restart_after))
        })
        .boxed()
}

/// A crash of the server, whose clock is set before it starts again.
fn set_clock() -> impl Strategy<Value = Disturbance> {
    let by = prop_oneof![Just(60), Just(3_600), Just(86_400)].prop_map(Lapse::from_secs);
    let set = (by, any::<bool>()).prop_map(|(by, is_back)| match is_back {
        true => ClockChange::Back(by),
        false => ClockChange::Forward(by),
    });
    (set, any::<bool>(), moment()).prop_map(|(set, power_loss, pause)| {
        let crash = if power_loss {
            Fault::power_loss(SERVER)
        } else {
            Fault::crash(SERVER)
        };
        Disturbance::at_any_time(outage(crash, Some(set), pause))
    })
}

fn crash_point() -> BoxedStrategy<Step> {
    let point = prop_oneof![
        2 => Just(CrashPoint::BetweenCommits),
        2 => Just(CrashPoint::AfterCommit),
        2 => Just(CrashPoint::AfterEnqueue),
        1 => soon().prop_map(CrashPoint::Write),
        1 => soon().prop_map(CrashPoint::Sync),
    ];
    (point, any::<bool>(), moment())
        .prop_map(|(point, power_loss, restart_after)| {
            let crash = Fault::Host {
                host: SERVER.to_owned(),
                power_loss,
                at: Some(point),
            };
            Step::fault(crash, Some(restart_after))
        })
        .boxed()
}

/// A queue that refuses callbacks until the work ends, and a crash of the server while a callback is pending: the
/// pending retry must be stored.
fn forgetting() -> impl Strategy<Value = Disturbance> {
    let queue = prop_oneof![Just(QueueBehaviour::Refuses), Just(QueueBehaviour::Away)];
    // Covers the work and the time until the callback is due.
    let lasts = between(20_000, 40_000);
    let pause = between(500, 10_000);
    let crash = crash(Just(SERVER), any::<bool>());
    (queue, lasts, between(5_000, 20_000), pause, crash).prop_map(|(is, lasts, within, pause, crash)| {
        let crash = Disturbance::at_any_time([Step::Wait(pause), crash]).after_work(within);
        let mut drafts = vec![Draft::from(queue_that(is, lasts))];
        drafts.extend(crash.0);
        Disturbance(drafts)
    })
}

/// Answers of a receiver to its next requests.
pub(super) fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let status = |code: u16| Status::try_from(code).expect("the codes here are those of answers");
    let answer = prop_oneof![
        2 => Just(Answer::Status(status(200))),
        3 => prop_oneof![Just(500_u16), Just(503), Just(429)].prop_map(move |code| Answer::Status(status(code))),
        1 => Just(Answer::Status(status(404))),
        1 => Just(Answer::Stall),
        2 => Just(Answer::Drop),
        1 => between(1, 20_000).prop_map(move |delay| {
            Answer::Late(LateAnswer { delay, status: status(200) })
        }),
    ];
    vec(answer, 1..=6)
}

fn receiver() -> BoxedStrategy<Step> {
    answers()
        .prop_map(|answers| Step::fault(Fault::Receiver { answers }, None))
        .boxed()
}

fn queue() -> BoxedStrategy<Step> {
    let behaviour = prop_oneof![
        Just(QueueBehaviour::Refuses),
        Just(QueueBehaviour::LosesAck),
        Just(QueueBehaviour::Away),
        Just(QueueBehaviour::DeliversTwice),
    ];
    (behaviour, lasting())
        .prop_map(|(is, lasts)| queue_that(is, lasts))
        .boxed()
}

fn queue_that(is: QueueBehaviour, lasts: Lapse) -> Step {
    Step::fault(Fault::Queue { is }, Some(lasts))
}

fn disk() -> BoxedStrategy<Step> {
    let behaviour = prop_oneof![Just(DiskBehaviour::Fails), Just(DiskBehaviour::Full)];
    let lasting = (behaviour, moment());
    let lasting = lasting.prop_map(|(is, lasts)| Step::fault(Fault::disk(SERVER, is), Some(lasts)));
    let operation = prop_oneof![
        soon().prop_map(DiskOperation::Write),
        soon().prop_map(DiskOperation::Sync)
    ];
    let single = operation.prop_map(|operation| {
        let fault = Fault::Disk {
            host: SERVER.to_owned(),
            is: DiskBehaviour::Fails,
            at: Some(operation),
        };
        Step::fault(fault, None)
    });
    prop_oneof![3 => lasting, 1 => single].boxed()
}

/// The number of an operation of the server's disk. A commit has several writes and one or two syncs.
fn soon() -> impl Strategy<Value = NonZeroU32> {
    (0..=11_u32).prop_map(|others| NonZeroU32::MIN.saturating_add(others))
}
