//! The snapshots of a folder as they are, against those that it had at a revision of git.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::classify::{self, Change};
use super::git::{GitError, Past};
use super::snapshot::{self, Part, Unreadable};

/// How the file of a snapshot ends.
const SNAPSHOT: &str = ".snap";
/// How the file of a contract ends.
const CONTRACT: &str = ".schema.json";

/// What became of the snapshots since a revision.
#[derive(Debug)]
pub struct Compared {
    /// The commit that the revision names, in short.
    pub commit: String,
    /// What is new, in order of name. Differences between the payloads of a page are left out: they follow from the
    /// payloads.
    pub news: Vec<SnapshotNews>,
}

/// What became of one file, or of one payload in it.
#[derive(Debug)]
pub struct SnapshotNews {
    /// Its path below the folder, with slashes.
    pub name: String,
    /// The payload; none if it is about the whole file.
    pub part: Option<Part>,
    /// What became of it.
    pub news: News,
}

/// What can become of a file.
#[derive(Debug)]
pub enum News {
    /// It was not there.
    New,
    /// It is not there any more.
    Deleted,
    /// Its payload changed so. If nothing did, only its head did, or what was asked.
    Changed(Vec<Change>),
    /// It is a contract, and says something else. What that means has to be read.
    OtherContract,
}

impl News {
    /// How many changes break a client, and how many do not.
    pub fn count(&self) -> (usize, usize) {
        match self {
            Self::New => (0, 1),
            Self::Deleted => (1, 0),
            Self::Changed(changes) => {
                let breaking = changes.iter().filter(|change| change.what.is_breaking()).count();
                (breaking, changes.len() - breaking)
            }
            Self::OtherContract => (0, 0),
        }
    }
}

impl Compared {
    /// How many changes break a client, and how many do not.
    pub fn count(&self) -> (usize, usize) {
        let counts = self.news.iter().map(|it| it.news.count());
        counts.fold((0, 0), |(breaking, compatible), (more, others)| {
            (breaking + more, compatible + others)
        })
    }
}

/// Why nothing can be said of the snapshots.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// Git could not be asked.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file of the folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no snapshot.
    #[error(
        "{name}, as it is {when}, cannot be read as a snapshot; it is written by the tests: see its README"
    )]
    Unreadable {
        /// Its path, with the folder.
        name: String,
        /// At which time: `now`, or `at` a commit.
        when: String,
        /// What is wrong with it.
        source: Unreadable,
    },
}

/// What became of the snapshots in a folder since a revision.
///
/// # Errors
///
/// If the folder is in no repository, the revision is none, or a snapshot of either time cannot be read.
pub fn since(folder: &Path, revision: &str) -> Result<Compared, ComparisonError> {
    let past = Past::of(folder, revision)?;
    let commit = past.short_commit()?;
    let were_there: BTreeSet<String> = past.files()?.into_iter().collect();
    let touched: BTreeSet<String> = past.touched()?.into_iter().collect();
    let mut news = Vec::new();
    for name in touched.into_iter().filter(|name| is_reviewed(name)) {
        let path = folder.join(&name);
        let before = were_there.contains(&name).then(|| past.read(&name)).transpose()?;
        let now = read(&path)?;
        let news_of_file = match (before, now) {
            (None, None) => continue,
            (None, Some(_)) => vec![(None, News::New)],
            (Some(_), None) => vec![(None, News::Deleted)],
            (Some(before), Some(now)) if before == now => continue,
            (Some(_), Some(_)) if name.ends_with(CONTRACT) => vec![(None, News::OtherContract)],
            (Some(before), Some(now)) => {
                let payloads = |file: &[u8], when: String| {
                    snapshot::payloads_of(file).map_err(|source| ComparisonError::Unreadable {
                        name: path.display().to_string(),
                        when,
                        source,
                    })
                };
                let before = payloads(&before, format!("at {commit}"))?;
                compare_pages(&before, &payloads(&now, "now".to_owned())?)
            }
        };
        let named = |(part, news)| SnapshotNews {
            name: name.clone(),
            part,
            news,
        };
        news.extend(news_of_file.into_iter().map(named));
    }
    Ok(Compared { commit, news })
}

/// Compares the payloads of a page one by one. If none changed, something else in the file did.
fn compare_pages(before: &BTreeMap<Part, Value>, now: &BTreeMap<Part, Value>) -> Vec<(Option<Part>, News)> {
    let compare = |part: Part| match (before.get(&part), now.get(&part)) {
        (None, None) => None,
        (None, Some(_)) => Some(News::New),
        (Some(_), None) => Some(News::Deleted),
        (Some(before), Some(now)) => {
            let changes = classify::classify(before, now);
            (!changes.is_empty()).then_some(News::Changed(changes))
        }
    };
    let parts = Part::ALL.into_iter();
    let news: Vec<_> = parts
        .filter_map(|part| Some((Some(part), compare(part)?)))
        .collect();
    if news.is_empty() {
        return vec![(None, News::Changed(Vec::new()))];
    }
    news
}

/// Whether a file is one whose changes are told.
fn is_reviewed(name: &str) -> bool {
    name.ends_with(CONTRACT) || name.ends_with(SNAPSHOT)
}

/// What is in a file; none if it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ComparisonError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ComparisonError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
