//! The parties in display order: parties with much traffic to the server are next to it, clients and receivers on one
//! side, wrappers and the gateway on the other.

use std::collections::BTreeMap;

use serde::Serialize;
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place as Healed};
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, SERVER, WRAPPER, ingest_party};
use turnstile_judge::trace::{SCRIPT, Trace, WORLD, What};

/// The parties of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(in crate::report) struct Lanes {
    names: Vec<String>,
    #[serde(skip)]
    places: BTreeMap<String, usize>,
}

impl Lanes {
    /// Every party that recorded something, received something, or had a fault.
    pub fn of(trace: &Trace) -> Self {
        let mut names: Vec<&str> = vec![SERVER];
        let mut add = |name| {
            if !names.contains(&name) {
                names.push(name);
            }
        };
        for record in trace.records() {
            if !matches!(&*record.party, SCRIPT | WORLD) {
                add(&record.party);
            }
            match &record.what {
                What::Observation(
                    Observation::RequestSent { to, .. }
                    | Observation::SocketOpened { to, .. }
                    | Observation::SocketRefused { to, .. },
                ) => add(to),
                What::World(event) => affected(event).into_iter().for_each(&mut add),
                What::Observation(_) | What::Queue(_) | What::Step { .. } => {}
            }
        }
        names.sort_by_key(|name| rank(name));
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let places = names.iter().cloned().zip(0..).collect();
        Self { names, places }
    }

    /// All names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The lane of a party; `None` if it has none, like the script.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// The sort key of a party. Parties of equal rank keep the order of their appearance.
fn rank(name: &str) -> u8 {
    match name {
        RECEIVER => 1,
        OBSERVER => 2,
        SERVER => 3,
        WRAPPER => 4,
        name if name.starts_with(&ingest_party("")) => 5,
        GATEWAY => 6,
        // All other parties are clients.
        _ => 0,
    }
}

/// The parties that an event of the world affects; empty if it affects all.
pub(in crate::report) fn affected(event: &WorldEvent) -> Vec<&str> {
    match event {
        WorldEvent::Began { fault, .. } => match fault {
            Fault::Link { link, .. } => vec![&link.from, &link.to],
            Fault::Connections { from, to, .. } => vec![from, to],
            Fault::Host { host, .. } | Fault::Disk { host, .. } | Fault::Clock { host, .. } => vec![host],
            Fault::Queue { .. } => vec![SERVER],
            Fault::Receiver { .. } => vec![RECEIVER],
            Fault::Wrapper(_) => vec![WRAPPER],
        },
        WorldEvent::Ended { place } => match place {
            Healed::Link(link) => vec![&link.from, &link.to],
            Healed::EveryLink => Vec::new(),
            Healed::Host(host) | Healed::Disk(host) => vec![host],
            Healed::Queue => vec![SERVER],
            Healed::Wrapper => vec![WRAPPER],
        },
        WorldEvent::Stalled { .. } => Vec::new(),
    }
}
