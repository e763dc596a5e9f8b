//! Runs work on several threads and yields the results, in input order or as they come.
//!
//! In input order, a bounded window limits how far workers run ahead of the consumer, so that results that wait for their
//! turn need little memory.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

/// The size of the window: pieces of work per thread that may be started and not yet yielded.
const AHEAD: usize = 64;

/// Runs `perform` on `jobs` threads and yields results to `done` in the order of `work` until `done` breaks. Calls
/// `progress` with the number of finished pieces after each piece.
pub fn in_order<W, T: Send>(
    work: impl Iterator<Item = W> + Send,
    jobs: NonZeroUsize,
    perform: impl Fn(W) -> T + Sync,
    progress: impl FnMut(usize),
    mut done: impl FnMut(T) -> ControlFlow<()>,
) {
    let window = Window::new(jobs.get() * AHEAD);
    let mut waiting = BTreeMap::new();
    let mut yielded = 0;
    let take = |index, result| {
        waiting.insert(index, result);
        while let Some(result) = waiting.remove(&yielded) {
            yielded += 1;
            done(result)?;
        }
        window.move_to(yielded);
        ControlFlow::Continue(())
    };
    run(work, jobs, &window, perform, progress, take);
}

/// As [`in_order`], but yields each result when its piece is finished.
pub fn as_finished<W, T: Send>(
    work: impl Iterator<Item = W> + Send,
    jobs: NonZeroUsize,
    perform: impl Fn(W) -> T + Sync,
    progress: impl FnMut(usize),
    mut done: impl FnMut(T) -> ControlFlow<()>,
) {
    let endless = Window::new(usize::MAX);
    run(work, jobs, &endless, perform, progress, |_, result| done(result));
}

/// Runs `perform` on `jobs` threads and passes each result with the index of its piece to `take`, until that breaks.
fn run<W, T: Send>(
    work: impl Iterator<Item = W> + Send,
    jobs: NonZeroUsize,
    window: &Window,
    perform: impl Fn(W) -> T + Sync,
    mut progress: impl FnMut(usize),
    mut take: impl FnMut(usize, T) -> ControlFlow<()>,
) {
    let work = Mutex::new(work.enumerate());
    let enough = AtomicBool::new(false);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (sender, work, perform, enough) = (sender.clone(), &work, &perform, &enough);
            scope.spawn(move || {
                let _opens = OpensAtPanic(window);
                while !enough.load(Ordering::Relaxed) {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, piece)) = next else { return };
                    window.wait_for(index);
                    // The receiver is gone after `take` has broken.
                    let _ = sender.send((index, perform(piece)));
                }
            });
        }
        drop(sender);
        let _opens = OpensAtEnd(window);
        for (count, (index, result)) in results.iter().enumerate() {
            progress(count + 1);
            if take(index, result).is_break() {
                enough.store(true, Ordering::Relaxed);
                return;
            }
        }
    });
}

/// The pieces that may be started: `width` pieces from the first one that was not yielded.
struct Window {
    width: usize,
    begin: Mutex<usize>,
    moved: Condvar,
}

impl Window {
    fn new(width: usize) -> Self {
        Self {
            width,
            begin: Mutex::new(0),
            moved: Condvar::new(),
        }
    }

    fn wait_for(&self, index: usize) {
        let begin = self.begin.lock().unwrap_or_else(PoisonError::into_inner);
        let is_behind = |begin: &mut usize| index >= begin.saturating_add(self.width);
        drop(self.moved.wait_while(begin, is_behind));
    }

    fn move_to(&self, begin: usize) {
        *self.begin.lock().unwrap_or_else(PoisonError::into_inner) = begin;
        self.moved.notify_all();
    }

    /// Releases all waiting workers.
    fn open(&self) {
        self.move_to(usize::MAX);
    }
}

/// Releases all workers when the consumer ends, also by a panic.
struct OpensAtEnd<'a>(&'a Window);

impl Drop for OpensAtEnd<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Releases all workers when one of them panics, because its piece will never be finished.
struct OpensAtPanic<'a>(&'a Window);

impl Drop for OpensAtPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.open();
        }
    }
}

/// The number of cores available to this process.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn workers_do_not_run_far_ahead_of_the_consumer() {
        let jobs = NonZeroUsize::new(2).unwrap();
        let begun = AtomicUsize::new(0);
        let mut yielded = 0;
        let mut furthest = 0;
        in_order(
            0..1000,
            jobs,
            |_| begun.fetch_add(1, Ordering::SeqCst),
            |_| {},
            |_| {
                // A consumer that is slow at first gives the workers time to finish everything.
                if yielded == 0 {
                    (0..10_000).for_each(|_| thread::yield_now());
                }
                furthest = furthest.max(begun.load(Ordering::SeqCst) - yielded);
                yielded += 1;
                ControlFlow::Continue(())
            },
        );
        assert_eq!(yielded, 1000);
        assert!(furthest <= 2 * AHEAD, "{furthest}");
    }

    #[test]
    fn a_slow_piece_does_not_hold_back_results_that_are_yielded_as_they_come() {
        let jobs = NonZeroUsize::new(2).unwrap();
        let is_enough = AtomicBool::new(false);
        let mut yielded = Vec::new();
        as_finished(
            0..,
            jobs,
            |piece: usize| {
                // The first piece ends only after all others.
                while piece == 0 && !is_enough.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                piece
            },
            |_| {},
            |piece| {
                yielded.push(piece);
                if yielded.len() < 4 * AHEAD {
                    return ControlFlow::Continue(());
                }
                is_enough.store(true, Ordering::Relaxed);
                ControlFlow::Break(())
            },
        );
        assert_eq!(yielded, (1..=4 * AHEAD).collect::<Vec<_>>());
    }

    #[test]
    fn results_are_yielded_in_input_order_until_the_consumer_breaks() {
        let jobs = NonZeroUsize::new(4).unwrap();
        let mut yielded = Vec::new();
        let backwards = |piece: u64| {
            // Later pieces finish sooner.
            for _ in 0..100_u64.saturating_sub(piece) * 100 {
                std::hint::spin_loop();
            }
            piece
        };
        in_order(
            0..,
            jobs,
            backwards,
            |_| {},
            |piece| {
                yielded.push(piece);
                if piece == 20 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        assert_eq!(yielded, (0..=20).collect::<Vec<_>>());
    }
}
