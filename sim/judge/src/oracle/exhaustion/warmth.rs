//! The time since which a session is warm, and the delays that may follow a failed delivery (protocol §4).
//!
//! This module judges nothing. Where the wire leaves open whether a session was warm, both lists of delays are possible.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::oracle::attempts::Attempt;
use crate::oracle::history::SessionHistory;

/// Which lists of delays may apply to a failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Possible {
    cold: bool,
    warm: bool,
}

/// The time since which a session has had a ready workspace, as far as the wire shows it, and the delays that follow
/// from that.
pub(in crate::oracle) struct Warmth<'a> {
    /// The earliest possible time; the maximum if there was none.
    possible_from: Duration,
    /// The time by which it certainly had one: turns are delivered only then.
    certain_from: Duration,
    /// The delays in a session that never had one.
    cold: &'a [Duration],
    /// The delays in a session that has had one.
    warm: &'a [Duration],
    /// The codes of failures after which there is no other attempt.
    pub(super) permanent: BTreeSet<&'a str>,
}

impl<'a> Warmth<'a> {
    pub(in crate::oracle) fn of(session: &SessionHistory<'a>) -> Self {
        let profile = &session.run.context.profile;
        let is_made_here = session.calls.iter().any(|call| call.is_creation());
        let mut prepared = session.preparations.iter();
        let prepared = prepared.find(|prepared| prepared.is_ready());
        let first_turn = session.deliveries.first();
        let certain_from = first_turn.map_or(Duration::MAX, |turn| turn.at);
        Self {
            possible_from: if is_made_here {
                prepared.map_or(certain_from, |prepared| prepared.at.min(certain_from))
            } else {
                // A session that an older service created may have had one.
                Duration::ZERO
            },
            certain_from,
            cold: &profile.delivery_retry_delays_cold,
            warm: &profile.delivery_retry_delays_warm,
            permanent: profile.permanent_refusals.iter().map(String::as_str).collect(),
        }
    }

    /// The lists that may apply to the failures of a message that was queued and exhausted at these times.
    pub(super) fn between(&self, queued_at: Duration, ended_at: Duration) -> Possible {
        Possible {
            cold: self.certain_from >= queued_at,
            warm: self.possible_from <= ended_at,
        }
    }

    /// The lists that may apply to the failure of the attempt at that place. Each failure decides again.
    fn at(&self, seen: &[Attempt], place: usize) -> Possible {
        let over_by = seen.get(place + 1).map_or(Duration::MAX, |next| next.from);
        let last = seen.get(place).or(seen.last());
        Possible {
            cold: last.is_none_or(|attempt| attempt.to < self.certain_from),
            warm: over_by > self.possible_from,
        }
    }

    /// The lists of delays that may apply.
    fn lists(&self, possible: Possible) -> impl Iterator<Item = &'a [Duration]> {
        let cold = possible.cold.then_some(self.cold);
        cold.into_iter().chain(possible.warm.then_some(self.warm))
    }

    /// The shortest delay that may follow after that number of earlier failures; `None` if the failure exhausts.
    pub(super) fn shortest(&self, possible: Possible, failures: usize) -> Option<Duration> {
        let delays = self.lists(possible).filter_map(|delays| delays.get(failures));
        delays.min().copied()
    }

    /// The shortest delay that may follow the failure of the attempt at that place.
    pub(super) fn delay_after(&self, seen: &[Attempt], place: usize) -> Option<Duration> {
        self.shortest(self.at(seen, place), place)
    }

    /// The longest delay that may follow the failure of the attempt at that place; `None` if it may exhaust the message.
    pub(in crate::oracle) fn longest_delay_after(&self, seen: &[Attempt], place: usize) -> Option<Duration> {
        let delays = self
            .lists(self.at(seen, place))
            .map(|delays| delays.get(place).copied());
        delays.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The fewest and the most attempts of a message that was queued and exhausted at these times.
    pub(super) fn allowed_between(&self, queued_at: Duration, ended_at: Duration) -> (usize, usize) {
        let possible = self.between(queued_at, ended_at);
        let attempts = || self.lists(possible).map(|delays| delays.len() + 1);
        (attempts().min().unwrap_or(1), attempts().max().unwrap_or(1))
    }

    /// The same for a message with these attempts.
    pub(in crate::oracle) fn allowed_after(&self, seen: &[Attempt]) -> (usize, usize) {
        // The failure after which no delay is left exhausts the message.
        let longest = self.cold.len().max(self.warm.len());
        let exhausts = |place: usize| move |delays: &[Duration]| place >= delays.len();
        let least = (0..longest).find(|place| self.lists(self.at(seen, *place)).any(exhausts(*place)));
        let most = (0..longest).find(|place| self.lists(self.at(seen, *place)).all(exhausts(*place)));
        (least.unwrap_or(longest) + 1, most.unwrap_or(longest) + 1)
    }
}
