//! What was done to the world, as far as it excuses that somebody was not reached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::stage::{RECEIVER, SERVER};
use crate::world::WorldEvent;

/// Who was out of the server's reach, and until when. Where a fault might have had an effect, it is taken to
/// have had it.
#[derive(Debug, Default)]
pub struct Faults {
    /// Until when the connections of a party with the server may have died without a word.
    broken_until: BTreeMap<String, Duration>,
    /// The same for all parties.
    all_broken_until: Duration,
    /// Parties that what the server and they send each other is lost on the way to.
    black_holes: BTreeSet<String>,
    receiver: ReceiverTrouble,
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
        let own = self.broken_until.get(party).copied().unwrap_or_default();
        own.max(self.all_broken_until)
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

    pub(super) fn take(&mut self, at: Duration, event: &WorldEvent) {
        match event {
            WorldEvent::Cut { link } | WorldEvent::Delayed { link, .. } => {
                self.receiver.is_cut_off |= other_end(&link.from, &link.to) == Some(RECEIVER);
            }
            WorldEvent::BlackHoled { link } => {
                if let Some(party) = other_end(&link.from, &link.to) {
                    self.receiver.is_cut_off |= party == RECEIVER;
                    self.black_holes.insert(party.to_owned());
                    self.broken_until.insert(party.to_owned(), at);
                }
            }
            WorldEvent::Healed { link } => {
                if let Some(party) = other_end(&link.from, &link.to) {
                    if self.black_holes.remove(party) {
                        self.broken_until.insert(party.to_owned(), at);
                    }
                    if party == RECEIVER {
                        self.reconnect_receiver(at);
                    }
                }
            }
            WorldEvent::HealedEverything => {
                for party in std::mem::take(&mut self.black_holes) {
                    self.broken_until.insert(party, at);
                }
                self.reconnect_receiver(at);
            }
            WorldEvent::Reset { from, to, .. }
            | WorldEvent::Finished { from, to, .. }
            | WorldEvent::Silenced { from, to, .. } => {
                if let Some(party) = other_end(from, to) {
                    self.broken_until.insert(party.to_owned(), at);
                    if party == RECEIVER {
                        self.receiver.until = Some(at);
                    }
                }
            }
            WorldEvent::Crashed { host, .. } if host == SERVER => self.all_broken_until = at,
            WorldEvent::Crashed { host, .. } => {
                self.broken_until.insert(host.clone(), at);
                self.receiver.is_down |= host == RECEIVER;
            }
            WorldEvent::Restarted { host } if host == RECEIVER => {
                self.receiver.is_down = false;
                self.receiver.until = Some(at);
            }
            _ => {}
        }
    }

    fn reconnect_receiver(&mut self, at: Duration) {
        if std::mem::take(&mut self.receiver.is_cut_off) {
            self.receiver.until = Some(at);
        }
    }
}

/// The party at the other end of a link of the server; none if it is none of the server's.
fn other_end<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match (one == SERVER, other == SERVER) {
        (true, false) => Some(other),
        (false, true) => Some(one),
        _ => None,
    }
}
