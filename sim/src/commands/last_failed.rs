//! Remembers which plays failed, for `run --last-failed`.
//!
//! The record is a file in the user's cache folder, one for each folder that the tool is started from. Without a cache
//! folder nothing is remembered: the record is a convenience, and no run fails without it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use turnstile::report::Event;

/// The cache folder of this tool. Its default is `turnstile` in the user's cache folder.
const FOLDER_VARIABLE: &str = "TURNSTILE_CACHE_DIR";

/// The plays that failed when they were last played: the id of the scenario, and the seed.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastFailed {
    failed: BTreeSet<(String, u64)>,
}

impl LastFailed {
    /// Reads the record of the current folder; empty without a record, or if another version wrote it.
    pub(crate) fn read() -> Self {
        let text = file().and_then(|file| fs::read_to_string(file).ok());
        text.and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Whether a scenario failed with any seed.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.failed.iter().any(|(failed, _)| failed == id)
    }

    /// The seeds with which a scenario failed.
    pub(crate) fn seeds(&self, id: &str) -> impl Iterator<Item = u64> {
        self.failed
            .iter()
            .filter(move |(failed, _)| failed == id)
            .map(|(_, seed)| *seed)
    }

    /// Remembers the outcome of a play.
    pub(crate) fn note(&mut self, event: &Event) {
        let Event::Played { played, .. } = event else {
            return;
        };
        let play = (played.play.entry.id.clone(), played.play.options.seed);
        match played.is_red() {
            true => self.failed.insert(play),
            false => self.failed.remove(&play),
        };
    }

    /// Writes the record, if there is a folder for it.
    pub(crate) fn write(&self) {
        let Some(file) = file() else { return };
        let folder_exists = file
            .parent()
            .is_some_and(|folder| fs::create_dir_all(folder).is_ok());
        if folder_exists && let Ok(text) = serde_json::to_string(self) {
            // Nothing depends on it.
            let _ = fs::write(file, text);
        }
    }
}

/// The record of the current folder.
fn file() -> Option<PathBuf> {
    let named = |variable| {
        env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let of_user = || {
        let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
        Some(cache.join("turnstile"))
    };
    let folder = named(FOLDER_VARIABLE).or_else(of_user)?;
    let mut hasher = DefaultHasher::new();
    env::current_dir().ok()?.hash(&mut hasher);
    Some(folder.join(format!("last-failed-{:016x}.json", hasher.finish())))
}
