//! Where the server did something wrong on a timer: nothing that reached it avoids the failure any more, but what is wrong
//! happens later, when a timer of the server is due.

use std::time::Duration;

use super::moments::Instant;

/// The shortest time after the last input that matters. What input causes at once, such as the requests to others, ends sooner.
const BY_ITSELF: Duration = Duration::from_millis(250);
/// The longest time that an act takes. A request of the server is received some round trips after what its other peers receive.
const ONE_ACT: Duration = Duration::from_millis(10);

/// The most moments that are usually looked at: as many as halve a long play until one is left, and the two around the act.
pub(super) const MOST_LOOKS: usize = 14;

/// The moments before and after the begin of the server's own act. `silent_from` is the moment from which on the failure comes in
/// silence, and `fails_after_outage` says whether it comes if the server is down after a moment; it returns `None` if it was
/// interrupted. If outages avoid the failure before several acts, one of these is found. `None` if the failure follows from the
/// last input at once, or is nothing that the server does.
pub(super) fn own_act(
    instants: &[Instant],
    silent_from: usize,
    mut fails_after_outage: impl FnMut(usize) -> Option<bool>,
) -> Option<(usize, usize)> {
    let (mut avoided, mut failing) = (silent_from, instants.len() - 1);
    if fails_after_outage(avoided)? || !fails_after_outage(failing)? {
        return None;
    }
    while failing - avoided > 1 {
        let middle = avoided + (failing - avoided) / 2;
        match fails_after_outage(middle)? {
            true => failing = middle,
            false => avoided = middle,
        }
    }
    let end = instants[failing].at;
    if end <= instants[silent_from].at + BY_ITSELF {
        return None;
    }
    let is_of_it = |moment: &usize| instants[*moment].at + ONE_ACT >= end;
    let begin = (silent_from + 1..=failing).find(is_of_it)?;
    Some((begin - 1, begin))
}

#[cfg(test)]
mod tests {
    use super::super::moments::Phase;
    use super::*;

    fn instants(times_ms: &[u64]) -> Vec<Instant> {
        let instant = |at: &u64| Instant {
            at: Duration::from_millis(*at),
            records: 1,
            steps: 0,
            since_step: Duration::ZERO,
            phase: Phase::Steps,
        };
        times_ms.iter().map(instant).collect()
    }

    /// The act in a play with instants at these times, if an outage avoids the failure before the instant `avoided_before`.
    fn act(times_ms: &[u64], silent_from: usize, avoided_before: usize) -> Option<(usize, usize)> {
        own_act(&instants(times_ms), silent_from, |moment| {
            Some(moment >= avoided_before)
        })
    }

    #[test]
    fn an_act_is_where_an_outage_avoids_the_failure_no_longer() {
        let times = [0, 5, 2000, 4000, 4500, 9000];
        for avoided_before in 2..6 {
            let expected = Some((avoided_before - 1, avoided_before));
            assert_eq!(act(&times, 1, avoided_before), expected);
        }
    }

    #[test]
    fn an_act_begins_some_round_trips_before_its_last_event() {
        assert_eq!(act(&[0, 1000, 1003, 1009, 1500], 0, 3), Some((0, 1)));
        assert_eq!(act(&[0, 1000, 1100, 1109], 0, 3), Some((1, 2)));
        let dense: Vec<u64> = (0..100).map(|index| 5 * index).collect();
        assert_eq!(act(&dense, 0, 90), Some((87, 88)));
    }

    #[test]
    fn an_interrupted_search_finds_none() {
        let instants = instants(&[0, 1000, 2000, 3000, 4000, 5000, 6000]);
        let mut looks = 0;
        let act = own_act(&instants, 0, |moment| {
            looks += 1;
            (looks < 4).then_some(moment > 4)
        });
        assert_eq!((act, looks), (None, 4));
    }

    #[test]
    fn what_follows_from_input_at_once_is_no_act_of_its_own() {
        assert_eq!(act(&[0, 5, 100, 200], 1, 3), None);
        assert_eq!(act(&[0, 5, 1000], 1, 1), None, "an outage never avoids it");
        assert_eq!(act(&[0, 5, 1000], 1, 3), None, "an outage always avoids it");
        assert_eq!(act(&[0, 5], 1, 2), None, "nothing follows");
    }
}
