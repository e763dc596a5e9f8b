//! When runs of a world end before their time: at a signal of the user, when other plays have shown enough, or at a time
//! limit. Who asks for it, and what becomes of the runs, is not known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Ends runs with [`Stopped::Interrupted`](crate::Stopped::Interrupted) at the first of several occasions. The default never
/// ends one.
#[derive(Debug, Clone, Default)]
pub struct Cutoff {
    flags: Vec<Arc<AtomicBool>>,
    at: Option<Instant>,
}

impl Cutoff {
    /// Also ends runs when the flag is set.
    #[must_use]
    pub fn or_when(mut self, flag: Arc<AtomicBool>) -> Self {
        self.flags.push(flag);
        self
    }

    /// Also ends runs at this time of the machine's clock.
    #[must_use]
    pub fn or_at(mut self, at: Instant) -> Self {
        self.at = Some(self.at.map_or(at, |earlier| earlier.min(at)));
        self
    }

    /// Whether runs end now.
    pub fn is_reached(&self) -> bool {
        let is_set = self.flags.iter().any(|flag| flag.load(Ordering::Relaxed));
        is_set || self.at.is_some_and(|at| at <= machine_now())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time limit is in the machine's time"
)]
fn machine_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_occasion_ends_runs() {
        let never = Cutoff::default();
        assert!(!never.is_reached());
        let flag = Arc::new(AtomicBool::new(false));
        let flagged = never.clone().or_when(Arc::default()).or_when(Arc::clone(&flag));
        assert!(!flagged.is_reached());
        flag.store(true, Ordering::Relaxed);
        assert!(flagged.is_reached());
        let later = machine_now() + Duration::from_hours(1);
        assert!(!never.clone().or_at(later).is_reached());
        assert!(never.or_at(machine_now()).or_at(later).is_reached());
    }
}
