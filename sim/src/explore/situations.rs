//! Situations that random faults seldom meet: each sends a message, and has faults at a chosen point of its life.
//!
//! Those around a deadline are in `deadlines`, those that are quiet until a deadline has passed in `passing`, those with
//! contradictory words in `evidence`, frames of every kind in `frames`, those of one instant in `instants`, those while a gate
//! result is awaited in `gate_wait`, and those of clients that come during a turn in `clients`.

mod clients;
mod deadlines;
mod evidence;
mod frames;
mod gate_wait;
mod instants;
mod passing;

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Union;
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::{
    ClockChange, Completion, ConnectionEnd, CrashPoint, Credentials, Failure, Fault, Fence, Finalizing,
    Lapse, Link, Machine, Moment, ReadyBehaviour, ReadyCode, Step, WrapperBehaviour,
};

use super::disturbance::{Disturbance, Draft};
use super::swarm::{FaultRates, Shares};
use super::times::{between, moment};
use super::workload::Saying;
use super::wrapper_faults::{answering_late, impostor_opens, misbehaving};

pub(super) use self::frames::frames_of_every_kind;
pub(super) use self::gate_wait::gate_wait;
pub(super) use self::passing::passing;

/// How long to wait for the acceptance or the end of a short turn.
pub(super) const TURN: Lapse = Lapse::from_secs(20);
/// How long to wait for a callback.
pub(super) const CALLBACK: Lapse = Lapse::from_secs(20);
/// The longest list of retry delays that a situation waits for.
const LONGEST_RETRIES: Duration = Duration::from_secs(60);

/// Generates one situation of the kinds with a rate above 0, or `None` if there are none.
pub(super) fn situation(
    rates: &FaultRates,
    profile: &Profile,
    shares: Shares,
) -> Option<impl Strategy<Value = Disturbance> + use<>> {
    let kinds = [
        (3 * rates.reset, lost_in_turn().boxed()),
        (rates.wrapper_start, interrupted_in_delivery().boxed()),
        (rates.situation, deadlines::stuck_turn().boxed()),
        (rates.situation, deadlines::delivery_across(profile).boxed()),
        (rates.situation, evidence::outlived_run().boxed()),
        (rates.situation, evidence::contradiction().boxed()),
        (
            rates.situation,
            frames::frames_of_every_kind(shares.frames).boxed(),
        ),
        (rates.situation, instants::requests().boxed()),
        (rates.situation, instants::request_and_frame().boxed()),
        (rates.situation, overflowing_buffer(profile).boxed()),
        (rates.situation, branch_of_each_run().boxed()),
        (rates.situation, output_after_idle().boxed()),
        (rates.situation, crash_at_exhaustion(profile).boxed()),
        (rates.situation, long_answer().boxed()),
        (rates.situation * shares.clients, clients::clients_come().boxed()),
    ];
    let kinds: Vec<_> = kinds.into_iter().filter(|(rate, _)| *rate > 0).collect();
    (!kinds.is_empty()).then(|| Union::new_weighted(kinds))
}

fn wait(lapse: Lapse) -> Draft {
    Step::Wait(lapse).into()
}

/// A server that goes down by this fault and is back later. Its clock may be set between.
pub(super) fn outage(crash: Fault, set: Option<ClockChange>, lasts: Lapse) -> impl Iterator<Item = Step> {
    let host = SERVER.to_owned();
    let clock = set.map(|set| Step::fault(Fault::Clock { host, set }, None));
    let crash = Step::fault(crash, None);
    let rest = [Step::Wait(lasts), Step::Restart(Machine::Server.into())];
    [crash].into_iter().chain(clock).chain(rest)
}

/// Waits for the first steps of a turn without faults.
fn awaits(is: Moment) -> Draft {
    Draft::Await { is, within: TURN }
}

/// A connection that is lost and restored within the grace, close to a deadline of its turn.
fn lost_in_turn() -> impl Strategy<Value = Disturbance> {
    // Around the ping and its pong, or the limit of silence.
    let hold = prop_oneof![5 => between(55_000, 95_000), 1 => between(290_000, 299_900)];
    (hold, between(1_000, 9_500), any::<bool>()).prop_map(|(hold, away, is_deaf)| {
        let mut drafts = vec![Draft::send(Saying::Gate), awaits(Moment::Sent)];
        if is_deaf {
            let lost = Fault::black_hole(&Link::one_way(SERVER, WRAPPER));
            drafts.push(Step::fault(lost, Some(Lapse::from(*hold + *away))).into());
        }
        drafts.extend([
            wait(hold),
            Step::fault(Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset), None).into(),
            Step::fault(Fault::cut(&Link::between(WRAPPER, SERVER)), Some(away)).into(),
        ]);
        Disturbance(drafts)
    })
}

/// An interrupt while the wrapper gets ready or accepts a turn.
fn interrupted_in_delivery() -> impl Strategy<Value = Disturbance> {
    let pause = between(1_000, 9_000);
    (between(5_000, 40_000), any::<bool>(), pause).prop_map(|(delay, is_ready, pause)| {
        let behaviour = answering_late(WrapperBehaviour::default(), is_ready, delay);
        Disturbance(vec![
            misbehaving(behaviour).into(),
            Draft::send(Saying::Echo),
            wait(pause),
            Step::Interrupt(turnstile_scenarios::Interrupt::default()).into(),
            misbehaving(WrapperBehaviour::default()).into(),
            Draft::send(Saying::Echo),
        ])
    })
}

/// Output after the last idle of a turn without an answer, and then silence until the reconciliation is due.
fn output_after_idle() -> impl Strategy<Value = Disturbance> {
    let of_wrapper = between(1_000, 13_000).prop_map(Some);
    let by_wrapper = prop_oneof![Just(None), of_wrapper];
    (by_wrapper, between(1_000, 13_000), between(16_000, 20_000)).prop_map(|(takes, pause, silence)| {
        let behaviour = WrapperBehaviour {
            no_reply: true,
            complete: Some(Completion {
                never: true,
                ..Completion::default()
            }),
            finalize: takes.map(|takes| Finalizing {
                takes,
                ..Finalizing::default()
            }),
            ..WrapperBehaviour::default()
        };
        let mut drafts = vec![
            misbehaving(behaviour).into(),
            Draft::Send {
                saying: Saying::Echo,
                commits: takes.is_some(),
                extras: None,
            },
            awaits(Moment::Sent),
        ];
        if let Some(takes) = takes {
            drafts.push(wait(takes));
        } else {
            drafts.extend([
                wait(pause),
                impostor_opens(Credentials::Fence(Fence::Current)).into(),
                evidence::says(evidence::output()),
            ]);
        }
        drafts.extend([wait(silence), misbehaving(WrapperBehaviour::default()).into()]);
        Disturbance(drafts)
    })
}

/// A crash of the server once it has stored the last failure of a delivery.
fn crash_at_exhaustion(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let drain = profile.drain_delay;
    let lists = [
        &profile.delivery_retry_delays_cold,
        &profile.delivery_retry_delays_warm,
    ];
    let totals = lists.map(|delays| (delays.iter().sum::<Duration>(), delays.len() as u32));
    let code = prop_oneof![
        Just(ReadyCode::WorkspaceSetupFailed),
        Just(ReadyCode::KiloServerFailed)
    ];
    let attempt = between(2_000, 8_000);
    (any::<bool>(), attempt, code, any::<bool>(), moment()).prop_map(
        move |(is_warm, attempt, code, power_loss, restart_after)| {
            let (delays, retries) = totals[usize::from(is_warm)];
            // The middle of the last attempt.
            let until = drain + delays.min(LONGEST_RETRIES) + *attempt * retries + *attempt / 2;
            let behaviour = WrapperBehaviour {
                ready: Some(ReadyBehaviour {
                    delay: Some(attempt),
                    fail: Some(Failure { code, times: None }),
                    ..ReadyBehaviour::default()
                }),
                ..WrapperBehaviour::default()
            };
            let crash = Fault::Host {
                host: SERVER.to_owned(),
                power_loss,
                at: Some(CrashPoint::AfterCommit),
            };
            Disturbance(vec![
                misbehaving(behaviour).into(),
                Draft::send(Saying::Echo),
                wait(Lapse::from(until)),
                Step::fault(crash, Some(restart_after)).into(),
                wait(Lapse::from(*attempt)),
                misbehaving(WrapperBehaviour::default()).into(),
            ])
        },
    )
}

/// An answer whose callback is about as large as the callback queue takes, or larger.
fn long_answer() -> impl Strategy<Value = Disturbance> {
    let around_the_limit = 126_000..=127_200_u32;
    let length = prop_oneof![around_the_limit, Just(130_000_u32), Just(200_000)];
    length.prop_map(|long_text| {
        let behaviour = WrapperBehaviour {
            long_text,
            ..WrapperBehaviour::default()
        };
        Disturbance(vec![
            misbehaving(behaviour).into(),
            Draft::send(Saying::Echo),
            Draft::AwaitCallback { within: CALLBACK },
            misbehaving(WrapperBehaviour::default()).into(),
        ])
    })
}

/// Turns after which the work is on another branch each time, or where the wrapper reports none.
fn branch_of_each_run() -> impl Strategy<Value = Disturbance> {
    let branch = proptest::option::weighted(0.7, 1..=99_u32);
    proptest::collection::vec(branch, 2..=3).prop_map(|branches| {
        let mut drafts = Vec::new();
        for branch in branches {
            let complete = Completion {
                branch: branch.map(|number| format!("run/{number}")),
                ..Completion::default()
            };
            let behaviour = WrapperBehaviour {
                complete: Some(complete),
                ..WrapperBehaviour::default()
            };
            drafts.extend([
                misbehaving(behaviour).into(),
                Draft::send(Saying::Echo),
                Draft::AwaitCallback { within: CALLBACK },
                // The wrapper reports the branch when it has finished.
                wait(Lapse::from_secs(1)),
            ]);
        }
        drafts.push(misbehaving(WrapperBehaviour::default()).into());
        Disturbance(drafts)
    })
}

/// About as many events as the wrapper buffers, or more, while its ingest is lost and comes back within the grace.
fn overflowing_buffer(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let capacity = u32::try_from(profile.wrapper_buffer)
        .unwrap_or(u32::MAX)
        .min(5_000);
    let around = capacity.saturating_sub(20)..=capacity + 30;
    (around, between(3_000, 9_000)).prop_map(|(babble, away)| {
        let behaviour = WrapperBehaviour {
            babble,
            ..WrapperBehaviour::default()
        };
        Disturbance(vec![
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            misbehaving(behaviour).into(),
            Draft::send(Saying::Echo),
            awaits(Moment::Sent),
            Step::fault(Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset), None).into(),
            Step::fault(Fault::cut(&Link::between(WRAPPER, SERVER)), Some(away)).into(),
            Draft::Release,
            wait(away),
            misbehaving(WrapperBehaviour::default()).into(),
        ])
    })
}
