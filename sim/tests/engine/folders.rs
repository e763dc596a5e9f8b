//! Folders for tests.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool::scratch;

/// An empty folder in the tests' temporary folder.
pub fn empty_folder(name: impl AsRef<Path>) -> PathBuf {
    let folder = scratch(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an earlier run left can be removed");
    }
    fs::create_dir_all(&folder).expect("the folder for tests can be written to");
    folder
}
