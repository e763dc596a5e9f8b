//! Mutants of runs and of the orders to wrappers: allocation, `kill`, abort and requests for a snapshot (protocol §5, §7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::json;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::{Fence, SessionId, WrapperRunId};
use turnstile_reference::session::{Effect, Input, ToWrapper};

use crate::core_row::{CoreRow, change_core};
use crate::{id_of, lock};

/// Keeps the run that was allocated for a delivery that failed; violates R5.9.
pub struct KeepsFailedRun;

impl Interceptor for KeepsFailedRun {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let run = CoreRow::of(moment.before).0["run"].take();
        let is_failure = matches!(moment.input, Input::Delivered { result: Err(_), .. });
        let is_released = CoreRow::of(decided.session).0["run"].is_null();
        if !is_failure || run.is_null() || !is_released {
            return Memory::Stays;
        }
        decided.effects.retain(|effect| {
            let is_kill = matches!(effect, Effect::Send(_, ToWrapper::Kill));
            !is_kill && !matches!(effect, Effect::StopWrapper(_) | Effect::Close(..))
        });
        change_core(decided, |core| core.0["run"] = run);
        Memory::IsReread
    }
}

/// Gives every run the connection id of the first one; violates R1.5.
#[derive(Default)]
pub struct KeepsConnection {
    first: Mutex<BTreeMap<SessionId, Fence>>,
}

impl Interceptor for KeepsConnection {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut first = lock(&self.first);
        let session = id_of(decided.session).clone();
        let mut reused = None;
        for effect in &mut decided.effects {
            if let Effect::Deliver(delivery) = effect {
                let fence = &mut delivery.run.fence;
                let first = first.entry(session.clone()).or_insert_with(|| fence.clone());
                if fence.connection != first.connection {
                    fence.connection.clone_from(&first.connection);
                    reused = Some(json!(fence));
                }
            }
        }
        let Some(fence) = reused else {
            return Memory::Stays;
        };
        change_core(decided, |core| core.0["run"]["fence"] = fence);
        Memory::IsReread
    }
}

/// Releases a run without a `kill`; violates R7.13.
pub struct SendsNoKill;

impl Interceptor for SendsNoKill {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_kill = |effect: &Effect| matches!(effect, Effect::Send(_, ToWrapper::Kill));
        decided.effects.retain(|effect| !is_kill(effect));
        Memory::Stays
    }
}

/// Aborts the run that was released before, in place of the released one; violates R5.35.
#[derive(Default)]
pub struct AbortsEarlierRun {
    last: Mutex<BTreeMap<SessionId, WrapperRunId>>,
}

impl Interceptor for AbortsEarlierRun {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut last = lock(&self.last);
        let session = id_of(decided.session).clone();
        for effect in &mut decided.effects {
            if let Effect::StopWrapper(run) = effect
                && let Some(earlier) = last.insert(session.clone(), run.clone())
            {
                *run = earlier;
            }
        }
        Memory::Stays
    }
}

/// Asks for no snapshot when a client connects; violates R5.59.
pub struct AsksForNoSnapshot;

impl Interceptor for AsksForNoSnapshot {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        decided.effects.retain(|effect| !asks_for_snapshot(effect));
        Memory::Stays
    }
}

/// Asks each run for one snapshot only; violates R5.59.
#[derive(Default)]
pub struct AsksOncePerRun {
    asked: Mutex<BTreeSet<WrapperRunId>>,
}

impl Interceptor for AsksOncePerRun {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let run = CoreRow::of(decided.session).0["run"]["id"].take();
        let Ok(run) = serde_json::from_value(run) else {
            return Memory::Stays;
        };
        let mut asked = lock(&self.asked);
        if decided.effects.iter().any(asks_for_snapshot) && !asked.insert(run) {
            decided.effects.retain(|effect| !asks_for_snapshot(effect));
        }
        Memory::Stays
    }
}

fn asks_for_snapshot(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(_, ToWrapper::RequestSnapshot))
}
