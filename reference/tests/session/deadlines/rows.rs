//! The rows of the protocol's §7, and the deadlines of its §4 and §8: from when each runs, for how long, what
//! comes of it, and what calls it off.

use std::time::Duration;

use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::{Reason, Source};
use turnstile_reference::session::wrapper::FailureCode;
use turnstile_reference::session::{CallbackOwner, Effect, Input, ToWrapper};

use crate::bench::Bench;
use crate::bench::setting::Setting;
use crate::bench::words::{self, Reply};
use crate::deadlines::acts::*;
use crate::deadlines::consequences::*;
use crate::deadlines::times::*;

/// One deadline.
pub struct Row {
    /// What it is called in the protocol.
    pub name: &'static str,
    /// What its session is like.
    pub setting: Setting,
    /// Brings the session to the moment from which the time runs, and says which message it is about.
    pub arm: fn(&mut Bench) -> MessageId,
    /// How long it runs.
    pub after: Duration,
    /// Whether an effect is what is due then. Until then there is none like it.
    pub is_due: fn(&Effect) -> bool,
    /// All that must have come of it.
    pub consequence: fn(&mut Bench, &MessageId) -> Result<(), String>,
    /// How far the time has run when something else happens.
    pub midway: Duration,
    /// Whether the wrapper comes back at once after a restart.
    pub returns: bool,
    /// How much later it may be for each restart.
    pub slack: Duration,
    /// What calls it off.
    pub dropped_by: Vec<Act>,
    /// What has the time run anew.
    pub begun_anew_by: Vec<Act>,
    /// What it does not heed.
    pub unmoved_by: Vec<Act>,
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
            slack: Duration::ZERO,
            dropped_by: Vec::new(),
            begun_anew_by: Vec::new(),
            unmoved_by: Vec::new(),
        }
    }
}

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![
        Row {
            consequence: wrapper_disconnected,
            returns: false,
            dropped_by: vec![RECONNECTS, USER_INTERRUPTS],
            unmoved_by: grace_is_unmoved_by(),
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
            dropped_by: vec![RECONNECTS],
            unmoved_by: vec![OTHERS_CONNECT, CLOSED_SOCKET_SPEAKS],
            ..Row::new("grace while a gate result is awaited", GRACE, |bench| {
                let message = accepted(bench);
                bench.say(words::assistant(&message, Reply::Completed));
                bench.say(words::root_idle());
                bench.disconnect();
                message
            })
        },
        Row {
            consequence: wrapper_disconnected,
            returns: false,
            dropped_by: vec![RECONNECTS, USER_INTERRUPTS],
            unmoved_by: grace_is_unmoved_by(),
            ..Row::new("grace from a boot", GRACE, |bench| {
                let message = accepted(bench);
                bench.pass(GRACE);
                bench.restart();
                message
            })
        },
        Row {
            is_due: |effect| matches!(effect, Effect::Send(_, ToWrapper::Ping)),
            // Late, so that what follows from the end of a message does not come before.
            midway: PING - Duration::from_secs(10),
            dropped_by: ends(),
            begun_anew_by: vec![
                DELTA,
                PART,
                OPEN_REPLY,
                STATUS,
                SMALL_ERROR,
                UNASKED_PONG,
                HEARTBEAT,
                ANOTHER_IS_ACCEPTED,
            ],
            unmoved_by: vec![RECONNECTS, ANOTHER_IS_ADMITTED, OTHERS_CONNECT],
            ..Row::new("ping", PING, accepted)
        },
        Row {
            is_due: |effect| matches!(effect, Effect::Send(_, ToWrapper::Ping)),
            ..Row::new("ping after a pong", PING, |bench| {
                let message = accepted(bench);
                bench.pass(PING);
                message
            })
        },
        Row {
            consequence: wrapper_failed,
            midway: PONG - Duration::from_secs(5),
            // Its own time then comes before the end of the grace that the boot starts.
            returns: false,
            dropped_by: [ends(), vec![PONG_COMES]].into_iter().flatten().collect(),
            // It is asked once more: what was asked on the socket that is gone may not have been heard.
            begun_anew_by: vec![RECONNECTS],
            unmoved_by: vec![
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
            consequence: wrapper_failed,
            midway: NO_OUTPUT - Duration::from_secs(10),
            slack: OUTPUT_SLACK,
            dropped_by: ends(),
            begun_anew_by: vec![
                DELTA,
                PART,
                OPEN_REPLY,
                STATUS,
                AUTOCOMMIT,
                SMALL_ERROR,
                ANOTHER_IS_ACCEPTED,
            ],
            unmoved_by: vec![
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
            // Before anything else is written.
            midway: OUTPUT_SLACK * 2,
            slack: OUTPUT_SLACK,
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
            dropped_by: [ends(), vec![ANOTHER_IS_ACCEPTED]]
                .into_iter()
                .flatten()
                .collect(),
            unmoved_by: vec![
                DELTA,
                STATUS,
                HEARTBEAT,
                CHILD_IDLE,
                COMPLETE,
                ANOTHER_IS_ADMITTED,
                RECONNECTS,
                OTHERS_CONNECT,
            ],
            ..Row::new("reconciliation", RECONCILIATION, |bench| {
                let message = accepted(bench);
                bench.say(words::root_idle());
                message
            })
        },
        Row {
            consequence: |bench, message| {
                ended(bench, message, Reason::Interrupted, Source::Interrupt)?;
                is_let_go(bench)
            },
            midway: READY_ONLY - Duration::from_secs(10),
            dropped_by: vec![ANOTHER_IS_ACCEPTED, ANOTHER_IS_ANSWERED, COMPLETE],
            unmoved_by: vec![
                HEARTBEAT,
                DISCONNECTS,
                RECONNECTS,
                USER_INTERRUPTS,
                OTHERS_CONNECT,
            ],
            ..Row::new("ready-only", READY_ONLY, |bench| {
                let message = bench.admit();
                bench.next_delivery();
                bench.take_up();
                bench.put(Input::Interrupt);
                bench.report(Ok(()));
                bench.say(words::interrupted());
                message
            })
        },
        Row {
            consequence: |bench, _| is_let_go(bench),
            midway: KEEP_WARM - Duration::from_secs(10),
            dropped_by: vec![
                ANOTHER_IS_ACCEPTED,
                ANOTHER_IS_ANSWERED,
                ANOTHER_IS_ON_ITS_WAY,
                COMPLETE,
            ],
            begun_anew_by: vec![ROOT_IDLE],
            unmoved_by: vec![
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
                bench.say(words::assistant(&message, Reply::Completed));
                bench.say(words::root_idle());
                message
            })
        },
        Row {
            is_due: is_delivery,
            midway: Duration::ZERO,
            dropped_by: vec![USER_INTERRUPTS],
            unmoved_by: vec![ADMITTED_AGAIN, ANOTHER_IS_ADMITTED],
            ..Row::new("drain after an admission", DRAIN, Bench::admit)
        },
        Row {
            is_due: is_delivery,
            dropped_by: vec![USER_INTERRUPTS],
            unmoved_by: vec![ADMITTED_AGAIN, ANOTHER_IS_ADMITTED],
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
            dropped_by: vec![ASSISTANT_COMPLETES, ASSISTANT_FAILS, USER_INTERRUPTS],
            unmoved_by: vec![
                ADMITTED_AGAIN,
                ANOTHER_IS_ADMITTED,
                HEARTBEAT,
                ROOT_IDLE,
                RECONNECTS,
            ],
            ..Row::new("warm retry", Duration::from_secs(8), |bench| {
                let opening = accepted(bench);
                bench.say(words::assistant(&opening, Reply::Completed));
                bench.say(words::root_idle());
                let message = bench.admit();
                for _ in 0..3 {
                    bench.next_delivery();
                    bench.take_up();
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
            consequence: is_handed_over_once_more_and_never_again,
            unmoved_by: vec![
                USER_INTERRUPTS,
                ROOT_IDLE,
                COMPLETE,
                DISCONNECTS,
                ANOTHER_IS_ADMITTED,
                ANOTHER_IS_ACCEPTED,
            ],
            ..Row::new("callback retry", CALLBACK_RETRY, |bench| {
                bench.queue_takes = false;
                let message = accepted(bench);
                bench.say(words::assistant(&message, Reply::Completed));
                bench.say(words::root_idle());
                bench.queue_answers(CallbackOwner::Message(message.clone()), Err("full"));
                message
            })
        },
    ]
}

/// What ends a message that was accepted, one way or another.
fn ends() -> Vec<Act> {
    vec![
        ASSISTANT_COMPLETES,
        ASSISTANT_FAILS,
        WRAPPER_IS_INTERRUPTED,
        WRAPPER_FAILS,
        USER_INTERRUPTS,
    ]
}

fn grace_is_unmoved_by() -> Vec<Act> {
    vec![
        OTHERS_CONNECT,
        CLOSED_SOCKET_SPEAKS,
        ANOTHER_IS_ADMITTED,
        ANOTHER_IS_ON_ITS_WAY,
        ANOTHER_IS_ACCEPTED_WITHOUT_A_SOCKET,
    ]
}

/// A message that a wrapper, which is connected, has just taken.
pub fn accepted(bench: &mut Bench) -> MessageId {
    let message = bench.admit();
    bench.accept();
    message
}

/// Whether a wrapper is stopped.
pub fn is_stop(effect: &Effect) -> bool {
    matches!(effect, Effect::StopWrapper(_))
}

/// Whether a message is delivered.
pub fn is_delivery(effect: &Effect) -> bool {
    matches!(effect, Effect::Deliver(_))
}

fn is_reconciliation(effect: &Effect) -> bool {
    matches!(effect, Effect::Broadcast(event) if event.data["completionSource"] == "idle_reconciliation")
}
