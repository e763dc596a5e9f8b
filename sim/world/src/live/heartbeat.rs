//! How late the machine is in running a thread that is due, in real time. Everything in a run may be late by that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// The time between two beats.
const INTERVAL: Duration = Duration::from_millis(10);
/// A smaller lateness of a beat is none.
const LATE: Duration = Duration::from_millis(20);
/// The lateness that is reported at once. Less is reported with what follows.
const REPORTED: Duration = Duration::from_millis(50);

/// A thread that only wakes up, and measures how late it does. It ends with this value.
pub(super) struct Heartbeat {
    late: Lateness,
    _thread: Sender<()>,
}

/// How late beats were in all since the last report.
#[derive(Clone, Default)]
struct Lateness(Arc<AtomicU64>);

impl Heartbeat {
    /// Starts to measure.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread.
    pub(super) fn begin() -> io::Result<Self> {
        let late = Lateness::default();
        let (sender, stopped) = mpsc::channel();
        let measured = late.clone();
        thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || beat(&stopped, &measured))?;
        Ok(Self {
            late,
            _thread: sender,
        })
    }

    /// How late the machine was since the last report, if that is worth one.
    pub(super) fn report(&self) -> Option<Duration> {
        self.late.take()
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures the machine's time")]
fn beat(stopped: &Receiver<()>, late: &Lateness) {
    let mut due = Instant::now() + INTERVAL;
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        late.add(now.saturating_duration_since(due));
        due = now + INTERVAL;
    }
}

impl Lateness {
    fn add(&self, late: Duration) {
        if late >= LATE {
            let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.0.fetch_add(late, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Option<Duration> {
        let late = Duration::from_micros(self.0.load(Ordering::Relaxed));
        (late >= REPORTED).then(|| Duration::from_micros(self.0.swap(0, Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_adds_up_until_it_is_worth_a_report() {
        let late = Lateness::default();
        let millis = Duration::from_millis;
        for (added, reported) in [
            (19, None),
            (30, None),
            (1, None),
            (30, Some(60)),
            (0, None),
            (3000, Some(3000)),
        ] {
            late.add(millis(added));
            assert_eq!(late.take(), reported.map(millis), "{added}");
        }
    }
}
