//! The clock of the server's machine, which may be set while the server is down, and the times that the server reports
//! by it.

use std::time::Duration;

use jiff::SignedDuration;

/// How far a reported time may lie after the time of its report. Transit and whole milliseconds are far below it, and the
/// changes of a clock far above.
const REPORT_ERROR: Duration = Duration::from_millis(500);

/// How something that the server reported reached a client.
#[derive(Debug, Clone, Copy)]
pub(in crate::oracle) struct Report {
    /// The time at which its connection was open.
    pub opened_at: Duration,
    /// The time at which the client received it.
    pub seen_at: Duration,
    /// Whether it may have been repeated, because the connection was new.
    pub is_replayed: bool,
}

/// How long before the server went down something may have happened that the harness did not receive any more: longer than a
/// packet takes.
const IN_FLIGHT: Duration = Duration::from_millis(20);

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

    /// The time of something that the server reported, by the time since the beginning that its clock showed.
    ///
    /// The clock is set while the server is down, so all that a connection brings is from before the first change after it was
    /// opened. Not known is what an opening brings that began before a change and was held up beyond it.
    pub(in crate::oracle) fn time_of(&self, shown: SignedDuration, report: &Report) -> Duration {
        let before = self.0.partition_point(|change| change.at < report.opened_at);
        let known = self.0.partition_point(|change| change.at <= report.seen_at);
        let (changes, latest) = match self.0.get(before..known).and_then(<[Change]>::first) {
            Some(next) => (&self.0[..before], next.at),
            None => (&self.0[..known], report.seen_at + REPORT_ERROR),
        };
        // The times that the clock of each period may have shown so, the latest first.
        let mut ahead: SignedDuration = changes.iter().map(|change| change.by).sum();
        let time = |ahead| Duration::try_from(shown.saturating_sub(ahead)).ok();
        let by_last_clock = time(ahead).unwrap_or_default();
        let mut fits = Vec::new();
        let mut until = latest;
        let beginning = Change {
            at: Duration::ZERO,
            by: SignedDuration::ZERO,
        };
        for change in changes.iter().rev().chain([&beginning]) {
            let time = time(ahead).filter(|time| (change.at..=until).contains(time));
            fits.extend(time.map(|time| (time, until)));
            ahead = ahead.saturating_sub(change.by);
            until = change.at;
        }
        // After a change back, two times may have been shown alike, and the later one counts. But what happened right before
        // the server went down is often shown for the first time by a replay.
        let mut hidden = fits.iter().skip(1);
        let hidden = hidden.find(|(time, until)| report.is_replayed && *time + IN_FLIGHT >= *until);
        hidden.or(fits.first()).map_or(by_last_clock, |(time, _)| *time)
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
        for (changes, shown, opened_at, seen_at, time) in [
            (&[][..], 5, 0, 5, 5),
            // Before the change, and after it.
            (&[(10, -3600)], 5, 2, 5, 5),
            (&[(10, -3600)], 5, 12, 40, 5),
            (&[(10, -3600)], -3585, 12, 15, 15),
            (&[(10, 3600)], 5, 12, 40, 5),
            (&[(10, 3600)], 3615, 12, 15, 15),
            (&[(10, 3600), (20, -3600)], 25, 22, 25, 25),
            (&[(10, 3600), (20, -3600)], 3615, 22, 25, 15),
            // On a connection to a process before the change, also if the time is at the change by the new clock.
            (&[(10, -60), (90, -60)], 5, 2, 70, 5),
            (&[(10, -60), (90, -60)], 5, 12, 70, 65),
            (&[(10, -60), (90, -60)], 5, 2, 100, 5),
            (&[(65, -60)], 5, 2, 100, 5),
            // Not before the beginning.
            (&[(0, -60)], -59, 1, 2, 1),
        ] {
            let [opened_at, seen_at, time] = [opened_at, seen_at, time].map(Duration::from_secs);
            for is_replayed in [false, true] {
                let report = Report {
                    opened_at,
                    seen_at,
                    is_replayed,
                };
                let read = clock(changes).time_of(SignedDuration::from_secs(shown), &report);
                assert_eq!(read, time, "{changes:?} {shown} {report:?}");
            }
        }
    }

    #[test]
    fn a_replay_shows_what_happened_right_before_a_crash() {
        let clock = clock(&[(10, -60)]);
        for (is_replayed, shown, time) in [
            (false, 9_990, 69_990),
            (true, 9_990, 9_990),
            (true, 9_900, 69_900),
        ] {
            let report = Report {
                opened_at: Duration::from_secs(70),
                seen_at: Duration::from_secs(70),
                is_replayed,
            };
            let read = clock.time_of(SignedDuration::from_millis(shown), &report);
            assert_eq!(read, Duration::from_millis(time), "{is_replayed} {shown}");
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
