//! The state of each link of the witness, and its implementation with turmoil's functions.
//!
//! Except for losing packets, turmoil's functions affect both directions of a link. So if only one direction
//! is affected, the whole link is held or slow, and packets of the other direction are released before each
//! tick.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use turmoil::Sim;

use crate::WorldError;
use crate::condition::{Blockade, Condition};

/// Latency of a packet: it arrives in a later tick.
pub(super) const LATENCY: Duration = Duration::from_millis(1);

/// All directions that are or were affected, by the indexes of sender and receiver.
#[derive(Default)]
pub(super) struct Links(BTreeMap<(usize, usize), Condition>);

impl Links {
    pub(super) fn direction(&self, from: usize, to: usize) -> Condition {
        self.0.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Changes directions between two hosts, if turmoil can implement the result.
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
            return Err(WorldError::Unsupported(
                "a link that is cut one way and loses the other way",
            ));
        }
        let slow = [there, back].map(|direction| !direction.extra.is_zero());
        if slow == [true, true] && there.extra != back.extra {
            return Err(WorldError::Unsupported(
                "a link with another delay in each direction",
            ));
        }
        Ok(())
    }

    /// Working directions of links that are affected in turmoil.
    fn working(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().filter_map(|(&(from, to), affected)| {
            let back = self.direction(to, from);
            let working = *affected != Condition::default() && back == Condition::default();
            working.then_some((to, from))
        })
    }

    /// Releases packets of the working directions of affected links.
    pub(super) fn let_through(&self, sim: &Sim<'_>, hosts: &[IpAddr]) {
        let working: Vec<(usize, usize)> = self.working().collect();
        if !working.is_empty() {
            send_on(sim, hosts, &working);
        }
    }

    /// All affected directions.
    pub(super) fn affected(&self) -> Vec<(usize, usize)> {
        let affected = self
            .0
            .iter()
            .filter(|(_, direction)| **direction != Condition::default());
        affected.map(|(direction, _)| *direction).collect()
    }
}

/// Makes packets in flight on these directions arrive next.
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

/// Sets the state of a link in turmoil, in both directions.
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
