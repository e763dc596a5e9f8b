//! `turnstile snapshots`.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;
use turnstile::snapshots::{self, ComparisonError, Contracts, GitError};
use turnstile_seams::error_chain::with_sources;

use super::exit::{Exit, print_error};
use super::output_file::OutputFile;

/// Arguments of `turnstile snapshots`.
#[derive(Args)]
pub(crate) struct SnapshotsArguments {
    /// Git revision to compare with; pages that wait for a review count in place of the reviewed ones
    #[arg(long, value_name = "REV", required_unless_present_any = ["accept", "reject"])]
    diff: Option<String>,
    /// Print Markdown, for a comment on a pull request
    #[arg(long, requires = "diff", conflicts_with = "json")]
    markdown: bool,
    /// Print JSON
    #[arg(long, requires = "diff")]
    json: bool,
    /// Write a page with the payloads side by side
    #[arg(long, value_name = "FILE", requires = "diff")]
    report: Option<OutputFile>,
    /// Accept a pending page, such as 07-refused-to-send/queue-is-full
    #[arg(long, value_name = "PAGE", conflicts_with_all = ["diff", "reject"])]
    accept: Option<String>,
    /// Delete a pending page
    #[arg(long, value_name = "PAGE", conflicts_with = "diff")]
    reject: Option<String>,
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
    let reviewed = match (&arguments.accept, &arguments.reject) {
        (Some(page), _) => Some(snapshots::accept(folder, page)),
        (None, Some(page)) => Some(snapshots::reject(folder, page)),
        (None, None) => None,
    };
    if let Some(reviewed) = reviewed {
        return Ok(match reviewed {
            Ok(()) => Exit::Passed,
            Err(error) => {
                print_error(&with_sources(&error));
                Exit::Usage
            }
        });
    }
    let revision = arguments.diff.as_deref().unwrap_or("HEAD");
    let compared = match snapshots::since(folder, revision) {
        Ok(compared) => compared,
        Err(error) => {
            print_error(&with_sources(&error));
            return Ok(match error {
                ComparisonError::Git(GitError::NotThere(_) | GitError::Failed { .. }) => Exit::Harness,
                _ => Exit::Usage,
            });
        }
    };
    let contracts = Contracts::beside(folder);
    if let Some(report) = &arguments.report {
        let write = |out: &mut dyn io::Write| snapshots::write_html(&compared, &contracts, revision, out);
        if !report.write("the report", write) {
            return Ok(Exit::Harness);
        }
    }
    let mut out = BufWriter::new(anstream::stdout());
    if arguments.markdown {
        snapshots::write_markdown(&compared, &contracts, revision, &mut out)?;
    } else if arguments.json {
        let json = snapshots::to_json(&compared, &contracts, revision);
        writeln!(out, "{json:#}")?;
        out.flush()?;
    } else {
        snapshots::write_text(&compared, revision, &mut out)?;
    }
    Ok(match compared.count() {
        (0, _) => Exit::Passed,
        _ => Exit::Failed,
    })
}
