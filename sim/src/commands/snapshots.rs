//! `turnstile snapshots`.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use clap::Args;
use turnstile::snapshots::{self, ComparisonError, GitError};
use turnstile_seams::error_chain::with_sources;

use super::exit::{Exit, print_error};

/// Arguments of `turnstile snapshots`.
#[derive(Args)]
pub(crate) struct SnapshotsArguments {
    /// Git revision to compare with
    #[arg(long, value_name = "REV")]
    diff: String,
    /// Folder with snapshots
    #[arg(
        long,
        default_value = "snapshots",
        env = "TURNSTILE_SNAPSHOTS",
        value_name = "DIR"
    )]
    snapshots: PathBuf,
}

/// Reports changes of the snapshots since a revision.
pub(crate) fn snapshots(arguments: &SnapshotsArguments) -> io::Result<Exit> {
    let folder = &arguments.snapshots;
    if !folder.is_dir() {
        print_error(&format!(
            "no such folder: {}; run from the top of the project, or set --snapshots",
            folder.display()
        ));
        return Ok(Exit::Usage);
    }
    let compared = match snapshots::since(folder, &arguments.diff) {
        Ok(compared) => compared,
        Err(error) => {
            print_error(&with_sources(&error));
            return Ok(match error {
                ComparisonError::Git(GitError::NotThere(_) | GitError::Failed { .. }) => Exit::Harness,
                _ => Exit::Usage,
            });
        }
    };
    snapshots::write_text(
        &compared,
        &arguments.diff,
        &mut BufWriter::new(anstream::stdout()),
    )?;
    Ok(match compared.count() {
        (0, _) => Exit::Passed,
        _ => Exit::Failed,
    })
}
