//! How long nothing has passed on the connections of a world, by the machine's clock.

use std::time::{Duration, Instant};

/// The time without a byte on any connection after which everything that was sent has arrived.
pub(super) const QUIET: Duration = Duration::from_millis(20);

/// How long nothing has passed on connections.
pub(super) struct Quiet {
    /// The count of what has passed, when it last changed.
    activity: u64,
    /// Since then, by the machine's clock.
    since: Instant,
    needed: Duration,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self {
            activity: 0,
            since: machine_now(),
            needed: QUIET,
        }
    }

    /// Whether nothing has passed for long enough, when `activity` is the count.
    pub(super) fn is_long(&mut self, activity: u64) -> bool {
        if activity != self.activity {
            self.activity = activity;
            self.begin(QUIET);
        }
        self.since.elapsed() >= self.needed
    }

    /// Begins to measure again.
    pub(super) fn begin(&mut self, needed: Duration) {
        self.since = machine_now();
        self.needed = needed;
    }
}

#[expect(clippy::disallowed_methods, reason = "this world is in real time")]
fn machine_now() -> Instant {
    Instant::now()
}
