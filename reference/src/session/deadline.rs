//! Deadlines: why a session wants to be woken, and when (protocol §7).
//!
//! What follows when one is due is decided elsewhere.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::CallbackOwner;
use crate::coverage::Row;
use crate::legacy::model::execution;

/// Why the session wants to be woken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deadline {
    /// The current run has been without a socket for as long as it may.
    Grace,
    /// The wrapper is to be asked whether it is there.
    Ping,
    /// The wrapper has not answered that.
    Pong,
    /// The wrapper has shown nothing for as long as it may.
    NoOutput,
    /// The session has been idle with messages unanswered.
    Reconciliation,
    /// The workspace has been ready for as long as it may be with nothing accepted.
    ReadyOnly,
    /// The session has been idle for as long as its wrapper is kept for a next message.
    KeepWarm,
    /// The head of the queue is to be delivered.
    Drain,
    /// A callback is to be handed to the queue again.
    Callback(CallbackOwner),
    /// The wrapper of an older service's execution has been away for as long as it may.
    ImportedGrace(execution::Id),
    /// That execution has taken as long as it may.
    ImportedTimeout(execution::Id),
    /// The session has been without activity for as long as it is kept.
    Expiry,
}

/// All deadlines of a session.
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
    /// The earliest.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    /// When this one is due, if it is set.
    pub fn get(&self, deadline: &Deadline) -> Option<Timestamp> {
        self.0.get(deadline).copied()
    }

    /// Whether there is anything to be done that cannot wait until the session is asked for: its expiry is in
    /// the store's calendar.
    pub fn has_work(&self) -> bool {
        self.0.keys().any(|deadline| *deadline != Deadline::Expiry)
    }

    /// After a restart: what is past is due at `earliest`, what is not stays where it is.
    pub fn put_off_past(&mut self, now: Timestamp, earliest: Timestamp) {
        for (deadline, at) in &mut self.0 {
            rows_of(deadline).resumed.reach();
            if *at <= now {
                *at = earliest;
            }
        }
    }

    /// Drops all but the retries of callbacks.
    pub fn keep_callbacks_only(&mut self) {
        self.0
            .retain(|deadline, _| matches!(deadline, Deadline::Callback(_)));
    }

    /// Sets one, in place of an earlier time.
    pub(super) fn set(&mut self, deadline: Deadline, at: Timestamp) {
        self.0.insert(deadline, at);
    }

    /// Takes one out. False if it is not set.
    pub(super) fn clear(&mut self, deadline: &Deadline) -> bool {
        let was_set = self.0.remove(deadline).is_some();
        if was_set && let Some(cancelled) = rows_of(deadline).cancelled {
            cancelled.reach();
        }
        was_set
    }

    /// Moves one, if it is set. False if it is not.
    pub(super) fn put_off(&mut self, deadline: &Deadline, at: impl FnOnce(Timestamp) -> Timestamp) -> bool {
        let planned = self.0.get_mut(deadline);
        planned.map(|planned| *planned = at(*planned)).is_some()
    }

    /// Takes out the earliest that is due; of several at one time, the first of [`Deadline`]'s order.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Deadline> {
        let (deadline, at) = self.0.iter().min_by_key(|(deadline, at)| (**at, *deadline))?;
        if *at > now {
            return None;
        }
        let deadline = deadline.clone();
        self.0.remove(&deadline);
        rows_of(&deadline).due.reach();
        Some(deadline)
    }
}

/// The marks of a deadline: that it was met, was cancelled, and was taken up after a restart.
struct DeadlineRows {
    due: Row,
    cancelled: Option<Row>,
    resumed: Row,
}

fn rows_of(deadline: &Deadline) -> DeadlineRows {
    use Row as R;
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
