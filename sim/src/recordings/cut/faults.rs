//! Faults of a recording, each with its duration.

use std::time::Duration;

use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{Fault, Lapse, Place};
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::{Injection, Step};

use super::Moment;
use crate::recordings::step;
use crate::script::LEFT_ALONE;
use crate::stage::BEHAVIOUR_PATH;

/// The steps that inject and end the faults, up to the end of the script.
pub(super) fn moments(trace: &Trace) -> Vec<Moment> {
    // The last fault may end in the instant in which the script does.
    let end = step(trace, LEFT_ALONE).unwrap_or(trace.records().len());
    let events: Vec<(Duration, &WorldEvent)> = trace.records()[..end]
        .iter()
        .filter_map(|record| match &record.what {
            What::World(event) => Some((record.at, event)),
            _ => None,
        })
        .collect();
    let mut moments = Vec::new();
    // Ends that a step's duration already says.
    let mut said = vec![false; events.len()];
    for (index, (at, event)) in events.iter().enumerate() {
        let step = match event {
            WorldEvent::Began { fault, cause, .. } => {
                if is_consequence(fault, *cause, &events[..index]) {
                    continue;
                }
                let ended = fault
                    .place()
                    .and_then(|place| end_of(&place, &events[index + 1..]));
                let lasts = ended.map(|ended| {
                    let ended = index + 1 + ended;
                    said[ended] = true;
                    events[ended].0 - *at
                });
                injection(fault, lasts.filter(|lasts| !lasts.is_zero()))
            }
            WorldEvent::Ended { place } if !said[index] => match place {
                Place::Wrapper => Some(json!({"wrapper": {}})),
                Place::Link(link) => Some(match link.one_way {
                    true => json!({"heal": {"from": link.from, "to": link.to}}),
                    false => json!({"heal": {"between": [link.from, link.to]}}),
                }),
                _ => None,
            },
            WorldEvent::Ended { .. } | WorldEvent::Stalled { .. } => None,
        };
        let began_at = match event.fault() {
            Some(Fault::Wrapper(_)) => configured_at(trace, *at),
            _ => *at,
        };
        moments.extend(step.map(|step| Moment {
            at: began_at,
            until: *at,
            step,
        }));
    }
    moments
}

/// When the request was sent that set the wrapper's behaviour by `at`; `at` if the recording does not show it.
fn configured_at(trace: &Trace, at: Duration) -> Duration {
    let until = trace.records().partition_point(|record| record.at <= at);
    let sent = trace.records()[..until].iter().rev().find(|record| {
        let What::Observation(Observation::RequestSent { path, .. }) = &record.what else {
            return false;
        };
        path == BEHAVIOUR_PATH
    });
    sent.map_or(at, |record| record.at)
}

/// Whether another step or the server causes this fault: a crash at an armed operation of the disk, or by a panic. The
/// receiver's answers are read from the wire.
fn is_consequence(fault: &Fault, cause: Cause, before: &[(Duration, &WorldEvent)]) -> bool {
    let is_armed = |event: &WorldEvent| matches!(event.fault(), Some(Fault::Host { at: Some(_), .. }));
    match fault {
        Fault::Receiver { .. } => true,
        Fault::Host { at: None, .. } if cause == Cause::Itself => {
            let last = before
                .iter()
                .rev()
                .find(|(_, event)| matches!(event.fault(), Some(Fault::Host { .. })));
            last.is_some_and(|(_, event)| is_armed(event))
        }
        _ => cause == Cause::Panic,
    }
}

/// Index of the event that ends what lasts at a place, unless another fault begins there before. The behaviour of the
/// wrapper has no duration in scripts.
fn end_of(place: &Place, after: &[(Duration, &WorldEvent)]) -> Option<usize> {
    if *place == Place::Wrapper {
        return None;
    }
    let next = after.iter().position(|(_, event)| match event {
        WorldEvent::Ended { place: ended } => ended == place,
        WorldEvent::Began { fault, .. } => fault.place().as_ref() == Some(place),
        WorldEvent::Stalled { .. } => false,
    })?;
    matches!(after[next].1, WorldEvent::Ended { .. }).then_some(next)
}

fn injection(fault: &Fault, lasts: Option<Duration>) -> Option<Value> {
    let injection = Injection::new(fault.clone(), lasts.map(Lapse::from));
    serde_json::to_value(Step::Fault(injection)).ok()
}
