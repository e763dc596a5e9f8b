//! The clock of a party: the current time, and timers.
//!
//! Calendars and formats are not here; [`jiff::Timestamp`] has both.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A source of time. It never runs backwards.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Completes once [`Clock::now`] has reached `deadline`, immediately if it already has.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;
}

/// A time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {}", humane(*.0))]
pub struct Elapsed(
    /// The time that was allowed.
    pub Duration,
);

fn humane(allowed: Duration) -> String {
    format!("{} s", allowed.as_secs_f64())
}

/// Methods with durations, for every [`Clock`].
pub trait ClockExt: Clock {
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + duration)
    }

    /// Runs `future` for at most `allowed`, then drops it.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the future is not ready in time. A future that is ready exactly at the deadline is in time.
    fn timeout<F: Future>(
        &self,
        allowed: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Elapsed>> {
        let mut sleep = self.sleep(allowed);
        async move {
            let mut future = pin!(future);
            poll_fn(|context| {
                if let Poll::Ready(output) = future.as_mut().poll(context) {
                    return Poll::Ready(Ok(output));
                }
                sleep.as_mut().poll(context).map(|()| Err(Elapsed(allowed)))
            })
            .await
        }
    }
}

impl<C: Clock + ?Sized> ClockExt for C {}
