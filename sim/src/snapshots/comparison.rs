//! Compares the snapshots of a folder with those at a revision of git.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::classify::{self, Change};
use super::git::{GitError, Past};
use super::snapshot::{self, Part, Unreadable};

/// The suffix of a snapshot's file.
const SNAPSHOT: &str = ".snap";
/// What `insta` adds to the name of a snapshot that waits for a review.
const PENDING: &str = ".new";
/// The suffix of a contract's file.
const CONTRACT: &str = ".schema.json";

/// The changes since a revision.
#[derive(Debug)]
pub struct Compared {
    /// The abbreviated commit of the revision.
    pub commit: String,
    /// The changes in order of name. The differences section of a page is left out, because it follows from the
    /// payloads.
    pub news: Vec<SnapshotNews>,
}

/// The change of a file, or of one payload in it.
#[derive(Debug)]
pub struct SnapshotNews {
    /// Its path below the folder, with slashes.
    pub name: String,
    /// The payload; `None` for the whole file.
    pub part: Option<Part>,
    /// Whether the change waits for a review.
    pub is_pending: bool,
    /// What the header of the file says that it shows.
    pub description: Option<String>,
    /// The payload at the revision, and now.
    pub payloads: (Option<Value>, Option<Value>),
    /// The change.
    pub news: News,
}

/// A change of a file.
#[derive(Debug)]
pub enum News {
    /// Added.
    New,
    /// Deleted.
    Deleted,
    /// The payload changed. Empty if only the header or the request changed.
    Changed(Vec<Change>),
    /// A contract changed, which needs a review.
    OtherContract,
}

impl News {
    /// The numbers of breaking and of compatible changes.
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
    /// The numbers of breaking and of compatible changes.
    pub fn count(&self) -> (usize, usize) {
        let counts = self.news.iter().map(|it| it.news.count());
        counts.fold((0, 0), |(breaking, compatible), (more, others)| {
            (breaking + more, compatible + others)
        })
    }
}

/// Why the snapshots cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file of the folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is not a snapshot.
    #[error(
        "{name} ({when}) is not a valid snapshot; snapshots are written by the tests, see the README beside them"
    )]
    Unreadable {
        /// Its path, including the folder.
        name: String,
        /// The version: `now`, or `at` a commit.
        when: String,
        /// The error.
        source: Unreadable,
    },
}

/// Compares the snapshots in a folder with a revision. A pending snapshot counts in place of the reviewed one.
///
/// # Errors
///
/// If the folder is not in a repository, the revision does not exist, or a snapshot cannot be read.
pub fn since(folder: &Path, revision: &str) -> Result<Compared, ComparisonError> {
    let past = Past::of(folder, revision)?;
    let commit = past.short_commit()?;
    let were_there: BTreeSet<String> = past.files()?.into_iter().collect();
    let touched: BTreeSet<String> = past.touched()?.into_iter().collect();
    let mut news = Vec::new();
    let names: BTreeSet<&str> = touched
        .iter()
        .map(|name| name.strip_suffix(PENDING).unwrap_or(name))
        .filter(|name| is_reviewed(name))
        .collect();
    for name in names {
        let pending = folder.join(format!("{name}{PENDING}"));
        let is_pending = pending.exists();
        let path = if is_pending { pending } else { folder.join(name) };
        let before = were_there.contains(name).then(|| past.read(name)).transpose()?;
        let now = read(&path)?;
        let header = now.as_ref().or(before.as_ref());
        let description = header.and_then(|file| snapshot::description_of(file));
        let mut payloads_of_file = Default::default();
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
                let now = payloads(&now, "now".to_owned())?;
                let news = compare_pages(&before, &now);
                payloads_of_file = (before, now);
                news
            }
        };
        let (before, now): (BTreeMap<Part, Value>, BTreeMap<Part, Value>) = payloads_of_file;
        let of = |payloads: &BTreeMap<Part, Value>, part: Option<Part>| payloads.get(&part?).cloned();
        let named = |(part, news)| SnapshotNews {
            name: name.to_owned(),
            part,
            is_pending,
            description: description.clone(),
            payloads: (of(&before, part), of(&now, part)),
            news,
        };
        news.extend(news_of_file.into_iter().map(named));
    }
    Ok(Compared { commit, news })
}

/// Compares the payloads of a page. If none changed, another part of the file did.
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

/// Whether changes of a file are reported.
fn is_reviewed(name: &str) -> bool {
    name.ends_with(CONTRACT) || name.ends_with(SNAPSHOT)
}

/// The content of a file; `None` if it does not exist.
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
