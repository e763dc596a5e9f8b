//! The project's folder and its scenarios.

use std::path::{Path, PathBuf};

use turnstile_scenarios::Library;

/// The top of the project.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All scenarios of the project.
pub fn library() -> Library {
    Library::load(&top().join("scenarios")).unwrap_or_else(|errors| panic!("{errors}"))
}
