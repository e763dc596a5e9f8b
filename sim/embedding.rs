//! Writes the module that contains scripts and pages as text, so that the program needs no checkout.
//!
//! The build script uses this, and a test, because debug builds embed nothing: every changed script would compile the
//! package again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders of scripts below `scenarios`.
const SCRIPTS: [&str; 2] = ["suite", "regressions"];

/// Pages outside of `sim/docs`: the name, and the path from the top of the project. The toy server is one of them, so that
/// the page about CI can be followed without a checkout.
const PAGES: [(&str, &str); 8] = [
    ("readme", "README.md"),
    ("scripts", "scenarios/README.md"),
    ("protocol", "reference/PROTOCOL.md"),
    ("settings", "reference/README.md"),
    ("payloads", "snapshots/README.md"),
    ("constants", "reference/CONSTANTS.md"),
    ("coverage", "sim/COVERAGE.md"),
    ("toy-server", "sim/tests/toy-server/server.py"),
];

/// Texts to embed: the name, and the file.
pub type Texts = Vec<(String, PathBuf)>;

/// Every script, named by its path below `scenarios`, in order of name.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn scripts(project: &Path) -> io::Result<Texts> {
    let root = project.join("scenarios");
    let mut found = Vec::new();
    for folder in SCRIPTS {
        find(&root.join(folder), "yaml", &mut found)?;
    }
    let named = |path: PathBuf| {
        let below = path.strip_prefix(&root).unwrap_or(&path);
        (below.to_string_lossy().into_owned(), path)
    };
    let mut texts: Texts = found.into_iter().map(named).collect();
    texts.sort();
    Ok(texts)
}

/// Every page for users, in order of name.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn pages(project: &Path) -> io::Result<Texts> {
    let mut found = Vec::new();
    find(&project.join("sim/docs"), "md", &mut found)?;
    let named = |path: PathBuf| {
        let name = path.file_stem().unwrap_or_default();
        (name.to_string_lossy().into_owned(), path)
    };
    let elsewhere = PAGES.map(|(name, path)| (name.to_owned(), project.join(path)));
    let mut texts: Texts = found.into_iter().map(named).chain(elsewhere).collect();
    texts.sort();
    Ok(texts)
}

fn find(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, extension, found)?;
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    Ok(())
}
