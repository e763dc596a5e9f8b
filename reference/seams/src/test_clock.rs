//! A clock of the machine that a test can move forward.
//!
//! It moves in two steps, so that the owner decides what happens between them: [`TestClock::advance`] changes the time
//! that it shows, [`TestClock::wake`] wakes the timers that are due since then.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::Clock;
use crate::real::MachineClock;

/// A machine's clock that shows a later time than the machine. Clones share the time.
#[derive(Debug, Clone, Default)]
pub struct TestClock(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    machine: MachineClock,
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By how much it was moved forward.
    advanced: Duration,
    /// The deadlines of all timers, each with a unique number.
    timers: BTreeSet<(Timestamp, u64)>,
    last_timer: u64,
}

/// A timer that has not ended. Dropping it forgets its deadline.
struct Timer {
    shared: Arc<Shared>,
    key: (Timestamp, u64),
}

impl TestClock {
    /// A clock that shows the time of `machine` and `advanced` more.
    pub fn new(machine: MachineClock, advanced: Duration) -> Self {
        let state = State {
            advanced,
            ..State::default()
        };
        Self(Arc::new(Shared {
            machine,
            state: Mutex::new(state),
            woken: Notify::new(),
        }))
    }

    /// Moves the time forward. Timers that are due by it do not end before [`TestClock::wake`], unless something else
    /// polls them.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock();
        state.advanced = state.advanced.saturating_add(by);
    }

    /// Lets all timers look at the time.
    pub fn wake(&self) {
        self.0.woken.notify_waiters();
    }

    /// By how much it was moved forward in all.
    pub fn advanced(&self) -> Duration {
        self.0.lock().advanced
    }

    /// The earliest deadline of a timer, which may have passed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.0.lock().timers.first().map(|(at, _)| *at)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        shifted(self.machine.now(), self.lock().advanced)
    }
}

/// Saturates at the maximum timestamp.
fn shifted(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let _timer = Timer::new(Arc::clone(&shared), deadline);
            loop {
                // Receives wakes from its creation on, so none is missed between the look at the time and the wait.
                let woken = shared.woken.notified();
                let now = shared.now();
                if now >= deadline {
                    return;
                }
                let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
                let on_the_machine = shifted(shared.machine.now(), left);
                tokio::select! {
                    biased;
                    () = woken => {}
                    () = shared.machine.sleep_until(on_the_machine) => {}
                }
            }
        })
    }
}

impl Timer {
    fn new(shared: Arc<Shared>, deadline: Timestamp) -> Self {
        let key = {
            let mut state = shared.lock();
            state.last_timer += 1;
            let key = (deadline, state.last_timer);
            state.timers.insert(key);
            key
        };
        Self { shared, key }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.lock().timers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::ClockExt as _;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_timer_ends_when_the_clock_was_moved_past_its_deadline_and_timers_were_woken() {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        runtime.block_on(async {
            let clock = TestClock::default();
            let start = clock.now();
            let short = tokio::spawn(clock.sleep(MINUTE));
            let long = tokio::spawn(clock.sleep(MINUTE * 10));
            tokio::task::yield_now().await;
            let next = clock.next_deadline().expect("there are two timers");
            assert!(next >= start + MINUTE && next < start + MINUTE * 2, "{next}");
            clock.advance(MINUTE * 2);
            assert!(clock.now() >= start + MINUTE * 2);
            tokio::task::yield_now().await;
            assert!(!short.is_finished());
            clock.wake();
            short.await.expect("it does not panic");
            assert!(!long.is_finished());
            assert_eq!(clock.advanced(), MINUTE * 2);
            long.abort();
            assert!(long.await.is_err());
            assert_eq!(clock.next_deadline(), None);
        });
    }
}
