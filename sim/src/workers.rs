//! Work on all cores, and its results in the order in which the work was given out, whichever is done first.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

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
    let enough = AtomicBool::new(false);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (sender, work, perform, enough) = (sender.clone(), &work, &perform, &enough);
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, piece)) = next else { return };
                    // If nobody listens any more, the results are of no use.
                    let _ = sender.send((index, perform(piece)));
                }
            });
        }
        drop(sender);
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
        }
    });
}

/// As many threads as this machine has cores for.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

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
