//! Plays many scenarios in parallel, each in a separate world. Results are in input order.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use turnstile_scenarios::{Entry, Scenario};

use crate::curve::Curve;
use crate::script::{self, HarnessError, Options, Verdict};
use crate::standing::Standing;
use crate::watch::{Abandoned, Monitor};
use crate::workers;
pub use crate::workers::all_cores;

/// One scenario with its options.
#[derive(Debug, Clone, Copy)]
pub struct Play<'a> {
    /// The scenario.
    pub entry: &'a Entry,
    /// The options.
    pub options: Options,
}

/// A finished play.
#[derive(Debug)]
pub struct Played<'a> {
    /// The play.
    pub play: Play<'a>,
    /// Its verdict, or the error of the harness.
    pub verdict: Result<Verdict, HarnessError>,
    /// Wall time.
    pub wall: Duration,
    /// What a baseline says of it.
    pub standing: Standing,
    /// From when on it was bound to fail, if that was looked for and found.
    pub curve: Option<Curve>,
}

/// The outcome of a play.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// No findings.
    Passed(&'a Verdict),
    /// Findings.
    Failed(&'a Verdict),
    /// The harness failed, so there is no verdict on the server.
    HarnessFailed(&'a HarnessError),
}

impl<'a> Played<'a> {
    /// A play that no baseline has judged yet.
    pub fn new(play: Play<'a>, verdict: Result<Verdict, HarnessError>, wall: Duration) -> Self {
        Self {
            play,
            verdict,
            wall,
            standing: Standing::default(),
            curve: None,
        }
    }

    /// Whether it was interrupted, so that it has no outcome.
    pub fn was_interrupted(&self) -> bool {
        matches!(self.verdict, Err(HarnessError::Interrupted))
    }

    /// Whether it makes the run fail: a failure that no baseline expects, or an error of the harness, or a pass where a
    /// baseline expects a failure.
    pub fn is_red(&self) -> bool {
        match self.outcome() {
            Outcome::Passed(_) => matches!(self.standing, Standing::UnexpectedPass(_)),
            Outcome::Failed(_) => !matches!(self.standing, Standing::ExpectedFailure(_)),
            Outcome::HarnessFailed(_) => true,
        }
    }

    /// The outcome.
    pub fn outcome(&self) -> Outcome<'_> {
        match &self.verdict {
            Ok(verdict) if verdict.findings.is_empty() => Outcome::Passed(verdict),
            Ok(verdict) => Outcome::Failed(verdict),
            Err(error) => Outcome::HarnessFailed(error),
        }
    }
}

/// Plays everything on `jobs` threads. Calls `done` with each play in the order of `plays`, and `progress` with the number
/// of finished plays.
pub fn play_all<'a>(
    plays: impl Iterator<Item = Play<'a>> + Send,
    jobs: NonZeroUsize,
    progress: impl FnMut(usize),
    done: impl FnMut(Played<'a>),
) {
    play_all_by(plays, jobs, play_timed, progress, done);
}

/// As [`play_all`], with a function that plays on the worker's thread.
pub fn play_all_by<'a, T: Send>(
    plays: impl Iterator<Item = Play<'a>> + Send,
    jobs: NonZeroUsize,
    play: impl Fn(Play<'a>) -> T + Sync,
    progress: impl FnMut(usize),
    mut done: impl FnMut(T),
) {
    workers::in_order(plays, jobs, play, progress, |played| {
        done(played);
        ControlFlow::Continue(())
    });
}

/// Plays one scenario and measures its wall time.
#[expect(clippy::disallowed_methods, reason = "wall time is not part of the play")]
pub fn play_timed(play: Play) -> Played {
    let start = Instant::now();
    let verdict = play_safely(&play.entry.scenario, play.options);
    Played::new(play, verdict, start.elapsed())
}

/// Plays one scenario, with the limits of `options.watch`. A panic of the player is an error of the harness.
///
/// # Errors
///
/// If the harness fails.
pub fn play_safely(scenario: &Scenario, options: Options) -> Result<Verdict, HarnessError> {
    play_for(scenario, options, |verdict| verdict)
}

/// As [`play_safely`], for what `reduce` makes of the verdict. It runs on the thread of the play, and so does the end of
/// what it drops: another thread frees a trace, which has some thousand pieces, at twice the cost.
///
/// # Errors
///
/// If the harness fails.
pub fn play_for<T: Send + 'static>(
    scenario: &Scenario,
    options: Options,
    reduce: impl Fn(Verdict) -> T + Copy + Send + 'static,
) -> Result<T, HarnessError> {
    let Some(watch) = options.watch else {
        return safely(|| script::play(scenario, options).map(reduce));
    };
    let monitor = Monitor::default();
    let (shared, copy) = (monitor.clone(), scenario.clone());
    let played = watch.run(&monitor, move || {
        safely(|| script::play_monitored(&copy, options, &shared).map(reduce))
    });
    match played {
        Ok(reduced) => reduced,
        Err(Abandoned::Interrupted) => Err(HarnessError::Interrupted),
        Err(Abandoned::Overdue(turn)) => {
            script::overdue(scenario, turn, monitor.trace_so_far(), watch.limit).map(reduce)
        }
    }
}

/// Runs `playing`. A panic is an error of the harness.
///
/// # Errors
///
/// If the harness fails or `playing` panics.
pub fn safely<T>(playing: impl FnOnce() -> Result<T, HarnessError>) -> Result<T, HarnessError> {
    catch_unwind(AssertUnwindSafe(playing)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(HarnessError::Panicked {
            party: "player".to_owned(),
            message: message.unwrap_or_else(|| "unknown reason".to_owned()),
        })
    })
}
