//! The unfinished jobs of the callback queue.

use jiff::Timestamp;
use redb::{
    ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::Row as _;
use super::{Store, StoreError};
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
    /// If the database fails. The job was not stored then, unless the database cannot be opened again either.
    pub fn add_job(&self, job: &StoredJob) -> Result<u64, StoreError> {
        let mut number = 0;
        let written = self.change_jobs(|jobs| {
            number = jobs.last()?.map_or(1, |(last, _)| last.value() + 1);
            jobs.insert(number, &*job.to_row())?;
            Ok(())
        });
        self.outcome_of(written, &|transaction| is_job(transaction, number, Some(job)))?;
        Ok(number)
    }

    /// Updates a job.
    ///
    /// # Errors
    ///
    /// If the database fails. The job is unchanged then, unless the database cannot be opened again either.
    pub fn update_job(&self, number: u64, job: &StoredJob) -> Result<(), StoreError> {
        let written = self.change_jobs(|jobs| {
            jobs.insert(number, &*job.to_row())?;
            Ok(())
        });
        self.outcome_of(written, &|transaction| is_job(transaction, number, Some(job)))
    }

    /// Removes a finished job.
    ///
    /// # Errors
    ///
    /// If the database fails. The job is unchanged then, unless the database cannot be opened again either.
    pub fn remove_job(&self, number: u64) -> Result<(), StoreError> {
        let written = self.change_jobs(|jobs| {
            jobs.remove(number)?;
            Ok(())
        });
        self.outcome_of(written, &|transaction| is_job(transaction, number, None))
    }

    fn change_jobs(
        &self,
        change: impl FnOnce(&mut Table<'_, u64, &'static [u8]>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            change(&mut transaction.open_table(JOBS)?)?;
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
                let number = number.value();
                let job = StoredJob::from_row(job.value(), &|| format!("callback job {number}"))?;
                found.push((number, job));
            }
            Ok(found)
        })
    }
}

/// Whether the database has this job under a number; with `None`, whether it has none.
fn is_job(transaction: &ReadTransaction, number: u64, job: Option<&StoredJob>) -> Result<bool, StoreError> {
    let stored = transaction.open_table(JOBS)?.get(number)?;
    Ok(match (stored, job) {
        (Some(stored), Some(job)) => stored.value() == &*job.to_row(),
        (stored, job) => stored.is_none() && job.is_none(),
    })
}
