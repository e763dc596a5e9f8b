//! The links between hosts: how long a packet takes, and what a fault does to it on its way.
//!
//! A link has two directions, and each keeps the order of what is sent along it. Nothing here looks into a
//! packet, nor knows when one is delivered.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use turmoil_net::Packet;
use turnstile_fault::LinkEffect;

use super::condition::Condition;

/// How long a packet is on its way, in microseconds.
const LATENCY: RangeInclusive<u64> = 200..=2_000;

/// One direction of a link.
pub(super) struct Direction {
    jitter: ChaCha8Rng,
    /// In the order of sending, which is the order of arrival.
    packets: VecDeque<Sent>,
    condition: Condition,
}

struct Sent {
    /// When it arrives, and its number, by which packets are told apart that arrive together.
    arrival: (Timestamp, u64),
    packet: Packet,
}

impl Direction {
    /// A direction that works; `jitter` is where its latencies are drawn from.
    pub(super) fn new(jitter: ChaCha8Rng) -> Self {
        Self {
            jitter,
            packets: VecDeque::new(),
            condition: Condition::default(),
        }
    }

    /// Takes a packet on its way. The latency is drawn in any case, so that a fault does not shift those
    /// of later packets.
    pub(super) fn send(&mut self, now: Timestamp, number: u64, packet: Packet) {
        let arrival = self.arrival(now, number);
        if !self.condition.loses() {
            self.packets.push_back(Sent { arrival, packet });
        }
    }

    fn arrival(&mut self, now: Timestamp, number: u64) -> (Timestamp, u64) {
        let latency = Duration::from_micros(self.jitter.random_range(LATENCY)) + self.condition.extra;
        let ahead = self.packets.back().map(|sent| sent.arrival.0);
        ((now + latency).max(ahead.unwrap_or(now)), number)
    }

    /// When the next packet arrives, if the fault lets one arrive.
    pub(super) fn next_arrival(&self) -> Option<(Timestamp, u64)> {
        let first = self.packets.front().filter(|_| self.condition.blockade.is_none());
        first.map(|sent| sent.arrival)
    }

    pub(super) fn take_next(&mut self) -> Option<Packet> {
        self.packets.pop_front().map(|sent| sent.packet)
    }

    /// Lets an effect take hold. A black hole swallows what is on its way too.
    pub(super) fn apply(&mut self, effect: LinkEffect) {
        self.condition.apply(effect);
        if self.condition.loses() {
            self.packets.clear();
        }
    }

    /// Ends whatever is wrong with this direction.
    pub(super) fn heal(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.condition).is_well() {
            self.send_anew(now);
        }
    }

    /// Sends everything that is still on its way as if it had been handed in just now.
    pub(super) fn send_anew(&mut self, now: Timestamp) {
        for sent in std::mem::take(&mut self.packets) {
            let arrival = self.arrival(now, sent.arrival.1);
            self.packets.push_back(Sent { arrival, ..sent });
        }
    }

    /// Loses the packets that are `chosen`.
    pub(super) fn lose(&mut self, chosen: impl Fn(&Packet) -> bool) {
        self.packets.retain(|sent| !chosen(&sent.packet));
    }
}
