//! The clock of the server's machine, which may be set while the server is down, and the times that the server reports
//! by it.

use std::time::Duration;

use jiff::SignedDuration;

/// How far a reported time may lie after the time of its report. Transit and whole milliseconds are far below it, and the
/// changes of a clock far above.
const REPORT_ERROR: Duration = Duration::from_millis(500);

/// The changes of the clock, in order.
#[derive(Debug, Default)]
pub struct ServerClock(Vec<Change>);

#[derive(Debug, Clone, Copy)]
struct Change {
    at: Duration,
    by: SignedDuration,
}

impl ServerClock {
    pub(in crate::oracle) fn set(&mut self, at: Duration, by: SignedDuration) {
        self.0.push(Change { at, by });
    }

    fn changes(&self, from: Duration, until: Duration) -> impl Iterator<Item = &Change> {
        self.0
            .iter()
            .filter(move |change| (from..=until).contains(&change.at))
    }

    /// Whether the clock of the server's machine was set up to that time.
    pub fn was_set(&self, until: Duration) -> bool {
        self.changes(Duration::ZERO, until).next().is_some()
    }

    /// Whether the clock was set forward in that time, so that deadlines may have passed early (R7.36).
    pub fn went_forward(&self, from: Duration, until: Duration) -> bool {
        !self.gain(from, until).is_zero()
    }

    /// By how much the clock was set forward in that time.
    pub fn gain(&self, from: Duration, until: Duration) -> Duration {
        let changes = self.changes(from, until);
        let gains = changes.filter_map(|change| Duration::try_from(change.by).ok());
        gains.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Whether the clock was set back in that time, so that deadlines may have begun again with the restart (R7.36).
    pub fn went_back(&self, from: Duration, until: Duration) -> bool {
        self.changes(from, until).any(|change| change.by.is_negative())
    }

    /// The latest time of a report that arrived at `seen_at` on a connection that was opened at `opened_at`. The clock is set
    /// while the server is down, so all that such a connection brings is from before the first change after it was opened.
    pub(in crate::oracle) fn reported_by(&self, opened_at: Duration, seen_at: Duration) -> Duration {
        let next = self.changes(opened_at, seen_at).next();
        next.map_or(seen_at, |change| change.at)
    }

    /// The time of something that the server reported by `reported_by`, by the time since the beginning that its clock showed.
    pub(in crate::oracle) fn time_of(&self, shown: SignedDuration, reported_by: Duration) -> Duration {
        let mut ahead = SignedDuration::ZERO;
        let mut periods = vec![(Duration::ZERO, ahead)];
        for change in self.changes(Duration::ZERO, reported_by) {
            ahead = ahead.saturating_add(change.by);
            periods.push((change.at, ahead));
        }
        let time = |ahead| Duration::try_from(shown.saturating_sub(ahead)).unwrap_or_default();
        // After a change back, two times may have been shown alike: the later one that is not after the report counts.
        let fits = periods
            .iter()
            .rev()
            .map(|(from, ahead)| (*from, time(*ahead)))
            .find(|(from, time)| from <= time && *time <= reported_by + REPORT_ERROR);
        fits.map_or_else(|| time(ahead), |(_, time)| time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(changes: &[(u64, i64)]) -> ServerClock {
        let mut clock = ServerClock::default();
        for (at, by) in changes {
            clock.set(Duration::from_secs(*at), SignedDuration::from_secs(*by));
        }
        clock
    }

    #[test]
    fn a_reported_time_is_read_by_the_clock_of_its_report() {
        for (changes, shown, seen_at, time) in [
            (&[][..], 5, 5, 5),
            // Before the change, and after it.
            (&[(10, -3600)], 5, 5, 5),
            (&[(10, -3600)], 5, 40, 5),
            (&[(10, -3600)], -3585, 15, 15),
            (&[(10, 3600)], 5, 40, 5),
            (&[(10, 3600)], 3615, 15, 15),
            (&[(10, 3600), (20, -3600)], 25, 25, 25),
            (&[(10, 3600), (20, -3600)], 3615, 25, 15),
        ] {
            let read = clock(changes).time_of(SignedDuration::from_secs(shown), Duration::from_secs(seen_at));
            assert_eq!(read, Duration::from_secs(time), "{changes:?} {shown} {seen_at}");
        }
    }

    #[test]
    fn a_report_on_an_old_connection_is_from_before_the_change() {
        let clock = clock(&[(10, -60), (90, -60)]);
        for (opened_at, seen_at, time) in [(2, 70, 5), (12, 70, 65), (2, 100, 5)] {
            let [opened_at, seen_at] = [opened_at, seen_at].map(Duration::from_secs);
            let read = clock.time_of(
                SignedDuration::from_secs(5),
                clock.reported_by(opened_at, seen_at),
            );
            assert_eq!(read, Duration::from_secs(time), "{opened_at:?} {seen_at:?}");
        }
    }

    #[test]
    fn changes_are_found_by_their_direction() {
        let clock = clock(&[(10, -3600), (20, 60)]);
        let [begin, middle, end] = [0, 15, 30].map(Duration::from_secs);
        assert!(clock.went_back(begin, middle) && !clock.went_back(middle, end));
        assert!(!clock.went_forward(begin, middle) && clock.went_forward(middle, end));
        assert!(clock.was_set(middle) && !clock.was_set(begin));
    }
}
