//! Limits of wall-clock time for plays, and access to a play from another thread.
//!
//! A thread that loops cannot be ended, so a watched play has a thread of its own. When the play takes too long, or
//! when the process is to end, its thread is abandoned and runs until the process ends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::dispatcher;
use turnstile_judge::trace::Trace;
use turnstile_world::{Activity, Turn};

use crate::stage::Recorder;

/// The interval of checks.
const INTERVAL: Duration = Duration::from_millis(25);
/// The number of abandoned threads after which nothing new begins. Each keeps a core busy, which slows others down.
const MOST_ABANDONED: usize = 4;

/// The number of abandoned threads of this process.
static ABANDONED: AtomicUsize = AtomicUsize::new(0);

/// The limits of each play of a command.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// The longest wall-clock time of a play.
    pub limit: Duration,
    /// Whether the process is to end.
    pub interruption: &'static AtomicBool,
}

/// Why a play was abandoned.
pub(crate) enum Abandoned {
    /// The process is to end.
    Interrupted,
    /// The limit was reached, and this turn has been under way for at least half of it; `None` without such a turn.
    Overdue(Option<Turn>),
}

impl Watch {
    /// Whether no further play should begin: the process is to end, or too many plays did not end.
    pub fn is_over(&self) -> bool {
        self.interruption.load(Ordering::Relaxed) || Self::has_too_many_abandoned()
    }

    /// Whether so many plays did not end that no further play begins.
    pub fn has_too_many_abandoned() -> bool {
        ABANDONED.load(Ordering::Relaxed) >= MOST_ABANDONED
    }

    /// Runs `play` on a thread of its own. Events of the thread go to the caller's subscriber.
    ///
    /// # Errors
    ///
    /// It was abandoned.
    ///
    /// # Panics
    ///
    /// No thread can be started.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        monitor: &Monitor,
        play: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Abandoned> {
        let (sender, result) = mpsc::sync_channel(1);
        let subscriber = dispatcher::get_default(Clone::clone);
        thread::Builder::new()
            .name("play".to_owned())
            .spawn(move || {
                let played = dispatcher::with_default(&subscriber, play);
                // The receiver is gone after it has abandoned this thread.
                let _ = sender.send(played);
            })
            .expect("a thread can be started");
        let mut watcher = Watcher::new(self.limit);
        loop {
            match result.recv_timeout(INTERVAL) {
                Ok(played) => return Ok(played),
                Err(RecvTimeoutError::Timeout) if self.interruption.load(Ordering::Relaxed) => {
                    return Err(Abandoned::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let turn = monitor.activity.turn();
                    if let Some(is_stuck) = watcher.is_overdue(turn.as_ref(), now()) {
                        ABANDONED.fetch_add(1, Ordering::Relaxed);
                        return Err(Abandoned::Overdue(turn.filter(|_| is_stuck)));
                    }
                }
                // The caller's play catches its panics, so this does not happen.
                Err(RecvTimeoutError::Disconnected) => return Err(Abandoned::Overdue(None)),
            }
        }
    }
}

/// Measures the time of a play and of its current turn.
///
/// A process that was stopped in between gets at most two intervals added, so that it does not count as slow.
struct Watcher {
    limit: Duration,
    last: Instant,
    elapsed: Duration,
    turn: Option<u64>,
    turn_began: Duration,
}

impl Watcher {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            last: now(),
            elapsed: Duration::ZERO,
            turn: None,
            turn_began: Duration::ZERO,
        }
    }

    /// Returns `None` while the play may continue, and after its limit whether it is stuck in its turn. A turn that
    /// began in the second half of the limit gets more time, to distinguish a play that makes progress from one that
    /// does not.
    fn is_overdue(&mut self, turn: Option<&Turn>, now: Instant) -> Option<bool> {
        self.elapsed += (now - self.last).min(INTERVAL * 2);
        self.last = now;
        let number = turn.map(|turn| turn.number);
        if number != self.turn {
            (self.turn, self.turn_began) = (number, self.elapsed);
        }
        let is_stuck = turn.is_some() && self.elapsed - self.turn_began >= self.limit / 2;
        let is_over = turn.is_none() || is_stuck || self.elapsed >= self.limit * 2;
        (self.elapsed >= self.limit && is_over).then_some(is_stuck)
    }
}

/// Access to a play from another thread.
#[derive(Clone, Default)]
pub(crate) struct Monitor {
    pub activity: Activity,
    recorder: Arc<OnceLock<Recorder>>,
}

impl Monitor {
    /// Gives access to the records of the play.
    pub fn show(&self, recorder: &Recorder) {
        // A play has one recorder.
        let _ = self.recorder.set(recorder.clone());
    }

    /// A copy of what was recorded so far; `None` before the play has begun. An abandoned play goes on with its own.
    pub fn trace_so_far(&self) -> Option<Trace> {
        self.recorder.get().map(|recorder| recorder.read(Trace::clone))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a play does not depend on wall time, except that it may be abandoned"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    fn turn(number: u64) -> Turn {
        Turn {
            number,
            host: "server".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// The time in milliseconds at which a play is overdue whose turn at a time is `turn`, and whether it is stuck.
    fn overdue_after(turn: impl Fn(Duration) -> Option<Turn>) -> (u128, bool) {
        let mut watcher = Watcher::new(LIMIT);
        let start = watcher.last;
        let mut at = Duration::ZERO;
        loop {
            at += INTERVAL;
            if let Some(is_stuck) = watcher.is_overdue(turn(at).as_ref(), start + at) {
                return (at.as_millis(), is_stuck);
            }
        }
    }

    #[test]
    fn a_turn_that_began_late_gets_half_of_the_limit() {
        assert_eq!(overdue_after(|_| Some(turn(1))), (100, true));
        assert_eq!(overdue_after(|_| None), (100, false));
        let late = overdue_after(|at| Some(turn(u64::from(at >= Duration::from_millis(75)))));
        assert_eq!(late, (125, true));
        let progressing = overdue_after(|at| Some(turn(at.as_millis() as u64)));
        assert_eq!(progressing, (200, false));
    }

    #[test]
    fn time_in_which_the_process_was_stopped_does_not_count() {
        let mut watcher = Watcher::new(LIMIT);
        let later = watcher.last + Duration::from_hours(1);
        assert_eq!(watcher.is_overdue(Some(&turn(1)), later), None);
    }
}
