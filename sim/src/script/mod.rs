//! Plays a scenario: runs its steps in a world, heals all faults, lets the world settle, and judges the trace.

mod conditions;
mod event_count;
mod expectations;
mod inputs;
mod length;
mod overdue;
mod player;
mod settling;
mod steps;
mod store;
mod stored;
mod timed_fault;
pub(crate) mod view;

#[cfg(test)]
mod changed_traces;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::stage::Subject;
use player::{Player, Recorded};
use stored::LaidOut;
use turnstile_judge::oracle::history::{History, RunContext};
use turnstile_judge::oracle::{self, Finding};
use turnstile_judge::parties::{SERVER, Secrets};
use turnstile_judge::recording::Unknown;
use turnstile_judge::rules::RuleId;
use turnstile_judge::trace::{Labels, Trace};
use turnstile_profile::Profile;
use turnstile_scenarios::Scenario;
use turnstile_seams::Randomness;
use turnstile_world::{AnyWorld, Reporting, Streams, WorldKind};

pub(crate) use self::inputs::CALLBACK_PATH;
pub use self::length::Length;
use self::overdue::LIVELOCK;
pub(crate) use self::overdue::overdue;
use self::player::SERVER_PANICKED;
pub(crate) use self::settling::{INSPECTION, LEFT_ALONE};
pub use self::timed_fault::SweepFault;
use crate::stage::identity::PlayIdentity;
use crate::stage::{self, RECEIVER_AUTHORITY, Stage, StandIn, Wrappers};
use crate::watch::{Monitor, Watch};
#[cfg(feature = "witness")]
pub(crate) use view::moment_of_event;

/// Names of the rules that the player checks in every play, beside the oracles.
pub(crate) const PLAYER_RULES: [&str; 2] = [LIVELOCK, SERVER_PANICKED];

/// Label of the randomness stream for ids of a stored session.
const STORED_SESSION: &str = "stored-session";

/// Settings of a play.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Seed of all random choices.
    pub seed: u64,
    /// The server under test.
    pub subject: Subject,
    /// Faults in addition to those of the script.
    pub faults: [Option<TimedFault>; 2],
    /// Another seed of the network from a time on.
    pub reseed: Option<Reseed>,
    /// A time from which on nothing reaches the server any more.
    pub silence: Option<Silence>,
    /// Whether faults, reseeding and silence come after everything was healed. Otherwise the healing waits for them.
    pub are_faults_late: bool,
    /// The kind of world.
    pub world: WorldKind,
    /// Settling time after the last step.
    pub settling: Settling,
    /// Whether a play ends at the first step that fails, without settling.
    pub ends_at_failure: bool,
    /// Limits of wall-clock time; without them a play has none.
    pub watch: Option<Watch>,
}

/// Settling time after the last step, with all faults healed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settling {
    /// The longest time in which the protocol can still require an action.
    #[default]
    Longest,
    /// A fixed time.
    For(Duration),
    /// Until no party waits for the server.
    UntilSettled {
        /// Minimum time.
        at_least: Duration,
        /// Maximum time.
        at_most: Duration,
    },
}

/// Another seed of what is drawn for the network, from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reseed {
    /// Time since the start of the run.
    pub at: Duration,
    /// The seed.
    pub seed: u64,
}

/// What all parties but the harness's own observer send to the server is lost until the end, and the server stays down if it is
/// down. What the server sends arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Time since the start of the run.
    pub at: Duration,
    /// The earliest time of the healing.
    pub healed_at: Duration,
    /// Whether the judge knows of the losses.
    pub reporting: Reporting,
}

/// A fault at a fixed time, independent of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedFault {
    /// Time since the start of the run.
    pub at: Duration,
    /// The kind of fault.
    pub kind: &'static SweepFault,
}

/// The result of a play.
#[derive(Debug)]
pub struct Verdict {
    /// Violations in order of time; empty if the scenario passed.
    pub findings: Vec<Finding>,
    /// Warnings in order of time. They do not fail the scenario.
    pub warnings: Vec<Finding>,
    /// Rules that were not judged. Empty for a play; a recording may lack records.
    pub unknown: Vec<Unknown>,
    /// What the trace does not show of the run.
    pub context: RunContext,
    /// Everything that the parties observed.
    pub trace: Trace,
    /// Index of the first record of the final inspection.
    pub inspection_start: usize,
    /// Labels of messages and executions by id.
    pub labels: Labels,
    /// Virtual time from the start to the end of the last step.
    pub played: Duration,
    /// Virtual time from the start to the judgement.
    pub elapsed: Duration,
}

impl Verdict {
    /// Whether a finding is about this rule.
    pub fn violates(&self, rule: &str) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }

    /// Returns the last `count` records before the first finding, or before the final inspection without a finding, as
    /// lines.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let end = self.records_up_to_finding();
        self.trace.records()[end.saturating_sub(count)..end]
            .iter()
            .map(|record| record.line(&self.labels))
            .collect()
    }

    /// The number of records up to the first finding, or before the final inspection without a finding.
    pub(crate) fn records_up_to_finding(&self) -> usize {
        let played = &self.trace.records()[..self.inspection_start];
        let broken_at = self.findings.first().map_or(Duration::MAX, |finding| finding.at);
        played.partition_point(|record| record.at <= broken_at)
    }
}

/// An error of the harness. The run says nothing about the server.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A party of the harness panicked.
    #[error("the harness's own {party} panicked: {message}")]
    Panicked {
        /// The party.
        party: String,
        /// The panic message.
        message: String,
    },
    /// A party of the harness runs without advancing time.
    #[error("the harness's own {party} does not come to rest")]
    Restless {
        /// The party.
        party: String,
    },
    /// No task can make progress during a step.
    #[error("deadlock; waiting: {}", waiting.join(", "))]
    Deadlock {
        /// Tasks that are not finished.
        waiting: Vec<String>,
    },
    /// The play took another course with the journal than with the server's database.
    #[error("the server's journal and its database differ: {0}")]
    StoresDiffer(String),
    /// The run was interrupted from outside.
    #[error("interrupted")]
    Interrupted,
    /// The play takes longer than the limit of wall-clock time, and makes progress.
    #[error("the play did not end within {} s; set a longer --play-timeout", limit.as_secs_f64())]
    Overdue {
        /// The limit.
        limit: Duration,
    },
    /// No server is available for the test.
    #[error("no server to test: {0}")]
    NoServer(String),
    /// The world refused an operation that the checks of the script should have refused.
    #[error("the world refused an operation")]
    World(#[from] turnstile_world::WorldError),
}

/// The agents' latency with a server that the world provides, unless the scenario has one (R11.51).
pub(crate) const LIVE_LATENCY: Duration = Duration::from_millis(200);

/// Plays a scenario on its first surface in a new world, and judges it. The server has the profile of the scenario.
///
/// # Errors
///
/// The harness failed. Faults of the server are findings.
///
/// # Panics
///
/// The thread already runs inside a world.
pub fn play(scenario: &Scenario, options: Options) -> Result<Verdict, HarnessError> {
    play_monitored(scenario, options, &Monitor::default())
}

/// As [`play`], with access for another thread.
pub(crate) fn play_monitored(
    scenario: &Scenario,
    options: Options,
    monitor: &Monitor,
) -> Result<Verdict, HarnessError> {
    store::play(scenario, options, |subject| {
        let hosts = stage::hosts_of(scenario);
        let mut world = options.world.create_for(options.seed, stage::epoch(), hosts);
        world.set_activity(monitor.activity.clone());
        let target = Target {
            profile: scenario.profile.complete(),
            ..Target::default()
        };
        play_in_monitored(world, target, scenario, Options { subject, ..options }, monitor)
    })
}

/// What is known of the server under test.
#[derive(Clone, Default)]
pub struct Target {
    /// Its secrets.
    pub secrets: Secrets,
    /// Its profile, by which it is judged.
    pub profile: Profile,
    /// The version of wrappers that it expects; `None` for the fake's own.
    pub wrapper_version: Option<String>,
    /// The wrapper of the default session, if it is not the fake one.
    pub stand_in: Option<StandIn>,
    /// What distinguishes the play from others against it.
    pub identity: PlayIdentity,
}

/// Plays a scenario in a given world, which must be new and empty except for a server that it provides.
/// Ignores the kind of world in `options`.
///
/// # Errors
///
/// The harness failed, or the world does not support the scenario.
pub fn play_in(
    world: Box<dyn AnyWorld>,
    target: Target,
    scenario: &Scenario,
    options: Options,
) -> Result<Verdict, HarnessError> {
    play_in_monitored(world, target, scenario, options, &Monitor::default())
}

/// Performs the steps and what follows them. Returns the time of the last step, and whether the play was cut short there.
fn play_to_the_end(player: &mut Player, options: &Options) -> Result<(Duration, bool), HarnessError> {
    player.play()?;
    let played = player.elapsed();
    let is_cut_short = options.ends_at_failure && player.has_failed();
    match is_cut_short {
        true => player.end_early(),
        false => player.settle_and_inspect(options.settling),
    }?;
    Ok((played, is_cut_short))
}

fn play_in_monitored(
    world: Box<dyn AnyWorld>,
    target: Target,
    scenario: &Scenario,
    options: Options,
    monitor: &Monitor,
) -> Result<Verdict, HarnessError> {
    let laid_out = lay_out(scenario, &*world, options.seed)?;
    let session = laid_out.as_ref().map(|laid_out| laid_out.session.clone());
    let latency = latency(scenario, &*world);
    let Target {
        secrets,
        profile,
        wrapper_version: version,
        stand_in,
        identity,
    } = target;
    let callback_prefix = identity.callback_prefix.clone();
    let wrappers = Wrappers {
        latency,
        version,
        stand_in,
    };
    let stage = Stage::in_world(
        world,
        secrets,
        profile,
        wrappers,
        identity,
        options.subject,
        session,
    )?;
    monitor.show(&stage.recorder);
    let context = stage.context();
    let mut player = Player::new(scenario, stage);
    if let Some(laid_out) = laid_out {
        player.register_stored(laid_out)?;
    }
    player.arrange_disturbances(&options);
    let gone = play_to_the_end(&mut player, &options);
    let recorded = player.finish();
    let is_interrupted = matches!(gone, Err(HarnessError::Interrupted));
    let removed = player.remove_sessions(is_interrupted);
    let (played, is_cut_short) = gone?;
    removed?;
    let Recorded {
        trace,
        inspection_start,
        messages,
        session,
        labels,
        mut findings,
    } = recorded;
    let history = History::read_under(&trace, context.clone());
    if is_cut_short {
        findings.extend(oracle::judge_unfinished(&history));
    } else {
        let history = history.with_beginnings(&trace);
        let names = expectations::Names {
            messages: &messages,
            session: &session,
            callback_prefix: &callback_prefix,
        };
        findings.extend(expectations::check(scenario, &trace, &history, names));
        findings.extend(oracle::judge(&history));
    }
    findings.sort_by_key(|finding| finding.at);
    let (findings, warnings) = oracle::by_severity(findings);
    let elapsed = trace.end().max(played);
    Ok(Verdict {
        findings,
        warnings,
        unknown: Vec::new(),
        context,
        trace,
        inspection_start,
        labels,
        played,
        elapsed,
    })
}

/// The latency of the agents in a play.
fn latency(scenario: &Scenario, world: &dyn AnyWorld) -> Duration {
    match &scenario.latency {
        Some(latency) => **latency,
        None if world.brings(SERVER) => LIVE_LATENCY,
        None => Duration::ZERO,
    }
}

/// The stored session of a scenario, if it has one.
fn lay_out(scenario: &Scenario, world: &dyn AnyWorld, seed: u64) -> Result<Option<LaidOut>, HarnessError> {
    let receiver = world.reached_at(RECEIVER_AUTHORITY)?;
    let stored = scenario.session.stored.as_ref();
    Ok(stored.map(|stored| {
        let randomness = Randomness::new(Streams::new(seed).stream(STORED_SESSION));
        stored::lay_out(&scenario.session, stored, world.now(), &receiver, &randomness)
    }))
}

/// The protocol rules that a script names. Skips unknown ids, which `turnstile check` reports.
fn rules_of(scenario: &Scenario) -> Vec<RuleId> {
    let rules = scenario.rules.iter();
    rules.filter_map(|name| name.value.parse().ok()).collect()
}
