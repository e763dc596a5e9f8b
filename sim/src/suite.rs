//! Playing many scenarios at once, each in a world of its own, on all cores.
//!
//! What comes out comes in the order in which the plays were asked for, whichever is done first.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use turnstile_scenarios::{Entry, Scenario};

use crate::script::{self, HarnessError, Options, Verdict};
use crate::workers;
pub use crate::workers::all_cores;

/// One scenario that is to be played with one seed.
#[derive(Debug, Clone, Copy)]
pub struct Play<'a> {
    /// The scenario.
    pub entry: &'a Entry,
    /// What it is played with.
    pub options: Options,
}

/// A play that is over.
#[derive(Debug)]
pub struct Played<'a> {
    /// The play.
    pub play: Play<'a>,
    /// Its verdict, or why there is none.
    pub verdict: Result<Verdict, HarnessError>,
    /// How long it took on this machine.
    pub wall: Duration,
}

/// How a play ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It has no findings.
    Passed(&'a Verdict),
    /// It has findings.
    Failed(&'a Verdict),
    /// The harness failed: nothing is said about the server.
    HarnessFailed(&'a HarnessError),
}

impl Played<'_> {
    /// How it ended.
    pub fn outcome(&self) -> Outcome<'_> {
        match &self.verdict {
            Ok(verdict) if verdict.findings.is_empty() => Outcome::Passed(verdict),
            Ok(verdict) => Outcome::Failed(verdict),
            Err(error) => Outcome::HarnessFailed(error),
        }
    }
}

/// Plays everything on `jobs` threads, and tells `done` of each play in the order of `plays`, and
/// `progress` of how many are done as soon as one is.
pub fn play_all<'a>(
    plays: &[Play<'a>],
    jobs: NonZeroUsize,
    progress: impl FnMut(usize),
    done: impl FnMut(Played<'a>),
) {
    play_all_by(plays, jobs, play_timed, progress, done);
}

/// As [`play_all`], each play by `play`, on the thread that it falls to.
pub fn play_all_by<'a, T: Send>(
    plays: &[Play<'a>],
    jobs: NonZeroUsize,
    play: impl Fn(Play<'a>) -> T + Sync,
    progress: impl FnMut(usize),
    mut done: impl FnMut(T),
) {
    workers::in_order(plays.iter().copied(), jobs, play, progress, |played| {
        done(played);
        ControlFlow::Continue(())
    });
}

/// Plays one scenario, with a look at this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a play takes here is no part of the play"
)]
pub fn play_timed(play: Play) -> Played {
    let start = Instant::now();
    let verdict = play_safely(&play.entry.scenario, play.options);
    Played {
        play,
        verdict,
        wall: start.elapsed(),
    }
}

/// Plays one scenario; if the player itself panics, that too is a failure of the harness.
///
/// # Errors
///
/// If the harness failed.
pub fn play_safely(scenario: &Scenario, options: Options) -> Result<Verdict, HarnessError> {
    safely(|| script::play(scenario, options))
}

/// Plays something, wherever it is played.
///
/// # Errors
///
/// If the harness failed, even if the player itself panicked.
pub fn safely(playing: impl FnOnce() -> Result<Verdict, HarnessError>) -> Result<Verdict, HarnessError> {
    catch_unwind(AssertUnwindSafe(playing)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(HarnessError::Panicked {
            party: "player".to_owned(),
            message: message.unwrap_or_else(|| "it did not say why".to_owned()),
        })
    })
}
