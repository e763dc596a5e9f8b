//! Loads all scripts of a folder.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::file::{FileError, LARGEST_FILE, read_file};
use crate::problem::ScriptErrors;
use crate::scenario::Scenario;
use crate::surface::Surface;
use crate::text::printable;

/// Subfolders with scripts: the suite, and regressions.
const FOLDERS: [&str; 2] = ["suite", "regressions"];
/// File name extension of scripts.
pub(crate) const EXTENSION: &str = "yaml";

/// All scenarios of a folder, in order of id. A script for several surfaces has one scenario for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    entries: Vec<Entry>,
}

/// A scenario of a [`Library`], for one surface.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Path relative to the folder, without extension, such as `suite/reconnect/inside-the-grace`; with the
    /// suffix ` (legacy)` for the legacy surface.
    pub id: String,
    /// Path of the file.
    pub path: PathBuf,
    /// The scenario.
    pub scenario: Scenario,
    /// The text of its script, in which findings have their lines; `None` if it was not read from one.
    pub text: Option<Arc<str>>,
}

/// Why a library or a part of it could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A folder or file could not be read.
    #[error("cannot read {}: {source}", printable(&path.to_string_lossy()))]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The reason.
        source: FileError,
    },
    /// A script has errors.
    #[error(transparent)]
    Script(#[from] ScriptErrors),
}

/// All errors of a library. Displayed with a blank line between errors.
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
    /// Loads every `*.yaml` file below `suite` and `regressions` in `root`, or below `root` if it has neither folder.
    /// Follows symbolic links, and reads each file and folder once, however many links lead to it.
    ///
    /// # Errors
    ///
    /// All errors of all scripts, and all files and folders that could not be read.
    pub fn load(root: &Path) -> Result<Self, LibraryErrors> {
        let mut search = Search::default();
        if Self::is_in(root) {
            for name in FOLDERS {
                search.visit(root.join(name));
            }
        } else if let Err(error) = fs::metadata(root) {
            search.fail(root, error);
        } else {
            search.collect(root.to_owned());
        }
        search.follow_links();
        let Search { paths, errors, .. } = search;
        Self::read(root, paths, errors)
    }

    /// Loads single scripts. A script below `root` has the id that it has in the library of `root`, another one its path
    /// without extension.
    ///
    /// # Errors
    ///
    /// All errors of all scripts, and all files that could not be read.
    pub fn of_files<'a>(
        root: &Path,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, LibraryErrors> {
        Self::read(root, files.into_iter().map(Path::to_owned), Vec::new())
    }

    fn read(
        root: &Path,
        paths: impl IntoIterator<Item = PathBuf>,
        mut errors: Vec<LibraryError>,
    ) -> Result<Self, LibraryErrors> {
        let mut entries = Vec::new();
        for path in paths {
            match read(root, &path) {
                Ok(read) => entries.extend(read),
                Err(error) => errors.push(error),
            }
        }
        Self::sorted(entries, errors)
    }

    /// The library of scripts that are not files. Each is its path below `root` and its text; `root` is only a name.
    ///
    /// # Errors
    ///
    /// All errors of all scripts.
    pub fn of<'a>(
        root: &Path,
        scripts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LibraryErrors> {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for (below, source) in scripts {
            match parse(root, &root.join(below), source) {
                Ok(parsed) => entries.extend(parsed),
                Err(error) => errors.push(error.into()),
            }
        }
        Self::sorted(entries, errors)
    }

    fn sorted(mut entries: Vec<Entry>, errors: Vec<LibraryError>) -> Result<Self, LibraryErrors> {
        if !errors.is_empty() {
            return Err(LibraryErrors { errors });
        }
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(Self { entries })
    }

    /// Adds the scenarios of another library whose ids are new.
    pub fn extend(&mut self, other: Self) {
        for entry in other.entries {
            if let Err(place) = self.entries.binary_search_by(|known| known.id.cmp(&entry.id)) {
                self.entries.insert(place, entry);
            }
        }
    }

    /// Whether the folder `root` contains a folder of scripts.
    pub fn is_in(root: &Path) -> bool {
        FOLDERS.iter().any(|name| root.join(name).exists())
    }

    /// All scenarios.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Selects scenarios. An exact id or path wins; otherwise all whose id contains `filter`. `None` returns
    /// all.
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

/// A search for scripts. Links are followed after everything else, so that a file has the id of the path without links.
#[derive(Default)]
struct Search {
    paths: Vec<PathBuf>,
    errors: Vec<LibraryError>,
    links: BTreeSet<PathBuf>,
    /// Real paths of the files and folders that were found.
    visited: BTreeSet<PathBuf>,
}

impl Search {
    /// Collects the scripts at and below `path`, and links.
    fn visit(&mut self, path: PathBuf) {
        if path.is_symlink() {
            self.links.insert(path);
        } else if path.exists() {
            self.collect(path);
        }
    }

    /// Collects the scripts behind links. A link may lead to further links.
    fn follow_links(&mut self) {
        while let Some(path) = self.links.pop_first() {
            self.collect(path);
        }
    }

    fn collect(&mut self, path: PathBuf) {
        let is_folder = path.is_dir();
        if !is_folder && path.extension().is_none_or(|extension| extension != EXTENSION) {
            return;
        }
        match path.canonicalize().map(|real| self.visited.insert(real)) {
            Ok(false) => {}
            Ok(true) if is_folder => self.list(&path),
            Ok(true) => self.paths.push(path),
            Err(error) => self.fail(&path, error),
        }
    }

    /// Visits everything in a folder.
    fn list(&mut self, folder: &Path) {
        let names = fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<BTreeSet<_>>>()
        });
        match names {
            Ok(names) => names.into_iter().for_each(|path| self.visit(path)),
            Err(error) => self.fail(folder, error),
        }
    }

    fn fail(&mut self, path: &Path, error: io::Error) {
        self.errors.push(LibraryError::Read {
            path: path.to_owned(),
            source: error.into(),
        });
    }
}

impl Entry {
    /// The id without the surface.
    pub fn script_id(&self) -> &str {
        let suffix = self.scenario.api.first().suffix();
        self.id.strip_suffix(suffix).unwrap_or(&self.id)
    }
}

/// The path below `root`, or the whole path, without extension.
fn id_of(root: &Path, path: &Path) -> String {
    let really_below = || {
        let (root, path) = (root.canonicalize().ok()?, path.canonicalize().ok()?);
        Some(path.strip_prefix(root).ok()?.to_owned())
    };
    // A path through a symbolic link is below the folder only as it is written.
    let below = path.strip_prefix(root).map(Path::to_owned).ok();
    let below = below.or_else(really_below);
    let below = below.unwrap_or_else(|| path.to_owned()).with_extension("");
    let names: Vec<_> = below.iter().map(|name| name.to_string_lossy()).collect();
    names.join("/")
}

/// Reads a script and returns a scenario for each of its surfaces.
fn read(root: &Path, path: &Path) -> Result<Vec<Entry>, LibraryError> {
    let source = read_file(path, LARGEST_FILE).map_err(|source| LibraryError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(parse(root, path, &source)?)
}

/// Parses a script and returns a scenario for each of its surfaces.
fn parse(root: &Path, path: &Path, source: &str) -> Result<Vec<Entry>, ScriptErrors> {
    let scenario = Scenario::parse(source, path)?;
    let id = id_of(root, path);
    let text: Arc<str> = source.into();
    let entry = |surface: Surface| {
        Some(Entry {
            id: format!("{id}{}", surface.suffix()),
            path: path.to_owned(),
            scenario: scenario.on(surface)?,
            text: Some(text.clone()),
        })
    };
    Ok(Surface::ALL.into_iter().filter_map(entry).collect())
}
