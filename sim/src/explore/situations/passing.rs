//! Deadlines that pass while nothing else happens, after a word that moves them or not, or while the server is down
//! (protocol §7). Each needs a session without other work. The waits are long, so only guided exploration has them.

use std::time::Duration;

use proptest::option::weighted;
use proptest::prelude::*;
use serde_json::{Value, json};
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::{
    ClockChange, ConnectionEnd, Credentials, Fault, Fence, Lapse, Link, Step, WrapperBehaviour,
};

use super::deadlines::Waiting;
use super::evidence::{ROOT, Word, output, says};
use super::{TURN, awaits, outage, wait};
use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::times::between;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::{answering_late, impostor_opens, misbehaving};

/// How far the clock is set back: more than the length of any of these deadlines.
const SET_BACK: Lapse = Lapse::from_secs(3_600);

/// What happens while a deadline comes nearer.
#[derive(Debug, Clone)]
enum Meanwhile {
    Nothing,
    /// Another socket of the run says something after a share of the time, in percent.
    Said {
        word: Word,
        share: u32,
    },
    /// The server goes down before the deadline and is back after it. Its clock may be set back between.
    Down {
        before: Lapse,
        after: Lapse,
        sets_clock: bool,
    },
}

/// Generates a deadline that passes after the work that there is, for the beginning of a scenario.
pub(in crate::explore) fn passing(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let passing = prop_oneof![3 => waiting(profile), 1 => unanswered(profile)];
    passing.prop_map(|passing| passing.after_work(TURN))
}

/// A delivery whose answer comes after its time-out, without another sign that it has arrived. The next attempt is answered at
/// once, unless it comes too early.
fn unanswered(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let timeouts = [profile.wrapper_job_timeout, profile.wrapper_ready_timeout];
    let drain_delay = profile.drain_delay;
    (any::<bool>(), between(2_000, 20_000)).prop_map(move |(is_ready, over)| {
        let timeout = timeouts[usize::from(is_ready)];
        let silent = WrapperBehaviour {
            silent: !is_ready,
            ..WrapperBehaviour::default()
        };
        let late = answering_late(silent, is_ready, Lapse::from(timeout + *over));
        Disturbance(vec![
            misbehaving(late).into(),
            Draft::send(Saying::Echo),
            wait(Lapse::from(drain_delay * 2 + timeout)),
            misbehaving(WrapperBehaviour::default()).into(),
            wait(over),
        ])
    })
}

/// A turn, a run or a callback that waits until its deadline has passed.
fn waiting(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let quiet = prop_oneof![
        1 => Just(Waiting::Grace),
        1 => Just(Waiting::Pong),
        2 => Just(Waiting::ReadyOnly),
        2 => Just(Waiting::KeepWarm),
        2 => Just(Waiting::EnqueueRetry),
    ];
    let moved = prop_oneof![Just(Waiting::NoOutput), Just(Waiting::Reconciliation)];
    // The wrapper would give up a server that is down for long.
    let moment = || between(500, 3_000);
    let down = (moment(), moment(), any::<bool>())
        .prop_map(|(before, after, sets_clock)| Meanwhile::Down {
            before,
            after,
            sets_clock,
        })
        .boxed();
    let said = (word(), 5..95_u32).prop_map(|(word, share)| Meanwhile::Said { word, share });
    let nothing_or_down = prop_oneof![Just(Meanwhile::Nothing), down.clone()];
    let all = prop_oneof![1 => Just(Meanwhile::Nothing), 2 => down, 2 => said];
    // A turn with heartbeats is not silent, but has no output.
    let heartbeat = weighted(0.5, between(5_000, 55_000));
    let waits = prop_oneof![
        3 => (quiet, nothing_or_down, Just(None)),
        2 => (moved, all, heartbeat),
    ];
    let profile = profile.clone();
    (waits, between(2_000, 20_000)).prop_map(move |((waiting, meanwhile, heartbeat), over)| {
        let length = waiting.length(&profile);
        let outlasting = Lapse::from(length * 2 + *over);
        let mut drafts: Vec<Draft> = waiting.fault_before(outlasting).into_iter().collect();
        drafts.extend(begun(waiting, heartbeat));
        if waiting == Waiting::Grace {
            drafts.extend(cut_off(outlasting));
        }
        drafts.extend(until_passed(length, over, meanwhile));
        drafts.push(misbehaving(WrapperBehaviour::default()).into());
        Disturbance(drafts)
    })
}

/// A word of a wrapper at work: each moves some deadlines and not others.
fn word() -> impl Strategy<Value = Word> {
    let busy = json!({"event": "session.status",
        "properties": {"sessionID": ROOT, "status": {"type": "busy"}}});
    prop_oneof![
        Just(("kilocode", busy)),
        Just(output()),
        Just(("heartbeat", Value::Null)),
    ]
}

/// The steps after which something waits.
fn begun(waiting: Waiting, heartbeat: Option<Lapse>) -> Vec<Draft> {
    let turn = |of: Waiting, behaviour| {
        let (saying, is) = of.turn();
        [misbehaving(behaviour).into(), Draft::send(saying), awaits(is)]
    };
    let behaviour = WrapperBehaviour {
        heartbeat,
        ..waiting.behaviour()
    };
    if waiting != Waiting::ReadyOnly {
        return turn(waiting, behaviour).into();
    }
    // The run that gets ready is the one of a turn before, which stays.
    let stays = Waiting::KeepWarm.behaviour();
    let behaviour = WrapperBehaviour {
        complete: stays.complete.clone(),
        ..behaviour
    };
    [turn(Waiting::KeepWarm, stays), turn(waiting, behaviour)].concat()
}

/// The wrapper loses its ingest and is cut off from the server, so it cannot come back.
fn cut_off(lasts: Lapse) -> [Draft; 2] {
    let loss = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
    let away = Fault::cut(&Link::one_way(WRAPPER, SERVER));
    [
        Step::fault(loss, None).into(),
        Step::fault(away, Some(lasts)).into(),
    ]
}

/// The steps until a deadline of that length has passed, and some time over.
fn until_passed(length: Duration, over: Lapse, meanwhile: Meanwhile) -> Vec<Draft> {
    let whole = wait(Lapse::from(length + *over));
    match meanwhile {
        Meanwhile::Nothing => vec![whole],
        Meanwhile::Said { word, share } => vec![
            wait(Lapse::from(length * share / 100)),
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
            says(word),
            whole,
        ],
        Meanwhile::Down {
            before,
            after,
            sets_clock,
        } => {
            let set = sets_clock.then_some(ClockChange::Back(SET_BACK));
            let outage = outage(Fault::crash(SERVER), set, Lapse::from(*before + *after));
            let mut drafts = vec![wait(Lapse::from(length.saturating_sub(*before)))];
            drafts.extend(outage.map(Draft::from));
            // After a clock that was set back, a deadline is due after its whole length (R7.36).
            drafts.push(if sets_clock { whole } else { wait(over) });
            drafts
        }
    }
}
