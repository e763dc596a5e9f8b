//! Locates the project folder and loads its scenarios.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use turnstile_scenarios::Library;

/// The root folder of the project.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All scenarios of the project, which are read once: that takes a good part of a second in a development build.
pub fn library() -> &'static Library {
    static LIBRARY: LazyLock<Library> =
        LazyLock::new(|| Library::load(&top().join("scenarios")).unwrap_or_else(|errors| panic!("{errors}")));
    &LIBRARY
}
