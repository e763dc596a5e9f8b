//! Sessions that an older service left on the server's disk (protocol §10).

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use turnstile_scenarios::{
    Call, Credentials, ExecutionStatus, JsonObject, Label, Lapse, RecordForm, SessionName, Step, Stored,
    StoredExecution, WrapperBehaviour,
};

use super::disturbance::Disturbance;
use super::situations::TURN;
use super::times::{between, moment};
use super::wrapper_faults::{answering_late, impostor_closes, impostor_opens, impostor_sends, misbehaving};

/// A kilo session that this server did not draw.
const KILO_SESSION: &str = "ses_OLDoldOLDoldOLDoldOLDoldOL";
/// Label of the execution, and of the message that it runs for.
const EXECUTION: &str = "old";
const ASKED: &str = "asked";
/// The time-out of an execution (R10.31), and the delay before a delivery (R3.14).
const TIME_OUT: Duration = Duration::from_hours(1);
const DRAIN_DELAY: Duration = Duration::from_secs(1);

/// An imported session.
#[derive(Debug, Clone)]
pub(super) struct Imported {
    /// What is stored.
    pub(super) stored: Stored,
    /// Whether its first message has to be initiated.
    pub(super) waits_for_initiation: bool,
    /// How the session's wrapper behaves from the beginning.
    pub(super) behaviour: Option<WrapperBehaviour>,
    /// What the wrapper of its execution does.
    pub(super) wrapper: Disturbance,
}

/// Generates an imported session, seldom.
pub(super) fn imported() -> impl Strategy<Value = Option<Imported>> {
    let kinds = prop_oneof![1 => not_initiated(), 2 => with_execution(), 1 => delivery_across_time_out()];
    proptest::option::weighted(0.08, kinds)
}

/// A session that was prepared and not initiated.
fn not_initiated() -> impl Strategy<Value = Imported> {
    any::<bool>().prop_map(|has_kilo_session| Imported {
        stored: Stored {
            record: record(has_kilo_session, Some("initiatedAt")).into(),
            ..Stored::default()
        },
        waits_for_initiation: true,
        behaviour: None,
        wrapper: Disturbance(Vec::new()),
    })
}

/// Changes of a flat record: its own kilo session, and a field that it does not have.
fn record(has_kilo_session: bool, missing: Option<&str>) -> JsonObject {
    let mut changes = Map::new();
    if has_kilo_session {
        changes.insert("kiloSessionId".to_owned(), json!(KILO_SESSION));
    }
    changes.extend(missing.map(|name| (name.to_owned(), Value::Null)));
    JsonObject(changes)
}

/// A session with an execution that has not ended, whose wrapper connects and ends it, or vanishes.
fn with_execution() -> impl Strategy<Value = Imported> {
    let status = prop_oneof![3 => Just(ExecutionStatus::Running), 1 => Just(ExecutionStatus::Pending)];
    // The second is close to the time-out (R10.31).
    let age = prop_oneof![3 => between(1_000, 600_000), 1 => between(3_570_000, 3_599_000)];
    let word = prop_oneof![
        3 => Just(Some(("complete", json!({"exitCode": 0})))),
        1 => Just(Some(("interrupted", json!({"reason": "stopped"})))),
        1 => Just(Some(("error", json!({"error": "stopped", "fatal": true})))),
        1 => Just(Some(("heartbeat", Value::Null))),
        2 => Just(None),
    ];
    let has = (any::<bool>(), any::<bool>());
    (form(), status, age, has, moment(), word).prop_map(
        |(form, status, started_before, (has_message, has_kilo_session), pause, word)| {
            let last = match word {
                Some((event, data)) => impostor_sends(event, data),
                None => impostor_closes(1001),
            };
            Imported {
                stored: Stored {
                    form,
                    record: record(has_kilo_session && form == RecordForm::Flat, None).into(),
                    executions: vec![execution(status, started_before, has_message)],
                    ..Stored::default()
                },
                waits_for_initiation: false,
                behaviour: None,
                wrapper: Disturbance::at_any_time([
                    Step::Wait(Lapse::from_secs(2)),
                    impostor_opens(Credentials::Execution(label(EXECUTION).into())),
                    Step::Wait(pause),
                    last,
                ]),
            }
        },
    )
}

/// A session whose execution times out in peace, because its wrapper never connects. A client asks for it before, after the
/// first message.
pub(super) fn timing_out() -> impl Strategy<Value = Imported> {
    let durations = (between(5_000, 30_000), between(2_000, 20_000));
    (form(), any::<bool>(), durations).prop_map(|(form, has_message, (before, over))| Imported {
        stored: Stored {
            form,
            executions: vec![running_until(*before, has_message)],
            ..Stored::default()
        },
        waits_for_initiation: false,
        behaviour: None,
        wrapper: Disturbance::at_any_time([
            Step::Call(Call::by_owner("getSession", &SessionName::default())),
            Step::Wait(Lapse::from(*before + *over)),
        ])
        .after_work(TURN),
    })
}

/// A session whose execution times out during the slow delivery of its first message.
fn delivery_across_time_out() -> impl Strategy<Value = Imported> {
    let delivery = (any::<bool>(), between(3_000, 28_000), 0..=10_u32);
    (delivery, any::<bool>()).prop_map(|((is_ready, takes, tenths), has_message)| {
        let execution = running_until(DRAIN_DELAY + *takes * tenths / 10, has_message);
        let normal = WrapperBehaviour::default();
        Imported {
            stored: Stored {
                executions: vec![execution],
                ..Stored::default()
            },
            waits_for_initiation: false,
            behaviour: Some(answering_late(normal.clone(), is_ready, takes)),
            wrapper: Disturbance::at_any_time([Step::Wait(takes), misbehaving(normal)]),
        }
    })
}

fn form() -> impl Strategy<Value = RecordForm> {
    prop_oneof![Just(RecordForm::Flat), Just(RecordForm::Grouped)]
}

fn execution(status: ExecutionStatus, started_before: Lapse, has_message: bool) -> StoredExecution {
    StoredExecution {
        r#as: label(EXECUTION).into(),
        id: None,
        status,
        started_before,
        message: has_message.then(|| label(ASKED).into()),
    }
}

/// A running execution that times out so long after the start of the play.
fn running_until(time_out: Duration, has_message: bool) -> StoredExecution {
    let started_before = Lapse::from(TIME_OUT.saturating_sub(time_out));
    execution(ExecutionStatus::Running, started_before, has_message)
}

fn label(text: &str) -> Label {
    text.parse().expect("it is a label")
}
