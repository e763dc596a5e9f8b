//! The clock of the witness, which advances by ticks.
//!
//! Within a tick turmoil runs each host for the whole tick, one host after the other. If each host read its
//! own time, the times in a shared record would go back and forth. So all hosts read the start of the tick.
//! Timers use those of turmoil, on which [`TickClock`] waits.

#![expect(
    clippy::disallowed_methods,
    reason = "inside of turmoil tokio's timers are virtual, and these are the seam over them"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use turnstile_seams::{BoxFuture, Clock};

/// The clock of all hosts. Clones share it.
#[derive(Clone)]
pub(super) struct TickClock {
    epoch: Timestamp,
    tick: Duration,
    /// Number of completed ticks.
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

    /// Length of a tick.
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    /// Completes a tick.
    pub(super) fn advance(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Time until `deadline`, rounded up to whole ticks; `None` if it has passed.
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
