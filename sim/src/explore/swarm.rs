//! What one seed goes in for: each seed switches some operations and some faults off and leans towards others.
//!
//! A mixture of everything all the time rarely does one thing often, and some bugs need just that: ten messages
//! and no interrupt, or nothing but crashes.

use proptest::prelude::*;
use turnstile_scenarios::Surface;

/// How much of each there is, against the others; 0 is none at all.
pub(super) type Rate = u32;

/// What a seed goes in for.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    /// The surface of the clients, but for requests that are made on the other one on purpose.
    pub surface: Surface,
    /// How many sessions there may be.
    pub sessions: usize,
    /// How much is done.
    pub length: usize,
    /// What the users do.
    pub workload: WorkloadRates,
    /// How many faults there may be.
    pub faults: usize,
    /// What goes wrong.
    pub fault: FaultRates,
}

/// How often users do what.
#[derive(Debug, Clone)]
pub(super) struct WorkloadRates {
    pub send: Rate,
    pub burst: Rate,
    pub repeat: Rate,
    pub interrupt: Rate,
    pub update: Rate,
    pub stream: Rate,
    pub query: Rate,
    pub release: Rate,
    pub wait: Rate,
    pub sync: Rate,
    pub delete: Rate,
    /// Of prompts that hang, against those that do not.
    pub hang: Rate,
    /// Of requests on the surface that is not the seed's own, against those that are.
    pub other_surface: Rate,
}

/// How often what goes wrong.
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
}

/// On at some rate, or off.
fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![2 => Just(0), 3 => 1..=3_u32, 1 => Just(8)]
}

/// What a seed may go in for.
pub(super) fn swarm() -> impl Strategy<Value = Swarm> {
    let surface = prop_oneof![Just(Surface::Unified), Just(Surface::Legacy)];
    let sessions = prop_oneof![8 => Just(1_usize), 3 => Just(2), 1 => Just(3)];
    let length = prop_oneof![4 => 2..=8_usize, 3 => 6..=14_usize, 1 => 12..=26_usize];
    let faults = prop_oneof![1 => Just(0_usize), 6 => 1..=3_usize, 2 => 3..=6_usize];
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
    let second = (rate(), rate(), rate(), rate(), rate(), rate());
    (first, second).prop_map(|(first, second)| {
        let (repeat, interrupt, update, stream, query, release) = first;
        let (wait, sync, delete, hang, other_surface, burst) = second;
        WorkloadRates {
            // There is always something to do, and time to do it in.
            send: 6,
            burst: burst.min(1),
            repeat,
            interrupt,
            update: update.min(1),
            stream,
            query: query.min(1),
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
    let machines = (rate(), rate(), rate(), rate());
    let parts = (rate(), rate(), rate(), rate(), rate(), rate());
    (network, machines, parts).prop_map(|(network, machines, parts)| {
        let (cut, black_hole, delay, reset, silence, fin) = network;
        let (server_crash, crash_point, wrapper_crash, other_crash) = machines;
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
            // Each has one of several stale fences and one of several words, and most moments do it no harm.
            intruder: 2 * intruder,
            receiver,
            queue,
            disk,
        }
    })
}
