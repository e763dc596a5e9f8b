//! The values that a generated scenario is made of, and how they are drawn and laid out.
//!
//! A composition refers to messages and sessions by relative indices, which the layout resolves. So its moves can be left
//! out, moved and combined with those of another one, and the result is a valid script.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use turnstile_fault::Capability;
use turnstile_profile::Profile;
use turnstile_scenarios::{
    Answer, Completion, Gate, GateVerdict, Lapse, Scenario, Session, WrapperBehaviour,
};
use turnstile_world::Streams;

use super::disturbance::Disturbance;
use super::faults;
use super::imported::{Imported, imported};
use super::layout::Layout;
use super::profile::profile;
use super::swarm::{Shares, Swarm, swarm};
use super::values::{Values, settings, user, values as message_values};
use super::workload::{self, Act, Saying};
use super::wrapper_faults::{latency, misbehaving};

/// Labels of the streams of randomness.
const SWARM: &str = "explore:swarm";
const PROFILE: &str = "explore:profile";
const LATENCY: &str = "explore:latency";
const WORKLOAD: &str = "explore:workload";
const VALUES: &str = "explore:values";
const FAULTS: &str = "explore:faults";

/// What is known of the server that a scenario is generated for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    /// Its profile.
    pub(super) profile: &'a Profile,
    /// The capabilities that it offers.
    pub(super) offers: &'a BTreeSet<Capability>,
}

/// The values of a scenario.
#[derive(Debug, Clone)]
pub(super) struct Composition {
    pub(super) swarm: Swarm,
    pub(super) profile: Profile,
    pub(super) latency: Lapse,
    pub(super) settings: Session,
    pub(super) imported: Option<Imported>,
    /// The owner of the first session; `None` for the default one.
    pub(super) user: Option<&'static str>,
    pub(super) receiver: Vec<Answer>,
    /// The first message.
    pub(super) first: Saying,
    /// How the wrapper reports the result of the gate; `None` for its default behaviour.
    pub(super) verdict: Option<WrapperBehaviour>,
    /// What follows the first message, in order.
    pub(super) moves: Vec<Move>,
}

/// What a user does, or what goes wrong.
#[derive(Debug, Clone)]
pub(super) enum Move {
    Act(Act, Values),
    Disturbance(Disturbance),
}

impl Composition {
    /// Draws the values of a seed. Those for a `server` need only what it offers.
    pub(super) fn draw(seed: u64, server: Option<Server>) -> Self {
        let offers = |capability| server.is_none_or(|server| server.offers.contains(&capability));
        let streams = Streams::new(seed);
        let mut swarm = draw(streams, SWARM, swarm());
        if !offers(Capability::Sandboxes) {
            swarm.sessions = 1;
        }
        if let Some(server) = server {
            swarm.fault = swarm.fault.offered(server.offers);
        }
        let profile = draw(streams, PROFILE, profile());
        let profile = server.map_or(profile, |server| server.profile.clone());
        let latency = draw(streams, LATENCY, latency());
        let mut workload = Drawer::new(streams, WORKLOAD);
        let mut values = Drawer::new(streams, VALUES);
        let settings = values.draw(settings());
        let imported = values.draw(imported());
        let imported = imported.filter(|_| offers(Capability::StoredSession));
        let user = values.draw(user());
        // Boxed, because the elements of a growing list are moved, and these are large.
        let of_messages = values.draw(vec(message_values().boxed(), swarm.length));
        let receiver = workload.draw(prop_oneof![3 => Just(Vec::new()), 1 => faults::answers()]);
        let first = workload.draw(workload::saying(swarm.workload.hang));
        let acts = workload.draw(vec(workload::act(&swarm.workload), swarm.length));
        let mut struck = Drawer::new(streams, FAULTS);
        let disturbances: Vec<(Index, Disturbance)> =
            match faults::disturbance(&swarm.fault, &profile, Shares::USUAL) {
                Some(disturbance) => struck.draw(vec((any::<Index>(), disturbance), swarm.faults)),
                None => Vec::new(),
            };
        let verdict = match settings.gate.is_some_and(|gate| gate != Gate::Off) {
            true => workload.draw(verdict()),
            false => None,
        };
        Self {
            swarm,
            profile,
            latency,
            settings,
            imported,
            user,
            receiver,
            first,
            verdict,
            moves: interleaved(acts, of_messages, disturbances),
        }
    }

    /// Lays out the steps.
    pub(super) fn lay_out(&self, title: String) -> Scenario {
        let mut layout = Layout::new(&self.swarm, &self.settings);
        if let Some(verdict) = &self.verdict {
            layout.push(misbehaving(verdict.clone()));
        }
        let imported = self.imported.clone();
        let stored = imported.map(|imported| layout.begin_imported(imported, &self.first));
        if stored.is_none() {
            layout.begin(&self.first, self.user);
        }
        for next in &self.moves {
            match next {
                Move::Act(act, values) => layout.act(act, values),
                Move::Disturbance(disturbance) => layout.disturb(vec![disturbance.clone()]),
            }
        }
        layout.finish(title, &self.profile, self.latency, stored, self.receiver.clone())
    }
}

/// Puts each disturbance before an act or after the last one.
fn interleaved(
    acts: Vec<Act>,
    of_messages: Vec<Values>,
    disturbances: Vec<(Index, Disturbance)>,
) -> Vec<Move> {
    let mut before: Vec<Vec<Disturbance>> = vec![Vec::new(); acts.len() + 1];
    for (place, disturbance) in disturbances {
        before[place.index(acts.len() + 1)].push(disturbance);
    }
    let acts = acts.into_iter().zip(of_messages);
    let mut acts = acts.map(|(act, values)| Move::Act(act, values));
    let mut moves = Vec::new();
    for disturbances in before {
        moves.extend(disturbances.into_iter().map(Move::Disturbance));
        moves.extend(acts.next());
    }
    moves
}

fn draw<S: Strategy>(streams: Streams, label: &str, strategy: S) -> S::Value {
    Drawer::new(streams, label).draw(strategy)
}

/// Draws values from one stream of randomness.
pub(super) struct Drawer(TestRunner);

impl Drawer {
    pub(super) fn new(streams: Streams, label: &str) -> Self {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &streams.seed_of(label));
        Self(TestRunner::new_with_rng(Config::default(), random))
    }

    pub(super) fn draw<S: Strategy>(&mut self, strategy: S) -> S::Value {
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
