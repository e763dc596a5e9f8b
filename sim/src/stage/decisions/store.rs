//! A store that notes the jobs that the callback queue stores. What the queue decides about the next request of a job is visible
//! only there.

use std::sync::Arc;

use serde_json::Value;
use turnstile_reference::identity::{SessionId, UserId};
use turnstile_reference::session::Stored;
use turnstile_reference::session::commit::Commit;
use turnstile_reference::store::{Replay, SessionKey, Storage, StoreError, StoredJob};

use super::super::Recorder;
use super::{add, hash_of};

/// Passes everything to another store.
pub(super) struct NotingStore {
    pub(super) recorder: Recorder,
    pub(super) store: Arc<dyn Storage>,
}

impl Storage for NotingStore {
    fn commit(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.store.commit(key, commit)
    }

    fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.store.load(key)
    }

    fn replay(&self, session: &SessionId) -> Result<Replay, StoreError> {
        self.store.replay(session)
    }

    fn waking(&self) -> Result<Vec<SessionKey>, StoreError> {
        self.store.waking()
    }

    fn expiring(&self, day: i64) -> Result<Vec<(i64, SessionKey)>, StoreError> {
        self.store.expiring(day)
    }

    fn forget_removed(&self, key: &SessionKey, day: i64) -> Result<bool, StoreError> {
        self.store.forget_removed(key, day)
    }

    fn import(&self, user: &UserId, session: &Value, executions: &[Value]) -> Result<(), StoreError> {
        self.store.import(user, session, executions)
    }

    fn add_job(&self, job: &StoredJob) -> Result<u64, StoreError> {
        add(&self.recorder, hash_of(job), false);
        self.store.add_job(job)
    }

    fn update_job(&self, number: u64, job: &StoredJob) -> Result<(), StoreError> {
        add(&self.recorder, hash_of(job), false);
        self.store.update_job(number, job)
    }

    fn remove_job(&self, number: u64) -> Result<(), StoreError> {
        self.store.remove_job(number)
    }

    fn jobs(&self) -> Result<Vec<(u64, StoredJob)>, StoreError> {
        self.store.jobs()
    }
}
