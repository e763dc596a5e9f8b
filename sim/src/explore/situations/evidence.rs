//! Situations in which a socket says what contradicts the state of its run or of a message: words after the end of the
//! run, and evidence of another end of the same message (protocol §5, §6).

use proptest::prelude::*;
use serde_json::{Value, json};
use turnstile_scenarios::{Completion, Credentials, Fence, Interrupt, Lapse, Moment, Step, WrapperBehaviour};

use super::{awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft, EARLIER, LAST};
use crate::explore::times::between;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::{impostor_closes, impostor_opens, impostor_sends, misbehaving};

/// How long to wait for the end of a turn, with an idle reconciliation.
const END: Lapse = Lapse::from_secs(20);

/// The agent's root session in a frame.
pub(super) const ROOT: &str = "<kilo-session>";

/// What a socket says.
pub(super) type Word = (&'static str, Value);

/// A wrapper that does not send `complete`, so that its run stays until the words of another socket.
pub(super) fn stays(no_reply: bool) -> Draft {
    let behaviour = WrapperBehaviour {
        no_reply,
        complete: Some(Completion {
            never: true,
            ..Completion::default()
        }),
        ..WrapperBehaviour::default()
    };
    misbehaving(behaviour).into()
}

/// A step that sends a word on the socket that was opened last.
pub(super) fn says((event, data): Word) -> Draft {
    impostor_sends(event, data).into()
}

/// Output of the root.
pub(super) fn output() -> Word {
    let delta = json!({"event": "message.part.delta", "properties": {"sessionID": ROOT, "messageID": "msg_a",
        "partID": "prt_a", "field": "text", "delta": "more"}});
    ("kilocode", delta)
}

/// A word that ends a run (R6.34).
fn terminal_word() -> impl Strategy<Value = Word> {
    prop_oneof![
        Just(("complete", json!({"exitCode": 0}))),
        Just((
            "complete",
            json!({"exitCode": 1, "gateResult": "fail", "currentBranch": "other"})
        )),
        Just(("error", json!({"error": "stopped", "fatal": true}))),
        Just(("interrupted", json!({"reason": "stopped"}))),
    ]
}

/// A finished answer to a message, without an error or with one.
fn answer(to: &'static str, error: bool) -> Word {
    let mut info = json!({"id": format!("msg_of_{error}"), "role": "assistant", "sessionID": ROOT, "parentID": to,
        "time": {"created": 1, "completed": 2}});
    if error {
        info["error"] = json!({"name": "APIError", "data": {"message": "refused"}});
    }
    (
        "kilocode",
        json!({"event": "message.updated", "properties": {"sessionID": ROOT, "info": info}}),
    )
}

/// A word that ends a run or a message, or changes nothing.
pub(super) fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        4 => terminal_word(),
        2 => any::<bool>().prop_map(|error| answer(LAST, error)),
        1 => Just(("kilocode", json!({"event": "session.idle", "properties": {"sessionID": ROOT}}))),
        1 => Just(("heartbeat", Value::Null)),
    ]
}

/// A socket that stays open when a word on it has ended its run. It says another word during the next run, or closes.
pub(super) fn outlived_run() -> impl Strategy<Value = Disturbance> {
    let later = prop_oneof![
        3 => terminal_word().prop_map(Some),
        1 => any::<bool>().prop_map(|error| Some(answer(LAST, error))),
        1 => Just(Some(("heartbeat", Value::Null))),
        1 => Just(None),
    ];
    let code = prop_oneof![Just(1000_u16), Just(1001), Just(4000)];
    (
        terminal_word(),
        later,
        code,
        any::<bool>(),
        between(1_000, 12_000),
    )
        .prop_map(|(first, later, code, is_at_work, pause)| {
            let (saying, is) = match is_at_work {
                true => (Saying::Gate, Moment::Sent),
                false => (Saying::Echo, Moment::Completed),
            };
            Disturbance(vec![
                stays(false),
                Draft::send(saying),
                awaits(is),
                impostor_opens(Credentials::Fence(Fence::Current)).into(),
                says(first),
                misbehaving(WrapperBehaviour::default()).into(),
                Draft::send(Saying::Gate),
                awaits(Moment::Sent),
                later.map_or_else(|| impostor_closes(code).into(), says),
                wait(pause),
            ])
        })
}

/// Evidence of an end that contradicts the end of the same message, or both at once.
pub(super) fn contradiction() -> impl Strategy<Value = Disturbance> {
    prop_oneof![at_once(), after_end(), after_interrupt()]
}

/// Two answers to a message in work, one of them with an error, and then words that end its run.
fn at_once() -> impl Strategy<Value = Disturbance> {
    (any::<bool>(), terminal_word(), terminal_word()).prop_map(|(error, first, second)| {
        Disturbance(vec![
            stays(false),
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
            says(answer(LAST, error)),
            says(answer(LAST, !error)),
            says(first),
            says(second),
            misbehaving(WrapperBehaviour::default()).into(),
        ])
    })
}

/// An error after the answer, or an answer after the reconciliation.
fn after_end() -> impl Strategy<Value = Disturbance> {
    let word = prop_oneof![1 => Just(None), 1 => terminal_word().prop_map(Some)];
    (any::<bool>(), word).prop_map(|(no_reply, word)| {
        let end = match no_reply {
            true => Moment::Failed,
            false => Moment::Completed,
        };
        let late = answer(LAST, !no_reply);
        Disturbance(vec![
            stays(no_reply),
            Draft::send(Saying::Echo),
            Draft::Await { is: end, within: END },
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
            says(late),
            says(word.unwrap_or(("heartbeat", Value::Null))),
            misbehaving(WrapperBehaviour::default()).into(),
        ])
    })
}

/// An answer to an interrupted message, on a socket of the next run.
fn after_interrupt() -> impl Strategy<Value = Disturbance> {
    any::<bool>().prop_map(|error| {
        Disturbance(vec![
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            Step::Interrupt(Interrupt::default()).into(),
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
            says(answer(EARLIER, error)),
        ])
    })
}
