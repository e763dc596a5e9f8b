//! The times at which the server was down, and at which its disk failed, and what ended with it.

use std::time::Duration;

use super::{Disruption, Faults, first_from};

impl Faults {
    /// Whether the server may have been down, or its disk may have failed, in that time.
    pub fn may_have_stopped_server(&self, from: Duration, until: Duration) -> bool {
        let fails = |(began, ended): &(Duration, Option<Duration>)| {
            *began <= until && ended.is_none_or(|ended| ended >= from)
        };
        self.server_stops().any(|stop| stop.overlaps(from, until)) || self.disk_failures.iter().any(fails)
    }

    /// The first time of that span at which the server may have been down, or its store may have failed.
    pub fn server_may_have_failed_from(&self, from: Duration, until: Duration) -> Option<Duration> {
        let stopped = first_from(self.server_stops(), from, until);
        let store = self.store_may_have_failed_from(from, until);
        stopped.into_iter().chain(store).min()
    }

    /// Whether the server was reported as crashed and not yet as restarted at that time. A real process that is being
    /// killed may still act a little then.
    pub fn server_was_down(&self, at: Duration) -> bool {
        self.server_stops().any(|stop| stop.overlaps(at, at))
    }

    /// The time of the last restart of the server up to `by`; `None` if there was none.
    pub fn server_restarted_at(&self, by: Duration) -> Option<Duration> {
        let restarts = self.server_stops().filter_map(|stop| stop.until);
        restarts.filter(|until| *until <= by).max()
    }

    /// The time at which the server was down before it was restarted at that time.
    pub fn server_stopped_before(&self, restarted_at: Duration) -> Option<Duration> {
        let mut stops = self.server_stops();
        let stop = stops.find(|stop| stop.until == Some(restarted_at));
        stop.map(|stop| stop.from)
    }

    /// Whether the server may have been restarted in that time.
    pub fn may_have_restarted_server(&self, from: Duration, until: Duration) -> bool {
        self.server_stops().any(|stop| stop.overlaps(from, until))
    }

    /// Whether a connection that `party` opened at that time may have died silently since.
    pub fn may_have_died(&self, party: &str, opened_at: Duration) -> bool {
        let mut fatal = self.fatal(party);
        fatal.any(|disruption| disruption.may_affect_connection_of(opened_at))
    }

    /// The stops of the server, in order of their beginning.
    fn server_stops(&self) -> impl Iterator<Item = &Disruption> {
        self.disruptions
            .iter()
            .filter(|disruption| disruption.is_server_stop())
    }
}
