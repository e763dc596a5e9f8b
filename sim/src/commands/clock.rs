//! The time of this machine, which reports show. No run depends on it.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};

/// The date and time.
#[expect(clippy::disallowed_methods, reason = "it is only shown")]
pub(crate) fn date_and_time() -> DateTime<Utc> {
    SystemTime::now().into()
}

/// The time, to measure durations.
#[expect(clippy::disallowed_methods, reason = "it is only shown")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits before the next look at files of this machine.
#[expect(clippy::disallowed_methods, reason = "no world runs on this thread")]
pub(crate) fn sleep(duration: Duration) {
    thread::sleep(duration);
}
