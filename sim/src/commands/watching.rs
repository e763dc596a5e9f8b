//! Waits for changes of scripts, for `run --watch`.
//!
//! Files are compared by their times of modification, which needs no service of the system and works on every file system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use turnstile_scenarios::{Entry, Library};

use super::clock::sleep;
use super::exit::Exit;
use super::interruption::Interruption;

/// The interval of looking at the files.
const INTERVAL: Duration = Duration::from_millis(300);

/// The scripts that are watched, as they were last read.
pub(crate) struct Watched {
    library: Library,
    /// The times from before that reading; empty at first, so that a change during the first plays is noticed.
    times: BTreeMap<PathBuf, Option<SystemTime>>,
}

/// A library in which scripts have changed.
pub(crate) struct Change {
    /// The library as it is now.
    pub(crate) library: Library,
    changed: BTreeSet<String>,
}

impl Change {
    /// Whether a scenario is new or differs.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        self.changed.contains(&entry.id)
    }
}

impl Watched {
    /// Watches the scripts of a library.
    pub(crate) fn of(library: &Library) -> Self {
        Self {
            library: library.clone(),
            times: BTreeMap::new(),
        }
    }

    /// Waits until scenarios have changed, and returns them; `None` at a signal. `load` reads the library and prints
    /// errors: a script with an error is waited for.
    pub(crate) fn next_change(
        &mut self,
        load: impl Fn() -> Result<Library, Exit>,
        interruption: Interruption,
    ) -> Option<Change> {
        anstream::eprintln!("watching {} scripts; Ctrl-C ends", self.scripts());
        loop {
            sleep(INTERVAL);
            if interruption.is_asked_for() {
                return None;
            }
            let times = times(&self.library);
            if times == self.times {
                continue;
            }
            self.times = times;
            let Ok(library) = load() else { continue };
            let changed = changed(&self.library, &library);
            self.library = library.clone();
            if !changed.is_empty() {
                return Some(Change { library, changed });
            }
        }
    }

    fn scripts(&self) -> usize {
        let paths: BTreeSet<&Path> = self.library.entries().iter().map(|entry| &*entry.path).collect();
        paths.len()
    }
}

/// The times of modification of all scripts, and of their folders, which change with new scripts.
fn times(library: &Library) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let paths = library
        .entries()
        .iter()
        .flat_map(|entry| entry.path.ancestors().take(2));
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    paths.map(|path| (path.to_owned(), time(path))).collect()
}

/// The ids of scenarios that are new or differ.
fn changed(before: &Library, after: &Library) -> BTreeSet<String> {
    let known: BTreeMap<&str, &Entry> = before.entries().iter().map(|entry| (&*entry.id, entry)).collect();
    let is_same = |entry: &Entry| {
        known
            .get(&*entry.id)
            .is_some_and(|known| known.scenario == entry.scenario)
    };
    let changed = after.entries().iter().filter(|entry| !is_same(entry));
    changed.map(|entry| entry.id.clone()).collect()
}
