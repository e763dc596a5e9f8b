//! Requests that wait at gates, and the passes that a release leaves behind (R11.9, R11.17, R11.18).
//!
//! Pure: callers pass the time in and wake the released waiters.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::coverage::FakeEvent;

/// How long a release of a single request lets one more request pass (R11.18).
const PASS_LIFETIME: Duration = Duration::from_secs(10);

/// Parked requests by tag. `W` wakes a request.
#[derive(Debug)]
pub(super) struct ParkingLot<W> {
    parked: BTreeMap<String, BTreeMap<u64, W>>,
    /// Expiry of each tag's pass, inclusive.
    passes: BTreeMap<String, Timestamp>,
    last_number: u64,
}

/// Identifies a parked request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    tag: String,
    number: u64,
}

impl<W> Default for ParkingLot<W> {
    fn default() -> Self {
        Self {
            parked: BTreeMap::new(),
            passes: BTreeMap::new(),
            last_number: 0,
        }
    }
}

impl<W> ParkingLot<W> {
    /// Parks a request at `tag`. Returns `None` if the tag has a valid pass; the request uses it up and
    /// continues at once.
    pub(super) fn arrive(&mut self, tag: &str, now: Timestamp, waiter: W) -> Option<Ticket> {
        if self.passes.remove(tag).is_some_and(|until| now <= until) {
            FakeEvent::GatePassed.hit();
            return None;
        }
        self.last_number += 1;
        let ticket = Ticket {
            tag: tag.to_owned(),
            number: self.last_number,
        };
        self.parked
            .entry(ticket.tag.clone())
            .or_default()
            .insert(ticket.number, waiter);
        Some(ticket)
    }

    /// Removes a request. Does nothing if it was released before.
    pub(super) fn leave(&mut self, ticket: &Ticket) {
        if let Some(waiters) = self.parked.get_mut(&ticket.tag) {
            if waiters.remove(&ticket.number).is_some() {
                FakeEvent::GateAbandoned.hit();
            }
            if waiters.is_empty() {
                self.parked.remove(&ticket.tag);
            }
        }
    }

    /// Removes and returns all requests at `tag`, in order of arrival. If there was exactly one, leaves a
    /// pass for [`PASS_LIFETIME`].
    pub(super) fn release(&mut self, tag: &str, now: Timestamp) -> Vec<W> {
        let released: Vec<W> = self
            .parked
            .remove(tag)
            .unwrap_or_default()
            .into_values()
            .collect();
        match released.len() {
            0 => {}
            1 => {
                FakeEvent::GateOpened.hit();
                self.passes.insert(tag.to_owned(), now + PASS_LIFETIME);
            }
            _ => FakeEvent::GateOpenedForSeveral.hit(),
        }
        released
    }

    /// Whether a request is parked at `tag`.
    pub(super) fn is_engaged(&self, tag: &str) -> bool {
        self.parked.contains_key(tag)
    }

    /// Number of parked requests of each tag in use, in order of tag.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.parked
            .iter()
            .map(|(tag, waiters)| (tag.as_str(), waiters.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn lot_with(waiters: &[&'static str]) -> ParkingLot<&'static str> {
        let mut lot = ParkingLot::default();
        for &waiter in waiters {
            assert!(lot.arrive("tag", START, waiter).is_some());
        }
        lot
    }

    #[test]
    fn a_release_frees_all_requests_of_its_tag_only() {
        let mut lot = lot_with(&["first", "second"]);
        lot.arrive("other", START, "third");
        assert_eq!(lot.release("tag", START), ["first", "second"]);
        assert!(!lot.is_engaged("tag"));
        assert_eq!(lot.counts().collect::<Vec<_>>(), [("other", 1)]);
        assert!(lot.release("tag", START).is_empty());
    }

    #[test]
    fn after_a_single_waiter_one_more_request_passes_within_ten_seconds() {
        let mut lot = lot_with(&["only"]);
        lot.release("tag", START);
        let in_time = START + PASS_LIFETIME;
        assert!(lot.arrive("other", in_time, "elsewhere").is_some());
        assert!(lot.arrive("tag", in_time, "title").is_none());
        assert!(lot.arrive("tag", in_time, "late").is_some());
    }

    #[test]
    fn a_pass_expires() {
        let mut lot = lot_with(&["only"]);
        lot.release("tag", START);
        let too_late = START + PASS_LIFETIME + Duration::from_nanos(1);
        assert!(lot.arrive("tag", too_late, "late").is_some());
    }

    #[test]
    fn no_pass_is_left_after_several_waiters() {
        let mut lot = lot_with(&["first", "second"]);
        lot.release("tag", START);
        assert!(lot.arrive("tag", START, "third").is_some());
    }

    #[test]
    fn a_request_that_leaves_is_removed_from_its_gate() {
        let mut lot = ParkingLot::default();
        let ticket = lot.arrive("tag", START, "only").unwrap();
        lot.leave(&ticket);
        assert!(!lot.is_engaged("tag"));
        assert!(lot.release("tag", START).is_empty());
        lot.leave(&ticket);
    }
}
