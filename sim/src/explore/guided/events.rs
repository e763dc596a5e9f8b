//! Times a fault by an event of a message instead of by the pause before it.
//!
//! Most of a server's state exists only while it works. Drawn pauses are seldom as short as the work, so most faults would
//! meet an idle server.

use proptest::prelude::*;
use turnstile_scenarios::{Lapse, Moment, Step};

use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::times::{between, moment};
use crate::explore::workload::{Saying, saying};

/// How long to wait for the event.
const WITHIN: Lapse = Lapse::from_secs(20);
/// The chance in percent that a fault is timed by an event.
const TIMED: u64 = 50;
/// The chance in percent that the event is of a new message and not of the last one.
const OF_NEW_MESSAGE: u64 = 60;
/// The shortest and the longest of the pauses that end while the server still works, in milliseconds.
const SHORT_PAUSES: (u64, u64) = (1, 60);

/// Whether it is a single fault.
pub(super) fn is_fault(disturbance: &Disturbance) -> bool {
    match &disturbance.0[..] {
        [Draft::Step(step)] => matches!(**step, Step::Fault(_)),
        _ => false,
    }
}

/// The same fault, or the fault at an event of a message or soon after it.
pub(super) fn at_event(fault: Disturbance) -> impl Strategy<Value = Disturbance> {
    let event = prop_oneof![
        1 => Just(Draft::Await { is: Moment::Queued, within: WITHIN }),
        3 => Just(Draft::Await { is: Moment::Sent, within: WITHIN }),
        1 => Just(Draft::Await { is: Moment::Completed, within: WITHIN }),
        1 => Just(Draft::AwaitCallback { within: WITHIN }),
    ];
    let pause = prop_oneof![
        2 => Just(None),
        2 => between(SHORT_PAUSES.0, SHORT_PAUSES.1).prop_map(Some),
        1 => moment().prop_map(Some),
    ];
    let message = (percent(OF_NEW_MESSAGE), saying(0));
    let timing = (percent(TIMED), message, event, pause, any::<bool>());
    timing.prop_map(move |(is_timed, (is_new, saying), event, pause, releases)| {
        if !is_timed {
            return fault.clone();
        }
        let is_gate = is_new && matches!(saying, Saying::Gate);
        let mut drafts: Vec<Draft> = is_new.then(|| Draft::send(saying)).into_iter().collect();
        drafts.push(event);
        drafts.extend(pause.map(|pause| Draft::from(Step::Wait(pause))));
        drafts.extend(fault.0.clone());
        drafts.extend((is_gate && releases).then_some(Draft::Release));
        Disturbance(drafts)
    })
}

fn percent(chance: u64) -> impl Strategy<Value = bool> {
    (0..100_u64).prop_map(move |drawn| drawn < chance)
}
