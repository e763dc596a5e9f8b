//! What was done to the world, as far as it excuses that somebody was not reached.

use std::time::Duration;

use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Link, Place as Healed};

use crate::parties::{RECEIVER, SERVER};

/// Who was out of the server's reach, and when. Where a fault might have had an effect, it is taken to have
/// had it.
#[derive(Debug, Default)]
pub struct Faults {
    /// In order of their beginning.
    troubles: Vec<Trouble>,
    receiver: ReceiverTrouble,
}

/// Something that came between the server and a party, or between it and everybody.
#[derive(Debug)]
struct Trouble {
    /// Whose connections with the server it was about; everybody's if there is none.
    party: Option<String>,
    lies: Place,
    /// Whether connections may have ended by it, without a word; if not, it held up what was on its way.
    is_fatal: bool,
    from: Duration,
    /// When it was over; none as long as it is not.
    until: Option<Duration>,
}

/// Where a trouble lies, which says what ends it.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In connections that there were; it was over at once.
    Connections,
    /// In one direction of a link.
    Direction { from: String, to: String },
    /// In a host that is down.
    Host(String),
}

#[derive(Debug, Default)]
struct ReceiverTrouble {
    is_down: bool,
    is_cut_off: bool,
    until: Option<Duration>,
}

impl Faults {
    /// Until when a connection of `party` with the server may have died without its noticing.
    pub fn broken_until(&self, party: &str) -> Duration {
        let fatal = self.fatal(party);
        let ends = fatal.map(|trouble| trouble.until.unwrap_or(trouble.from));
        ends.max().unwrap_or_default()
    }

    /// When a connection that `party` had with the server at `since` may first have died; never if it is still
    /// there.
    pub fn broken_from(&self, party: &str, since: Duration) -> Duration {
        let later = self.fatal(party).filter(|trouble| !trouble.is_over_at(since));
        later
            .map(|trouble| trouble.from.max(since))
            .min()
            .unwrap_or(Duration::MAX)
    }

    /// Until when a connection of `party` with the server was certainly there for the server, looked at from `time`;
    /// of which `party` saw the beginning, and the end if there was one.
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
        // A close that was held up on its way may be as old as the connection.
        if self.have_troubled(party, opened_at, closed_at.min(time)) {
            return opened_at;
        }
        broken_from.min(closed_at)
    }

    /// Whether anything ever stood between `party` and the server in that time, or held up what they said to
    /// each other.
    pub fn have_troubled(&self, party: &str, from: Duration, until: Duration) -> bool {
        let mut troubles = self.troubles.iter().filter(|trouble| trouble.concerns(party));
        troubles.any(|trouble| trouble.from <= until && !trouble.is_over_at(from))
    }

    /// Whether anything had come between the server and anybody by then.
    pub fn have_begun(&self, by: Duration) -> bool {
        self.troubles.first().is_some_and(|first| first.from <= by)
    }

    /// Until when the receiver may have been out of the server's reach; none if it never was.
    pub fn receiver_out_of_reach_until(&self) -> Option<Duration> {
        let ReceiverTrouble {
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

    fn fatal(&self, party: &str) -> impl Iterator<Item = &Trouble> {
        let concerns = move |trouble: &&Trouble| trouble.is_fatal && trouble.concerns(party);
        self.troubles.iter().filter(concerns)
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
                    self.troubles.push(Trouble {
                        party: Some(party.to_owned()),
                        lies: Place::Connections,
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
                self.troubles.push(Trouble {
                    party: (host != SERVER).then(|| host.clone()),
                    lies: Place::Host(host.clone()),
                    is_fatal: true,
                    from: at,
                    until: None,
                });
                self.receiver.is_down |= host == RECEIVER;
            }
            Fault::Disk { .. } | Fault::Queue { .. } | Fault::Receiver { .. } | Fault::Wrapper(_) => {}
        }
    }

    fn is_healed(&mut self, at: Duration, place: &Healed) {
        match place {
            Healed::Link(link) => {
                for direction in directions(link) {
                    self.ends(at, &direction);
                }
                if other_end(&link.from, &link.to) == Some(RECEIVER) {
                    self.reconnect_receiver(at);
                }
            }
            Healed::EveryLink => {
                for trouble in &mut self.troubles {
                    if matches!(trouble.lies, Place::Direction { .. }) {
                        trouble.until.get_or_insert(at);
                    }
                }
                self.reconnect_receiver(at);
            }
            Healed::Host(host) => {
                self.ends(at, &Place::Host(host.clone()));
                if host == RECEIVER {
                    self.receiver.is_down = false;
                    self.receiver.until = Some(at);
                }
            }
            Healed::Disk(_) | Healed::Queue | Healed::Wrapper => {}
        }
    }

    fn link_fails(&mut self, at: Duration, link: &Link, is_fatal: bool) {
        let Some(party) = other_end(&link.from, &link.to) else {
            return;
        };
        self.receiver.is_cut_off |= party == RECEIVER;
        for lies in directions(link) {
            self.troubles.push(Trouble {
                party: Some(party.to_owned()),
                lies,
                is_fatal,
                from: at,
                until: None,
            });
        }
    }

    fn ends(&mut self, at: Duration, place: &Place) {
        for trouble in self.troubles.iter_mut().filter(|trouble| trouble.lies == *place) {
            trouble.until.get_or_insert(at);
        }
    }

    fn reconnect_receiver(&mut self, at: Duration) {
        if std::mem::take(&mut self.receiver.is_cut_off) {
            self.receiver.until = Some(at);
        }
    }
}

impl Trouble {
    fn concerns(&self, party: &str) -> bool {
        self.party.as_deref().is_none_or(|concerned| concerned == party)
    }

    fn is_over_at(&self, time: Duration) -> bool {
        self.until.is_some_and(|until| until < time)
    }
}

/// The directions that a fault of a link is about.
fn directions(link: &Link) -> Vec<Place> {
    let direction = |(from, to): (&str, &str)| Place::Direction {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    link.directions().map(direction).collect()
}

/// The party at the other end of a link of the server; none if it is none of the server's.
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

    fn ended(place: Healed) -> WorldEvent {
        WorldEvent::Ended { place }
    }

    fn crashed(host: &str) -> WorldEvent {
        WorldEvent::began(Fault::crash(host), Cause::Order)
    }

    fn secs(seconds: [u64; 2]) -> [Duration; 2] {
        seconds.map(Duration::from_secs)
    }

    #[test]
    fn a_black_hole_breaks_connections_as_long_as_one_direction_is_left_of_it() {
        let link = Link::between(WRAPPER, SERVER);
        let one_way = Link::one_way(SERVER, WRAPPER);
        let faults = faults([
            (10, WorldEvent::of(&Fault::black_hole(&link))),
            (20, ended(Healed::Link(one_way))),
            (30, ended(Healed::Link(link))),
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
    fn a_cut_troubles_and_breaks_nothing_and_a_crash_of_the_server_breaks_everything() {
        let link = Link::between(WRAPPER, SERVER);
        let faults = faults([
            (10, WorldEvent::of(&Fault::cut(&link))),
            (20, ended(Healed::EveryLink)),
            (30, crashed(SERVER)),
            (40, ended(Healed::host(SERVER))),
        ]);
        for (span, is_troubled) in [
            ([0, 9], false),
            ([12, 15], true),
            ([21, 29], false),
            ([35, 50], true),
        ] {
            let [from, until] = secs(span);
            assert_eq!(
                faults.have_troubled(WRAPPER, from, until),
                is_troubled,
                "{span:?}"
            );
        }
        assert_eq!(
            faults.broken_from(WRAPPER, Duration::ZERO),
            Duration::from_secs(30)
        );
        assert_eq!(faults.broken_until("phone"), Duration::from_secs(40));
        assert_eq!(
            [9, 10].map(|by| faults.have_begun(Duration::from_secs(by))),
            [false, true]
        );
    }
}
