//! The unfinished jobs of the callback queue.

use jiff::Timestamp;
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Store, StoreError, json, read};
use crate::model::metadata::CallbackTarget;
use crate::session::CallbackOwner;

/// Job number → job.
const JOBS: TableDefinition<u64, &[u8]> = TableDefinition::new("callback_jobs");

/// A job that the queue accepted and has not finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredJob {
    /// The message or execution that the callback reports.
    pub owner: CallbackOwner,
    /// The receiver.
    pub target: CallbackTarget,
    /// The body of the request.
    pub body: Value,
    /// The number of failed requests.
    pub failed_attempts: u32,
    /// The time of the next request.
    pub due_at: Timestamp,
}

pub(super) fn make_table(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(JOBS)?;
    Ok(())
}

impl Store {
    /// Stores a job and returns its number.
    ///
    /// # Errors
    ///
    /// If the database fails. The job was not stored then.
    pub fn add_job(&self, job: &StoredJob) -> Result<u64, StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let number = {
                let mut jobs = transaction.open_table(JOBS)?;
                let number = jobs.last()?.map_or(1, |(last, _)| last.value() + 1);
                jobs.insert(number, &*json(job))?;
                number
            };
            transaction.commit()?;
            Ok(number)
        })
    }

    /// Updates a job.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn update_job(&self, number: u64, job: &StoredJob) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(JOBS)?.insert(number, &*json(job))?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// Removes a finished job.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn remove_job(&self, number: u64) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(JOBS)?.remove(number)?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// Returns all jobs, in the order in which they were stored.
    ///
    /// # Errors
    ///
    /// If the database fails, or a job is unreadable.
    pub fn jobs(&self) -> Result<Vec<(u64, StoredJob)>, StoreError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let mut found = Vec::new();
            for row in transaction.open_table(JOBS)?.iter()? {
                let (number, job) = row?;
                found.push((
                    number.value(),
                    read(job.value(), || format!("callback job {}", number.value()))?,
                ));
            }
            Ok(found)
        })
    }
}
