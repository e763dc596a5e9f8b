//! `turnstile snapshots`.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use clap::Args;
use turnstile::snapshots::{self, ComparisonError, GitError};
use turnstile_seams::error_chain::with_sources;

use super::exit::{Exit, complain};

/// What is compared.
#[derive(Args)]
pub(crate) struct SnapshotsArguments {
    /// Tell what changed since this revision of git, and whether a client that was written before can fail over
    /// it
    #[arg(long, value_name = "REV")]
    diff: String,
    /// The folder with the snapshots
    #[arg(
        long,
        default_value = "snapshots",
        env = "TURNSTILE_SNAPSHOTS",
        value_name = "DIR"
    )]
    snapshots: PathBuf,
}

/// Tells what became of the snapshots since a revision.
pub(crate) fn snapshots(arguments: &SnapshotsArguments) -> io::Result<Exit> {
    let folder = &arguments.snapshots;
    if !folder.is_dir() {
        complain(&format!(
            "there is no folder {}: run from the top of the project, or name the folder with --snapshots",
            folder.display()
        ));
        return Ok(Exit::Usage);
    }
    let compared = match snapshots::since(folder, &arguments.diff) {
        Ok(compared) => compared,
        Err(error) => {
            complain(&with_sources(&error));
            return Ok(match error {
                ComparisonError::Git(GitError::NotThere(_) | GitError::Failed { .. }) => Exit::Harness,
                _ => Exit::Usage,
            });
        }
    };
    snapshots::tell(
        &compared,
        &arguments.diff,
        &mut BufWriter::new(anstream::stdout()),
    )?;
    Ok(match compared.count() {
        (0, _) => Exit::Held,
        _ => Exit::Broke,
    })
}
