//! The clock of a machine that was set forward or back while the machine was down.
//!
//! It is a fixed time ahead of, or behind, the time of the world for as long as the machine runs.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use turnstile_seams::{BoxFuture, Clock};

/// A clock that differs from another one by a fixed time.
struct ShiftedClock {
    clock: Arc<dyn Clock>,
    ahead: SignedDuration,
}

/// The clock of a machine that is so far ahead of the time of its world.
pub(super) fn ahead_of(clock: Arc<dyn Clock>, ahead: SignedDuration) -> Arc<dyn Clock> {
    if ahead.is_zero() {
        return clock;
    }
    Arc::new(ShiftedClock { clock, ahead })
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        moved(self.clock.now(), self.ahead)
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(moved(deadline, -self.ahead))
    }
}

/// A time moved by a duration, or the time itself at the end of the range of times, where nothing is due.
fn moved(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}
