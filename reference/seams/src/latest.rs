//! A value that tasks can wait for changes of, in place of tokio's `watch` channel, which wakes its receivers in a random
//! order. Here they are woken in the order in which they began to wait.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A shared value. Clones share it.
#[derive(Debug, Default)]
pub struct Latest<T>(Arc<Shared<T>>);

/// Follows the changes of a value.
#[derive(Debug)]
pub struct Follower<T> {
    shared: Arc<Shared<T>>,
    /// The version of the last change that was seen.
    seen: u64,
}

#[derive(Default)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State<T> {
    version: u64,
    value: T,
}

impl<T> Latest<T> {
    /// Shares a value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State { version: 0, value }),
            changed: Notify::new(),
        }))
    }

    /// Changes the value and returns what `change` returns. It counts as a change also if the value stays the same.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut state = self.0.lock();
        state.version += 1;
        let result = change(&mut state.value);
        drop(state);
        self.0.changed.notify_waiters();
        result
    }

    /// Reads the value.
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.0.lock().value)
    }

    /// A follower that has seen all changes until now.
    pub fn follow(&self) -> Follower<T> {
        Follower {
            shared: Arc::clone(&self.0),
            seen: self.0.lock().version,
        }
    }
}

impl<T: Clone> Latest<T> {
    /// Completes with the value once `is_right` holds for it. Cancel-safe.
    pub async fn wait_for(&self, is_right: impl Fn(&T) -> bool) -> T {
        wait(&self.0.changed, || is_right(&self.0.lock().value)).await;
        self.read(T::clone)
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Follower<T> {
    /// Takes all changes until now as seen.
    pub fn mark_seen(&mut self) {
        self.seen = self.shared.lock().version;
    }

    /// Completes once there is a change that was not seen, and takes all until then as seen. Cancel-safe.
    pub async fn changed(&mut self) {
        let seen = self.seen;
        wait(&self.shared.changed, || self.shared.lock().version > seen).await;
        self.mark_seen();
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(formatter)
    }
}

/// Completes once `is_so`, which is checked at the start and after each notification.
pub(crate) async fn wait(notify: &Notify, is_so: impl Fn() -> bool) {
    loop {
        // Receives notifications from its creation on, so none is missed between the check and the wait.
        let notified = notify.notified();
        if is_so() {
            return;
        }
        notified.await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
        let mut context = Context::from_waker(Waker::noop());
        pin!(future).poll(&mut context)
    }

    #[test]
    fn a_follower_sees_changes_since_it_began_and_each_once() {
        let latest = Latest::new(1);
        latest.update(|value| *value = 2);
        let mut follower = latest.follow();
        assert!(poll(follower.changed()).is_pending());
        latest.clone().update(|value| *value += 1);
        assert!(poll(follower.changed()).is_ready());
        assert!(poll(follower.changed()).is_pending());
        latest.update(|_| ());
        follower.mark_seen();
        assert!(poll(follower.changed()).is_pending());
        assert_eq!(latest.read(|value| *value), 3);
    }

    #[test]
    fn a_waiting_task_is_woken_by_a_change() {
        let latest = Latest::new(1);
        assert_eq!(poll(latest.wait_for(|value| *value == 1)), Poll::Ready(1));
        let mut waiting = pin!(latest.wait_for(|value| *value > 2));
        let mut context = Context::from_waker(Waker::noop());
        for (value, expected) in [(2, Poll::Pending), (3, Poll::Ready(3))] {
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            latest.update(|own| *own = value);
            if expected.is_ready() {
                assert_eq!(waiting.as_mut().poll(&mut context), expected);
            }
        }
    }
}
