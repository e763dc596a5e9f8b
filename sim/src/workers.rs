//! Work on all cores, and its results in the order in which the work was given out, whichever is done first.
//!
//! Nobody runs far ahead: who has a result waits with it as long as too many others do, so that what waits for its
//! order, or for somebody to look at it, takes no more room than a few results do.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

/// How many pieces of work for each thread may be begun and not told yet.
const AHEAD: usize = 64;

/// Has `jobs` threads `perform` each piece of `work`. Tells `progress` of how many pieces are done as soon as one
/// is, and `done` of each result in the order of `work`, until that has had enough: then no further piece is
/// begun.
pub fn in_order<W, T: Send>(
    work: impl Iterator<Item = W> + Send,
    jobs: NonZeroUsize,
    perform: impl Fn(W) -> T + Sync,
    mut progress: impl FnMut(usize),
    mut done: impl FnMut(T) -> ControlFlow<()>,
) {
    let work = Mutex::new(work.enumerate());
    let window = Window::new(jobs.get() * AHEAD);
    let enough = AtomicBool::new(false);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (sender, work, window, perform, enough) = (sender.clone(), &work, &window, &perform, &enough);
            scope.spawn(move || {
                let _opens = OpensAtPanic(window);
                while !enough.load(Ordering::Relaxed) {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, piece)) = next else { return };
                    window.wait_for(index);
                    // If nobody listens any more, the results are of no use.
                    let _ = sender.send((index, perform(piece)));
                }
            });
        }
        drop(sender);
        let _opens = OpensAtEnd(&window);
        let mut waiting = BTreeMap::new();
        let mut told = 0;
        for (count, (index, result)) in results.iter().enumerate() {
            progress(count + 1);
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&told) {
                told += 1;
                if done(result).is_break() {
                    enough.store(true, Ordering::Relaxed);
                    return;
                }
            }
            window.move_to(told);
        }
    });
}

/// Which pieces may be begun: those that are not too far behind the first one that was not told yet.
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

    /// Nobody waits any more.
    fn open(&self) {
        self.move_to(usize::MAX);
    }
}

/// Lets everybody go when nobody tells results any more, be it because of a panic.
struct OpensAtEnd<'a>(&'a Window);

impl Drop for OpensAtEnd<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Lets everybody go when a piece of work will never be done.
struct OpensAtPanic<'a>(&'a Window);

impl Drop for OpensAtPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.open();
        }
    }
}

/// As many threads as this machine has cores for.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn nobody_runs_far_ahead_of_what_was_told() {
        let jobs = NonZeroUsize::new(2).unwrap();
        let begun = AtomicUsize::new(0);
        let mut told = 0;
        let mut furthest = 0;
        in_order(
            0..1000,
            jobs,
            |_| begun.fetch_add(1, Ordering::SeqCst),
            |_| {},
            |_| {
                // Whoever tells is slow at first: the others would be done by then.
                if told == 0 {
                    (0..10_000).for_each(|_| thread::yield_now());
                }
                furthest = furthest.max(begun.load(Ordering::SeqCst) - told);
                told += 1;
                ControlFlow::Continue(())
            },
        );
        assert_eq!(told, 1000);
        assert!(furthest <= 2 * AHEAD, "{furthest}");
    }

    #[test]
    fn results_come_in_the_order_of_the_work_until_somebody_has_had_enough() {
        let jobs = NonZeroUsize::new(4).unwrap();
        let mut told = Vec::new();
        let backwards = |piece: u64| {
            // Later pieces are done sooner.
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
                told.push(piece);
                if piece == 20 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        assert_eq!(told, (0..=20).collect::<Vec<_>>());
    }
}
