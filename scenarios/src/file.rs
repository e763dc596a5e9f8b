//! Reads a text file that a person names, with a limit of its size.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: u64 = 4 << 20;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// An error of the system, or the content is not UTF-8.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A pipe, a device, a socket or a folder, which may have no end.
    #[error("it is not a regular file")]
    NotRegular,
    /// Larger than the limit.
    #[error("it is larger than {limit} MiB, the limit for this kind of file", limit = .0 >> 20)]
    TooLarge(u64),
}

/// Reads a regular file of UTF-8 text with at most `largest` bytes.
///
/// # Errors
///
/// The file is missing, not regular, too large, or not UTF-8.
pub fn read_file(path: &Path, largest: u64) -> Result<String, FileError> {
    // Opening a pipe waits for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut text = String::new();
    // A file can grow, and some files of the system have a length of 0.
    let mut file = File::open(path)?.take(largest + 1);
    let read = file.read_to_string(&mut text);
    // The limit may cut a character.
    if file.limit() == 0 {
        return Err(FileError::TooLarge(largest));
    }
    read?;
    Ok(text)
}
