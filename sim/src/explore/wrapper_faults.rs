//! Misbehaving wrappers whose machine and links work, and impostors that act for a wrapper.

use std::num::NonZeroU32;

use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::{Value, json};
use turnstile_fault::GivenReply;
use turnstile_scenarios::{
    At, Completion, Credentials, Failure, Fault, Fence, Finalizing, GateVerdict, Ingest, IngestFrame,
    IngestName, JobBehaviour, JobCode, Json, Lapse, OddAnswer, OddAnswers, PartChange, Preparing,
    ReadyBehaviour, ReadyCode, Reply, Status, Step, Ticket, WrapperBehaviour,
};

use super::disturbance::Disturbance;
use super::times::between;
use super::workload::closed_ticket;

/// The agents' latency in a seed: often none, else up to half a second (R11.51).
pub(super) fn latency() -> impl Strategy<Value = Lapse> {
    prop_oneof![2 => Just(Lapse::default()), 3 => between(1, 500)]
}

/// A wrapper that fails to start or to accept turns.
pub(super) fn wrapper_start() -> impl Strategy<Value = WrapperBehaviour> {
    prop_oneof![
        ready().prop_map(|ready| WrapperBehaviour {
            ready: Some(ready),
            ..WrapperBehaviour::default()
        }),
        job().prop_map(|job| WrapperBehaviour {
            job: Some(job),
            ..WrapperBehaviour::default()
        }),
    ]
}

/// The number of failures.
fn times() -> impl Strategy<Value = Option<NonZeroU32>> {
    prop_oneof![4 => 1..=4_u32, 1 => 5..=11_u32].prop_map(NonZeroU32::new)
}

/// The delay of an answer.
fn late() -> impl Strategy<Value = Option<Lapse>> {
    prop_oneof![3 => between(100, 9_000), 1 => between(9_000, 45_000)].prop_map(Some)
}

/// Answers that are not a wrapper's.
fn odd_answers() -> impl Strategy<Value = Option<OddAnswers>> {
    let answer = prop_oneof![
        3 => Just(OddAnswer::Html502),
        3 => Just(OddAnswer::Truncated),
        3 => Just(OddAnswer::Empty),
        1 => Just(OddAnswer::Endless),
    ];
    (answer, 1..=2_u32).prop_map(|(is, times)| {
        Some(OddAnswers {
            is,
            times: NonZeroU32::new(times),
        })
    })
}

/// Answers with a status that no wrapper uses, or a body that says nothing of the request.
fn given_reply() -> impl Strategy<Value = Option<GivenReply>> {
    let status = prop_oneof![
        Just(200_u16),
        Just(204),
        Just(307),
        Just(404),
        Just(409),
        Just(429),
        Just(500),
        Just(503),
    ];
    let body = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!({"status": "ready"})),
        Just(json!({"status": "sent", "messageId": "msg_000000000000aaaaaaaaaaaaaa"})),
        Just(json!({"error": "BUSY", "message": "busy", "retryAfter": 5})),
        Just(json!([{"error": "KILO_SERVER_FAILED"}])),
    ];
    (status, body, 1..=2_u32).prop_map(|(status, body, times)| {
        Some(GivenReply {
            status: Status::try_from(status).expect("the codes here are those of answers"),
            body,
            times: NonZeroU32::new(times),
        })
    })
}

fn ready() -> impl Strategy<Value = ReadyBehaviour> {
    let code = prop_oneof![
        3 => Just(ReadyCode::WorkspaceSetupFailed),
        3 => Just(ReadyCode::KiloServerFailed),
        1 => Just(ReadyCode::InvalidRequest),
        1 => Just(ReadyCode::NotReady),
    ];
    let fail = (code, times()).prop_map(|(code, times)| Failure { code, times });
    let is_late = prop_oneof![2 => Just(false), 1 => Just(true)];
    prop_oneof![
        2 => late().prop_map(|delay| ReadyBehaviour {
            delay,
            ..ReadyBehaviour::default()
        }),
        // The delay before a retry counts from a failure, however late it is (R4.23).
        3 => (fail, late(), is_late).prop_map(|(fail, delay, is_late)| ReadyBehaviour {
            fail: Some(fail),
            delay: delay.filter(|_| is_late),
            ..ReadyBehaviour::default()
        }),
        1 => odd_answers().prop_map(|answer| ReadyBehaviour {
            answer,
            ..ReadyBehaviour::default()
        }),
        1 => given_reply().prop_map(|reply| ReadyBehaviour {
            reply,
            ..ReadyBehaviour::default()
        }),
    ]
}

fn job() -> impl Strategy<Value = JobBehaviour> {
    let code = prop_oneof![
        1 => Just(JobCode::InvalidRequest),
        1 => Just(JobCode::NoSession),
        3 => Just(JobCode::ConnectionError),
        3 => Just(JobCode::SendError),
    ];
    prop_oneof![
        late().prop_map(|delay| JobBehaviour {
            delay,
            ..JobBehaviour::default()
        }),
        (1..=2_u32).prop_map(|lose_reply| JobBehaviour {
            lose_reply,
            ..JobBehaviour::default()
        }),
        (code, times()).prop_map(|(code, times)| JobBehaviour {
            fail: Some(Failure { code, times }),
            ..JobBehaviour::default()
        }),
        odd_answers().prop_map(|answer| JobBehaviour {
            answer,
            ..JobBehaviour::default()
        }),
        given_reply().prop_map(|reply| JobBehaviour {
            reply,
            ..JobBehaviour::default()
        }),
    ]
}

/// A wrapper that sends wrong or untimely events, or an agent whose turns have an unusual shape.
pub(super) fn wrapper_behaviour() -> impl Strategy<Value = WrapperBehaviour> {
    prop_oneof![13 => wrong_events(), 10 => unusual_shapes()]
}

/// The behaviour with this change.
fn with(change: impl Fn(&mut WrapperBehaviour) + 'static) -> BoxedStrategy<WrapperBehaviour> {
    Just(())
        .prop_map(move |()| {
            let mut behaviour = WrapperBehaviour::default();
            change(&mut behaviour);
            behaviour
        })
        .boxed()
}

fn wrong_events() -> impl Strategy<Value = WrapperBehaviour> {
    let complete = (
        proptest::option::of(prop_oneof![Just(GateVerdict::Pass), Just(GateVerdict::Fail)]),
        prop_oneof![3 => Just(false), 1 => Just(true)],
        proptest::option::of(0..=2_i32),
        proptest::option::of(1..=9_u32),
        any::<bool>(),
    );
    let complete = complete.prop_map(|(gate, never, exit_code, branch, stays)| WrapperBehaviour {
        complete: Some(Completion {
            gate,
            never,
            exit_code,
            branch: branch.map(|number| format!("branch-{number}")),
            stays,
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

/// Agents whose turns have an unusual shape, each alone or while its `complete` keeps the ingest open.
fn unusual_shapes() -> impl Strategy<Value = WrapperBehaviour> {
    let shape = Union::new(vec![
        between(100, 6_000)
            .prop_map(|takes| WrapperBehaviour {
                finalize: Some(Finalizing {
                    takes,
                    ..Finalizing::default()
                }),
                ..WrapperBehaviour::default()
            })
            .boxed(),
        with(|it| it.heartbeat = Some(Lapse::from_secs(20))),
        with(|it| {
            it.heartbeat = Some(Lapse::from_secs(20));
            it.deaf = true;
        }),
        prop_oneof![Just(20_000_u32), Just(130_000), Just(200_000)]
            .prop_map(|long_text| WrapperBehaviour {
                long_text,
                ..WrapperBehaviour::default()
            })
            .boxed(),
        with(|it| it.parts = Some(PartChange::Reordered)),
        with(|it| it.parts = Some(PartChange::Updated)),
        with(|it| it.parts = Some(PartChange::Removed)),
        with(|it| it.lone_surrogate = true),
        with(|it| {
            it.commands = vec!["review".to_owned(), "test".to_owned()];
            it.preparing = Some(Preparing {
                step: "clone".to_owned(),
                message: "Cloning".to_owned(),
            });
        }),
        (1..=2_u32)
            .prop_map(|abandons_opening| WrapperBehaviour {
                abandons_opening,
                ..WrapperBehaviour::default()
            })
            .boxed(),
        with(|it| it.unfinished_reply = true),
    ]);
    (shape, prop_oneof![3 => Just(false), 1 => Just(true)]).prop_map(|(mut behaviour, stays)| {
        if stays {
            behaviour.complete = Some(Completion {
                stays,
                ..Completion::default()
            });
        }
        behaviour
    })
}

/// The behaviour, but with a late answer to `/session/ready`, or else to `/job/…`.
pub(super) fn answering_late(behaviour: WrapperBehaviour, is_ready: bool, delay: Lapse) -> WrapperBehaviour {
    let delay = Some(delay);
    match is_ready {
        true => WrapperBehaviour {
            ready: Some(ReadyBehaviour {
                delay,
                ..ReadyBehaviour::default()
            }),
            ..behaviour
        },
        false => WrapperBehaviour {
            job: Some(JobBehaviour {
                delay,
                ..JobBehaviour::default()
            }),
            ..behaviour
        },
    }
}

/// A step that sets the wrapper's behaviour.
pub(super) fn misbehaving(behaviour: WrapperBehaviour) -> Step {
    Step::fault(Fault::Wrapper(Box::new(behaviour)), None)
}

/// Opens an impostor's ingest socket.
pub(super) fn impostor_opens(credentials: Credentials) -> Step {
    Step::Ingest(Ingest::Open {
        name: impostor(),
        credentials,
        ticket: Ticket::Own,
        reply: Reply::default(),
    })
}

/// Knocks at the door of the ingest under the current fence, with a token that does not open it.
pub(super) fn thief() -> impl Strategy<Value = Step> {
    closed_ticket().prop_map(|ticket| {
        Step::Ingest(Ingest::Open {
            name: impostor(),
            credentials: Credentials::Fence(Fence::Current),
            ticket,
            reply: Reply::default(),
        })
    })
}

/// Sends an event on the impostor's socket that was opened last.
pub(super) fn impostor_sends(event: &str, data: Value) -> Step {
    impostor_sends_frame(IngestFrame::Event {
        event: event.to_owned(),
        data: Json(data).into(),
    })
}

/// Sends any frame on it.
pub(super) fn impostor_sends_frame(frame: IngestFrame) -> Step {
    let name = impostor();
    Step::Ingest(Ingest::Send { name, frame })
}

/// Closes the impostor's socket that was opened last.
pub(super) fn impostor_closes(code: u16) -> Step {
    let name = impostor();
    Step::Ingest(Ingest::Close { name, code })
}

/// The name of an impostor's socket, which the layout replaces by a unique one.
fn impostor() -> At<IngestName> {
    At::from("intruder".parse::<IngestName>().expect("it is a name"))
}

/// An impostor with a stale fence that sends frames like a wrapper.
pub(super) fn intruder() -> impl Strategy<Value = Disturbance> {
    let fence = prop_oneof![3 => Just(Fence::StaleRun), 2 => Just(Fence::StaleConnection)];
    let words = prop_oneof![
        Just(("complete", json!({"exitCode": 0}))),
        Just(("error", json!({"error": "intruded", "fatal": true}))),
        Just(("interrupted", json!({"reason": "intruded"}))),
    ];
    let within = proptest::option::of(between(1_000, 20_000));
    (fence, words, within).prop_map(|(fence, (event, data), within)| {
        let intrusion = Disturbance::at_any_time([
            impostor_opens(Credentials::Fence(fence)),
            impostor_sends(event, data),
        ]);
        match within {
            Some(within) => intrusion.after_work(within),
            None => intrusion,
        }
    })
}
