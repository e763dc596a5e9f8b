//! A host's disk: files whose synced content survives a crash, and disk faults.
//!
//! Every operation goes through [`Disk::operate`], which rejects handles of dead processes and applies
//! faults. When a crash happens is decided elsewhere.

use std::fmt;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;
use turmoil_fs::Fs;
use turmoil_fs::shim::std::fs::{File, OpenOptions, create_dir_all, sync_dir};
use turnstile_fault::DiskBehaviour;

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
}

impl Disk {
    /// An empty disk. `seed` determines the choices of the file system.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            platter: Arc::new(Platter {
                files: Fs::builder().seed(seed).build(),
                connection: AtomicU64::new(0),
                behaviour: Mutex::default(),
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

    /// Sets the behaviour of all operations from now on, across crashes.
    pub fn behave(&self, behaviour: DiskBehaviour) {
        *self
            .platter
            .behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// Whether a fault is active.
    pub fn is_faulty(&self) -> bool {
        self.behaviour() != DiskBehaviour::Works
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
        if self.connection != self.platter.connection.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the host of this disk has crashed",
            ));
        }
        match (self.behaviour(), operation) {
            (DiskBehaviour::Fails, Operation::Write | Operation::Sync) => {
                Err(io::Error::other("the disk fails to write"))
            }
            (DiskBehaviour::Full, Operation::Write) => {
                Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"))
            }
            _ => {
                let _entered = self.platter.files.enter();
                perform()
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
