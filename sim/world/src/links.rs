//! Links between hosts: latency, and effects of faults on packets in flight.
//!
//! A link has two directions, and each preserves the order of its packets. This file reads only the size of packets
//! and does not decide when to deliver them.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use turmoil_net::{Packet, Transport};
use turnstile_fault::LinkEffect;

use super::condition::{Busy, Condition};

/// Latency of a packet, in microseconds.
const LATENCY: RangeInclusive<u64> = 200..=2_000;

/// Latency of a packet on a direction with a delay, apart from the delay; the same as in the other simulated world.
const FIXED_LATENCY: Duration = Duration::from_millis(1);

/// Size of a packet without data, in bytes: the headers of IP and TCP.
const HEADERS: usize = 40;

/// One direction of a link.
pub(super) struct Direction {
    jitter: ChaCha8Rng,
    /// In order of sending, which is the order of arrival.
    packets: VecDeque<Sent>,
    condition: Condition,
    busy: Busy,
}

struct Sent {
    /// Time of arrival, and a number that orders packets with the same time.
    arrival: (Timestamp, u64),
    packet: Packet,
}

impl Direction {
    /// A working direction. Latencies are drawn from `jitter`.
    pub(super) fn new(jitter: ChaCha8Rng) -> Self {
        Self {
            jitter,
            packets: VecDeque::new(),
            condition: Condition::default(),
            busy: Busy::default(),
        }
    }

    /// Sends a packet. The latency is drawn in any case, so that a fault does not change those of later
    /// packets.
    pub(super) fn send(&mut self, now: Timestamp, number: u64, packet: Packet) {
        let arrival = self.arrival(now, number, &packet);
        if !self.condition.loses() {
            self.packets.push_back(Sent { arrival, packet });
        }
    }

    fn arrival(&mut self, now: Timestamp, number: u64, packet: &Packet) -> (Timestamp, u64) {
        let drawn = Duration::from_micros(self.jitter.random_range(LATENCY));
        // A delay that is chosen is exact, so that packets of several links can be made to arrive at the same instant.
        let latency = match self.condition.extra {
            Duration::ZERO => drawn,
            extra => FIXED_LATENCY + extra,
        };
        let ahead = self.packets.back().map(|sent| sent.arrival.0);
        let leaves = self.condition.leaves(now, size(packet), &mut self.busy);
        ((leaves + latency).max(ahead.unwrap_or(now)), number)
    }

    /// Arrival of the next packet; `None` if a fault prevents it.
    pub(super) fn next_arrival(&self) -> Option<(Timestamp, u64)> {
        let first = self.packets.front().filter(|_| self.condition.blockade.is_none());
        first.map(|sent| sent.arrival)
    }

    pub(super) fn take_next(&mut self) -> Option<Packet> {
        self.packets.pop_front().map(|sent| sent.packet)
    }

    /// Applies an effect. A black hole also drops packets in flight.
    pub(super) fn apply(&mut self, effect: LinkEffect) {
        self.condition.apply(effect);
        if self.condition.loses() {
            self.packets.clear();
        }
    }

    /// Ends all effects on this direction.
    pub(super) fn heal(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.condition).is_well() {
            self.resend(now);
        }
    }

    /// Restarts all packets in flight as if they were sent now.
    pub(super) fn resend(&mut self, now: Timestamp) {
        self.busy = Busy::default();
        for sent in std::mem::take(&mut self.packets) {
            let arrival = self.arrival(now, sent.arrival.1, &sent.packet);
            self.packets.push_back(Sent { arrival, ..sent });
        }
    }

    /// Takes the packets for which `chosen` is true, in order.
    pub(super) fn take(&mut self, chosen: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let (taken, left) = std::mem::take(&mut self.packets)
            .into_iter()
            .partition::<VecDeque<Sent>, _>(|sent| chosen(&sent.packet));
        self.packets = left;
        taken.into_iter().map(|sent| sent.packet).collect()
    }

    /// Drops the packets for which `chosen` is true.
    pub(super) fn lose(&mut self, chosen: impl Fn(&Packet) -> bool) {
        self.packets.retain(|sent| !chosen(&sent.packet));
    }
}

/// Size of a packet, in bytes.
fn size(packet: &Packet) -> usize {
    let data = match &packet.payload {
        Transport::Tcp(segment) => segment.payload.len(),
        _ => 0,
    };
    HEADERS + data
}
