//! Situations around a deadline: a delivery that begins before the deadline and ends after it, and silence of a stuck agent
//! until it (protocol §7).
//!
//! The time-out of an execution is in `imported`. The life of a session has no delivery across it, because every message
//! begins it again.

use std::time::Duration;

use proptest::prelude::*;
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::{
    Completion, ConnectionEnd, Failure, Fault, JobBehaviour, JobCode, Lapse, Link, LinkEffect, Moment,
    QueueBehaviour, Step, WrapperBehaviour,
};

use super::{awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::times::between;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::{answering_late, misbehaving};

/// What waits for its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A turn whose wrapper has lost its ingest and does not come back.
    Grace,
    /// A turn without a ping for a while.
    Ping,
    /// A turn whose wrapper answers no ping.
    Pong,
    /// A turn without output.
    NoOutput,
    /// A turn that became idle without an answer.
    Reconciliation,
    /// A run that got ready for a message that it did not take.
    ReadyOnly,
    /// A run without work.
    KeepWarm,
    /// A callback that the queue has refused.
    EnqueueRetry,
}

impl Waiting {
    pub(super) fn length(self, profile: &Profile) -> Duration {
        match self {
            Self::Grace => profile.disconnect_grace,
            Self::Ping => profile.ping_interval,
            Self::Pong => profile.ping_interval + profile.pong_timeout,
            Self::NoOutput => profile.no_output_timeout,
            Self::Reconciliation => profile.idle_reconciliation_delay,
            Self::ReadyOnly => profile.ready_only_timeout,
            Self::KeepWarm => profile.keep_warm,
            Self::EnqueueRetry => profile.enqueue_retry_delay,
        }
    }

    pub(super) fn behaviour(self) -> WrapperBehaviour {
        let never = Some(Completion {
            never: true,
            ..Completion::default()
        });
        let normal = WrapperBehaviour::default();
        match self {
            Self::Grace | Self::Ping | Self::NoOutput | Self::EnqueueRetry => normal,
            Self::Pong => WrapperBehaviour { deaf: true, ..normal },
            Self::Reconciliation => WrapperBehaviour {
                no_reply: true,
                complete: never,
                ..normal
            },
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
    pub(super) fn turn(self) -> (Saying, Moment) {
        match self {
            Self::Reconciliation => (Saying::Echo, Moment::Sent),
            Self::Grace | Self::Ping | Self::Pong | Self::NoOutput => (Saying::Gate, Moment::Sent),
            Self::KeepWarm | Self::EnqueueRetry => (Saying::Echo, Moment::Completed),
            Self::ReadyOnly => (Saying::Echo, Moment::Failed),
        }
    }

    /// The fault without which nothing waits, before the message is sent.
    pub(super) fn fault_before(self, lasts: Lapse) -> Option<Draft> {
        let refuses = Fault::Queue {
            is: QueueBehaviour::Refuses,
        };
        (self == Self::EnqueueRetry).then(|| Step::fault(refuses, Some(lasts)).into())
    }

    /// The faults that begin the wait, once the turn is in its state.
    fn faults_after(self, lasts: Lapse) -> Vec<Draft> {
        if self != Self::Grace {
            return Vec::new();
        }
        // The wrapper's next connection hangs, while the server still reaches the wrapper.
        let next = Fault::on(&Link::one_way(WRAPPER, SERVER), LinkEffect::Stall);
        let loss = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        vec![
            Step::fault(next, Some(lasts)).into(),
            Step::fault(loss, None).into(),
        ]
    }
}

/// A message that is sent before a deadline, and whose slow delivery ends after it. Another one may come before the end, whose
/// drain would be due during the delivery.
pub(super) fn delivery_across(profile: &Profile) -> impl Strategy<Value = Disturbance> + use<> {
    let waiting = prop_oneof![
        3 => Just(Waiting::Grace),
        3 => Just(Waiting::Reconciliation),
        2 => Just(Waiting::Pong),
        2 => Just(Waiting::EnqueueRetry),
        1 => Just(Waiting::Ping),
        1 => Just(Waiting::NoOutput),
        1 => Just(Waiting::KeepWarm),
        1 => Just(Waiting::ReadyOnly),
    ];
    let profile = profile.clone();
    // How long the delivery takes, and which share of that is before the deadline.
    let delivery = (any::<bool>(), between(2_000, 28_000), 0..=10_u32);
    // How long the fault lasts that begins the wait: longer than the wait or not.
    let lasts = between(5_000, 45_000);
    (waiting, delivery, lasts, proptest::bool::weighted(0.2)).prop_map(
        move |(waiting, (is_ready, takes, tenths), lasts, is_crowded)| {
            let slow = answering_late(waiting.behaviour(), is_ready, takes);
            let before = *takes * tenths / 10 + profile.drain_delay;
            let (saying, is) = waiting.turn();
            let mut drafts: Vec<Draft> = waiting.fault_before(lasts).into_iter().collect();
            drafts.extend([
                misbehaving(waiting.behaviour()).into(),
                Draft::send(saying),
                awaits(is),
                misbehaving(slow).into(),
            ]);
            drafts.extend(waiting.faults_after(lasts));
            drafts.extend([
                wait(Lapse::from(waiting.length(&profile).saturating_sub(before))),
                Draft::send(Saying::Echo),
            ]);
            if is_crowded {
                drafts.extend([wait(Lapse::from(profile.drain_delay)), Draft::send(Saying::Echo)]);
            }
            drafts.extend([
                wait(Lapse::from(before + *takes)),
                misbehaving(WrapperBehaviour::default()).into(),
            ]);
            Disturbance(drafts)
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
