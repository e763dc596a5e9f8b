//! A host's disk: files whose synced content survives a crash, and disk faults.
//!
//! Every operation goes through [`Disk::operate`], which rejects handles of dead processes and applies
//! faults. When a crash happens is decided elsewhere.

use std::fmt;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use turmoil_fs::Fs;
use turmoil_fs::shim::std::fs::{File, OpenOptions, create_dir_all, sync_dir};
use turnstile_fault::{DiskBehaviour, DiskOperation};

use super::death::{Death, Trigger};

/// Kinds of operations that faults distinguish.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Sync,
}

/// The disk as one run of a host sees it. Clones share it. After a crash of the host, all operations through
/// them and through files opened by them fail and do not change the disk.
#[derive(Clone)]
pub struct Disk {
    platter: Arc<Platter>,
    connection: u64,
}

/// The persistent part of the disk, which survives crashes of its host.
struct Platter {
    files: Fs,
    /// Number of the current connection; older ones are dead.
    connection: AtomicU64,
    behaviour: Mutex<DiskBehaviour>,
    armed: Mutex<Armed>,
    /// Number of the connection in which a single operation failed last; 0 for none.
    failed_in: AtomicU64,
}

/// Faults of single operations, which are counted down.
#[derive(Default)]
struct Armed {
    failure: Option<Countdown>,
    crash: Option<(Countdown, Death)>,
    /// Crashes the host of the current connection.
    trigger: Option<Trigger>,
}

/// An operation, counted from the time at which it was set.
#[derive(Clone, Copy)]
struct Countdown {
    operation: Operation,
    left: u32,
}

impl Countdown {
    fn to(operation: DiskOperation) -> Self {
        let (operation, left) = match operation {
            DiskOperation::Write(number) => (Operation::Write, number.get()),
            DiskOperation::Sync(number) => (Operation::Sync, number.get()),
        };
        Self { operation, left }
    }

    /// Counts an operation. Returns whether it is the one.
    fn counts(&mut self, operation: Operation) -> bool {
        if self.operation == operation {
            self.left = self.left.saturating_sub(1);
            return self.left == 0;
        }
        false
    }
}

impl Disk {
    /// An empty disk. `seed` determines the choices of the file system.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            platter: Arc::new(Platter {
                files: Fs::builder().seed(seed).build(),
                connection: AtomicU64::new(0),
                behaviour: Mutex::default(),
                armed: Mutex::default(),
                failed_in: AtomicU64::new(0),
            }),
            connection: 0,
        }
    }

    /// Opens the file at `path` for reading and writing. A missing file is created, empty, with its parent
    /// directories; the creation survives a crash.
    ///
    /// # Errors
    ///
    /// If the host has crashed since, if the path is a directory, or because of a fault.
    pub fn open(&self, path: &str) -> io::Result<DiskFile> {
        let path = Path::new("/").join(path);
        let file = self.operate(Operation::Read, || {
            OpenOptions::new().read(true).write(true).open(&path)
        });
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.operate(Operation::Write, || create_durably(&path))?
            }
            other => other?,
        };
        Ok(DiskFile {
            disk: self.clone(),
            path,
            file: Some(file),
        })
    }

    /// Applies a fault: to all operations from now on, or to one of them.
    pub(super) fn apply(&self, behaviour: DiskBehaviour, at: Option<DiskOperation>) {
        match at {
            Some(operation) => self.fail_at(operation),
            None => self.behave(behaviour),
        }
    }

    /// Makes one operation fail, counted from now on.
    pub fn fail_at(&self, operation: DiskOperation) {
        self.armed().failure = Some(Countdown::to(operation));
    }

    /// Crashes the host right after one operation, counted from now on.
    pub(super) fn crash_at(&self, operation: DiskOperation, death: Death) {
        self.armed().crash = Some((Countdown::to(operation), death));
    }

    /// Sets what crashes the host of this connection.
    pub(super) fn wire(&self, trigger: Trigger) {
        self.armed().trigger = Some(trigger);
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.platter.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the behaviour of all operations from now on, across crashes. Faults of single operations that did not happen
    /// yet do not happen.
    pub fn behave(&self, behaviour: DiskBehaviour) {
        let mut armed = self.armed();
        (armed.failure, armed.crash) = (None, None);
        drop(armed);
        *self
            .platter
            .behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// Whether operations of this connection may fail: a fault is active, one made an operation fail, or the host has
    /// crashed.
    pub fn is_faulty(&self) -> bool {
        let has_failed = self.platter.failed_in.load(Ordering::Relaxed) == self.connection + 1;
        self.behaviour() != DiskBehaviour::Works || has_failed || !self.is_connected()
    }

    fn is_connected(&self) -> bool {
        self.connection == self.platter.connection.load(Ordering::Relaxed)
    }

    /// Whether this operation is the one that fails.
    fn fails_now(&self, operation: Operation) -> bool {
        let mut armed = self.armed();
        let fails = armed
            .failure
            .as_mut()
            .is_some_and(|failure| failure.counts(operation));
        if fails {
            armed.failure = None;
            self.platter
                .failed_in
                .store(self.connection + 1, Ordering::Relaxed);
        }
        fails
    }

    /// Crashes the host if this operation is the one for that.
    fn crash_after(&self, operation: Operation) {
        let mut armed = self.armed();
        let crash = armed.crash.as_mut();
        let Some(death) = crash.and_then(|(countdown, death)| countdown.counts(operation).then_some(*death))
        else {
            return;
        };
        armed.crash = None;
        let trigger = armed.trigger.clone();
        drop(armed);
        if trigger.is_some_and(|trigger| trigger.pull(death)) {
            self.disconnect();
        }
    }

    fn behaviour(&self) -> DiskBehaviour {
        *self
            .platter
            .behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Disconnects all handles, so that a dying process cannot change the disk. This is the first half of a
    /// crash.
    pub(super) fn disconnect(&self) {
        self.platter.connection.fetch_add(1, Ordering::Relaxed);
    }

    /// Discards unsynced data. This is the second half of a crash.
    pub(super) fn lose_unsynced(&self) {
        self.platter.files.crash();
    }

    /// The same disk for the next run of the host.
    pub(super) fn reconnected(&self) -> Self {
        Self {
            platter: Arc::clone(&self.platter),
            connection: self.platter.connection.load(Ordering::Relaxed),
        }
    }

    fn operate<T>(&self, operation: Operation, perform: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if !self.is_connected() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the host of this disk has crashed",
            ));
        }
        if self.fails_now(operation) {
            return Err(io::Error::other("the disk fails once"));
        }
        match (self.behaviour(), operation) {
            (DiskBehaviour::Fails, Operation::Write | Operation::Sync) => {
                Err(io::Error::other("the disk fails to write"))
            }
            (DiskBehaviour::Full, Operation::Write) => {
                Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"))
            }
            _ => {
                let entered = self.platter.files.enter();
                let performed = perform();
                drop(entered);
                if performed.is_ok() {
                    self.crash_after(operation);
                }
                performed
            }
        }
    }
}

/// Creates an empty file and syncs every directory above it, because a name is durable only once its
/// directory is synced.
fn create_durably(path: &Path) -> io::Result<File> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    create_dir_all(directory)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .open(path)?;
    file.sync_all()?;
    for directory in directory.ancestors() {
        sync_dir(directory)?;
    }
    Ok(file)
}

/// An open file of a [`Disk`], usable as the storage of a redb database.
pub struct DiskFile {
    disk: Disk,
    path: PathBuf,
    /// `None` once closed, which happens on drop.
    file: Option<File>,
}

impl DiskFile {
    fn operate<T>(
        &self,
        operation: Operation,
        perform: impl FnOnce(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        let file = self.file.as_ref().expect("a file is open until it is dropped");
        self.disk.operate(operation, || perform(file))
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        self.operate(Operation::Read, |file| Ok(file.metadata()?.len()))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.operate(Operation::Read, |file| file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(Operation::Write, |file| {
            // The simulated file system would restore a truncated tail if the file grew again before the next
            // sync.
            if let Some(tail) = file.metadata()?.len().checked_sub(len) {
                file.write_all_at(&vec![0; usize::try_from(tail).map_err(io::Error::other)?], len)?;
            }
            file.set_len(len)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(Operation::Sync, File::sync_data)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(Operation::Write, |file| file.write_all_at(data, offset))
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        let _entered = self.disk.platter.files.enter();
        drop(self.file.take());
    }
}

impl fmt::Debug for DiskFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DiskFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
