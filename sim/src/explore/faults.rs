//! What goes wrong in a generated run, and the budget that keeps it recoverable.
//!
//! The budget: whatever is struck heals, restarts or works again, at the latest when the steps are over. Left out
//! is what the protocol has no remedy for, so that a run in which it happened would say nothing about the server:
//!
//! - what is acknowledged is on one disk, so a disk loses what was not synced, and never what was;
//! - the gateway is told of a request's end by its connection only, so nothing between the wrapper and the
//!   gateway is lost in silence: no black hole and no silence there, and no lost power at either end.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use turnstile_scenarios::{
    Answer, Between, Connections, Crash, CrashPoint, Delay, Direction, DiskBehaviour, Fault, Lapse, Lasting,
    LateAnswer, Link, Machine, Party, QueueBehaviour, Receiver, Status, Step,
};

use super::swarm::{FaultRates, Rate};
use super::times::{between, lasting, moment};
use super::wrapper_faults::{intruder, wrapper_behaviour, wrapper_start};

/// One fault, or two that belong together.
#[derive(Debug, Clone)]
pub(super) struct Blow {
    /// What happens first; it may take more than one step.
    pub(super) steps: Vec<Step>,
    /// What happens once the work of the first session is done.
    pub(super) after_work: Option<AfterWork>,
}

/// What waits for work to be done: it meets a wrapper that owes no end any more, but perhaps its last word, and a
/// server that owes no turn any more, but perhaps a callback.
#[derive(Debug, Clone)]
pub(super) struct AfterWork {
    /// How long the work is waited for, at most.
    pub(super) within: Lapse,
    pub(super) steps: Vec<Step>,
}

/// One fault, of the kinds that a seed goes in for; none if it goes in for none.
pub(super) fn fault(rates: &FaultRates) -> Option<impl Strategy<Value = Blow>> {
    let kinds: [(Rate, BoxedStrategy<Step>); 15] = [
        (rates.cut, (link(), lasting()).prop_map(cut).boxed()),
        (
            rates.black_hole,
            (quiet_link(), lasting()).prop_map(black_hole).boxed(),
        ),
        (rates.delay, (link(), moment(), lasting()).prop_map(delay).boxed()),
        (rates.reset, connections(ends()).prop_map(Step::Reset).boxed()),
        (
            rates.silence,
            connections(quiet_ends()).prop_map(Step::Silence).boxed(),
        ),
        (
            rates.fin,
            ends()
                .prop_map(|(from, to)| Step::Fin(direction(from, to)))
                .boxed(),
        ),
        (rates.server_crash, crash(Just(Machine::Server), any::<bool>())),
        (rates.crash_point, crash_point()),
        (rates.wrapper_crash, crash(Just(Machine::Wrapper), Just(false))),
        (
            rates.other_crash,
            prop_oneof![
                crash(Just(Machine::Gateway), Just(false)),
                crash(Just(Machine::Receiver), any::<bool>())
            ]
            .boxed(),
        ),
        (
            rates.wrapper_start,
            wrapper_start().prop_map(Step::Wrapper).boxed(),
        ),
        (
            rates.wrapper_behaviour,
            wrapper_behaviour().prop_map(Step::Wrapper).boxed(),
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

pub(super) fn at_any_time(steps: Vec<Step>) -> Blow {
    Blow {
        steps,
        after_work: None,
    }
}

/// Two parties that speak to each other.
fn ends() -> impl Strategy<Value = (Party, Party)> {
    prop_oneof![
        1 => Just((Party::Machine(Machine::Wrapper), Party::Machine(Machine::Gateway))),
        5 => quiet_ends(),
    ]
}

/// Two parties of which neither waits for ever if what they say to each other is lost in silence.
fn quiet_ends() -> impl Strategy<Value = (Party, Party)> {
    let server = || Party::Machine(Machine::Server);
    let client = |name: &str| Party::Client(name.parse().expect("the names of clients are names"));
    let pair = prop_oneof![
        4 => Just(Party::Machine(Machine::Wrapper)),
        2 => Just(Party::Machine(Machine::Receiver)),
        1 => Just(client("client")),
        1 => Just(client(super::workload::VIEWER)),
    ];
    (pair, any::<bool>()).prop_map(move |(other, is_first)| {
        if is_first {
            (other, server())
        } else {
            (server(), other)
        }
    })
}

fn link_between(ends: impl Strategy<Value = (Party, Party)>) -> impl Strategy<Value = Link> {
    (ends, prop_oneof![3 => Just(false), 1 => Just(true)]).prop_map(|((one, two), is_one_way)| {
        if is_one_way {
            Link::OneWay(direction(one, two))
        } else {
            Link::Both(both(one, two))
        }
    })
}

fn link() -> impl Strategy<Value = Link> {
    link_between(ends())
}

fn quiet_link() -> impl Strategy<Value = Link> {
    link_between(quiet_ends())
}

fn both(one: Party, two: Party) -> Between {
    Between {
        one: one.into(),
        two: two.into(),
    }
}

fn direction(from: Party, to: Party) -> Direction {
    Direction {
        from: from.into(),
        to: to.into(),
    }
}

fn connections(ends: impl Strategy<Value = (Party, Party)>) -> impl Strategy<Value = Connections> {
    ends.prop_map(|(one, two)| Connections {
        between: both(one, two),
    })
}

fn cut((link, lasts): (Link, Lapse)) -> Step {
    Step::Cut(Fault {
        link,
        heals_after: Some(lasts),
    })
}

fn black_hole((link, lasts): (Link, Lapse)) -> Step {
    Step::BlackHole(Fault {
        link,
        heals_after: Some(lasts),
    })
}

fn delay((link, by, lasts): (Link, Lapse, Lapse)) -> Step {
    Step::Delay(Delay {
        link,
        by: by.max(Lapse::from(Duration::from_millis(1))),
        heals_after: Some(lasts),
    })
}

fn crash(
    party: impl Strategy<Value = Machine> + 'static,
    power_loss: impl Strategy<Value = bool> + 'static,
) -> BoxedStrategy<Step> {
    let restart_after = prop_oneof![4 => moment(), 1 => lasting()];
    (party, power_loss, restart_after)
        .prop_map(|(party, power_loss, restart_after)| {
            Step::Crash(Crash {
                party: party.into(),
                power_loss,
                at: None,
                restart_after: Some(restart_after),
            })
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
            Step::Crash(Crash {
                party: Machine::Server.into(),
                power_loss,
                at: Some(point.into()),
                restart_after: Some(restart_after),
            })
        })
        .boxed()
}

/// A queue that takes no callbacks until the work is done, and a server that crashes while it owes one: what it has to
/// try again it must have written down.
fn forgetting() -> impl Strategy<Value = Blow> {
    let queue = prop_oneof![Just(QueueBehaviour::Refuses), Just(QueueBehaviour::Away)];
    // The work, and what follows it until the callback is due.
    let lasts = between(20_000, 40_000);
    let pause = between(500, 10_000);
    let crash = crash(Just(Machine::Server), any::<bool>());
    (queue, lasts, between(5_000, 20_000), pause, crash).prop_map(|(is, lasts, within, pause, crash)| Blow {
        steps: vec![queue_that(is, lasts)],
        after_work: Some(AfterWork {
            within,
            steps: vec![Step::Wait(pause), crash],
        }),
    })
}

/// What a receiver does with its next requests.
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
        .prop_map(|answers| Step::Receiver(Receiver { answers }))
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
    Step::Queue(Lasting {
        is,
        lasts: Some(lasts),
    })
}

fn disk() -> BoxedStrategy<Step> {
    let behaviour = prop_oneof![Just(DiskBehaviour::Fails), Just(DiskBehaviour::Full)];
    (behaviour, moment())
        .prop_map(|(is, lasts)| {
            Step::Disk(Lasting {
                is,
                lasts: Some(lasts),
            })
        })
        .boxed()
}
