//! The parties, in the order in which they stand beside each other: whoever speaks much with the server
//! stands near it, clients and receivers on its one side, wrappers and the gateway on the other.

use std::collections::BTreeMap;

use serde::Serialize;
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place as Healed};
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, SERVER, WRAPPER, ingest_party};
use turnstile_judge::trace::{SCRIPT, Trace, WORLD, What};

/// Everybody who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(in crate::report) struct Lanes {
    names: Vec<String>,
    #[serde(skip)]
    places: BTreeMap<String, usize>,
}

impl Lanes {
    /// Everybody who saw anything in a trace, or was spoken to, or was struck.
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
                What::World(event) => struck(event).into_iter().for_each(&mut add),
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

    /// The place of a party; none if it has no lane, as the script has none.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// Where a party stands; parties of one rank stand in the order in which they appear.
fn rank(name: &str) -> u8 {
    match name {
        RECEIVER => 1,
        OBSERVER => 2,
        SERVER => 3,
        WRAPPER => 4,
        name if name.starts_with(&ingest_party("")) => 5,
        GATEWAY => 6,
        // Whoever is nobody else is a client.
        _ => 0,
    }
}

/// The parties that an event of the world concerns; none if it concerns every link.
pub(in crate::report) fn struck(event: &WorldEvent) -> Vec<&str> {
    match event {
        WorldEvent::Began { fault, .. } => match fault {
            Fault::Link { link, .. } => vec![&link.from, &link.to],
            Fault::Connections { from, to, .. } => vec![from, to],
            Fault::Host { host, .. } | Fault::Disk { host, .. } => vec![host],
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
    }
}
