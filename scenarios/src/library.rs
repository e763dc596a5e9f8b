//! All scripts of a folder.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::problem::ScriptErrors;
use crate::scenario::Scenario;
use crate::surface::Surface;

/// The folders that scripts are looked for in: the suite, and the bugs that were found.
const SHELVES: [&str; 2] = ["suite", "regressions"];
/// How a script's file name ends.
const EXTENSION: &str = "yaml";

/// Every scenario of a folder, in order of id. A script for several surfaces is here once for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Library {
    entries: Vec<Entry>,
}

/// One scenario of a [`Library`], on one surface.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its path below the library's folder without the ending, such as `suite/reconnect/inside-the-grace`,
    /// and ` (legacy)` if it is for that surface.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub scenario: Scenario,
}

/// Why a library, or a part of it, could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A folder or file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A script is wrong.
    #[error(transparent)]
    Script(#[from] ScriptErrors),
}

/// All that kept a library from being loaded. Displayed as one paragraph a problem.
#[derive(Debug, thiserror::Error)]
pub struct LibraryErrors {
    /// The errors, at least one, in order of file.
    pub errors: Vec<LibraryError>,
}

impl fmt::Display for LibraryErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            error.fmt(formatter)?;
        }
        Ok(())
    }
}

impl Library {
    /// Reads every `*.yaml` below `suite` and `regressions` in `root`. One of the two may be missing.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of the scripts, or that could not be read.
    pub fn load(root: &Path) -> Result<Self, LibraryErrors> {
        let mut paths = Vec::new();
        let mut errors = Vec::new();
        let shelves: Vec<PathBuf> = SHELVES.iter().map(|shelf| root.join(shelf)).collect();
        if shelves.iter().any(|shelf| shelf.exists()) {
            for shelf in shelves.iter().filter(|shelf| shelf.exists()) {
                find(shelf, &mut paths, &mut errors);
            }
        } else {
            errors.push(LibraryError::Read {
                path: root.to_owned(),
                source: io::Error::new(
                    io::ErrorKind::NotFound,
                    "there is no folder `suite` or `regressions` in it",
                ),
            });
        }
        let mut entries = Vec::new();
        for path in paths {
            match read(root, &path) {
                Ok(read) => entries.extend(read),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(LibraryErrors { errors });
        }
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(Self { entries })
    }

    /// Every scenario.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The scenarios whose id contains `filter`; only those of the script whose path it is, or only the one
    /// whose id it is, if there is one; all, without a filter.
    pub fn matching(&self, filter: Option<&str>) -> Vec<&Entry> {
        let Some(filter) = filter else {
            return self.entries.iter().collect();
        };
        let is_exact = |entry: &&Entry| entry.id == filter || entry.script_id() == filter;
        let exact: Vec<&Entry> = self.entries.iter().filter(is_exact).collect();
        if !exact.is_empty() {
            return exact;
        }
        let matches = |entry: &&Entry| entry.id.contains(filter);
        self.entries.iter().filter(matches).collect()
    }
}

/// Collects the scripts below `folder`, in order of name.
fn find(folder: &Path, paths: &mut Vec<PathBuf>, errors: &mut Vec<LibraryError>) {
    let names = fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<io::Result<Vec<_>>>()
    });
    match names {
        Ok(mut names) => {
            names.sort();
            for path in names {
                if path.is_dir() {
                    find(&path, paths, errors);
                } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                    paths.push(path);
                }
            }
        }
        Err(source) => errors.push(LibraryError::Read {
            path: folder.to_owned(),
            source,
        }),
    }
}

impl Entry {
    /// The id without the surface.
    fn script_id(&self) -> &str {
        let suffix = self.scenario.api.first().suffix();
        self.id.strip_suffix(suffix).unwrap_or(&self.id)
    }
}

/// A script, once for each of its surfaces.
fn read(root: &Path, path: &Path) -> Result<Vec<Entry>, LibraryError> {
    let source = fs::read_to_string(path).map_err(|source| LibraryError::Read {
        path: path.to_owned(),
        source,
    })?;
    let scenario = Scenario::parse(&source, path)?;
    let below = path.strip_prefix(root).unwrap_or(path).with_extension("");
    let names: Vec<_> = below.iter().map(|name| name.to_string_lossy()).collect();
    let id = names.join("/");
    let entry = |surface: Surface| {
        Some(Entry {
            id: format!("{id}{}", surface.suffix()),
            path: path.to_owned(),
            scenario: scenario.on(surface)?,
        })
    };
    Ok(Surface::ALL.into_iter().filter_map(entry).collect())
}
