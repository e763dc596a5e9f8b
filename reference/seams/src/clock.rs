//! Time, as it is given to a party: reading it, and waiting for it.
//!
//! No calendar and no formatting here; [`jiff::Timestamp`] has both.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A source of time. It never goes backwards.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Completes as soon as [`Clock::now`] has reached `deadline`, at once if it already has.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;
}

/// The time allowed for something ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {}", humane(*.0))]
pub struct Elapsed(
    /// How long was allowed.
    pub Duration,
);

fn humane(allowed: Duration) -> String {
    format!("{} s", allowed.as_secs_f64())
}

/// Waiting in terms of durations, on any [`Clock`].
pub trait ClockExt: Clock {
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + duration)
    }

    /// Runs `future` for at most `allowed`, then drops it.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the future was not done in time. A future that is done exactly at the deadline
    /// counts as done.
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
