//! The faults of a run, as far as they excuse that a party was not reached.

use std::time::Duration;

use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Link, Place, WrapperBehaviour};

use crate::parties::{RECEIVER, SERVER, is_wrapper};

/// The times at which parties were unreachable for the server. A fault that may have had an effect is assumed to have
/// had it.
#[derive(Debug, Default)]
pub struct Faults {
    /// In order of their beginning.
    disruptions: Vec<Disruption>,
    receiver: ReceiverDisruption,
    /// The times at which the server's disk failed, each with its end.
    disk_failures: Vec<(Duration, Option<Duration>)>,
    /// The times at which the server was started again.
    server_restarts: Vec<Duration>,
    /// The behaviours of wrappers that a script set, each with its end.
    misbehaviours: Vec<(Duration, Option<Duration>, Box<WrapperBehaviour>)>,
}

/// A disruption between the server and one party or all parties.
#[derive(Debug)]
struct Disruption {
    /// The party whose connections with the server it affects; `None` for all parties.
    party: Option<String>,
    location: Location,
    /// Whether it may have ended connections silently. Otherwise it only delayed packets.
    is_fatal: bool,
    from: Duration,
    /// Time of its end; `None` while it lasts.
    until: Option<Duration>,
}

/// The location of a disruption, which determines what ends it.
#[derive(Debug, PartialEq, Eq)]
enum Location {
    /// The connections at that time. It ends at once.
    Connections,
    /// One direction of a link.
    Direction { from: String, to: String },
    /// A host that is down.
    Host(String),
}

#[derive(Debug, Default)]
struct ReceiverDisruption {
    is_down: bool,
    is_cut_off: bool,
    until: Option<Duration>,
}

impl Faults {
    /// The time until which a connection of `party` with the server may have died silently.
    pub fn broken_until(&self, party: &str) -> Duration {
        let fatal = self.fatal(party);
        let ends = fatal.map(|disruption| disruption.until.unwrap_or(disruption.from));
        ends.max().unwrap_or_default()
    }

    /// The earliest time at which a connection that `party` had with the server at `since` may have died; the maximum if
    /// no fault may have ended it.
    pub fn broken_from(&self, party: &str, since: Duration) -> Duration {
        let later = self
            .fatal(party)
            .filter(|disruption| !disruption.is_over_at(since));
        later
            .map(|disruption| disruption.from.max(since))
            .min()
            .unwrap_or(Duration::MAX)
    }

    /// The time until which the server certainly had a connection with `party`, judged at `time`. `opened_at` and
    /// `closed_at` are the times at which `party` observed its beginning and end.
    pub fn lasted_until(
        &self,
        party: &str,
        opened_at: Duration,
        closed_at: Option<Duration>,
        time: Duration,
    ) -> Duration {
        let broken_from = self.broken_from(party, opened_at);
        let Some(closed_at) = closed_at else {
            return broken_from;
        };
        // A delayed close may be as old as the connection.
        if self.may_have_disrupted(party, opened_at, closed_at.min(time)) {
            return opened_at;
        }
        broken_from.min(closed_at)
    }

    /// Whether a fault may have disrupted or delayed packets between `party` and the server in that time.
    pub fn may_have_disrupted(&self, party: &str, from: Duration, until: Duration) -> bool {
        let mut disruptions = self
            .disruptions
            .iter()
            .filter(|disruption| disruption.affects(party));
        disruptions.any(|disruption| disruption.from <= until && !disruption.is_over_at(from))
    }

    /// Whether a fault may have disrupted or delayed packets between any wrapper and the server in that time.
    pub fn may_have_disrupted_wrappers(&self, from: Duration, until: Duration) -> bool {
        self.of_wrappers()
            .any(|disruption| disruption.from <= until && !disruption.is_over_at(from))
    }

    /// Whether the server was down at some time in that span.
    pub fn server_was_down(&self, from: Duration, until: Duration) -> bool {
        let mut of_server = self
            .disruptions
            .iter()
            .filter(|disruption| disruption.party.is_none());
        of_server.any(|disruption| disruption.from <= until && !disruption.is_over_at(from))
    }

    /// Whether the server's disk failed at some time in that span.
    pub fn disk_may_have_failed(&self, from: Duration, until: Duration) -> bool {
        let mut failures = self.disk_failures.iter();
        failures.any(|(began, ended)| *began <= until && ended.is_none_or(|ended| ended >= from))
    }

    /// Whether the server's store may have failed at some time in that span. A store whose disk has failed may need a
    /// restart.
    pub fn store_may_have_failed(&self, from: Duration, until: Duration) -> bool {
        let is_repaired = |ended: Duration| {
            let mut restarts = self.server_restarts.iter();
            restarts.any(|at| (ended..=from).contains(at))
        };
        let mut failures = self.disk_failures.iter();
        failures.any(|(began, ended)| *began <= until && !ended.is_some_and(is_repaired))
    }

    /// The behaviours that a script had set for wrappers at some time in that span.
    pub fn misbehaviours(&self, from: Duration, until: Duration) -> impl Iterator<Item = &WrapperBehaviour> {
        let is_then = move |(began, ended, _): &&(Duration, Option<Duration>, Box<WrapperBehaviour>)| {
            *began <= until && ended.is_none_or(|ended| ended >= from)
        };
        self.misbehaviours
            .iter()
            .filter(is_then)
            .map(|(.., behaviour)| &**behaviour)
    }

    /// The spans of time in which a delivery may have failed without a sign. A fault that may have ended connections
    /// silently lasts until `hidden` after its end, because the server may wait for an answer; a stop of the server
    /// lasts until `resumed` after its start.
    pub fn spans_without_delivery(
        &self,
        hidden: Duration,
        resumed: Duration,
    ) -> impl Iterator<Item = (Duration, Duration)> {
        let disruptions = self.of_wrappers().map(move |disruption| {
            let after = match (disruption.is_fatal, &disruption.party) {
                (true, Some(_)) => hidden,
                (true, None) => resumed,
                (false, _) => Duration::ZERO,
            };
            (disruption.from, disruption.until, after)
        });
        let disk = self
            .disk_failures
            .iter()
            .map(move |(from, until)| (*from, *until, resumed));
        let spans = disruptions.chain(disk);
        spans.map(|(from, until, after)| (from, until.unwrap_or(Duration::MAX).saturating_add(after)))
    }

    /// The disruptions between the server and wrappers.
    fn of_wrappers(&self) -> impl Iterator<Item = &Disruption> {
        let is_of_wrapper = |disruption: &&Disruption| disruption.party.as_deref().is_none_or(is_wrapper);
        self.disruptions.iter().filter(is_of_wrapper)
    }

    /// The time until which the receiver may have been unreachable; `None` if it always was reachable.
    pub fn receiver_unreachable_until(&self) -> Option<Duration> {
        let ReceiverDisruption {
            is_down,
            is_cut_off,
            until,
        } = self.receiver;
        if is_down || is_cut_off {
            Some(Duration::MAX)
        } else {
            until
        }
    }

    fn fatal(&self, party: &str) -> impl Iterator<Item = &Disruption> {
        let affects = move |disruption: &&Disruption| disruption.is_fatal && disruption.affects(party);
        self.disruptions.iter().filter(affects)
    }

    pub(super) fn take(&mut self, at: Duration, event: &WorldEvent) {
        match event {
            WorldEvent::Began { fault, .. } => self.begins(at, fault),
            WorldEvent::Ended { place } => self.is_healed(at, place),
        }
    }

    fn begins(&mut self, at: Duration, fault: &Fault) {
        match fault {
            Fault::Link { link, effect } => self.link_fails(at, link, effect.loses()),
            Fault::Connections { from, to, .. } => {
                if let Some(party) = other_end(from, to) {
                    self.disruptions.push(Disruption {
                        party: Some(party.to_owned()),
                        location: Location::Connections,
                        is_fatal: true,
                        from: at,
                        until: Some(at),
                    });
                    if party == RECEIVER {
                        self.receiver.until = Some(at);
                    }
                }
            }
            Fault::Host { host, .. } => {
                self.disruptions.push(Disruption {
                    party: (host != SERVER).then(|| host.clone()),
                    location: Location::Host(host.clone()),
                    is_fatal: true,
                    from: at,
                    until: None,
                });
                self.receiver.is_down |= host == RECEIVER;
            }
            Fault::Disk { host, .. } if host == SERVER => self.disk_failures.push((at, None)),
            Fault::Wrapper(behaviour) => {
                self.behaves_again(at);
                self.misbehaviours.push((at, None, behaviour.clone()));
            }
            Fault::Disk { .. } | Fault::Queue { .. } | Fault::Receiver { .. } => {}
        }
    }

    fn is_healed(&mut self, at: Duration, place: &Place) {
        match place {
            Place::Link(link) => {
                for direction in directions(link) {
                    self.ends(at, &direction);
                }
                if other_end(&link.from, &link.to) == Some(RECEIVER) {
                    self.reconnect_receiver(at);
                }
            }
            Place::EveryLink => {
                for disruption in &mut self.disruptions {
                    if matches!(disruption.location, Location::Direction { .. }) {
                        disruption.until.get_or_insert(at);
                    }
                }
                self.reconnect_receiver(at);
            }
            Place::Host(host) => {
                self.ends(at, &Location::Host(host.clone()));
                if host == RECEIVER {
                    self.receiver.is_down = false;
                    self.receiver.until = Some(at);
                } else if host == SERVER {
                    self.server_restarts.push(at);
                }
            }
            Place::Disk(host) if host == SERVER => {
                for (_, until) in &mut self.disk_failures {
                    until.get_or_insert(at);
                }
            }
            Place::Wrapper => self.behaves_again(at),
            Place::Disk(_) | Place::Queue => {}
        }
    }

    fn behaves_again(&mut self, at: Duration) {
        for (_, until, _) in &mut self.misbehaviours {
            until.get_or_insert(at);
        }
    }

    fn link_fails(&mut self, at: Duration, link: &Link, is_fatal: bool) {
        let Some(party) = other_end(&link.from, &link.to) else {
            return;
        };
        self.receiver.is_cut_off |= party == RECEIVER;
        for location in directions(link) {
            self.disruptions.push(Disruption {
                party: Some(party.to_owned()),
                location,
                is_fatal,
                from: at,
                until: None,
            });
        }
    }

    fn ends(&mut self, at: Duration, place: &Location) {
        for disruption in self
            .disruptions
            .iter_mut()
            .filter(|disruption| disruption.location == *place)
        {
            disruption.until.get_or_insert(at);
        }
    }

    fn reconnect_receiver(&mut self, at: Duration) {
        if std::mem::take(&mut self.receiver.is_cut_off) {
            self.receiver.until = Some(at);
        }
    }
}

impl Disruption {
    fn affects(&self, party: &str) -> bool {
        self.party.as_deref().is_none_or(|affected| affected == party)
    }

    fn is_over_at(&self, time: Duration) -> bool {
        self.until.is_some_and(|until| until < time)
    }
}

/// The directions that a fault of a link affects.
fn directions(link: &Link) -> Vec<Location> {
    let direction = |(from, to): (&str, &str)| Location::Direction {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    link.directions().map(direction).collect()
}

/// The other party of a link of the server; `None` for a link without the server.
fn other_end<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match (one == SERVER, other == SERVER) {
        (true, false) => Some(other),
        (false, true) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use turnstile_events::world::Cause;

    use super::*;
    use crate::parties::WRAPPER;

    fn faults(events: impl IntoIterator<Item = (u64, WorldEvent)>) -> Faults {
        let mut faults = Faults::default();
        for (at, event) in events {
            faults.take(Duration::from_secs(at), &event);
        }
        faults
    }

    fn ended(place: Place) -> WorldEvent {
        WorldEvent::Ended { place }
    }

    fn crashed(host: &str) -> WorldEvent {
        WorldEvent::began(Fault::crash(host), Cause::Order)
    }

    fn secs(seconds: [u64; 2]) -> [Duration; 2] {
        seconds.map(Duration::from_secs)
    }

    #[test]
    fn a_black_hole_breaks_connections_until_both_directions_are_healed() {
        let link = Link::between(WRAPPER, SERVER);
        let one_way = Link::one_way(SERVER, WRAPPER);
        let faults = faults([
            (10, WorldEvent::of(&Fault::black_hole(&link))),
            (20, ended(Place::Link(one_way))),
            (30, ended(Place::Link(link))),
        ]);
        for (since, broken_from) in [[5, 10], [15, 15], [25, 25]].map(secs).map(Into::into) {
            assert_eq!(faults.broken_from(WRAPPER, since), broken_from);
        }
        assert_eq!(
            faults.broken_from(WRAPPER, Duration::from_secs(31)),
            Duration::MAX
        );
        assert_eq!(faults.broken_until(WRAPPER), Duration::from_secs(30));
        assert_eq!(faults.broken_until("phone"), Duration::ZERO);
    }

    #[test]
    fn a_cut_delays_packets_and_a_crash_of_the_server_breaks_connections() {
        let link = Link::between(WRAPPER, SERVER);
        let faults = faults([
            (10, WorldEvent::of(&Fault::cut(&link))),
            (20, ended(Place::EveryLink)),
            (30, crashed(SERVER)),
            (40, ended(Place::host(SERVER))),
        ]);
        for (span, is_disrupted) in [
            ([0, 9], false),
            ([12, 15], true),
            ([21, 29], false),
            ([35, 50], true),
        ] {
            let [from, until] = secs(span);
            assert_eq!(
                faults.may_have_disrupted(WRAPPER, from, until),
                is_disrupted,
                "{span:?}"
            );
        }
        assert_eq!(
            faults.broken_from(WRAPPER, Duration::ZERO),
            Duration::from_secs(30)
        );
        assert_eq!(faults.broken_until("phone"), Duration::from_secs(40));
        for (span, is_disrupted) in [([21, 29], false), ([29, 30], true), ([41, 50], false)] {
            let [from, until] = secs(span);
            assert_eq!(faults.may_have_disrupted_wrappers(from, until), is_disrupted);
        }
    }
}
