//! Plays seeds in real time for `turnstile explore --live`.
//!
//! Results are yielded as they come, because one slow seed would hold back the findings of all later ones. What is still
//! being played when the exploration ends is cut. Results are not counted here.

use std::ops::ControlFlow;

use turnstile::explore::Explored;
use turnstile::live::Outcome;
use turnstile::report::FailureDetail;
use turnstile::workers;

use super::live_seeds::LiveSeeds;

/// The result of a live seed.
pub(super) enum LiveSeed {
    /// It was played.
    Played(Box<Explored>),
    /// It had not ended when the exploration did.
    Cut,
    /// The server does not offer what it needs, for this reason.
    Skipped(String),
}

/// Plays seeds until `done` breaks or the time is over.
pub(super) fn explore_live(
    seeds: impl Iterator<Item = u64> + Send,
    live: &LiveSeeds,
    detail: FailureDetail,
    progress: impl FnMut(usize),
    mut done: impl FnMut(LiveSeed) -> ControlFlow<()>,
) {
    let seeds = seeds.take_while(|_| !live.is_over());
    let play = |seed| played(seed, live, detail);
    workers::as_finished(seeds, live.jobs, play, progress, |played| {
        let taken = done(played);
        if taken.is_break() {
            live.end();
        }
        taken
    });
}

fn played(seed: u64, live: &LiveSeeds, detail: FailureDetail) -> LiveSeed {
    let scenario = live.scenario(seed);
    let verdict = match live.play(&scenario) {
        Outcome::Played(verdict) => verdict,
        Outcome::Skipped(reason) => return LiveSeed::Skipped(general(&reason)),
        Outcome::Postponed => return LiveSeed::Skipped("needs the test clock".to_owned()),
    };
    let in_simulation = |rule: &str| live.is_in_simulation(&scenario, rule);
    let explored = Explored::live(seed, &scenario, verdict, detail, in_simulation);
    if explored.was_interrupted() {
        return LiveSeed::Cut;
    }
    LiveSeed::Played(Box::new(explored))
}

/// A reason without the numbers of one seed.
fn general(reason: &str) -> String {
    match reason.split_once(", which exceeds ") {
        Some((_, limit)) => format!("takes longer than {}", limit.trim_start_matches("the limit of ")),
        None => reason.to_owned(),
    }
}
