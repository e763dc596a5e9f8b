//! The time of the witness: it moves by ticks, and stands still within one.
//!
//! Inside of a tick turmoil gives each host the whole tick by itself, one host after the other. Were each to
//! read its own time then, a record of what they see would go to and fro. So everybody reads the time of
//! the tick's beginning; being woken is turmoil's business, on whose timers [`TickClock`] waits.

#![expect(
    clippy::disallowed_methods,
    reason = "inside of turmoil tokio's timers are virtual, and these are the seam over them"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use turnstile_seams::{BoxFuture, Clock};

/// The clock of all hosts. Clones are the same clock.
#[derive(Clone)]
pub(super) struct TickClock {
    epoch: Timestamp,
    tick: Duration,
    /// How many ticks are over.
    ticks: Arc<AtomicU64>,
}

impl TickClock {
    pub(super) fn new(epoch: Timestamp, tick: Duration) -> Self {
        Self {
            epoch,
            tick,
            ticks: Arc::default(),
        }
    }

    /// How far the clock moves at once.
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    /// A tick is over.
    pub(super) fn advance(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// How long it takes, in whole ticks, until `deadline` is reached; `None` if it is.
    fn ticks_until(&self, deadline: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(deadline.duration_since(self.now())).ok()?;
        let ticks = left.as_nanos().div_ceil(self.tick.as_nanos());
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        (ticks > 0).then(|| self.tick.saturating_mul(ticks))
    }
}

impl Clock for TickClock {
    fn now(&self) -> Timestamp {
        let ticks = self.ticks.load(Ordering::Relaxed);
        let nanoseconds = self.tick.as_nanos() * u128::from(ticks);
        let elapsed = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.epoch + elapsed
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            while let Some(left) = clock.ticks_until(deadline) {
                tokio::time::sleep(left).await;
            }
        })
    }
}
