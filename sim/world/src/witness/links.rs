//! What is wrong with each link of the witness, and getting turmoil to do that.
//!
//! turmoil's own verbs are for both directions of a link at once, except for losing. A direction that works
//! beside one that does not is made of them: the link is held or slow, and what goes the other way is sent
//! on by hand before each tick.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use turmoil::Sim;

use crate::WorldError;
use crate::condition::{Blockade, Condition};

/// How long a packet is on its way: not the same tick.
pub(super) const LATENCY: Duration = Duration::from_millis(1);

/// All directions that anything is or was wrong with, by the numbers of sender and receiver.
#[derive(Default)]
pub(super) struct Links(BTreeMap<(usize, usize), Condition>);

impl Links {
    pub(super) fn direction(&self, from: usize, to: usize) -> Condition {
        self.0.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Changes some directions between two hosts, if turmoil can carry what comes of it.
    pub(super) fn change(
        &mut self,
        sim: &Sim<'_>,
        hosts: &[IpAddr],
        directions: &[(usize, usize)],
        change: impl Fn(&mut Condition),
    ) -> Result<(), WorldError> {
        let mut changed = self.0.clone();
        for direction in directions {
            change(changed.entry(*direction).or_default());
        }
        let Some(&(one, other)) = directions.first() else {
            return Ok(());
        };
        let both = [(one, other), (other, one)]
            .map(|direction| changed.get(&direction).copied().unwrap_or_default());
        Self::can_carry(both)?;
        self.0 = changed;
        enforce(sim, (hosts[one], hosts[other]), both);
        Ok(())
    }

    fn can_carry([there, back]: [Condition; 2]) -> Result<(), WorldError> {
        let blockades = [there.blockade, back.blockade];
        if blockades.contains(&Some(Blockade::Cut)) && blockades.contains(&Some(Blockade::BlackHole)) {
            return Err(WorldError::NotCarried(
                "a link that is cut one way and loses the other way",
            ));
        }
        let slow = [there, back].map(|direction| !direction.extra.is_zero());
        if slow == [true, true] && there.extra != back.extra {
            return Err(WorldError::NotCarried(
                "a link with another delay in each direction",
            ));
        }
        Ok(())
    }

    /// Conditions that work although turmoil has been told that their link does not.
    fn spared(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().filter_map(|(&(from, to), ill)| {
            let back = self.direction(to, from);
            let spared = *ill != Condition::default() && back == Condition::default();
            spared.then_some((to, from))
        })
    }

    /// Sends on what goes along a direction that works, on a link that as a whole does not.
    pub(super) fn let_through(&self, sim: &Sim<'_>, hosts: &[IpAddr]) {
        let spared: Vec<(usize, usize)> = self.spared().collect();
        if !spared.is_empty() {
            send_on(sim, hosts, &spared);
        }
    }

    /// All directions that something is wrong with.
    pub(super) fn ill(&self) -> Vec<(usize, usize)> {
        let ill = self
            .0
            .iter()
            .filter(|(_, direction)| **direction != Condition::default());
        ill.map(|(direction, _)| *direction).collect()
    }
}

/// Has what is on its way along some directions arrive next.
pub(super) fn send_on(sim: &Sim<'_>, hosts: &[IpAddr], directions: &[(usize, usize)]) {
    let chosen: Vec<(IpAddr, IpAddr)> = directions
        .iter()
        .map(|&(from, to)| (hosts[from], hosts[to]))
        .collect();
    sim.links(|links| {
        for sent in links.flatten() {
            let (source, destination) = sent.pair();
            if chosen.contains(&(source.ip(), destination.ip())) {
                sent.deliver();
            }
        }
    });
}

/// Tells turmoil how a link is, there and back.
fn enforce(sim: &Sim<'_>, (one, other): (IpAddr, IpAddr), [there, back]: [Condition; 2]) {
    sim.set_link_latency(one, other, LATENCY + there.extra.max(back.extra));
    match (there.blockade, back.blockade) {
        (Some(Blockade::Cut), _) | (_, Some(Blockade::Cut)) => sim.hold(one, other),
        (Some(Blockade::BlackHole), Some(Blockade::BlackHole)) => sim.partition(one, other),
        (Some(Blockade::BlackHole), None) => {
            sim.release(one, other);
            sim.partition_oneway(one, other);
        }
        (None, Some(Blockade::BlackHole)) => {
            sim.release(one, other);
            sim.partition_oneway(other, one);
        }
        (None, None) => sim.release(one, other),
    }
}
