//! The times at which the server was down, and at which its disk failed.

use std::time::Duration;

use super::{Disruption, Faults, Location};
use crate::parties::SERVER;

impl Faults {
    /// Whether the server may have been down, or its disk may have failed, in that time.
    pub fn may_have_stopped_server(&self, from: Duration, until: Duration) -> bool {
        let server = Location::Host(SERVER.to_owned());
        let is_down =
            |disruption: &Disruption| disruption.location == server && disruption.overlaps(from, until);
        let fails = |(began, ended): &(Duration, Option<Duration>)| {
            *began <= until && ended.is_none_or(|ended| ended >= from)
        };
        self.disruptions.iter().any(is_down) || self.disk_failures.iter().any(fails)
    }

    /// The time of the last restart of the server up to `by`; `None` if there was none.
    pub fn server_restarted_at(&self, by: Duration) -> Option<Duration> {
        let server = Location::Host(SERVER.to_owned());
        let of_server = self
            .disruptions
            .iter()
            .filter(|disruption| disruption.location == server);
        of_server
            .filter_map(|disruption| disruption.until)
            .filter(|until| *until <= by)
            .max()
    }

    /// The time at which the server was down before it was restarted at that time.
    pub fn server_stopped_before(&self, restarted_at: Duration) -> Option<Duration> {
        let server = Location::Host(SERVER.to_owned());
        let mut stops = self.disruptions.iter();
        let stop = stops.find(|stop| stop.location == server && stop.until == Some(restarted_at));
        stop.map(|stop| stop.from)
    }
}
