//! The deadlines of a session (protocol §7).
//!
//! Their effects are decided elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::CallbackOwner;
use crate::coverage::ServerMark;
use crate::legacy::model::execution;

/// A deadline. Deadlines at the same time fire in this order (R7.33).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deadline {
    /// The disconnect grace of the current run (R7.1).
    Grace,
    /// The next ping (R7.2).
    Ping,
    /// The time-out of the pong (R7.3).
    Pong,
    /// The time-out of meaningful output (R7.4).
    NoOutput,
    /// Idle reconciliation (R7.5).
    Reconciliation,
    /// The limit for a ready wrapper without an accepted message (R7.6).
    ReadyOnly,
    /// The limit for an idle wrapper (R7.7).
    KeepWarm,
    /// The delivery of the head of the queue (R7.8).
    Drain,
    /// The retry of a submission to the queue (R7.9).
    Callback(CallbackOwner),
    /// The disconnect grace of an execution (R10.30).
    ImportedGrace(execution::Id),
    /// The time-out of an execution (R10.31).
    ImportedTimeout(execution::Id),
    /// The expiry of the session (R7.11).
    Expiry,
}

/// The deadlines of a session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(Deadline, Timestamp)>", into = "Vec<(Deadline, Timestamp)>")]
pub struct Deadlines(BTreeMap<Deadline, Timestamp>);

impl From<Vec<(Deadline, Timestamp)>> for Deadlines {
    fn from(pairs: Vec<(Deadline, Timestamp)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<Deadlines> for Vec<(Deadline, Timestamp)> {
    fn from(deadlines: Deadlines) -> Self {
        deadlines.0.into_iter().collect()
    }
}

impl Deadlines {
    /// The time of the earliest deadline that can fire.
    pub fn next(&self) -> Option<Timestamp> {
        self.running().map(|(_, at)| *at).min()
    }

    /// The deadlines that can fire. While the grace runs, nothing can arrive from the wrapper, so the deadlines that
    /// wait for it do not fire (R7.19).
    fn running(&self) -> impl Iterator<Item = (&Deadline, &Timestamp)> {
        let is_in_grace = self.0.contains_key(&Deadline::Grace);
        let waits_for_wrapper =
            |deadline: &Deadline| matches!(deadline, Deadline::Ping | Deadline::Pong | Deadline::NoOutput);
        self.0
            .iter()
            .filter(move |(deadline, _)| !(is_in_grace && waits_for_wrapper(deadline)))
    }

    /// The time of a deadline, if it is set.
    pub fn get(&self, deadline: &Deadline) -> Option<Timestamp> {
        self.0.get(deadline).copied()
    }

    /// Whether a deadline other than expiry is set. The store's calendar covers expiry, so a session without work
    /// need not be loaded at the start.
    pub fn has_work(&self) -> bool {
        self.0.keys().any(|deadline| *deadline != Deadline::Expiry)
    }

    /// Moves deadlines that have passed to `earliest` (R7.28). Others keep their time (R7.29).
    pub fn put_off_past(&mut self, now: Timestamp, earliest: Timestamp) {
        for (deadline, at) in &mut self.0 {
            rows_of(deadline).resumed.hit();
            if *at <= now {
                *at = earliest;
            }
        }
    }

    /// Moves each deadline that is further away than its longest time to that time. A clock that was set back while the
    /// server was down has put it off (R7.36).
    pub fn bring_near(&mut self, now: Timestamp, longest: impl Fn(&Deadline) -> Duration) {
        for (deadline, at) in &mut self.0 {
            *at = (*at).min(after(now, longest(deadline)));
        }
    }

    /// Clears all deadlines except retries of callbacks.
    pub fn keep_callbacks_only(&mut self) {
        self.0
            .retain(|deadline, _| matches!(deadline, Deadline::Callback(_)));
    }

    /// Sets a deadline, replacing its earlier time.
    pub(super) fn set(&mut self, deadline: Deadline, at: Timestamp) {
        self.0.insert(deadline, at);
    }

    /// Clears a deadline. Returns false if it was not set.
    pub(super) fn clear(&mut self, deadline: &Deadline) -> bool {
        let was_set = self.0.remove(deadline).is_some();
        if was_set && let Some(cancelled) = rows_of(deadline).cancelled {
            cancelled.hit();
        }
        was_set
    }

    /// Moves a deadline. Returns false if it is not set.
    pub(super) fn put_off(&mut self, deadline: &Deadline, at: impl FnOnce(Timestamp) -> Timestamp) -> bool {
        let planned = self.0.get_mut(deadline);
        planned.map(|planned| *planned = at(*planned)).is_some()
    }

    /// Removes and returns the earliest deadline that is due; among equal times, the first in the order of
    /// [`Deadline`].
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Deadline> {
        let (deadline, at) = self.running().min_by_key(|(deadline, at)| (**at, *deadline))?;
        if *at > now {
            return None;
        }
        let deadline = deadline.clone();
        self.0.remove(&deadline);
        rows_of(&deadline).due.hit();
        Some(deadline)
    }
}

/// The time that long after another one, or the last time: the longest durations of a profile lead beyond it, and so do
/// imported dates, which may be anything.
pub(super) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The coverage marks of a deadline.
struct DeadlineRows {
    due: ServerMark,
    cancelled: Option<ServerMark>,
    resumed: ServerMark,
}

fn rows_of(deadline: &Deadline) -> DeadlineRows {
    use ServerMark as R;
    let (due, cancelled, resumed) = match deadline {
        Deadline::Grace => (R::GraceDue, Some(R::GraceCancelled), R::GraceResumed),
        Deadline::Ping => (R::PingDue, Some(R::PingCancelled), R::PingResumed),
        Deadline::Pong => (R::PongDue, Some(R::PongCancelled), R::PongResumed),
        Deadline::NoOutput => (R::NoOutputDue, Some(R::NoOutputCancelled), R::NoOutputResumed),
        Deadline::Reconciliation => (
            R::ReconciliationDue,
            Some(R::ReconciliationCancelled),
            R::ReconciliationResumed,
        ),
        Deadline::ReadyOnly => (R::ReadyOnlyDue, Some(R::ReadyOnlyCancelled), R::ReadyOnlyResumed),
        Deadline::KeepWarm => (R::KeepWarmDue, Some(R::KeepWarmCancelled), R::KeepWarmResumed),
        Deadline::Drain => (R::DrainDue, None, R::DrainResumed),
        Deadline::Callback(_) => (R::CallbackRetryDue, None, R::CallbackRetryResumed),
        Deadline::ImportedGrace(_) => (
            R::ImportedGraceDue,
            Some(R::ImportedGraceCancelled),
            R::ImportedGraceResumed,
        ),
        Deadline::ImportedTimeout(_) => (
            R::ImportedTimeoutDue,
            Some(R::ImportedTimeoutCancelled),
            R::ImportedTimeoutResumed,
        ),
        Deadline::Expiry => (R::ExpiryDue, None, R::ExpiryResumed),
    };
    DeadlineRows {
        due,
        cancelled,
        resumed,
    }
}
