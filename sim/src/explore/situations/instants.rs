//! Situations in which two things reach the server at the same instant: two requests, or a request and a frame.
//!
//! A packet on a delayed link takes exactly the delay and a fixed time, so the arrival of what is sent can be computed. A
//! request takes three of them: the handshake there and back, and the request itself.

use std::time::Duration;

use proptest::prelude::*;
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_scenarios::{Credentials, Fault, Fence, Lapse, Link, LinkEffect, Moment, Step};

use super::evidence::{says, word};
use super::{awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft, Request};
use crate::explore::faults::CLIENT;
use crate::explore::workload::Saying;
use crate::explore::wrapper_faults::impostor_opens;

/// The time of a packet on a delayed link, and the part of it that is there without the delay.
const HOP: Duration = Duration::from_millis(100);
const FIXED: Duration = Duration::from_millis(1);
/// How long the links are delayed: until all has arrived.
const DELAYED_FOR: Lapse = Lapse::from_secs(2);

fn delays(party: &str) -> Draft {
    let effect = LinkEffect::Delay {
        by: Lapse::from(HOP - FIXED),
    };
    Step::fault(
        Fault::on(&Link::between(party, SERVER), effect),
        Some(DELAYED_FOR),
    )
    .into()
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        4 => Just(Request::Send),
        3 => Just(Request::Repeat),
        5 => Just(Request::Interrupt),
        1 => Just(Request::Delete),
    ]
}

/// What is under way when the two arrive: a turn in work, or one that has just ended.
fn at_work() -> impl Strategy<Value = Vec<Draft>> {
    any::<bool>().prop_map(|is_at_work| {
        let (saying, is) = match is_at_work {
            true => (Saying::Gate, Moment::Sent),
            false => (Saying::Echo, Moment::Completed),
        };
        vec![Draft::send(saying), awaits(is)]
    })
}

/// Two or three requests of one client.
pub(super) fn requests() -> impl Strategy<Value = Disturbance> {
    let requests = proptest::collection::vec(request(), 2..=3);
    (at_work(), requests).prop_map(|(mut drafts, requests)| {
        drafts.push(delays(CLIENT));
        drafts.extend(requests.into_iter().map(Draft::AtOnce));
        drafts.push(wait(DELAYED_FOR));
        Disturbance(drafts)
    })
}

/// A request of a client and a frame under the current fence.
pub(super) fn request_and_frame() -> impl Strategy<Value = Disturbance> {
    (request(), word()).prop_map(|(request, word)| {
        Disturbance(vec![
            Draft::send(Saying::Gate),
            awaits(Moment::Sent),
            impostor_opens(Credentials::Fence(Fence::Current)).into(),
            delays(CLIENT),
            delays(WRAPPER),
            Draft::AtOnce(request),
            wait(Lapse::from(2 * HOP)),
            says(word),
            wait(DELAYED_FOR),
        ])
    })
}
