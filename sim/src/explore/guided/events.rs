//! Times a fault by an event of a message instead of by the pause before it.
//!
//! Most of a server's state exists only while it works. Drawn pauses are seldom as short as the work, so most faults would
//! meet an idle server.

use proptest::prelude::*;
use turnstile_scenarios::{Moment, Step};

use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::situations::{CALLBACK, TURN};
use crate::explore::times::{between, moment};
use crate::explore::workload::{Saying, saying};

/// The chance in percent that a fault is timed by an event.
const TIMED: u64 = 50;
/// The chance in percent that the event is of a new message and not of the last one.
const OF_NEW_MESSAGE: u64 = 60;
/// The longest of the pauses after which the server still works, in milliseconds.
const LONGEST_SHORT_PAUSE_MS: u64 = 60;

/// Whether it is a single fault.
pub(super) fn is_fault(disturbance: &Disturbance) -> bool {
    match &disturbance.0[..] {
        [Draft::Step(step)] => matches!(**step, Step::Fault(_)),
        _ => false,
    }
}

/// What happens around a fault that is timed by an event.
#[derive(Debug, Clone)]
pub(super) struct Timing {
    before: Vec<Draft>,
    after: Option<Draft>,
}

/// Generates when a fault happens: at an event of a message or soon after it, or `None` for whenever it is its turn.
pub(super) fn timing() -> impl Strategy<Value = Option<Timing>> {
    let event = prop_oneof![
        1 => Just(Draft::Await { is: Moment::Queued, within: TURN }),
        3 => Just(Draft::Await { is: Moment::Sent, within: TURN }),
        1 => Just(Draft::Await { is: Moment::Completed, within: TURN }),
        1 => Just(Draft::AwaitCallback { within: CALLBACK }),
    ];
    let pause = prop_oneof![
        2 => Just(None),
        2 => between(1, LONGEST_SHORT_PAUSE_MS).prop_map(Some),
        1 => moment().prop_map(Some),
    ];
    let message = (percent(OF_NEW_MESSAGE), saying(0));
    let drawn = (percent(TIMED), message, event, pause, any::<bool>());
    drawn.prop_map(|(is_timed, (is_new, saying), event, pause, releases)| {
        let is_released = is_new && matches!(saying, Saying::Gate) && releases;
        let message = is_new.then(|| Draft::send(saying));
        let pause = pause.map(|pause| Draft::from(Step::Wait(pause)));
        let timing = Timing {
            before: message.into_iter().chain([event]).chain(pause).collect(),
            after: is_released.then_some(Draft::Release),
        };
        is_timed.then_some(timing)
    })
}

/// A fault with a timing.
pub(super) fn timed(fault: Disturbance, timing: Option<Timing>) -> Disturbance {
    let Some(Timing { before, after }) = timing else {
        return fault;
    };
    Disturbance(before.into_iter().chain(fault.0).chain(after).collect())
}

fn percent(chance: u64) -> impl Strategy<Value = bool> {
    (0..100_u64).prop_map(move |drawn| drawn < chance)
}
