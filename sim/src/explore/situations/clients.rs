//! Clients that come and go while a turn is at work (protocol §9).

use proptest::collection::vec;
use proptest::prelude::*;
use turnstile_scenarios::Moment;

use super::{awaits, wait};
use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::times::between;
use crate::explore::values::Values;
use crate::explore::workload::{self, Act, Saying};

/// Streams that are opened or closed during a turn, with short pauses.
pub(super) fn clients_come() -> impl Strategy<Value = Disturbance> {
    let opening = (
        workload::stream(),
        proptest::option::weighted(0.5, between(1, 3_000)),
    );
    vec(opening, 2..=5).prop_map(|openings| {
        let mut drafts = vec![Draft::send(Saying::Gate), awaits(Moment::Sent)];
        for (opening, pause) in openings {
            drafts.push(Draft::Act(Box::new((Act::Stream(opening), Values::default()))));
            drafts.extend(pause.map(wait));
        }
        drafts.push(Draft::Release);
        Disturbance(drafts)
    })
}
