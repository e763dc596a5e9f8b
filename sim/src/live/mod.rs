//! Playing scenarios in real time against a server that is a process of its own.
//!
//! Whether a scenario can be played there is decided here: by what it [needs](Scenario::needs), and by how long it takes. Its
//! length nobody has to write down: a simulated world tells it in a blink.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use turnstile_fault::Capability;
use turnstile_judge::parties::Secrets;
use turnstile_scenarios::Scenario;
use turnstile_seams::error_chain::with_sources;
use turnstile_world::live::{LiveSetup, LiveWorld};

use crate::script::{self, HarnessError, Length, Options, Settling, Verdict};
use crate::suite;

/// How much longer than in a simulated world what is owed may take to come, by the clock of the parties: whoever
/// waited in vain may try again later than that.
const AFTERMATH: Duration = Duration::from_mins(2);

/// Any free port of the loopback.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server under test, and how scenarios are played against it.
#[derive(Clone)]
pub struct Live {
    /// The server and the ways to it.
    pub setup: LiveSetup,
    /// What its parties know.
    pub secrets: Secrets,
    /// What it offers beyond the protocol.
    pub offers: BTreeSet<Capability>,
    /// How long a scenario may take, by the machine's clock.
    pub patience: Duration,
}

/// What came of a scenario.
#[derive(Debug)]
pub enum Outcome {
    /// It was played.
    Played(Result<Verdict, HarnessError>),
    /// It was not, and why.
    Skipped(String),
}

impl Live {
    /// Plays a scenario, on the first of its surfaces, if this server can be asked for all that it needs.
    pub fn play(&self, scenario: &Scenario, seed: u64) -> Outcome {
        let needs = scenario.needs();
        if let Some(need) = needs.difference(&self.offers).next() {
            return Outcome::Skipped(format!("it needs {}", need.text()));
        }
        let mut setup = self.setup.clone();
        if needs.contains(&Capability::Sandboxes) {
            setup.front = setup.front.or(Some(ANY_PORT));
        }
        let rehearsed = match suite::play_safely(scenario, Options::default()) {
            Ok(verdict) => Length::of(&verdict),
            Err(error) => return Outcome::Played(Err(error)),
        };
        let takes = rehearsed.whole() / self.setup.speed.max(1);
        if takes > self.patience {
            let (takes, patience) = (takes.as_secs_f64(), self.patience.as_secs());
            return Outcome::Skipped(format!(
                "it takes {takes:.0} s here, and {patience} s is the limit"
            ));
        }
        let at_least = rehearsed.settling();
        let options = Options {
            seed,
            settling: Settling::UntilNothingIsOwed {
                at_least,
                at_most: at_least + AFTERMATH,
            },
            ..Options::default()
        };
        Outcome::Played(suite::safely(|| {
            let world = LiveWorld::new(seed, setup);
            let world = world.map_err(|error| HarnessError::NoServer(with_sources(&error)))?;
            script::play_in(Box::new(world), self.secrets.clone(), scenario, options)
        }))
    }
}
