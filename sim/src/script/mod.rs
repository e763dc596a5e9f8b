//! Playing a scenario: its steps in a world, then everything healed and time passed, then the judgement.

mod conditions;
mod expectations;
mod inputs;
mod length;
mod player;
mod settling;
mod steps;
mod stored;
mod strike;
pub(crate) mod view;

#[cfg(test)]
mod changed_traces;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::stage::Subject;
use player::{Player, Recorded};
use turnstile_judge::oracle::history::History;
use turnstile_judge::oracle::{self, Finding};
use turnstile_judge::parties::Secrets;
use turnstile_judge::rules::RuleId;
use turnstile_judge::trace::{Labels, Trace};
use turnstile_scenarios::Scenario;
use turnstile_seams::Randomness;
use turnstile_world::{AnyWorld, Streams, WorldKind};

pub use self::length::Length;
pub use self::strike::StrikeKind;
use crate::stage::{self, RECEIVER_AUTHORITY, Stage};
#[cfg(feature = "witness")]
pub(crate) use view::moment_of_event;

/// Which stream of randomness a stored session's ids are drawn from.
const STORED_SESSION: &str = "stored-session";

/// What a scenario is played with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Every choice of the run follows from this.
    pub seed: u64,
    /// Which server is put to the test.
    pub subject: Subject,
    /// One more fault, beside those of the script.
    pub strike: Option<Strike>,
    /// Which world it is played in.
    pub world: WorldKind,
    /// How long everything is left alone after the last step.
    pub settling: Settling,
}

/// How long everything is left alone after the last step, with all faults healed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settling {
    /// For as long as anything may be owed.
    #[default]
    Longest,
    /// For so long.
    For(Duration),
    /// Until nothing is owed any more, as far as anybody can tell.
    UntilNothingIsOwed {
        /// But for so long in any case.
        at_least: Duration,
        /// And no longer than this: what is still owed then will not come.
        at_most: Duration,
    },
}

/// A fault that strikes at a moment of its own, whatever step is being played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// When, since the beginning of the run.
    pub at: Duration,
    /// What.
    pub kind: &'static StrikeKind,
}

/// What came of playing a scenario.
#[derive(Debug)]
pub struct Verdict {
    /// Everything that did not hold, in order of time; empty if all held.
    pub findings: Vec<Finding>,
    /// Everything that was observed.
    pub trace: Trace,
    /// How many records of it are older than the harness's own look at what is left.
    pub looked_back_at: usize,
    /// What the script calls the messages.
    pub labels: Labels,
    /// Virtual time from the beginning to the end of the last step.
    pub played: Duration,
    /// Virtual time from the beginning to the judgement.
    pub elapsed: Duration,
}

impl Verdict {
    /// The last `count` records before the first finding, or before the harness looked at what was left, as
    /// lines.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let played = &self.trace.records()[..self.looked_back_at];
        let broken_at = self.findings.first().map_or(Duration::MAX, |finding| finding.at);
        let end = played.partition_point(|record| record.at <= broken_at);
        played[end.saturating_sub(count)..end]
            .iter()
            .map(|record| record.line(&self.labels))
            .collect()
    }
}

/// The harness itself failed: the run says nothing about the server.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// One of the harness's own parties panicked.
    #[error("the harness's own {party} panicked: {message}")]
    Panicked {
        /// Which.
        party: String,
        /// With what.
        message: String,
    },
    /// One of the harness's own parties never comes to rest.
    #[error("the harness's own {party} does not come to rest")]
    Restless {
        /// Which.
        party: String,
    },
    /// Nothing can ever happen any more, in the middle of a step.
    #[error("nothing can ever happen any more; waiting: {}", waiting.join(", "))]
    Deadlock {
        /// Parties that are not done.
        waiting: Vec<String>,
    },
    /// Somebody has asked for its end.
    #[error("it was interrupted")]
    Interrupted,
    /// There is no server to test.
    #[error("there is no server to test: {0}")]
    NoServer(String),
    /// The world refused an order that the script's checks should have refused.
    #[error("the world refused an order")]
    World(#[from] turnstile_world::WorldError),
}

/// Plays a scenario from beginning to end and judges it, in a world of its own, on the first of its
/// surfaces.
///
/// # Errors
///
/// If the harness failed; what the server does wrong is a finding.
///
/// # Panics
///
/// If this thread is inside of another world.
pub fn play(scenario: &Scenario, options: Options) -> Result<Verdict, HarnessError> {
    let world = options.world.create(options.seed, stage::epoch());
    play_in(world, Secrets::default(), scenario, options)
}

/// As [`play`], in a world that is at its beginning, with nobody in it but whom it brings, among parties that know
/// these secrets. Which world `options` name counts for nothing.
///
/// # Errors
///
/// If the harness failed, or the world cannot carry what the scenario asks for.
pub fn play_in(
    world: Box<dyn AnyWorld>,
    secrets: Secrets,
    scenario: &Scenario,
    options: Options,
) -> Result<Verdict, HarnessError> {
    let receiver = world.reached_at(RECEIVER_AUTHORITY)?;
    let laid_out = scenario.session.stored.as_ref().map(|stored| {
        let randomness = Randomness::new(Streams::new(options.seed).stream(STORED_SESSION));
        stored::lay_out(&scenario.session, stored, world.now(), &receiver, &randomness)
    });
    let session = laid_out.as_ref().map(|laid_out| laid_out.session.clone());
    let stage = Stage::in_world(world, secrets, options.subject, session)?;
    let context = stage.context();
    let tolerance = stage.world.timing_tolerance();
    let mut player = Player::new(scenario, stage);
    if let Some(laid_out) = laid_out {
        player.take_for_granted(laid_out)?;
    }
    if let Some(Strike { at, kind }) = options.strike {
        player.arrange_strike(at, kind);
    }
    let gone = player.play().and_then(|()| {
        let played = player.elapsed();
        player.let_everything_settle(options.settling).map(|()| played)
    });
    let recorded = player.finish();
    let removed = player.remove_sessions();
    let played = gone?;
    removed?;
    let Recorded {
        trace,
        looked_back_at,
        messages,
        labels,
        mut findings,
    } = recorded;
    let history = History::read_under(&trace, context);
    findings.extend(expectations::check(
        scenario, &trace, &history, &messages, tolerance,
    ));
    findings.extend(oracle::judge(&history));
    findings.sort_by_key(|finding| finding.at);
    let elapsed = trace
        .records()
        .last()
        .map_or(played, |record| record.at.max(played));
    Ok(Verdict {
        findings,
        trace,
        looked_back_at,
        labels,
        played,
        elapsed,
    })
}

/// The rules of the protocol that a script names. Ids that the protocol does not have are left out: `turnstile check`
/// reports them.
fn rules_of(scenario: &Scenario) -> Vec<RuleId> {
    let rules = scenario.rules.iter();
    rules.filter_map(|name| name.value.parse().ok()).collect()
}
