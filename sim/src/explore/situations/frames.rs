//! A wrapper that sends frames of every kind during a turn: kept and volatile events, versions of the same entities,
//! names of the server, events with invalid data, and what is no frame (protocol §5, §9).

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use turnstile_scenarios::{Credentials, Fence, IngestFrame, Moment};

use super::{awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft, LAST};
use crate::explore::swarm::Frames;
use crate::explore::times::between;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::{impostor_opens, impostor_sends, impostor_sends_frame};

/// Messages and parts that frames are about: so few that a frame often changes an earlier one.
const MESSAGES: [&str; 2] = ["msg_a", "msg_A"];
const PARTS: [&str; 2] = ["prt_b", "prt_a"];
/// A child session.
const CHILD: &str = "ses_child";
/// The levels of a value that is nested too deep, and of one that is not (R1.14).
const DEPTHS: [usize; 2] = [100, 200];

/// Frames of all kinds, some of them after a pause, while a message is at work.
pub(in crate::explore) fn frames_of_every_kind(frames: Frames) -> impl Strategy<Value = Disturbance> {
    let Frames { most, returning } = frames;
    let single = prop_oneof![5 => entity(), 2 => event(), 1 => odd_event(), 1 => no_frame()];
    let single = single.prop_map(|frame| vec![frame]);
    let frames = match returning {
        0 => single.boxed(),
        _ => prop_oneof![9 => single, returning => returning_part()].boxed(),
    };
    let pause = proptest::option::weighted(0.3, between(1, 700));
    vec((frames, pause), 3..=most).prop_map(|frames| {
        let mut drafts = vec![
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
        ];
        for (frames, pause) in frames {
            drafts.extend(frames);
            drafts.extend(pause.map(wait));
        }
        drafts.push(Draft::Release);
        Disturbance(drafts)
    })
}

fn kilo(event: &str, properties: Value) -> Draft {
    impostor_sends("kilocode", json!({"event": event, "properties": properties})).into()
}

fn part_updated(message: &str, part: &str, text: &str) -> Draft {
    kilo(
        "message.part.updated",
        json!({"part": {"id": part, "messageID": message, "sessionID": CHILD,
        "type": "text", "text": text}}),
    )
}

fn part_removed(message: &str, part: &str) -> Draft {
    kilo(
        "message.part.removed",
        json!({"sessionID": CHILD, "messageID": message, "partID": part}),
    )
}

/// A part that is removed and comes back.
fn returning_part() -> impl Strategy<Value = Vec<Draft>> {
    (0..MESSAGES.len(), 0..PARTS.len()).prop_map(|(message, part)| {
        let (message, part) = (MESSAGES[message], PARTS[part]);
        vec![
            part_updated(message, part, "before"),
            part_removed(message, part),
            part_updated(message, part, "after"),
        ]
    })
}

/// A version of a message or a part, or its removal.
fn entity() -> impl Strategy<Value = Draft> {
    let names = (0..MESSAGES.len(), 0..PARTS.len(), 0..100_u32);
    (names, 0..6_u32).prop_map(|((message, part, version), kind)| {
        let (message, part) = (MESSAGES[message], PARTS[part]);
        let text = format!("version {version}");
        match kind {
            0 => kilo(
                "message.updated",
                json!({"info": {"id": message, "role": "assistant", "sessionID": CHILD,
                "parentID": LAST, "time": {"created": version}}}),
            ),
            1 => kilo(
                "message.updated",
                json!({"info": {"id": message, "role": "user", "sessionID": CHILD}}),
            ),
            2 | 3 => part_updated(message, part, &text),
            4 => part_removed(message, part),
            _ => kilo(
                "message.part.delta",
                json!({"sessionID": CHILD, "messageID": message, "partID": part,
                "field": "text", "delta": text}),
            ),
        }
    })
}

/// Any other event.
fn event() -> impl Strategy<Value = Draft> {
    let child =
        || json!({"sessionID": CHILD, "info": {"id": CHILD, "title": "A"}, "status": {"type": "busy"}});
    prop_oneof![
        prop::sample::select(vec![
            "session.created",
            "session.updated",
            "session.turn.close",
            "session.status",
            "session.idle",
            "todo.updated",
        ])
        .prop_map(move |name| kilo(name, child())),
        Just(kilo(
            "session.error",
            json!({"error": {"name": "APIError", "data": {"message": "no"}}})
        )),
        Just(impostor_sends("error", json!({"fatal": false, "error": "a warning"})).into()),
        Just(impostor_sends("autocommit_failed", json!({"messageId": LAST, "success": false})).into()),
        Just(
            impostor_sends(
                "autocommit_started",
                json!({"messageId": LAST, "message": "Committing"})
            )
            .into()
        ),
        Just(
            impostor_sends(
                "autocommit_completed",
                json!({"messageId": LAST, "success": true})
            )
            .into()
        ),
        Just(impostor_sends("preparing", json!({"step": "clone", "message": "Cloning"})).into()),
        Just(impostor_sends("commands.available", json!({"commands": [{"name": "review"}]})).into()),
        Just(
            impostor_sends(
                "wrapper_resumed",
                json!({"bufferedEvents": 0, "eventsLost": false})
            )
            .into()
        ),
        Just(impostor_sends("heartbeat", Value::Null).into()),
        Just(
            impostor_sends(
                "something.new",
                json!({"with space": true, "none": null, "deep": [[[1.5]]]})
            )
            .into()
        ),
    ]
}

/// An event with data that has no effect, or with a name of the server.
fn odd_event() -> impl Strategy<Value = Draft> {
    let failed = json!({"messageId": LAST, "status": "failed", "delivery": "sent", "accepted": true,
        "completionSource": "wrapper_failure", "reason": "wrapper_error", "error": "forged"});
    let completed = json!({"messageId": LAST, "status": "completed", "delivery": "sent", "accepted": true,
        "completionSource": "assistant_message_event"});
    prop::sample::select(vec![
        ("complete", json!({"exitCode": "0"})),
        ("complete", json!({"exitCode": 0, "gateResult": 1})),
        ("complete", Value::Null),
        ("interrupted", json!({"reason": 1})),
        ("interrupted", json!(["stopped"])),
        ("error", json!({"fatal": "true", "error": "no"})),
        ("error", json!({"fatal": true, "error": ["no"]})),
        ("kilocode", json!({"event": 7})),
        ("kilocode", json!("a text")),
        ("connected", json!({"cloudStatus": {"type": "ready"}})),
        (
            "cloud.status",
            json!({"cloudStatus": {"type": "error", "message": "forged"}}),
        ),
        ("cloud.message.failed", failed),
        ("cloud.message.completed", completed),
        ("cloud.something", json!({})),
    ])
    .prop_map(|(event, data)| impostor_sends(event, data).into())
}

/// What is no frame, or JSON that only some readers accept (R1.13, R1.14, R5.54).
fn no_frame() -> impl Strategy<Value = Draft> {
    let text = |data: &str| format!("{{\"streamEventType\":\"something.new\",\"data\":{data}}}");
    let mut frames = vec![
        IngestFrame::Binary,
        IngestFrame::Raw("{".to_owned()),
        IngestFrame::Raw("[]".to_owned()),
        IngestFrame::Raw("{\"data\":{}}".to_owned()),
        IngestFrame::Raw(text("\"\\ud800 alone\"")),
        IngestFrame::Raw(text("1e999")),
    ];
    let nested = |depth: usize| text(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    frames.extend(DEPTHS.map(|depth| IngestFrame::Raw(nested(depth))));
    prop::sample::select(frames).prop_map(|frame| impostor_sends_frame(frame).into())
}
