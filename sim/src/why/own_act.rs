//! Where the server did something wrong by itself: nothing that reached it avoids the failure any more, but what is wrong
//! happens later, when a timer of the server is due.

use std::time::Duration;

use super::moments::Instant;

/// The shortest time after the last input that matters. What input causes at once, such as the requests to others, ends sooner.
const BY_ITSELF: Duration = Duration::from_millis(250);
/// The longest time between events of one act. A request of the server is received some round trips after what its other peers
/// receive.
const ONE_ACT: Duration = Duration::from_millis(10);

/// The most moments that are usually looked at: as many as halve a long play until one is left, and the two around the act.
pub(super) const MOST_LOOKS: usize = 14;

/// The moments before and after the server's own act. `silent_from` is the moment from which on the failure comes in silence, and
/// `fails_after_outage` says whether it comes if the server is down after a moment. If outages avoid it before several acts, one of
/// these is found. `None` if the failure follows from the last input at once, or is nothing that the server does.
pub(super) fn own_act(
    instants: &[Instant],
    silent_from: usize,
    mut fails_after_outage: impl FnMut(usize) -> bool,
) -> Option<(usize, usize)> {
    let (mut before, mut act) = (silent_from, instants.len() - 1);
    if fails_after_outage(before) || !fails_after_outage(act) {
        return None;
    }
    while act - before > 1 {
        let middle = before + (act - before) / 2;
        match fails_after_outage(middle) {
            true => act = middle,
            false => before = middle,
        }
    }
    let apart = |moment: usize| instants[moment].at - instants[moment - 1].at;
    while act - 1 > silent_from && apart(act) <= ONE_ACT {
        act -= 1;
    }
    let is_later = instants[act].at > instants[silent_from].at + BY_ITSELF;
    is_later.then_some((act - 1, act))
}

#[cfg(test)]
mod tests {
    use super::super::moments::Phase;
    use super::*;

    /// The act in a play with instants at these times, if an outage avoids the failure before the instant `avoided_before`.
    fn act(times_ms: &[u64], silent_from: usize, avoided_before: usize) -> Option<(usize, usize)> {
        let instants: Vec<Instant> = times_ms
            .iter()
            .map(|at| Instant {
                at: Duration::from_millis(*at),
                records: 1,
                steps: 0,
                since_step: Duration::ZERO,
                phase: Phase::Steps,
            })
            .collect();
        own_act(&instants, silent_from, |moment| moment >= avoided_before)
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
    fn an_act_begins_with_the_first_of_the_events_that_follow_each_other() {
        assert_eq!(act(&[0, 1000, 1003, 1009, 1500], 0, 3), Some((0, 1)));
        assert_eq!(act(&[0, 1000, 1100, 1109], 0, 3), Some((1, 2)));
    }

    #[test]
    fn what_follows_from_input_at_once_is_no_act_of_its_own() {
        assert_eq!(act(&[0, 5, 100, 200], 1, 3), None);
        assert_eq!(act(&[0, 5, 1000], 1, 1), None, "an outage never avoids it");
        assert_eq!(act(&[0, 5, 1000], 1, 3), None, "an outage always avoids it");
        assert_eq!(act(&[0, 5], 1, 2), None, "nothing follows");
    }
}
