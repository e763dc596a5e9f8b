//! Plays scenarios in real time against a server in a separate process.
//!
//! A scenario is skipped if the server lacks a capability that it [needs](Scenario::needs), if the server's profile lacks
//! a value that it requires, or if it takes too long. Its length is measured by playing it in the simulated world first.

mod skip;
pub mod target;
mod weaker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use turnstile_fault::Capability;
use turnstile_judge::parties::{SERVER, Secrets, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::{Expectation, Scenario};
use turnstile_seams::error_chain::with_sources;
use turnstile_world::live::{Cutoff, Doors, LATENESS, LiveSetup, LiveWorld, ServerUnderTest};

pub use self::skip::Skip;
use crate::script::{self, HarnessError, Length, Options, Settling, Target, Verdict};
use crate::stage::identity::PlayIdentity;
use crate::stage::{self, RECEIVER_AUTHORITY, SERVER_AUTHORITY, StandIn, Subject, wrapper_authority};
use crate::suite;

/// How much longer than in the simulated world the server may take to settle, on the parties' clock: retries can be
/// later than there.
const AFTERMATH: Duration = Duration::from_mins(2);

/// The wall time after which a play waits no longer for what is pending, unless another one is set.
const PLAY_TIMEOUT: Duration = Duration::from_secs(60);

/// The same with jumps over idle time: longer than all retries, time-outs and deadlines in sequence, because another
/// order of events may begin each of them later than in the simulated world.
const AFTERMATH_ON_TEST_CLOCK: Duration = Duration::from_hours(1);

/// The longest scenario that is played on a test clock, on the parties' clock.
const LONGEST_ON_TEST_CLOCK: Duration = Duration::from_hours(1);

/// A server under test and the settings of live plays.
#[derive(Clone)]
pub struct Live {
    /// The server and its network setup.
    pub setup: LiveSetup,
    /// The secrets of the server.
    pub secrets: Secrets,
    /// The declared profile of the server.
    pub profile: Profile,
    /// The version of wrappers that the server expects; `None` for the fake's own.
    pub wrapper_version: Option<String>,
    /// The wrapper of the default session in real time, if it is not the fake one.
    pub stand_in: Option<StandIn>,
    /// Optional capabilities of the server.
    pub offers: BTreeSet<Capability>,
    /// The server in simulated plays: a mutant, if the live one is.
    pub subject: Subject,
    /// The maximum wall time of a scenario.
    pub patience: Duration,
    /// What happens with a longer one.
    pub long: LongScenarios,
    /// Whether every play jumps that may use the test clock, not only a long one.
    pub jumps_always: bool,
    /// The wall time after which a play does not wait for what is pending longer than in the simulated world.
    pub play_timeout: Duration,
    /// Whether a play goes on after a step that failed.
    pub keeps_playing: bool,
    /// Addresses of the server that plays side by side share.
    pub doors: Option<Doors>,
}

/// What happens with a scenario that takes longer than the maximum wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongScenarios {
    /// It is skipped.
    Skipped,
    /// The result is [`Outcome::Postponed`]: it is played later, when no other play uses the server's test clock.
    Postponed,
    /// It is played, with jumps over idle time.
    OnTestClock,
}

/// The code of a delivery whose connection to the wrapper was refused (R2.19).
const NO_CONNECTION: &str = "SANDBOX_CONNECT_FAILED";

/// Whether a message of a scenario fails because nothing listens at its wrapper's address. Behind an address that all
/// sandboxes share, something always does.
fn expects_no_connection(scenario: &Scenario) -> bool {
    scenario
        .expect
        .iter()
        .any(|expectation| match &expectation.value {
            Expectation::Message(outcome) => {
                let error = outcome.error.as_ref();
                error.is_some_and(|error| error.contains(NO_CONNECTION))
            }
            _ => false,
        })
}

/// Whether a scenario expects attempts to deliver a message at exact times.
fn expects_delivery_times(scenario: &Scenario) -> bool {
    scenario
        .expect
        .iter()
        .any(|expectation| match &expectation.value {
            Expectation::Deliveries(deliveries) => !deliveries.at.is_empty(),
            _ => false,
        })
}

/// The result of a scenario.
#[derive(Debug)]
pub enum Outcome {
    /// It was played.
    Played(Result<Box<Verdict>, HarnessError>),
    /// It was skipped, for this reason.
    Skipped(Skip),
    /// It is long, and was not played yet.
    Postponed,
}

impl Live {
    /// Plays against a server with the default profile, and without fixed addresses of parties. A server that the harness
    /// starts offers what the reference server can do, another one nothing.
    pub fn new(server: ServerUnderTest, secrets: Secrets, speed: u32, patience: Duration) -> Self {
        let offers = match server {
            ServerUnderTest::Started(_) => BTreeSet::from([
                Capability::Crash,
                Capability::Downtime,
                Capability::Sandboxes,
                Capability::StoredSession,
            ]),
            ServerUnderTest::Given(_) => BTreeSet::new(),
        };
        Self {
            setup: LiveSetup {
                server,
                party: SERVER.to_owned(),
                authority: SERVER_AUTHORITY.to_owned(),
                alias: None,
                wrapper: wrapper_authority(WRAPPER),
                front: None,
                door: None,
                listening: BTreeMap::new(),
                reached_at: BTreeMap::new(),
                cutoff: Cutoff::default(),
                speed,
                lateness: LATENESS,
                jumps: false,
            },
            secrets,
            profile: Profile::default(),
            wrapper_version: None,
            stand_in: None,
            offers,
            subject: Subject::default(),
            patience,
            long: LongScenarios::Skipped,
            jumps_always: false,
            play_timeout: PLAY_TIMEOUT,
            keeps_playing: false,
            doors: None,
        }
    }

    /// Plays a scenario on the first of its surfaces, or skips it.
    pub fn play(&self, scenario: &Scenario, seed: u64) -> Outcome {
        // A server without crash points can still be killed.
        let weaker = match self.offers.contains(&Capability::CrashPoint) {
            true => None,
            false => weaker::weakened(scenario),
        };
        let played = weaker.as_ref().unwrap_or(scenario);
        let mut needs = played.needs();
        needs.extend(weaker.as_ref().map(|_| Capability::Crash));
        if needs.contains(&Capability::Crash) && expects_delivery_times(played) {
            // A restart command restarts at once, and the time of the next attempt follows from the downtime.
            needs.insert(Capability::Downtime);
        }
        if let Some(need) = needs.difference(&self.offers).next() {
            return Outcome::Skipped(Skip::Capability(*need));
        }
        if self.setup.front.is_some() && expects_no_connection(scenario) {
            return Outcome::Skipped(Skip::SharedAddress);
        }
        if let Some(value) = scenario.profile.first_missing_in(&self.profile) {
            return Outcome::Skipped(Skip::Profile(value));
        }
        let mut setup = self.setup.clone();
        if needs.contains(&Capability::Sandboxes) {
            setup.add_front();
        }
        let rehearsal = match self.rehearse(scenario) {
            Ok(verdict) => verdict,
            Err(error) => return Outcome::Played(Err(error)),
        };
        let crash = weaker
            .is_some()
            .then(|| weaker::drawn_crash(scenario, &rehearsal, seed));
        if crash == Some(None) {
            return Outcome::Skipped(Skip::Capability(Capability::CrashPoint));
        }
        let crash = crash.flatten();
        let rehearsed = Length::of(&rehearsal);
        let takes = rehearsed.whole() / self.setup.speed.max(1);
        let is_long = takes > self.patience;
        let limit = match self.long {
            LongScenarios::Skipped => self.patience,
            LongScenarios::Postponed | LongScenarios::OnTestClock => self.patience.max(LONGEST_ON_TEST_CLOCK),
        };
        if takes > limit {
            return Outcome::Skipped(Skip::Length { takes, limit });
        }
        if is_long && self.long == LongScenarios::Postponed {
            return Outcome::Postponed;
        }
        setup.jumps = is_long || self.jumps_always && self.long == LongScenarios::OnTestClock;
        let settling = self.settling(rehearsed, setup.jumps);
        let options = Options {
            seed,
            settling,
            ends_at_failure: !self.keeps_playing,
            subject: self.subject,
            fault: crash,
            ..Options::default()
        };
        let verdict = self.play_in_world(played, seed, setup, options);
        let warning = crash.map(|crash| weaker::warning(scenario, crash));
        Outcome::Played(verdict.map(|mut verdict| {
            verdict.warnings.extend(warning);
            Box::new(verdict)
        }))
    }

    /// How long a play settles that took as long as `rehearsed` in the simulated world.
    fn settling(&self, rehearsed: Length, jumps: bool) -> Settling {
        let at_least = rehearsed.settling();
        let at_most = match jumps {
            // Waiting takes hardly any wall time.
            true => at_least + AFTERMATH_ON_TEST_CLOCK,
            false => {
                let longest = (self.play_timeout * self.setup.speed).saturating_sub(rehearsed.steps());
                (at_least + AFTERMATH).min(longest).max(at_least)
            }
        };
        Settling::UntilSettled { at_least, at_most }
    }

    /// Plays a scenario in a new world in real time.
    fn play_in_world(
        &self,
        scenario: &Scenario,
        seed: u64,
        mut setup: LiveSetup,
        options: Options,
    ) -> Result<Verdict, HarnessError> {
        suite::safely(|| {
            let name = format!("play-{seed:x}");
            let door = self.doors.as_ref().map(|doors| Arc::new(doors.enter(&name)));
            setup.door = door.clone();
            let world = LiveWorld::new(seed, setup);
            let world = world.map_err(|error| HarnessError::NoServer(with_sources(&error)))?;
            if let Some(door) = &door {
                let receiver = world.address_of(RECEIVER_AUTHORITY);
                let no_address = |error| HarnessError::NoServer(with_sources(&error));
                door.set_receiver(receiver.map_err(no_address)?);
            }
            let target = Target {
                secrets: self.secrets.clone(),
                identity: self.identity(&name),
                stand_in: self.stand_in.clone(),
                ..self.target()
            };
            script::play_in(Box::new(world), target, scenario, options)
        })
    }

    /// Plays a scenario in the simulated world, with a server of the declared profile.
    ///
    /// # Errors
    ///
    /// The harness failed.
    pub fn rehearse(&self, scenario: &Scenario) -> Result<Verdict, HarnessError> {
        suite::safely(|| {
            let options = Options {
                subject: self.subject,
                ..Options::default()
            };
            let world = options
                .world
                .create_for(options.seed, stage::epoch(), stage::hosts_of(scenario));
            script::play_in(world, self.target(), scenario, options)
        })
    }

    /// What is declared of the server, with the default secrets.
    fn target(&self) -> Target {
        Target {
            secrets: Secrets::default(),
            profile: self.profile.clone(),
            wrapper_version: self.wrapper_version.clone(),
            stand_in: None,
            identity: PlayIdentity::default(),
        }
    }

    /// What distinguishes a play with that name from others. A play with a separate server needs nothing.
    fn identity(&self, name: &str) -> PlayIdentity {
        match self.setup.server {
            ServerUnderTest::Started(_) => PlayIdentity::default(),
            ServerUnderTest::Given(_) => PlayIdentity::of(name),
        }
    }
}
