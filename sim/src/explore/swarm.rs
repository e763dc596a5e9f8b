//! The operations and faults of a seed: each seed disables some of them and prefers others.
//!
//! A uniform mix rarely repeats one operation often enough. Some bugs need ten messages without an interrupt, or crashes
//! only.

use std::collections::BTreeSet;

use proptest::prelude::*;
use turnstile_fault::Capability;
use turnstile_scenarios::Surface;

/// Relative frequency; 0 disables.
pub(super) type Rate = u32;

/// The largest number of user actions.
pub(super) const LONGEST: usize = 26;
/// The largest number of faults.
pub(super) const MOST_FAULTS: usize = 6;

/// The settings of a seed.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    /// The surface of the clients, except for deliberate requests on the other one.
    pub surface: Surface,
    /// Maximum number of sessions.
    pub sessions: usize,
    /// Number of user actions.
    pub length: usize,
    /// Rates of user actions.
    pub workload: WorkloadRates,
    /// Maximum number of faults.
    pub faults: usize,
    /// Rates of faults.
    pub fault: FaultRates,
}

/// Rates of user actions.
#[derive(Debug, Clone)]
pub(super) struct WorkloadRates {
    pub send: Rate,
    pub burst: Rate,
    pub repeat: Rate,
    pub interrupt: Rate,
    pub update: Rate,
    pub stream: Rate,
    pub query: Rate,
    pub trespass: Rate,
    pub release: Rate,
    pub wait: Rate,
    pub sync: Rate,
    pub delete: Rate,
    /// Rate of hanging prompts among all prompts.
    pub hang: Rate,
    /// Rate of requests on the other surface among all requests.
    pub other_surface: Rate,
}

impl WorkloadRates {
    /// No action at all.
    pub(super) const NONE: Self = Self {
        send: 0,
        burst: 0,
        repeat: 0,
        interrupt: 0,
        update: 0,
        stream: 0,
        query: 0,
        trespass: 0,
        release: 0,
        wait: 0,
        sync: 0,
        delete: 0,
        hang: 0,
        other_surface: 0,
    };
}

/// Rates of faults.
#[derive(Debug, Clone)]
pub(super) struct FaultRates {
    pub cut: Rate,
    pub black_hole: Rate,
    pub delay: Rate,
    pub reset: Rate,
    pub silence: Rate,
    pub fin: Rate,
    pub server_crash: Rate,
    pub crash_point: Rate,
    pub wrapper_crash: Rate,
    pub other_crash: Rate,
    pub wrapper_start: Rate,
    pub wrapper_behaviour: Rate,
    pub intruder: Rate,
    pub receiver: Rate,
    pub queue: Rate,
    pub disk: Rate,
    /// Rate of each situation that needs no other fault.
    pub situation: Rate,
}

/// Relative frequency of faults at any time and of situations, and how long these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    pub(super) faults: Rate,
    pub(super) situations: Rate,
    /// That of clients that come during a turn, among situations.
    pub(super) clients: Rate,
    /// The frames of one situation.
    pub(super) frames: Frames,
}

/// Frames of every kind in one situation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    /// The largest number of frames, where a part that comes back counts as one.
    pub(super) most: usize,
    /// How often a part is removed and comes back at once, relative to nine other frames.
    pub(super) returning: Rate,
}

impl Shares {
    /// Those of a seed.
    pub(super) const USUAL: Self = Self {
        faults: 4,
        situations: 1,
        clients: 0,
        frames: Frames {
            most: 14,
            returning: 0,
        },
    };
}

impl FaultRates {
    /// The same without kinds of faults that a server does not offer, so that others take their place.
    pub(super) fn offered(self, offers: &BTreeSet<Capability>) -> Self {
        let of = |rate, capability| if offers.contains(&capability) { rate } else { 0 };
        Self {
            server_crash: of(self.server_crash, Capability::Crash),
            // A kill stands for it.
            crash_point: of(self.crash_point, Capability::Crash),
            queue: of(self.queue, Capability::Queue),
            disk: of(self.disk, Capability::Disk),
            ..self
        }
    }
}

/// Generates a rate, or 0.
fn rate() -> BoxedStrategy<Rate> {
    // Boxed, because there are thirty rates, and what is drawn is moved several times.
    prop_oneof![2 => Just(0), 3 => 1..=3_u32, 1 => Just(8)].boxed()
}

/// Generates the settings of a seed.
pub(super) fn swarm() -> impl Strategy<Value = Swarm> {
    let surface = prop_oneof![Just(Surface::Unified), Just(Surface::Legacy)];
    let sessions = prop_oneof![8 => Just(1_usize), 3 => Just(2), 1 => Just(3)];
    let length = prop_oneof![4 => 2..=8_usize, 3 => 6..=14_usize, 1 => 12..=LONGEST];
    let faults = prop_oneof![1 => Just(0_usize), 6 => 1..=3_usize, 2 => 3..=MOST_FAULTS];
    (surface, sessions, length, workload(), faults, fault()).prop_map(
        |(surface, sessions, length, workload, faults, fault)| Swarm {
            surface,
            sessions,
            length,
            workload,
            faults,
            fault,
        },
    )
}

fn workload() -> impl Strategy<Value = WorkloadRates> {
    let first = (rate(), rate(), rate(), rate(), rate(), rate());
    let second = (rate(), rate(), rate(), rate(), rate(), rate(), rate());
    (first, second).prop_map(|(first, second)| {
        let (repeat, interrupt, update, stream, query, release) = first;
        let (wait, sync, delete, hang, other_surface, burst, trespass) = second;
        WorkloadRates {
            // Never 0, so that every seed has messages and time for them.
            send: 6,
            burst: burst.min(1),
            repeat,
            interrupt,
            update: update.min(1),
            stream,
            query: query.min(3),
            trespass: trespass.min(1),
            release: release + 1,
            wait: wait + 1,
            sync: sync * 2,
            delete: u32::from(delete == 8),
            hang: u32::from(hang == 8),
            other_surface: other_surface.min(2),
        }
    })
}

fn fault() -> impl Strategy<Value = FaultRates> {
    let network = (rate(), rate(), rate(), rate(), rate(), rate());
    let machines = (rate(), rate(), rate(), rate(), rate());
    let parts = (rate(), rate(), rate(), rate(), rate(), rate());
    (network, machines, parts).prop_map(|(network, machines, parts)| {
        let (cut, black_hole, delay, reset, silence, fin) = network;
        let (server_crash, crash_point, wrapper_crash, other_crash, situation) = machines;
        let (wrapper_start, wrapper_behaviour, receiver, queue, disk, intruder) = parts;
        FaultRates {
            cut,
            black_hole,
            delay,
            reset,
            silence,
            fin,
            server_crash,
            crash_point,
            wrapper_crash,
            other_crash: other_crash.min(2),
            wrapper_start,
            wrapper_behaviour,
            // An intruder has several variants, and most are harmless at most times, so it needs a higher rate.
            intruder: 2 * intruder,
            receiver,
            queue,
            disk,
            situation,
        }
    })
}
