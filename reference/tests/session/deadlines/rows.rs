//! The deadlines of §7, §4 and §8 of the protocol: when each begins, how long it runs, its effects, and the events
//! that cancel it.

use std::time::Duration;

use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::{Reason, Source};
use turnstile_reference::session::wrapper::FailureCode;
use turnstile_reference::session::{CallbackOwner, Effect, Input, ToWrapper};

use crate::bench::Bench;
use crate::bench::frames::{self, Reply};
use crate::bench::setting::Setting;
use crate::deadlines::acts::*;
use crate::deadlines::consequences::*;
use crate::deadlines::times::*;

/// A deadline.
pub struct Row {
    /// The name for failure messages.
    pub name: &'static str,
    /// The setting of the session.
    pub setting: Setting,
    /// Brings the session to the moment at which the deadline begins. Returns the message that it is about.
    pub arm: fn(&mut Bench) -> MessageId,
    /// The length of the deadline.
    pub after: Duration,
    /// Whether an effect is the one that the deadline causes. No such effect occurs before.
    pub is_due: fn(&Effect) -> bool,
    /// Checks the consequences after the deadline fired.
    pub consequence: fn(&mut Bench, &MessageId) -> Result<(), String>,
    /// The time after which other events happen in a test.
    pub midway: Duration,
    /// Whether the wrapper reconnects right after a restart.
    pub returns: bool,
    /// The time from the return of the wrapper after a restart to the effect, for deadlines that begin again then
    /// (R7.20). Others keep their time.
    pub after_return: Option<Duration>,
    /// The additional delay that each restart may cause.
    pub slack: Duration,
    /// Events that cancel it.
    pub cancelled_by: Vec<Act>,
    /// Events that restart it.
    pub restarted_by: Vec<Act>,
    /// Events that do not affect it.
    pub unaffected_by: Vec<Act>,
}

impl Row {
    fn new(name: &'static str, after: Duration, arm: fn(&mut Bench) -> MessageId) -> Self {
        Self {
            name,
            setting: Setting::default(),
            arm,
            after,
            is_due: is_stop,
            consequence: |_, _| Ok(()),
            midway: after / 2,
            returns: true,
            after_return: None,
            slack: Duration::ZERO,
            cancelled_by: Vec::new(),
            restarted_by: Vec::new(),
            unaffected_by: Vec::new(),
        }
    }
}

/// All rows.
#[expect(clippy::too_many_lines, reason = "the table of deadlines")]
pub fn rows() -> Vec<Row> {
    vec![
        Row {
            is_due: is_loss,
            consequence: wrapper_disconnected,
            returns: false,
            cancelled_by: vec![RECONNECTS, USER_INTERRUPTS],
            unaffected_by: grace_is_unaffected_by(),
            ..Row::new("grace", GRACE, |bench| {
                let message = accepted(bench);
                bench.disconnect();
                message
            })
        },
        Row {
            setting: Setting {
                callback: true,
                gate: true,
                ..Setting::default()
            },
            consequence: gate_is_released,
            returns: false,
            cancelled_by: vec![RECONNECTS],
            unaffected_by: vec![OTHERS_CONNECT, CLOSED_SOCKET_SPEAKS],
            ..Row::new("grace while a gate result is awaited", GRACE, |bench| {
                let message = accepted(bench);
                bench.send(frames::assistant(&message, Reply::Completed));
                bench.send(frames::root_idle());
                bench.disconnect();
                message
            })
        },
        Row {
            is_due: is_loss,
            consequence: wrapper_disconnected,
            returns: false,
            cancelled_by: vec![RECONNECTS, USER_INTERRUPTS],
            unaffected_by: grace_is_unaffected_by(),
            ..Row::new("grace from a boot", GRACE, |bench| {
                let message = accepted(bench);
                bench.pass(GRACE);
                bench.restart();
                message
            })
        },
        Row {
            is_due: |effect| matches!(effect, Effect::Send(_, ToWrapper::Ping)),
            // Late, so that the deadlines after the end of a message do not fire before.
            midway: PING - Duration::from_secs(10),
            after_return: Some(PING),
            cancelled_by: ends(),
            restarted_by: vec![
                DELTA,
                PART,
                OPEN_REPLY,
                STATUS,
                SMALL_ERROR,
                UNASKED_PONG,
                ANOTHER_IS_ACCEPTED,
            ],
            unaffected_by: vec![
                HEARTBEAT,
                RESUMED,
                CHILD_IDLE,
                ROOT_IDLE,
                RECONNECTS,
                ANOTHER_IS_ADMITTED,
                OTHERS_CONNECT,
            ],
            ..Row::new("ping", PING, accepted)
        },
        Row {
            is_due: |effect| matches!(effect, Effect::Send(_, ToWrapper::Ping)),
            after_return: Some(PING),
            ..Row::new("ping after a pong", PING, |bench| {
                let message = accepted(bench);
                bench.pass(PING);
                message
            })
        },
        Row {
            is_due: is_loss,
            consequence: wrapper_failed,
            midway: PONG - Duration::from_secs(5),
            // The outstanding ping is forgotten.
            after_return: Some(PING.saturating_add(PONG)),
            cancelled_by: [ends(), vec![PONG_COMES]].into_iter().flatten().collect(),
            // The ping is sent again, because the wrapper may not have received it on the old socket (R7.35).
            restarted_by: vec![RECONNECTS],
            unaffected_by: vec![
                DELTA,
                PART,
                STATUS,
                SMALL_ERROR,
                HEARTBEAT,
                CHILD_IDLE,
                ANOTHER_IS_ADMITTED,
                ANOTHER_IS_ACCEPTED,
                OTHERS_CONNECT,
            ],
            ..Row::new("pong", PONG, |bench| {
                let message = accepted(bench);
                bench.answers_pings = false;
                bench.pass(PING);
                message
            })
        },
        Row {
            is_due: is_loss,
            consequence: wrapper_failed,
            midway: NO_OUTPUT - Duration::from_secs(10),
            after_return: Some(NO_OUTPUT),
            slack: OUTPUT_SLACK,
            cancelled_by: ends(),
            restarted_by: vec![
                DELTA,
                PART,
                OPEN_REPLY,
                STATUS,
                AUTOCOMMIT,
                SMALL_ERROR,
                ANOTHER_IS_ACCEPTED,
            ],
            unaffected_by: vec![
                UNASKED_PONG,
                HEARTBEAT,
                RESUMED,
                CHILD_IDLE,
                ROOT_IDLE,
                RECONNECTS,
                ANOTHER_IS_ADMITTED,
                OTHERS_CONNECT,
            ],
            ..Row::new("no output", NO_OUTPUT, accepted)
        },
        Row {
            // Before any further output is recorded.
            midway: OUTPUT_SLACK * 2,
            after_return: Some(NO_OUTPUT),
            slack: OUTPUT_SLACK,
            is_due: is_loss,
            consequence: wrapper_failed,
            ..Row::new("no output after an output", NO_OUTPUT, |bench| {
                let message = accepted(bench);
                bench.pass(NO_OUTPUT - MOMENT);
                (DELTA.does)(bench, &message);
                message
            })
        },
        Row {
            is_due: is_reconciliation,
            consequence: |bench, message| {
                ended(
                    bench,
                    message,
                    Reason::MissingAssistantReply,
                    Source::IdleReconciliation,
                )?;
                called_back(bench, message)
            },
            cancelled_by: [ends(), vec![ANOTHER_IS_ACCEPTED]]
                .into_iter()
                .flatten()
                .collect(),
            unaffected_by: vec![
                DELTA,
                STATUS,
                HEARTBEAT,
                CHILD_IDLE,
                ANOTHER_IS_ADMITTED,
                RECONNECTS,
                OTHERS_CONNECT,
            ],
            ..Row::new("reconciliation", RECONCILIATION, |bench| {
                let message = accepted(bench);
                bench.send(frames::root_idle());
                message
            })
        },
        Row {
            consequence: |bench, message| {
                ended(bench, message, Reason::Interrupted, Source::Interrupt)?;
                is_released(bench)
            },
            midway: READY_ONLY - Duration::from_secs(10),
            cancelled_by: vec![ANOTHER_IS_ACCEPTED, ANOTHER_IS_ANSWERED, COMPLETE],
            unaffected_by: vec![
                HEARTBEAT,
                DISCONNECTS,
                RECONNECTS,
                USER_INTERRUPTS,
                OTHERS_CONNECT,
            ],
            ..Row::new("ready-only", READY_ONLY, |bench| {
                let opening = accepted(bench);
                bench.send(frames::assistant(&opening, Reply::Completed));
                bench.send(frames::root_idle());
                let message = bench.admit();
                bench.next_delivery();
                bench.get_ready();
                bench.report(Err(FailureCode::WrapperStartFailed));
                bench.put(Input::Interrupt);
                message
            })
        },
        Row {
            consequence: |bench, _| is_released(bench),
            midway: KEEP_WARM - Duration::from_secs(10),
            cancelled_by: vec![
                ANOTHER_IS_ACCEPTED,
                ANOTHER_IS_ANSWERED,
                ANOTHER_IS_ON_ITS_WAY,
                COMPLETE,
            ],
            restarted_by: vec![ROOT_IDLE],
            unaffected_by: vec![
                HEARTBEAT,
                CHILD_IDLE,
                DELTA,
                DISCONNECTS,
                RECONNECTS,
                USER_INTERRUPTS,
                OTHERS_CONNECT,
            ],
            ..Row::new("keep warm", KEEP_WARM, |bench| {
                let message = accepted(bench);
                bench.send(frames::assistant(&message, Reply::Completed));
                bench.send(frames::root_idle());
                message
            })
        },
        Row {
            is_due: is_delivery,
            midway: Duration::ZERO,
            cancelled_by: vec![USER_INTERRUPTS],
            unaffected_by: vec![ADMITTED_AGAIN, ANOTHER_IS_ADMITTED],
            ..Row::new("drain after an admission", DRAIN, Bench::admit)
        },
        Row {
            is_due: is_delivery,
            cancelled_by: vec![USER_INTERRUPTS],
            unaffected_by: vec![ADMITTED_AGAIN, ANOTHER_IS_ADMITTED],
            ..Row::new("cold retry", Duration::from_secs(16), |bench| {
                let message = bench.admit();
                for _ in 0..4 {
                    bench.next_delivery();
                    bench.report(Err(FailureCode::SandboxConnectFailed));
                }
                message
            })
        },
        Row {
            is_due: is_delivery,
            cancelled_by: vec![ASSISTANT_COMPLETES, ASSISTANT_FAILS, USER_INTERRUPTS],
            unaffected_by: vec![
                ADMITTED_AGAIN,
                ANOTHER_IS_ADMITTED,
                HEARTBEAT,
                ROOT_IDLE,
                RECONNECTS,
            ],
            ..Row::new("warm retry", Duration::from_secs(8), |bench| {
                let opening = accepted(bench);
                bench.send(frames::assistant(&opening, Reply::Completed));
                bench.send(frames::root_idle());
                let message = bench.admit();
                for _ in 0..3 {
                    bench.next_delivery();
                    bench.get_ready();
                    bench.report(Err(FailureCode::WrapperStartFailed));
                }
                message
            })
        },
        Row {
            setting: Setting {
                callback: true,
                ..Setting::default()
            },
            is_due: |effect| matches!(effect, Effect::Enqueue(_)),
            consequence: is_submitted_once_more_and_never_again,
            unaffected_by: vec![
                USER_INTERRUPTS,
                ROOT_IDLE,
                COMPLETE,
                DISCONNECTS,
                ANOTHER_IS_ADMITTED,
                ANOTHER_IS_ACCEPTED,
            ],
            ..Row::new("callback retry", CALLBACK_RETRY, |bench| {
                bench.queue_accepts = false;
                let message = accepted(bench);
                bench.send(frames::assistant(&message, Reply::Completed));
                bench.send(frames::root_idle());
                bench.queue_answers(CallbackOwner::Message(message.clone()), Err("full"));
                message
            })
        },
    ]
}

/// The events that end an accepted message.
fn ends() -> Vec<Act> {
    vec![
        ASSISTANT_COMPLETES,
        ASSISTANT_FAILS,
        WRAPPER_IS_INTERRUPTED,
        WRAPPER_FAILS,
        USER_INTERRUPTS,
    ]
}

fn grace_is_unaffected_by() -> Vec<Act> {
    vec![
        OTHERS_CONNECT,
        CLOSED_SOCKET_SPEAKS,
        ANOTHER_IS_ADMITTED,
        ANOTHER_IS_ON_ITS_WAY,
        ANOTHER_IS_ACCEPTED_WITHOUT_A_SOCKET,
    ]
}

/// A message that was just accepted by a connected wrapper.
pub fn accepted(bench: &mut Bench) -> MessageId {
    let message = bench.admit();
    bench.accept();
    message
}

/// Whether the effect stops a wrapper.
pub fn is_stop(effect: &Effect) -> bool {
    matches!(effect, Effect::StopWrapper(_))
}

/// Whether the effect delivers a message.
pub fn is_delivery(effect: &Effect) -> bool {
    matches!(effect, Effect::Deliver(_))
}

/// Whether the effect ends a message because its wrapper was lost.
fn is_loss(effect: &Effect) -> bool {
    let reasons = ["wrapper_disconnected", "wrapper_failure"];
    matches!(effect, Effect::Broadcast(event) if reasons.iter().any(|reason| event.data["reason"] == *reason))
}

fn is_reconciliation(effect: &Effect) -> bool {
    matches!(effect, Effect::Broadcast(event) if event.data["completionSource"] == "idle_reconciliation")
}
