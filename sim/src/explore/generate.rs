//! Generates a scenario from a seed. The result is an ordinary script that can be printed, checked, edited and played.
//!
//! The workload and the faults use separate streams of randomness, so that adding a fault does not change what users do.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use turnstile_fault::Capability;
use turnstile_profile::Profile;
use turnstile_scenarios::{Completion, Gate, GateVerdict, Scenario, WrapperBehaviour};
use turnstile_world::Streams;

use super::disturbance::Disturbance;
use super::faults;
use super::imported::imported;
use super::layout::Layout;
use super::offered;
use super::profile::profile;
use super::swarm::swarm;
use super::values::{settings, user, values as message_values};
use super::workload;
use super::wrapper_faults::{latency, misbehaving};

/// Labels of the streams of randomness.
const SWARM: &str = "explore:swarm";
const PROFILE: &str = "explore:profile";
const LATENCY: &str = "explore:latency";
const WORKLOAD: &str = "explore:workload";
const VALUES: &str = "explore:values";
const FAULTS: &str = "explore:faults";

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
    let offers = |capability| server.is_none_or(|(_, offers)| offers.contains(&capability));
    let streams = Streams::new(seed);
    let mut swarm = draw(streams, SWARM, swarm());
    if !offers(Capability::Sandboxes) {
        swarm.sessions = 1;
    }
    if let Some((_, offers)) = server {
        swarm.fault = swarm.fault.offered(offers);
    }
    let profile = draw(streams, PROFILE, profile());
    let profile = server.map_or(profile, |(profile, _)| profile.clone());
    let latency = draw(streams, LATENCY, latency());
    let mut workload = Drawer::new(streams, WORKLOAD);
    let mut values = Drawer::new(streams, VALUES);
    let settings = values.draw(settings());
    let imported = values.draw(imported());
    let imported = imported.filter(|_| offers(Capability::StoredSession));
    let user = values.draw(user());
    let of_messages = values.draw(vec(message_values(), swarm.length));
    let receiver = workload.draw(prop_oneof![3 => Just(Vec::new()), 1 => faults::answers()]);
    let first = workload.draw(workload::saying(swarm.workload.hang));
    let acts = workload.draw(vec(workload::act(&swarm.workload), swarm.length));
    let mut struck = Drawer::new(streams, FAULTS);
    let disturbances: Vec<(Index, Disturbance)> = match faults::disturbance(&swarm.fault, &profile) {
        Some(disturbance) => struck.draw(vec((any::<Index>(), disturbance), swarm.faults)),
        None => Vec::new(),
    };
    let mut layout = Layout::new(&swarm, &settings);
    if settings.gate.is_some_and(|gate| gate != Gate::Off)
        && let Some(verdict) = workload.draw(verdict())
    {
        layout.push(misbehaving(verdict));
    }
    let stored = imported.map(|imported| layout.begin_imported(imported, &first));
    if stored.is_none() {
        layout.begin(&first, user);
    }
    let mut before: Vec<Vec<Disturbance>> = vec![Vec::new(); acts.len() + 1];
    for (place, disturbance) in disturbances {
        before[place.index(acts.len() + 1)].push(disturbance);
    }
    let last = before.pop().unwrap_or_default();
    for ((disturbances, act), values) in before.into_iter().zip(&acts).zip(&of_messages) {
        layout.disturb(disturbances);
        layout.act(act, values);
    }
    layout.disturb(last);
    layout.finish(seed, &profile, latency, stored, receiver)
}

fn draw<S: Strategy>(streams: Streams, label: &str, strategy: S) -> S::Value {
    Drawer::new(streams, label).draw(strategy)
}

/// Draws values from one stream of randomness.
struct Drawer(TestRunner);

impl Drawer {
    fn new(streams: Streams, label: &str) -> Self {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &streams.seed_of(label));
        Self(TestRunner::new_with_rng(Config::default(), random))
    }

    fn draw<S: Strategy>(&mut self, strategy: S) -> S::Value {
        let tree = strategy.new_tree(&mut self.0);
        tree.unwrap_or_else(|reason| panic!("no strategy here rejects what it draws: {reason}"))
            .current()
    }
}

/// Generates a wrapper's gate result; `None` is the default behaviour.
fn verdict() -> impl Strategy<Value = Option<WrapperBehaviour>> {
    let gate = prop_oneof![
        1 => Just(Some(GateVerdict::Pass)),
        1 => Just(Some(GateVerdict::Fail)),
        2 => Just(None)
    ];
    let completion = gate.prop_map(|gate| Completion {
        gate,
        // Without a result, the server waits for one.
        never: gate.is_none(),
        ..Completion::default()
    });
    let behaviour = completion.prop_map(|complete| WrapperBehaviour {
        complete: Some(complete),
        ..WrapperBehaviour::default()
    });
    proptest::option::weighted(0.6, behaviour)
}
