//! Virtual time: the current time, and the timers.
//!
//! The world's loop advances the time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use turnstile_seams::{BoxFuture, Clock};

/// Position of a timer in the queue. Timers due at the same instant fire in the order in which they were set.
type Place = (Timestamp, u64);

/// The time of all hosts of a world, which is also their [`Clock`]. Clones share it.
#[derive(Clone)]
pub(super) struct Timeline(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    set_so_far: u64,
    timers: BTreeMap<Place, Waker>,
}

impl Timeline {
    pub(super) fn new(epoch: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            now: epoch,
            set_so_far: 0,
            timers: BTreeMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.state().timers.first_key_value().map(|(place, _)| place.0)
    }

    /// Advances time to `instant`. A time in the past changes nothing.
    pub(super) fn move_to(&self, instant: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(instant);
    }

    /// Wakes every task whose timer is due.
    pub(super) fn fire(&self) {
        while let Some(waker) = self.take_due() {
            waker.wake();
        }
    }

    fn take_due(&self) -> Option<Waker> {
        let mut state = self.state();
        let now = state.now;
        let first = state.timers.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

impl Clock for Timeline {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            timeline: self.clone(),
            deadline,
            place: None,
        })
    }
}

/// Waits for a time. Dropping it removes it from the queue.
struct Sleep {
    timeline: Timeline,
    deadline: Timestamp,
    place: Option<Place>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.timeline.state();
        if state.now >= this.deadline {
            return Poll::Ready(());
        }
        let place = *this.place.get_or_insert_with(|| {
            state.set_so_far += 1;
            (this.deadline, state.set_so_far)
        });
        state.timers.insert(place, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.timeline.state().timers.remove(&place);
        }
    }
}
