//! How composed scenarios end: with cheap requests, whose answers show what the play has done, or at a limit of the queue or
//! of a prompt. Some scenarios are only the end of the life of a session.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use turnstile_profile::Profile;
use turnstile_scenarios::{Call, Caller, Json, Lapse, SessionName, Step};
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use super::beginning::finish_soon;
use crate::explore::composition::{Composition, Drawer, Move};
use crate::explore::disturbance::Disturbance;
use crate::explore::layout::QUERIES;
use crate::explore::swarm::WorkloadRates;
use crate::explore::values::{MODEL, Values};
use crate::explore::workload::{self, Act};

/// The label of the stream of randomness.
const ENDING: &str = "guided:ending";
/// The largest number of requests.
const MOST_REQUESTS: usize = 5;
/// How long after the end of its life an unused session is queried, in percent of the life. A server may remove sessions so
/// seldom that a tenth of it is not too late.
const OVER: RangeInclusive<u32> = 11..=30;
/// One of so many scenarios ends with a full queue, and one of so many others with a prompt that is too long.
const ONE_FULL_IN: u64 = 10;
const ONE_LONG_IN: u64 = 25;
/// One of so many others ends with all queries, and one of so many of these with the same by a caller without the right to
/// them.
const ONE_QUERIED_IN: u64 = 2;
const ONE_REPEATED_IN: u64 = 3;

/// What shows something and changes nothing.
const REQUESTS: WorkloadRates = WorkloadRates {
    stream: 3,
    query: 1,
    trespass: 2,
    ..WorkloadRates::NONE
};

/// Draws the last moves of a scenario.
pub(super) fn ending(profile: &Profile, streams: Streams, random: &Randomness) -> Vec<Move> {
    let mut drawer = Drawer::new(streams, ENDING);
    if random.below(ONE_FULL_IN) == 0 {
        return vec![plain(drawer.draw(full_queue(profile)))];
    }
    let mut last = Vec::new();
    if random.below(ONE_LONG_IN) == 0 {
        last.push(too_long(profile));
    }
    let requests = drawer.draw(vec(workload::act(&REQUESTS), 1..=MOST_REQUESTS));
    last.extend(requests.into_iter().map(plain));
    if random.below(ONE_QUERIED_IN) == 0 {
        last.push(all_queries(Caller::Owner));
        // A server may remember who may ask what.
        if random.below(ONE_REPEATED_IN) == 0 {
            last.push(all_queries(drawer.draw(workload::trespasser())));
        }
    }
    last
}

/// All queries about the session without a name.
fn all_queries(by: Caller) -> Move {
    let call = |query: &&str| Call {
        by,
        ..Call::by_owner(query, &SessionName::default())
    };
    let calls = QUERIES.iter().map(call).map(Step::Call);
    Move::Disturbance(Disturbance::at_any_time(calls))
}

/// About as many messages at once as the queue takes.
fn full_queue(profile: &Profile) -> impl Strategy<Value = Act> + use<> {
    let limit = profile.pending_limit;
    (any::<Index>(), 0..=2_usize).prop_map(move |(session, more)| Act::Burst {
        session,
        count: limit + more,
    })
}

/// A message whose prompt has one character more than the limit.
fn too_long(profile: &Profile) -> Move {
    let prompt = format!("<{} characters>", profile.prompt_limit + 1);
    let input = json!({"prompt": prompt, "mode": "code", "model": MODEL});
    let call = Call {
        input: Some(Json(input).into()),
        ..Call::by_owner("sendMessageV2", &SessionName::default())
    };
    Move::Disturbance(Disturbance::at_any_time([Step::Call(call)]))
}

/// Leaves only a session that is not used until its life is over, and a query. Other work would begin its life again, and
/// what goes on for a part of that time is too much to play.
pub(super) fn unused(composition: &mut Composition, streams: Streams) {
    finish_soon(composition);
    let life = composition.profile.session_lifetime;
    let mut drawer = Drawer::new(streams, ENDING);
    let (over, session, which) = drawer.draw((OVER, any::<Index>(), any::<Index>()));
    let waits = Act::Wait(Lapse::from(life + life * over / 100));
    composition.moves = [waits, Act::Query { session, which }].map(plain).into();
}

fn plain(act: Act) -> Move {
    Move::Act(act, Values::default())
}
