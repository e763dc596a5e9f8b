//! Generates a scenario from a seed. The result is an ordinary script that can be printed, checked, edited and played.
//!
//! The workload and the faults use separate streams of randomness, so that adding a fault does not change what users do.

use std::collections::BTreeSet;

use turnstile_fault::Capability;
use turnstile_profile::Profile;
use turnstile_scenarios::Scenario;

use super::composition::{Composition, Server};
use super::offered;

/// Generates the scenario of a seed.
///
/// # Panics
///
/// A strategy rejects its values. No strategy here filters, so this does not happen.
pub fn scenario(seed: u64) -> Scenario {
    generate(seed, None)
}

/// Generates the scenario of a seed for a server that has this profile and offers these capabilities.
///
/// # Panics
///
/// As [`scenario`].
pub fn scenario_for(seed: u64, profile: &Profile, offers: &BTreeSet<Capability>) -> Scenario {
    offered::reduce(generate(seed, Some((profile, offers))), offers)
}

fn generate(seed: u64, server: Option<(&Profile, &BTreeSet<Capability>)>) -> Scenario {
    let composition = Composition::draw(seed, server.map(|(profile, offers)| Server { profile, offers }));
    composition.lay_out(format!("seed {seed}"))
}
