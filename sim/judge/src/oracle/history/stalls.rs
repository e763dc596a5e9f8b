//! The times at which the machine was late in running what was due, as a run in real time recorded them.

use std::time::Duration;

/// What happens within this time shares the stalls of the machine: a request passes several processes in a row.
const NEAR: Duration = Duration::from_secs(1);

/// The stalls of a run, in order.
#[derive(Debug, Clone, Default)]
pub struct Stalls {
    /// The spans in which the machine was late.
    spans: Vec<(Duration, Duration)>,
    worst: Duration,
}

impl Stalls {
    /// Notes that up to `at` the machine was late by `stalled`.
    pub(in crate::oracle) fn take(&mut self, at: Duration, stalled: Duration) {
        self.spans.push((at.saturating_sub(stalled), at));
        let near = self.within(at.saturating_sub(NEAR), at);
        self.worst = self.worst.max(near);
    }

    /// How late the machine was in all in that time. A stall that overlaps it counts whole.
    pub fn within(&self, from: Duration, until: Duration) -> Duration {
        let begun = self.spans.iter().rev().filter(|(began, _)| *began <= until);
        let overlapping = begun.take_while(|(_, ended)| *ended >= from);
        overlapping.map(|(began, ended)| *ended - *began).sum()
    }

    /// The same in the time that the machine had for something with this limit, and in which it did it.
    pub(in crate::oracle) fn before_and_in(&self, limit: Duration, at: Duration) -> Duration {
        self.within(limit.saturating_sub(NEAR), at)
    }

    /// The most that it was late within a second.
    pub fn worst(&self) -> Duration {
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_add_up_within_a_second() {
        let seconds = Duration::from_secs_f64;
        let mut stalls = Stalls::default();
        assert_eq!(stalls.worst(), Duration::ZERO);
        for (at, stalled) in [(1.0, 0.25), (1.5, 0.25), (1.75, 0.125), (10.0, 0.375)] {
            stalls.take(seconds(at), seconds(stalled));
        }
        assert_eq!(stalls.worst(), seconds(0.625));
        for (from, until, stalled) in [
            (0.0, 0.5, 0.0),
            (0.0, 0.8, 0.25),
            (1.4, 1.7, 0.375),
            (2.0, 9.0, 0.0),
            (0.0, 20.0, 1.0),
        ] {
            assert_eq!(
                stalls.within(seconds(from), seconds(until)),
                seconds(stalled),
                "{from} {until}"
            );
        }
    }
}
