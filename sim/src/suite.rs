//! Playing many scenarios at once, each in a world of its own, on all cores.
//!
//! What comes out comes in the order in which the plays were asked for, whichever is done first.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use turnstile_scenarios::Entry;

use crate::script::{self, HarnessError, Options, Verdict};

/// One scenario that is to be played with one seed.
#[derive(Debug, Clone, Copy)]
pub struct Play<'a> {
    /// The scenario.
    pub entry: &'a Entry,
    /// What it is played with.
    pub options: Options,
}

/// What came of one play.
#[derive(Debug)]
pub struct Played<'a> {
    /// The play.
    pub play: Play<'a>,
    /// Its verdict, or why there is none.
    pub verdict: Result<Verdict, HarnessError>,
    /// How long it took on this machine.
    pub wall: Duration,
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
    mut progress: impl FnMut(usize),
    mut done: impl FnMut(T),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get().min(plays.len()) {
            let (sender, next, play) = (sender.clone(), &next, &play);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(planned) = plays.get(index) else { return };
                    // If nobody listens any more, the results are of no use.
                    let _ = sender.send((index, play(*planned)));
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut told = 0;
        for (count, (index, played)) in results.iter().enumerate() {
            progress(count + 1);
            waiting.insert(index, played);
            while let Some(played) = waiting.remove(&told) {
                told += 1;
                done(played);
            }
        }
    });
}

/// Plays one scenario, with a look at this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a play takes here is no part of the play"
)]
pub fn play_timed(play: Play) -> Played {
    let start = Instant::now();
    let playing = AssertUnwindSafe(|| script::play(&play.entry.scenario, play.options));
    let verdict = catch_unwind(playing).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(HarnessError::Panicked {
            party: "player".to_owned(),
            message: message.unwrap_or_else(|| "it did not say why".to_owned()),
        })
    });
    Played {
        play,
        verdict,
        wall: start.elapsed(),
    }
}

/// As many threads as this machine has cores for.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
