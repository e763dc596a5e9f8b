//! Requests to stop, and waiting until everything has stopped.
//!
//! Holders of a [`Stop`] decide what stopping means; nothing here ends a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::latest::{Latest, wait};

/// Requests all holders of its [`Stop`]s to stop.
#[derive(Debug, Default)]
pub struct Stopper(Arc<Shared>);

/// Receives a request to stop. A holder keeps it until it has stopped. Clones receive the same request.
#[derive(Debug)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_requested: Latest<bool>,
    /// The number of [`Stop`]s.
    holders: AtomicUsize,
    all_stopped: Notify,
}

impl Stopper {
    /// Creates a [`Stop`].
    pub fn stop(&self) -> Stop {
        Stop::of(&self.0)
    }

    /// Requests all holders to stop, including holders of a [`Stop`] that is created later.
    pub fn request(&self) {
        self.0.is_requested.update(|is_requested| *is_requested = true);
    }

    /// Completes when all [`Stop`]s are dropped.
    pub async fn all_stopped(&self) {
        let have_stopped = || self.0.holders.load(Ordering::SeqCst) == 0;
        wait(&self.0.all_stopped, have_stopped).await;
    }
}

impl Stop {
    fn of(shared: &Arc<Shared>) -> Self {
        shared.holders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }

    /// Completes once stopping is requested; never if the [`Stopper`] is dropped before. Cancel-safe.
    pub async fn requested(&mut self) {
        self.0.is_requested.wait_for(|is_requested| *is_requested).await;
    }
}

impl Clone for Stop {
    fn clone(&self) -> Self {
        Self::of(&self.0)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if self.0.holders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.all_stopped.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(future).poll(&mut context) == Poll::Ready(())
    }

    #[test]
    fn a_request_reaches_present_and_later_holders() {
        let stopper = Stopper::default();
        let mut early = stopper.stop();
        assert!(!is_ready(early.requested()));
        stopper.request();
        assert!(is_ready(early.requested()));
        assert!(is_ready(early.clone().requested()));
        assert!(is_ready(stopper.stop().requested()));
    }

    #[test]
    fn a_waiting_holder_is_woken() {
        let stopper = Stopper::default();
        let mut stop = stopper.stop();
        let mut requested = pin!(stop.requested());
        let mut context = Context::from_waker(Waker::noop());
        assert!(requested.as_mut().poll(&mut context).is_pending());
        stopper.request();
        assert!(requested.poll(&mut context).is_ready());
    }

    #[test]
    fn all_have_stopped_when_the_last_clone_is_dropped() {
        let stopper = Stopper::default();
        assert!(is_ready(stopper.all_stopped()));
        let one = stopper.stop();
        let other = one.clone();
        let mut all = pin!(stopper.all_stopped());
        let mut context = Context::from_waker(Waker::noop());
        assert!(all.as_mut().poll(&mut context).is_pending());
        drop(one);
        assert!(all.as_mut().poll(&mut context).is_pending());
        drop(other);
        assert!(all.poll(&mut context).is_ready());
    }
}
