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

/// How long a packet is on its way, in microseconds.
const LATENCY: RangeInclusive<u64> = 200..=2_000;

/// One direction of a link.
pub(super) struct Direction {
    jitter: ChaCha8Rng,
    /// In the order of sending, which is the order of arrival.
    packets: VecDeque<Sent>,
    fault: Option<LinkFault>,
    /// Added to every packet's latency.
    extra: Duration,
}

/// What a direction of a link does with packets instead of giving them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkFault {
    /// Keeps them.
    Cut,
    /// Loses them.
    BlackHole,
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
            fault: None,
            extra: Duration::ZERO,
        }
    }

    /// Takes a packet on its way. The latency is drawn in any case, so that a fault does not shift those
    /// of later packets.
    pub(super) fn send(&mut self, now: Timestamp, number: u64, packet: Packet) {
        let arrival = self.arrival(now, number);
        if self.fault != Some(LinkFault::BlackHole) {
            self.packets.push_back(Sent { arrival, packet });
        }
    }

    fn arrival(&mut self, now: Timestamp, number: u64) -> (Timestamp, u64) {
        let latency = Duration::from_micros(self.jitter.random_range(LATENCY)) + self.extra;
        let ahead = self.packets.back().map(|sent| sent.arrival.0);
        ((now + latency).max(ahead.unwrap_or(now)), number)
    }

    /// When the next packet arrives, if the fault lets one arrive.
    pub(super) fn next_arrival(&self) -> Option<(Timestamp, u64)> {
        let first = self.packets.front().filter(|_| self.fault.is_none());
        first.map(|sent| sent.arrival)
    }

    pub(super) fn take_next(&mut self) -> Option<Packet> {
        self.packets.pop_front().map(|sent| sent.packet)
    }

    /// Strikes with `fault`. What is on its way is struck too.
    pub(super) fn strike(&mut self, fault: LinkFault) {
        self.fault = Some(fault);
        if fault == LinkFault::BlackHole {
            self.packets.clear();
        }
    }

    /// Makes every packet that is sent from now on take longer.
    pub(super) fn delay(&mut self, extra: Duration) {
        self.extra = extra;
    }

    /// Ends whatever is wrong with this direction. Says whether anything was.
    pub(super) fn heal(&mut self, now: Timestamp) -> bool {
        let ill = self.fault.take().is_some() || !self.extra.is_zero();
        self.extra = Duration::ZERO;
        if ill {
            self.send_anew(now);
        }
        ill
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
