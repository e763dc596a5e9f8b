//! What the server needs of its store, as a trait. [`Store`] is the implementation for servers.
//!
//! Another implementation stores the same [rows](super::rows) and has the same outcomes: a change is durable when a call
//! returns `Ok`, and is not there after an error, unless the medium cannot be read again either.

use serde_json::Value;

use super::{Replay, SessionKey, Store, StoreError, StoredJob};
use crate::identity::{SessionId, UserId};
use crate::session::Stored;
use crate::session::commit::Commit;

/// The durable state of a server.
pub trait Storage: Send + Sync {
    /// Writes the changes of a decision atomically. They are durable when this returns.
    ///
    /// # Errors
    ///
    /// If the medium fails. Nothing was written then, unless the medium cannot be read again either.
    fn commit(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<(), StoreError>;

    /// Loads a session as of its last commit.
    ///
    /// # Errors
    ///
    /// If the medium fails, or a record is unreadable.
    fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError>;

    /// Returns a snapshot of the kept events of a session, to be read in portions.
    ///
    /// # Errors
    ///
    /// If the medium fails.
    fn replay(&self, session: &SessionId) -> Result<Replay, StoreError>;

    /// Returns the sessions that must be loaded when the server starts.
    ///
    /// # Errors
    ///
    /// If the medium fails.
    fn waking(&self) -> Result<Vec<SessionKey>, StoreError>;

    /// Returns the sessions that expire on `day` or earlier, each with its day.
    ///
    /// # Errors
    ///
    /// If the medium fails.
    fn expiring(&self, day: i64) -> Result<Vec<(i64, SessionKey)>, StoreError>;

    /// Forgets the removal of a session. Returns false if the session was not removed.
    ///
    /// # Errors
    ///
    /// If the medium fails.
    fn forget_removed(&self, key: &SessionKey, day: i64) -> Result<bool, StoreError>;

    /// Imports the record and the executions of a session of an older service. A session that exists, or was deleted, is
    /// left unchanged.
    ///
    /// # Errors
    ///
    /// If the record or an execution is malformed, or the medium fails. Nothing was imported then.
    fn import(&self, user: &UserId, session: &Value, executions: &[Value]) -> Result<(), StoreError>;

    /// Stores a job of the callback queue and returns its number.
    ///
    /// # Errors
    ///
    /// As for [`Storage::commit`].
    fn add_job(&self, job: &StoredJob) -> Result<u64, StoreError>;

    /// Updates a job.
    ///
    /// # Errors
    ///
    /// As for [`Storage::commit`].
    fn update_job(&self, number: u64, job: &StoredJob) -> Result<(), StoreError>;

    /// Removes a finished job.
    ///
    /// # Errors
    ///
    /// As for [`Storage::commit`].
    fn remove_job(&self, number: u64) -> Result<(), StoreError>;

    /// Returns all jobs, in the order in which they were stored.
    ///
    /// # Errors
    ///
    /// If the medium fails, or a job is unreadable.
    fn jobs(&self) -> Result<Vec<(u64, StoredJob)>, StoreError>;
}

impl Storage for Store {
    fn commit(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<(), StoreError> {
        Self::commit(self, key, commit)
    }

    fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        Self::load(self, key)
    }

    fn replay(&self, session: &SessionId) -> Result<Replay, StoreError> {
        Self::replay(self, session)
    }

    fn waking(&self) -> Result<Vec<SessionKey>, StoreError> {
        Self::waking(self)
    }

    fn expiring(&self, day: i64) -> Result<Vec<(i64, SessionKey)>, StoreError> {
        Self::expiring(self, day)
    }

    fn forget_removed(&self, key: &SessionKey, day: i64) -> Result<bool, StoreError> {
        Self::forget_removed(self, key, day)
    }

    fn import(&self, user: &UserId, session: &Value, executions: &[Value]) -> Result<(), StoreError> {
        Self::import(self, user, session, executions)
    }

    fn add_job(&self, job: &StoredJob) -> Result<u64, StoreError> {
        Self::add_job(self, job)
    }

    fn update_job(&self, number: u64, job: &StoredJob) -> Result<(), StoreError> {
        Self::update_job(self, number, job)
    }

    fn remove_job(&self, number: u64) -> Result<(), StoreError> {
        Self::remove_job(self, number)
    }

    fn jobs(&self) -> Result<Vec<(u64, StoredJob)>, StoreError> {
        Self::jobs(self)
    }
}
