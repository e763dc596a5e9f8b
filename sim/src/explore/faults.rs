//! Faults of generated runs, and the budget that keeps runs recoverable.
//!
//! Every fault heals, restarts or ends when the steps end, at the latest. Faults that the protocol cannot recover from
//! are not generated, because such a run says nothing about the server:
//!
//! - Acknowledged data is on one disk, so a disk loses unsynced data only.
//! - The gateway detects the end of a request by its connection only, so nothing between wrapper and gateway is lost
//!   silently: no black hole, no silent connection loss, and no power loss at either end.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use turnstile_fault::Bandwidth;
use turnstile_judge::parties::{GATEWAY, RECEIVER, SERVER, WRAPPER};
use turnstile_scenarios::{
    Answer, ConnectionEnd, CrashPoint, DiskBehaviour, Fault, JobBehaviour, Lapse, LateAnswer, Link,
    LinkEffect, QueueBehaviour, ReadyBehaviour, Status, Step, WrapperBehaviour,
};

use super::fault_group::{AfterWork, Disturbance, FaultGroup, InDelivery, InTurn, at_any_time};
use super::swarm::{FaultRates, Rate};
use super::times::{between, lasting, moment};
use super::wrapper_faults::{intruder, misbehaving, wrapper_behaviour, wrapper_start};

/// The client that sends requests.
const CLIENT: &str = "client";

/// Weight of faults at any time, compared with each kind of fault at a point of a message's life.
const OF_FAULTS: Rate = 8;

/// Two parties by name.
type Ends = (&'static str, &'static str);

/// Generates one disturbance of the kinds with a rate above 0, or `None` if there are none.
pub(super) fn disturbance(rates: &FaultRates) -> Option<impl Strategy<Value = Disturbance>> {
    let faults = fault(rates)?.prop_map(Disturbance::Faults).boxed();
    let mut kinds = vec![(OF_FAULTS, faults)];
    if rates.reset > 0 {
        kinds.push((1, in_turn().boxed()));
    }
    if rates.wrapper_start > 0 {
        kinds.push((1, in_delivery().boxed()));
    }
    Some(Union::new_weighted(kinds))
}

/// A connection that is lost and restored within the grace, close to a deadline of its turn.
fn in_turn() -> impl Strategy<Value = Disturbance> {
    // Around the ping and its pong, or the limit of silence.
    let hold = prop_oneof![5 => between(55_000, 95_000), 1 => between(290_000, 299_900)];
    (hold, between(1_000, 9_500), any::<bool>()).prop_map(|(hold, away, is_deaf)| {
        let first = is_deaf.then(|| {
            let lost = Fault::black_hole(&Link::one_way(SERVER, WRAPPER));
            Step::fault(lost, Some(Lapse::from(*hold + *away)))
        });
        Disturbance::InTurn(InTurn {
            first: first.into_iter().collect(),
            hold,
            then: vec![
                Step::fault(Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset), None),
                Step::fault(Fault::cut(&Link::between(WRAPPER, SERVER)), Some(away)),
            ],
        })
    })
}

/// An interrupt while the wrapper gets ready or accepts a turn.
fn in_delivery() -> impl Strategy<Value = Disturbance> {
    let pause = between(1_000, 9_000);
    (between(5_000, 40_000), any::<bool>(), pause).prop_map(|(delay, is_ready, pause)| {
        let delay = Some(delay);
        let mut behaviour = WrapperBehaviour::default();
        if is_ready {
            behaviour.ready = Some(ReadyBehaviour {
                delay,
                ..ReadyBehaviour::default()
            });
        } else {
            behaviour.job = Some(JobBehaviour {
                delay,
                ..JobBehaviour::default()
            });
        }
        let slow = Box::new(misbehaving(behaviour));
        Disturbance::InDelivery(InDelivery { slow, pause })
    })
}

/// Generates one fault of the kinds with a rate above 0, or `None` if there are none.
fn fault(rates: &FaultRates) -> Option<impl Strategy<Value = FaultGroup> + use<>> {
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
                prop_oneof![3 => moment().prop_map(delay), 1 => throttle()],
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
    let alone = kinds
        .into_iter()
        .map(|(rate, step)| (rate, step.prop_map(|step| at_any_time(vec![step])).boxed()));
    let mut kinds: Vec<_> = alone.filter(|(rate, _)| *rate > 0).collect();
    if rates.intruder > 0 {
        kinds.push((rates.intruder, intruder().boxed()));
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

fn crash_point() -> BoxedStrategy<Step> {
    let point = prop_oneof![
        Just(CrashPoint::BetweenCommits),
        Just(CrashPoint::AfterCommit),
        Just(CrashPoint::AfterEnqueue),
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
fn forgetting() -> impl Strategy<Value = FaultGroup> {
    let queue = prop_oneof![Just(QueueBehaviour::Refuses), Just(QueueBehaviour::Away)];
    // Covers the work and the time until the callback is due.
    let lasts = between(20_000, 40_000);
    let pause = between(500, 10_000);
    let crash = crash(Just(SERVER), any::<bool>());
    (queue, lasts, between(5_000, 20_000), pause, crash).prop_map(|(is, lasts, within, pause, crash)| {
        FaultGroup {
            steps: vec![queue_that(is, lasts)],
            after_work: Some(AfterWork {
                within,
                steps: vec![Step::Wait(pause), crash],
            }),
        }
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
    (behaviour, moment())
        .prop_map(|(is, lasts)| Step::fault(Fault::disk(SERVER, is), Some(lasts)))
        .boxed()
}
