//! Filters that select scenarios of a library.

use std::path::{Path, PathBuf};

use glob::Pattern;

use crate::library::{EXTENSION, Entry, Library};

/// The prefix of a filter that excludes.
const EXCLUDES: char = '!';

/// Several filters: scenarios that one of the wanted ones selects, or all without any, except for those that an unwanted
/// one selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    wanted: Vec<Filter>,
    unwanted: Vec<Filter>,
}

/// One filter. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    /// The filter as it was written, without the prefix.
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The path of a script.
    File(PathBuf),
    /// A pattern for whole ids.
    Glob(Pattern),
    /// A whole id if there is one, otherwise a part of ids.
    Part(String),
}

/// A filter that is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{filter:?} is not a pattern: {source}")]
pub struct FilterError {
    /// The filter.
    pub filter: String,
    /// What is wrong with it.
    pub source: glob::PatternError,
}

/// A wanted filter that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no scenario matches {0:?}")]
pub struct UnmatchedFilter(pub String);

impl Selection {
    /// Reads filters: a part of an id, a pattern with `*`, `?` or `[…]` for a whole id, or the path of a script that
    /// exists. `!` before a filter excludes what it selects.
    ///
    /// # Errors
    ///
    /// A pattern is invalid.
    pub fn parse<'a>(filters: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterError> {
        let mut selection = Self::default();
        for filter in filters {
            match filter.strip_prefix(EXCLUDES) {
                Some(filter) => selection.unwanted.push(Filter::parse(filter)?),
                None => selection.wanted.push(Filter::parse(filter)?),
            }
        }
        Ok(selection)
    }

    /// The scripts that are named by their paths.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.wanted.iter().filter_map(|filter| match &filter.kind {
            Kind::File(path) => Some(path.as_path()),
            Kind::Glob(_) | Kind::Part(_) => None,
        })
    }

    /// Whether it wants scenarios other than named files.
    pub fn is_of_library(&self) -> bool {
        self.wanted.is_empty() || self.files().count() < self.wanted.len()
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, FilterError> {
        let path = Path::new(text);
        let is_script = path.extension().is_some_and(|extension| extension == EXTENSION);
        let kind = if is_script && path.is_file() {
            Kind::File(path.to_owned())
        } else if text.contains(['*', '?', '[']) {
            let pattern = Pattern::new(&text.to_lowercase()).map_err(|source| FilterError {
                filter: text.to_owned(),
                source,
            })?;
            Kind::Glob(pattern)
        } else {
            Kind::Part(text.to_lowercase())
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// For each entry, whether the filter selects it.
    fn selected(&self, entries: &[Entry]) -> Vec<bool> {
        let mark = |is_selected: &dyn Fn(&Entry) -> bool| entries.iter().map(is_selected).collect::<Vec<_>>();
        match &self.kind {
            Kind::File(path) => {
                let real = path.canonicalize().ok();
                mark(&|entry| entry.path == *path || real.is_some() && entry.path.canonicalize().ok() == real)
            }
            Kind::Glob(pattern) => mark(&|entry| {
                let names = [&*entry.id, entry.script_id()];
                names
                    .into_iter()
                    .any(|name| pattern.matches(&name.to_lowercase()))
            }),
            Kind::Part(part) => {
                let exact = mark(&|entry| {
                    entry.id.to_lowercase() == *part || entry.script_id().to_lowercase() == *part
                });
                if exact.contains(&true) {
                    exact
                } else {
                    mark(&|entry| entry.id.to_lowercase().contains(part))
                }
            }
        }
    }
}

impl Library {
    /// The scenarios that the filters select, in order of id.
    ///
    /// # Errors
    ///
    /// A wanted filter selects nothing.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&Entry>, UnmatchedFilter> {
        let entries = self.entries();
        let mut is_selected = vec![selection.wanted.is_empty(); entries.len()];
        for filter in &selection.wanted {
            let selected = filter.selected(entries);
            if !selected.contains(&true) {
                return Err(UnmatchedFilter(filter.text.clone()));
            }
            for (is_selected, selected) in is_selected.iter_mut().zip(selected) {
                *is_selected |= selected;
            }
        }
        for filter in &selection.unwanted {
            for (is_selected, unwanted) in is_selected.iter_mut().zip(filter.selected(entries)) {
                *is_selected &= !unwanted;
            }
        }
        let chosen = entries.iter().zip(is_selected);
        Ok(chosen
            .filter_map(|(entry, is_selected)| is_selected.then_some(entry))
            .collect())
    }
}
