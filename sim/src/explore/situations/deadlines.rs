//! Situations around a deadline of a turn: a delivery that begins before the deadline and ends after it, and silence of a
//! stuck agent until it (protocol §7).

use std::time::Duration;

use proptest::prelude::*;
use turnstile_profile::Profile;
use turnstile_scenarios::{
    Completion, Failure, JobBehaviour, JobCode, Lapse, Moment, ReadyBehaviour, WrapperBehaviour,
};

use super::{awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::times::between;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::misbehaving;

/// What waits for its deadline.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    /// A turn that became idle without an answer.
    Reconciliation,
    /// A turn whose wrapper answers no ping.
    Pong,
    /// A turn without output.
    NoOutput,
    /// A run without work.
    KeepWarm,
    /// A run that got ready for a message that it did not take.
    ReadyOnly,
}

impl Waiting {
    fn length(self, profile: &Profile) -> Duration {
        match self {
            Self::Reconciliation => profile.idle_reconciliation_delay,
            Self::Pong => profile.ping_interval + profile.pong_timeout,
            Self::NoOutput => profile.no_output_timeout,
            Self::KeepWarm => profile.keep_warm,
            Self::ReadyOnly => profile.ready_only_timeout,
        }
    }

    fn behaviour(self) -> WrapperBehaviour {
        let never = Some(Completion {
            never: true,
            ..Completion::default()
        });
        let normal = WrapperBehaviour::default();
        match self {
            Self::Reconciliation => WrapperBehaviour {
                no_reply: true,
                complete: never,
                ..normal
            },
            Self::Pong => WrapperBehaviour { deaf: true, ..normal },
            Self::NoOutput => normal,
            Self::KeepWarm => WrapperBehaviour {
                complete: never,
                ..normal
            },
            Self::ReadyOnly => WrapperBehaviour {
                job: Some(JobBehaviour {
                    fail: Some(Failure {
                        code: JobCode::InvalidRequest,
                        times: None,
                    }),
                    ..JobBehaviour::default()
                }),
                ..normal
            },
        }
    }

    /// The message whose turn waits, and its state when the wait begins.
    fn turn(self) -> (Saying, Moment) {
        match self {
            Self::Reconciliation => (Saying::Echo, Moment::Sent),
            Self::Pong | Self::NoOutput => (Saying::Gate, Moment::Sent),
            Self::KeepWarm => (Saying::Echo, Moment::Completed),
            Self::ReadyOnly => (Saying::Echo, Moment::Failed),
        }
    }
}

/// A message that is sent before a deadline of the turn before it, and whose slow delivery ends after it.
pub(super) fn delivery_across(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let waiting = prop_oneof![
        3 => Just(Waiting::Reconciliation),
        2 => Just(Waiting::Pong),
        1 => Just(Waiting::NoOutput),
        1 => Just(Waiting::KeepWarm),
        1 => Just(Waiting::ReadyOnly),
    ];
    let profile = profile.clone();
    // How long the delivery takes, and which share of that is before the deadline.
    (waiting, any::<bool>(), between(2_000, 28_000), 0..=10_u32).prop_map(
        move |(waiting, is_ready, takes, tenths)| {
            let mut slow = waiting.behaviour();
            if is_ready {
                slow.ready = Some(ReadyBehaviour {
                    delay: Some(takes),
                    ..ReadyBehaviour::default()
                });
            } else {
                slow.job = Some(JobBehaviour {
                    delay: Some(takes),
                    ..JobBehaviour::default()
                });
            }
            let before = *takes * tenths / 10 + profile.drain_delay;
            let (saying, is) = waiting.turn();
            Disturbance(vec![
                misbehaving(waiting.behaviour()).into(),
                Draft::send(saying),
                awaits(is),
                misbehaving(slow).into(),
                wait(Lapse::from(waiting.length(&profile).saturating_sub(before))),
                Draft::send(Saying::Echo),
                wait(Lapse::from(before + *takes)),
                misbehaving(WrapperBehaviour::default()).into(),
            ])
        },
    )
}

/// A turn that sends only heartbeats until a deadline of it has passed: the pong, or the limit of silence.
pub(super) fn stuck_turn() -> impl Strategy<Value = Disturbance> {
    let deaf = (Just(true), between(95_000, 125_000));
    let answering = (
        Just(false),
        prop_oneof![1 => between(95_000, 125_000), 2 => between(303_000, 330_000)],
    );
    (between(5_000, 55_000), prop_oneof![1 => deaf, 3 => answering]).prop_map(|(heartbeat, (deaf, hold))| {
        let behaviour = WrapperBehaviour {
            heartbeat: Some(heartbeat),
            deaf,
            ..WrapperBehaviour::default()
        };
        Disturbance(vec![
            misbehaving(behaviour).into(),
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            wait(hold),
            misbehaving(WrapperBehaviour::default()).into(),
        ])
    })
}
