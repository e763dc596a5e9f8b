//! The faults of a run, as far as they excuse that a party was not reached.

mod clock;
mod deliveries;
mod queue;
mod stops;

use std::time::Duration;

use turnstile_events::world::WorldEvent;
use turnstile_fault::{ConnectionEnd, Fault, Link, LinkEffect, Place, QueueBehaviour, WrapperBehaviour};

pub(in crate::oracle) use self::clock::Report;
pub use self::clock::ServerClock;
use crate::parties::{RECEIVER, SERVER};

/// The times at which parties were unreachable for the server. A fault that may have had an effect is assumed to have
/// had it.
#[derive(Debug, Default)]
pub struct Faults {
    /// In order of their beginning.
    disruptions: Vec<Disruption>,
    /// The times at which the server's disk failed, each with its end.
    disk_failures: Vec<(Duration, Option<Duration>)>,
    /// The behaviours of the server's callback queue, each with its end.
    queue_faults: Vec<(Duration, Option<Duration>, QueueBehaviour)>,
    clock: ServerClock,
    /// The behaviours of wrappers that a script set, each with its end.
    misbehaviours: Vec<(Duration, Option<Duration>, Box<WrapperBehaviour>)>,
}

/// A disruption between the server and one party or all parties.
#[derive(Debug)]
struct Disruption {
    /// The party whose connections with the server it affects; `None` for all parties.
    party: Option<String>,
    location: Location,
    /// Whether it may have ended connections. Otherwise it only delayed packets.
    is_fatal: bool,
    /// Whether it may have ended connections without a sign for the server or the party.
    is_silent: bool,
    /// Whether it reset all connections, which both ends notice at once.
    is_reset: bool,
    /// Whether nothing passes while it lasts.
    is_block: bool,
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
        first_from(self.fatal(party), since, Duration::MAX).unwrap_or(Duration::MAX)
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
        self.in_span(party, from, until).next().is_some()
    }

    /// The first time at which a fault may have disrupted or delayed what passes on a connection that `party` opened at that
    /// time.
    pub fn may_have_disrupted_from(&self, party: &str, opened_at: Duration) -> Option<Duration> {
        let of_party = self
            .disruptions
            .iter()
            .filter(|disruption| disruption.affects(party));
        let then = of_party.filter(|disruption| disruption.may_affect_connection_of(opened_at));
        then.map(|disruption| disruption.from.max(opened_at)).min()
    }

    fn in_span(&self, party: &str, from: Duration, until: Duration) -> impl Iterator<Item = &Disruption> {
        let is_in_span =
            move |disruption: &&Disruption| disruption.affects(party) && disruption.overlaps(from, until);
        self.disruptions.iter().filter(is_in_span)
    }

    /// Whether a connection that `party` had with the server in that time may have ended without a sign for one of them.
    pub fn may_have_ended_silently(&self, party: &str, from: Duration, until: Duration) -> bool {
        self.in_span(party, from, until)
            .any(|disruption| disruption.is_silent)
    }

    /// The last time up to `by` at which all connections of `party` with the server were reset.
    pub fn reset_at(&self, party: &str, by: Duration) -> Option<Duration> {
        self.resets(party, by).max()
    }

    /// Whether nothing that `party` sent reached the server in that time, because one fault lasted for all of it.
    pub fn is_cut_off(&self, party: &str, from: Duration, until: Duration) -> bool {
        self.in_span(party, from, until).any(|disruption| {
            let is_on_the_way = match &disruption.location {
                Location::Direction { to, .. } => to == SERVER,
                Location::Host(host) => host == party,
                Location::Connections => false,
            };
            let lasts = disruption.from <= from && disruption.until.is_none_or(|ended| ended >= until);
            disruption.is_block && is_on_the_way && lasts
        })
    }

    /// The times up to `until` at which all connections of `party` with the server were reset.
    pub fn resets(&self, party: &str, until: Duration) -> impl Iterator<Item = Duration> {
        let resets = self.disruptions.iter().filter(move |disruption| {
            disruption.is_reset && disruption.affects(party) && disruption.from <= until
        });
        resets.map(|reset| reset.from)
    }

    /// Whether packets between `party` and the server may have been held up or lost in that time. A connection that was
    /// reset holds nothing up.
    pub fn may_have_held_up(&self, party: &str, from: Duration, until: Duration) -> bool {
        let mut disruptions = self.in_span(party, from, until);
        disruptions.any(|disruption| disruption.location != Location::Connections)
    }

    /// The spans between `from` and `until` in which no fault affects the server, its disk, or its connections with
    /// `party`, in order. The first one begins at `from` if no fault lasts then.
    pub fn calm_spans(&self, party: &str, from: Duration, until: Duration) -> Vec<(Duration, Duration)> {
        let disruptions = self
            .in_span(party, from, until)
            .map(|disruption| (disruption.from, disruption.until));
        let failures = self.disk_failures.iter().copied();
        let mut faults: Vec<_> = disruptions.chain(failures).collect();
        faults.sort_unstable();
        let mut spans = Vec::new();
        let mut calm_from = from;
        for (began, ended) in faults {
            if began > calm_from {
                spans.push((calm_from, began.min(until)));
            }
            calm_from = calm_from.max(ended.unwrap_or(Duration::MAX));
        }
        spans.push((calm_from, until));
        spans.retain(|(from, until)| from < until);
        spans
    }

    /// The time until which the receiver may have been unreachable; `None` if it always was reachable.
    pub fn receiver_unreachable_until(&self) -> Option<Duration> {
        let of_receiver = |disruption: &&Disruption| disruption.party.as_deref() == Some(RECEIVER);
        let disruptions = self.disruptions.iter().filter(of_receiver);
        disruptions
            .map(|disruption| disruption.until.unwrap_or(Duration::MAX))
            .max()
    }

    /// The clock of the server's machine.
    pub fn clock(&self) -> &ServerClock {
        &self.clock
    }

    fn fatal(&self, party: &str) -> impl Iterator<Item = &Disruption> {
        let affects = move |disruption: &&Disruption| disruption.is_fatal && disruption.affects(party);
        self.disruptions.iter().filter(affects)
    }

    pub(super) fn take(&mut self, at: Duration, event: &WorldEvent) {
        match event {
            WorldEvent::Began { fault, .. } => self.begins(at, fault),
            WorldEvent::Ended { place } => self.is_healed(at, place),
            WorldEvent::Stalled { .. } => {}
        }
    }

    fn begins(&mut self, at: Duration, fault: &Fault) {
        match fault {
            Fault::Link { link, effect } => self.link_fails(at, link, *effect),
            Fault::Connections { from, to, end } => {
                if let Some(party) = other_end(from, to) {
                    self.disruptions.push(Disruption {
                        party: Some(party.to_owned()),
                        location: Location::Connections,
                        is_fatal: true,
                        is_silent: *end != ConnectionEnd::Reset,
                        is_reset: *end == ConnectionEnd::Reset,
                        is_block: false,
                        from: at,
                        until: Some(at),
                    });
                }
            }
            Fault::Host { host, .. } => {
                self.disruptions.push(Disruption {
                    party: (host != SERVER).then(|| host.clone()),
                    location: Location::Host(host.clone()),
                    is_fatal: true,
                    is_silent: true,
                    is_reset: false,
                    is_block: true,
                    from: at,
                    until: None,
                });
            }
            Fault::Disk { host, .. } if host == SERVER => self.disk_failures.push((at, None)),
            Fault::Wrapper(behaviour) => {
                self.behaves_again(at);
                self.misbehaviours.push((at, None, behaviour.clone()));
            }
            Fault::Queue { is } => self.queue_behaves(at, Some(*is)),
            Fault::Clock { host, set } if host == SERVER => self.clock.set(at, set.ahead()),
            Fault::Disk { .. } | Fault::Clock { .. } | Fault::Receiver { .. } => {}
        }
    }

    fn is_healed(&mut self, at: Duration, place: &Place) {
        match place {
            Place::Link(link) => {
                for direction in directions(link) {
                    self.ends(at, &direction);
                }
            }
            Place::EveryLink => {
                for disruption in &mut self.disruptions {
                    if matches!(disruption.location, Location::Direction { .. }) {
                        disruption.until.get_or_insert(at);
                    }
                }
            }
            Place::Host(host) => {
                self.ends(at, &Location::Host(host.clone()));
            }
            Place::Disk(host) if host == SERVER => {
                for (_, until) in &mut self.disk_failures {
                    until.get_or_insert(at);
                }
            }
            Place::Wrapper => self.behaves_again(at),
            Place::Queue => self.queue_behaves(at, None),
            Place::Disk(_) => {}
        }
    }

    fn behaves_again(&mut self, at: Duration) {
        for (_, until, _) in &mut self.misbehaviours {
            until.get_or_insert(at);
        }
    }

    fn link_fails(&mut self, at: Duration, link: &Link, effect: LinkEffect) {
        let Some(party) = other_end(&link.from, &link.to) else {
            return;
        };
        let is_fatal = effect.loses();
        for location in directions(link) {
            self.disruptions.push(Disruption {
                party: Some(party.to_owned()),
                location,
                is_fatal,
                is_silent: is_fatal,
                is_reset: false,
                is_block: effect.kind().blocks(),
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
}

impl Disruption {
    fn affects(&self, party: &str) -> bool {
        self.party.as_deref().is_none_or(|affected| affected == party)
    }

    fn overlaps(&self, from: Duration, until: Duration) -> bool {
        self.from <= until && !self.is_over_at(from)
    }

    /// Whether it may affect a connection that was opened at that time. One that was opened while the server is reported to be
    /// down is one with the new process, whose start is reported a little later.
    fn may_affect_connection_of(&self, opened_at: Duration) -> bool {
        let until = if self.is_server_stop() {
            Some(self.from)
        } else {
            self.until
        };
        until.is_none_or(|until| until >= opened_at)
    }

    fn is_server_stop(&self) -> bool {
        matches!(&self.location, Location::Host(host) if host == SERVER)
    }

    fn is_over_at(&self, time: Duration) -> bool {
        self.until.is_some_and(|until| until < time)
    }
}

/// The first time of a span at which one of the disruptions lasts.
fn first_from<'a>(
    disruptions: impl Iterator<Item = &'a Disruption>,
    from: Duration,
    until: Duration,
) -> Option<Duration> {
    let then = disruptions.filter(|disruption| disruption.overlaps(from, until));
    then.map(|disruption| disruption.from.max(from)).min()
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
    use turnstile_fault::DiskBehaviour;

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
    fn calm_spans_lie_between_faults() {
        let link = Link::between(WRAPPER, SERVER);
        let disk = Fault::Disk {
            host: SERVER.to_owned(),
            is: DiskBehaviour::Full,
            at: None,
        };
        let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        let faults = faults([
            (10, WorldEvent::of(&Fault::cut(&link))),
            (15, WorldEvent::of(&disk)),
            (20, ended(Place::EveryLink)),
            (25, ended(Place::Disk(SERVER.to_owned()))),
            (30, WorldEvent::ended_connections(&reset, 1)),
            (40, crashed(SERVER)),
        ]);
        let spans = |party: &str, from: u64| {
            let [from, until] = secs([from, 60]);
            let spans = faults.calm_spans(party, from, until).into_iter();
            let spans = spans.map(|(from, until)| (from.as_secs(), until.as_secs()));
            spans.collect::<Vec<_>>()
        };
        assert_eq!(spans(WRAPPER, 0), [(0, 10), (25, 30), (30, 40)]);
        assert_eq!(spans(WRAPPER, 12), [(25, 30), (30, 40)]);
        assert_eq!(spans("phone", 0), [(0, 15), (25, 40)]);
        let [from, until] = secs([28, 35]);
        assert!(!faults.may_have_ended_silently(WRAPPER, from, until));
        assert!(!faults.may_have_held_up(WRAPPER, from, until));
        assert!(!faults.may_have_stopped_server(from, until));
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
