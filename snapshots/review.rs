//! Nothing here may wait to be reviewed.
//!
//! This test lies here, and not with the others, because `cargo insta` looks for what waits to be reviewed
//! only below packages and beside the sources of their targets.

use std::fs;
use std::path::{Path, PathBuf};

/// How the files end in which `insta` leaves what is not as it was reviewed.
const PENDING: &str = ".snap.new";

fn pending(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let found = paths.flat_map(|path| {
        if path.is_dir() {
            return pending(&path);
        }
        let is_pending = path.to_string_lossy().ends_with(PENDING);
        is_pending.then_some(path).into_iter().collect()
    });
    found.collect()
}

#[test]
fn no_snapshot_waits_to_be_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../snapshots");
    let pending = pending(&folder);
    assert!(
        pending.is_empty(),
        "decide on these with `cargo insta review`, or delete them: {pending:#?}"
    );
}
