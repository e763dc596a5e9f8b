//! A sync that fails after everything was written: the store says what it has stored.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;
use serde_json::json;
use turnstile_reference::store::{Store, StoreError, StoredJob};

/// A disk whose content outlives the database, and whose syncs fail on demand.
#[derive(Debug, Clone, Default)]
struct Disk {
    content: Arc<Mutex<Vec<u8>>>,
    /// The number of syncs until one fails; 0 for never.
    fails_in: Arc<AtomicUsize>,
}

impl Disk {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        act(&mut self.content.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("the content fits into memory")
}

/// A range of bytes.
fn range(offset: u64, length: usize) -> std::ops::Range<usize> {
    let offset = index(offset);
    offset..offset + length
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|content| content.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|content| out.copy_from_slice(&content[range(offset, out.len())]));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(|content| content.resize(index(length), 0));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.fails_in.load(Ordering::Relaxed) {
            0 => Ok(()),
            left => {
                self.fails_in.store(left - 1, Ordering::Relaxed);
                if left == 1 {
                    Err(io::Error::other("the sync failed"))
                } else {
                    Ok(())
                }
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|content| content[range(offset, data.len())].copy_from_slice(data));
        Ok(())
    }
}

fn job(failed_attempts: u32) -> StoredJob {
    let job = json!({
        "owner": "msg_0123456789abABCDEFGHIJKLMN", "target": {"url": "http://receiver/"},
        "body": {}, "failedAttempts": failed_attempts, "dueAt": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(job).expect("this is a job")
}

/// A change of the job with a number.
type Change = fn(&Store, u64) -> Result<(), StoreError>;
/// Jobs with their numbers.
type Jobs = Vec<(u64, StoredJob)>;

/// The jobs before and after a change whose n-th sync fails, and whether the change reported success.
fn after_failing_sync(nth: usize, change: Change) -> (Jobs, Jobs, bool) {
    let disk = Disk::default();
    let backend = disk.clone();
    let store = Store::open(move || Ok(backend.clone())).expect("the database opens");
    let number = store.add_job(&job(0)).expect("the disk works");
    let jobs = || store.jobs().expect("the disk works");
    let before = jobs();
    disk.fails_in.store(nth, Ordering::Relaxed);
    let is_done = change(&store, number).is_ok();
    disk.fails_in.store(0, Ordering::Relaxed);
    (before, jobs(), is_done)
}

#[test]
fn a_change_of_a_job_reports_success_if_and_only_if_it_is_stored() {
    let changes: [Change; 3] = [
        |store, _| store.add_job(&job(7)).map(drop),
        |store, number| store.update_job(number, &job(1)),
        Store::remove_job,
    ];
    for nth in 1..=3 {
        for change in changes {
            let (before, after, is_done) = after_failing_sync(nth, change);
            assert_eq!(is_done, before != after, "{nth}");
        }
    }
}
