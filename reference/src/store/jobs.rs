//! The callback queue's jobs, as far as they are not done.

use jiff::Timestamp;
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Store, StoreError, json, read};
use crate::model::metadata::CallbackTarget;
use crate::session::CallbackOwner;

/// Number of the job → job.
const JOBS: TableDefinition<u64, &[u8]> = TableDefinition::new("callback_jobs");

/// A callback that the queue took and that is not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredJob {
    /// What it tells of.
    pub owner: CallbackOwner,
    /// Where it goes to.
    pub target: CallbackTarget,
    /// What it says.
    pub body: Value,
    /// Requests that failed.
    pub failed_attempts: u32,
    /// When the next request is due.
    pub due_at: Timestamp,
}

pub(super) fn make_table(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(JOBS)?;
    Ok(())
}

impl Store {
    /// Takes a job in, and gives it a number.
    ///
    /// # Errors
    ///
    /// If the database fails. The job was not taken then.
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

    /// Replaces a job by what became of it.
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

    /// Forgets a job that is done.
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

    /// All jobs that are not done, in the order in which they were taken.
    ///
    /// # Errors
    ///
    /// If the database fails, or a record cannot be read.
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
