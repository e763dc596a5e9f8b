//! Decides on one pending page: a snapshot that the tests wrote beside the reviewed one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The suffix of a pending page.
const PENDING: &str = ".snap.new";
/// A line of the header that a reviewed page does not have.
const ASSERTION_LINE: &str = "assertion_line:";

/// Why a page was neither accepted nor rejected.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// No page of that name is pending.
    #[error("no pending page {name:?}{}", listed(pending))]
    NotPending {
        /// The name.
        name: String,
        /// The pending pages.
        pending: Vec<String>,
    },
    /// A file cannot be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

fn listed(pending: &[String]) -> String {
    match pending {
        [] => "; none is pending".to_owned(),
        names => format!("; pending: {}", names.join(", ")),
    }
}

/// Makes a pending page the reviewed one. `name` is its path below the folder, such as `07-refused-to-send/queue-is-full`,
/// with or without `.snap`.
///
/// # Errors
///
/// If no such page is pending, or a file cannot be written.
pub fn accept(folder: &Path, name: &str) -> Result<(), ReviewError> {
    let pending = find(folder, name)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReviewError::Io { path, source }
    };
    let text = fs::read_to_string(&pending).map_err(failed(&pending))?;
    let mut is_header = true;
    let kept = text.split_inclusive('\n').enumerate().filter(|(index, line)| {
        is_header &= *index == 0 || line.trim_end() != "---";
        !(is_header && line.starts_with(ASSERTION_LINE))
    });
    let kept: String = kept.map(|(_, line)| line).collect();
    let reviewed = pending.with_extension("");
    fs::write(&reviewed, kept).map_err(failed(&reviewed))?;
    fs::remove_file(&pending).map_err(failed(&pending))
}

/// Deletes a pending page, named as for [`accept`]. The reviewed one stays.
///
/// # Errors
///
/// If no such page is pending, or it cannot be deleted.
pub fn reject(folder: &Path, name: &str) -> Result<(), ReviewError> {
    let path = find(folder, name)?;
    fs::remove_file(&path).map_err(|source| ReviewError::Io { path, source })
}

fn find(folder: &Path, name: &str) -> Result<PathBuf, ReviewError> {
    let base = name.trim_end_matches(".new").trim_end_matches(".snap");
    let path = folder.join(format!("{base}{PENDING}"));
    if path.is_file() {
        return Ok(path);
    }
    let mut pending = Vec::new();
    for chapter in fs::read_dir(folder).into_iter().flatten().flatten() {
        for page in fs::read_dir(chapter.path()).into_iter().flatten().flatten() {
            let page = page.file_name().to_string_lossy().into_owned();
            if let Some(base) = page.strip_suffix(PENDING) {
                pending.push(format!("{}/{base}", chapter.file_name().to_string_lossy()));
            }
        }
    }
    pending.sort();
    Err(ReviewError::NotPending {
        name: name.to_owned(),
        pending,
    })
}
