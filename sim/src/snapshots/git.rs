//! Reads a folder at a revision, using the program `git`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Git's error message outside of a repository.
const NO_REPOSITORY: &str = "not a git repository";

/// Why git failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program is missing.
    #[error("the program `git` cannot be run; install it, or put it on the PATH")]
    NotThere(#[source] io::Error),
    /// The folder is not in a repository.
    #[error(
        "{} is not in a git repository, so there is nothing to compare with; run in a clone of the project",
        folder.display()
    )]
    NoRepository {
        /// The folder.
        folder: PathBuf,
    },
    /// The revision does not exist.
    #[error(
        "no such revision: {revision:?}; give a commit, branch or tag (in a shallow clone, run `git fetch` first)"
    )]
    NoRevision {
        /// The name.
        revision: String,
    },
    /// Any other failure.
    #[error("`git {command}` failed: {said}")]
    Failed {
        /// The git command.
        command: String,
        /// Its error message.
        said: String,
    },
}

/// A folder of a repository at a commit.
pub(super) struct Past {
    folder: PathBuf,
    /// The full commit id.
    pub commit: String,
}

impl Past {
    /// Resolves a revision.
    pub fn of(folder: &Path, revision: &str) -> Result<Self, GitError> {
        let folder = folder.to_owned();
        if let Err(error) = ask(&folder, ["rev-parse", "--git-dir"]) {
            return Err(match error {
                GitError::Failed { said, .. } if said.contains(NO_REPOSITORY) => {
                    GitError::NoRepository { folder }
                }
                error => error,
            });
        }
        let commit = format!("{revision}^{{commit}}");
        let known = ask(
            &folder,
            ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit],
        );
        let commit = known.map_err(|error| match error {
            GitError::Failed { .. } => GitError::NoRevision {
                revision: revision.to_owned(),
            },
            error => error,
        })?;
        Ok(Self {
            folder,
            commit: String::from_utf8_lossy(&commit).trim().to_owned(),
        })
    }

    /// The abbreviated commit id.
    pub fn short_commit(&self) -> Result<String, GitError> {
        let short = self.ask(["rev-parse", "--short", &self.commit])?;
        Ok(String::from_utf8_lossy(&short).trim().to_owned())
    }

    /// The files of the folder at the commit, relative to the folder.
    pub fn files(&self) -> Result<Vec<String>, GitError> {
        Ok(names(&self.ask([
            "ls-tree",
            "-r",
            "-z",
            "--name-only",
            &self.commit,
        ])?))
    }

    /// Files that differ from the commit, and untracked files.
    pub fn touched(&self) -> Result<Vec<String>, GitError> {
        let differ = [
            "diff-index",
            "--name-only",
            "-z",
            "--no-renames",
            "--relative",
            &self.commit,
            "--",
            ".",
        ];
        let mut touched = names(&self.ask(differ)?);
        touched.extend(names(&self.ask(["ls-files", "--others", "-z", "--", "."])?));
        Ok(touched)
    }

    /// The content of a file at the commit.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, GitError> {
        self.ask(["cat-file", "blob", &format!("{}:./{file}", self.commit)])
    }

    fn ask<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, GitError> {
        ask(&self.folder, words)
    }
}

/// What git answers in a folder.
fn ask<'a>(folder: &Path, words: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, GitError> {
    let words: Vec<&str> = words.into_iter().collect();
    let git = Command::new("git")
        .args([OsStr::new("-C"), folder.as_os_str()])
        .args(&words)
        .env("LC_ALL", "C")
        .output();
    let output = git.map_err(GitError::NotThere)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(GitError::Failed {
        command: words.join(" "),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn names(list: &[u8]) -> Vec<String> {
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}
