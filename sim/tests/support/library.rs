//! Locates the project folder and loads its scenarios.

use std::path::{Path, PathBuf};

use turnstile_scenarios::Library;

/// The root folder of the project.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Loads all scenarios of the project.
pub fn library() -> Library {
    Library::load(&top().join("scenarios")).unwrap_or_else(|errors| panic!("{errors}"))
}
