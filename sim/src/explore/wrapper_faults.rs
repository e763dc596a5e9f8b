//! Misbehaving wrappers whose machine and links work, and impostors that act for a wrapper.

use std::num::NonZeroU32;

use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::json;
use turnstile_scenarios::{
    At, Completion, Credentials, Failure, Fault, Fence, GateVerdict, Ingest, IngestFrame, IngestName,
    JobBehaviour, JobCode, Json, ReadyBehaviour, ReadyCode, Reply, Step, WrapperBehaviour,
};

use super::fault_group::{AfterWork, FaultGroup, at_any_time};
use super::times::between;

/// A wrapper that fails to start or to accept turns.
pub(super) fn wrapper_start() -> impl Strategy<Value = WrapperBehaviour> {
    let times = || prop_oneof![4 => 1..=4_u32, 1 => 5..=11_u32].prop_map(NonZeroU32::new);
    let ready_code = prop_oneof![
        3 => Just(ReadyCode::WorkspaceSetupFailed),
        3 => Just(ReadyCode::KiloServerFailed),
        1 => Just(ReadyCode::InvalidRequest),
    ];
    let job_code = prop_oneof![
        1 => Just(JobCode::InvalidRequest),
        1 => Just(JobCode::NoSession),
        3 => Just(JobCode::ConnectionError),
        3 => Just(JobCode::SendError),
    ];
    let late = || prop_oneof![3 => between(100, 9_000), 1 => between(9_000, 45_000)];
    prop_oneof![
        late().prop_map(|delay| ReadyBehaviour {
            delay: Some(delay),
            fail: None
        }),
        (ready_code, times()).prop_map(|(code, times)| ReadyBehaviour {
            delay: None,
            fail: Some(Failure { code, times }),
        }),
    ]
    .prop_map(|ready| WrapperBehaviour {
        ready: Some(ready),
        ..WrapperBehaviour::default()
    })
    .boxed()
    .prop_union(
        prop_oneof![
            late().prop_map(|delay| JobBehaviour {
                delay: Some(delay),
                ..JobBehaviour::default()
            }),
            (1..=2_u32).prop_map(|lose_reply| JobBehaviour {
                lose_reply,
                ..JobBehaviour::default()
            }),
            (job_code, times()).prop_map(|(code, times)| JobBehaviour {
                fail: Some(Failure { code, times }),
                ..JobBehaviour::default()
            }),
        ]
        .prop_map(|job| WrapperBehaviour {
            job: Some(job),
            ..WrapperBehaviour::default()
        })
        .boxed(),
    )
}

/// A wrapper that sends wrong or untimely events.
pub(super) fn wrapper_behaviour() -> impl Strategy<Value = WrapperBehaviour> {
    fn with(change: impl Fn(&mut WrapperBehaviour) + 'static) -> BoxedStrategy<WrapperBehaviour> {
        Just(())
            .prop_map(move |()| {
                let mut behaviour = WrapperBehaviour::default();
                change(&mut behaviour);
                behaviour
            })
            .boxed()
    }
    let complete = (
        proptest::option::of(prop_oneof![Just(GateVerdict::Pass), Just(GateVerdict::Fail)]),
        prop_oneof![3 => Just(false), 1 => Just(true)],
        proptest::option::of(0..=2_i32),
    );
    let complete = complete.prop_map(|(gate, never, exit_code)| WrapperBehaviour {
        complete: Some(Completion {
            gate,
            never,
            exit_code,
            branch: None,
        }),
        ..WrapperBehaviour::default()
    });
    let late = (1..=3_u32).prop_map(|late| WrapperBehaviour {
        late,
        ..WrapperBehaviour::default()
    });
    Union::new(vec![
        with(|it| it.deaf = true),
        with(|it| it.silent = true),
        with(|it| it.babble = 40),
        with(|it| it.duplicate = true),
        with(|it| it.ends_out_of_order = true),
        with(|it| it.no_reply = true),
        with(|it| it.unfinished_reply = true),
        with(|it| it.child_idle = true),
        with(|it| it.loses_buffer = true),
        with(|it| it.keeps_old_socket = true),
        with(|it| it.fatal = Some("broken".to_owned())),
        late.boxed(),
        complete.boxed(),
    ])
}

/// A step that sets the wrapper's behaviour.
pub(super) fn misbehaving(behaviour: WrapperBehaviour) -> Step {
    Step::fault(Fault::Wrapper(Box::new(behaviour)), None)
}

/// An impostor with a stale fence that sends frames like a wrapper.
pub(super) fn intruder() -> impl Strategy<Value = FaultGroup> {
    let socket = || -> At<IngestName> { At::from("intruder".parse::<IngestName>().expect("it is a name")) };
    let fence = prop_oneof![3 => Just(Fence::StaleRun), 2 => Just(Fence::StaleConnection)];
    let words = prop_oneof![
        Just(("complete", json!({"exitCode": 0}))),
        Just(("error", json!({"error": "intruded", "fatal": true}))),
        Just(("interrupted", json!({"reason": "intruded"}))),
    ];
    let within = proptest::option::of(between(1_000, 20_000));
    (fence, words, within).prop_map(move |(fence, (event, data), within)| {
        let data = serde_json::from_value::<Json>(data).expect("it is JSON");
        let steps = vec![
            Step::Ingest(Ingest::Open {
                name: socket(),
                credentials: Credentials::Fence(fence),
                reply: Reply::default(),
            }),
            Step::Ingest(Ingest::Send {
                name: socket(),
                frame: IngestFrame::Event {
                    event: event.to_owned(),
                    data: data.into(),
                },
            }),
        ];
        match within {
            Some(within) => FaultGroup {
                steps: Vec::new(),
                after_work: Some(AfterWork { within, steps }),
            },
            None => at_any_time(steps),
        }
    })
}
