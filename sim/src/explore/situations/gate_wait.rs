//! A batch whose gate result the server awaits, while other things happen to its run and to earlier ones (protocol §8).
//!
//! The session must have a gate and a callback, and must have completed a message, so that there is an earlier run.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use turnstile_judge::parties::WRAPPER;
use turnstile_scenarios::{Credentials, Fault, Fence, Lapse, Machine, Moment, Step, WrapperBehaviour};

use super::evidence::{says, stays, word};
use super::{CALLBACK, TURN, awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::times::between;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::{impostor_closes, impostor_opens, misbehaving};

/// A message whose run has no gate result, some events, and then the result.
pub(in crate::explore) fn gate_wait() -> impl Strategy<Value = Disturbance> {
    let pause = between(1_000, 15_000);
    (vec(meanwhile(), 1..=3), pause, any::<bool>()).prop_map(|(meanwhile, pause, passes)| {
        let result = if passes { "pass" } else { "fail" };
        let mut drafts = vec![stays(false), Draft::send(Saying::Echo), awaits(Moment::Completed)];
        drafts.extend(meanwhile.into_iter().flatten());
        drafts.extend([
            wait(pause),
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
            says(("complete", json!({"exitCode": 0, "gateResult": result}))),
            misbehaving(WrapperBehaviour::default()).into(),
            Draft::AwaitCallback { within: CALLBACK },
        ]);
        Disturbance(drafts).after_work(TURN)
    })
}

/// What happens to a run whose result is awaited: a socket of this run or of another one comes, speaks or goes, or the wrapper
/// is lost and comes back.
fn meanwhile() -> impl Strategy<Value = Vec<Draft>> {
    let fence = prop_oneof![
        2 => Just(Fence::StaleRun),
        1 => Just(Fence::StaleConnection),
        1 => Just(Fence::Current),
    ];
    let said = prop_oneof![
        2 => Just(None),
        1 => word().prop_map(|word| Some(says(word))),
        1 => Just(Some(impostor_closes(1000).into())),
    ];
    let socket = (fence, said).prop_map(|(fence, said)| {
        let opens = Draft::from(impostor_opens(Credentials::Fence(fence)));
        [opens].into_iter().chain(said).collect()
    });
    let lost = between(100, 5_000).prop_map(|away: Lapse| {
        let crash = Fault::crash(WRAPPER);
        vec![
            Step::fault(crash, None).into(),
            wait(away),
            Step::Restart(Machine::Wrapper.into()).into(),
        ]
    });
    prop_oneof![3 => socket, 1 => lost]
}
