//! Loads scenarios from a folder, from a file, or from the program itself, and prints errors.

use std::path::{Path, PathBuf};

use clap::Args;
use turnstile_scenarios::{Entry, LARGEST_FILE, Library, Scenario, Selection, UnmatchedFilter, read_file};

use super::built_in;
use super::exit::{Exit, print_note, usage_error};
use super::suggestions::similar_ids;

/// The folder that is used instead of the built-in scenarios if it contains scenarios.
const FOLDER: &str = "scenarios";

/// The folder of the scenarios.
#[derive(Args, Clone)]
pub(crate) struct LibraryArguments {
    /// Folder with scenarios: in `suite` and `regressions` if it has one of these, otherwise all scripts below it [default:
    /// `scenarios` if it has them, else the built-in scenarios]
    #[arg(long, env = "TURNSTILE_SCENARIOS", value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

impl LibraryArguments {
    /// All scenarios of the folder, or the error as a text.
    pub(crate) fn load(&self) -> Result<Library, String> {
        let loaded = match self.folder() {
            Some(folder) if !folder.is_dir() => return Err(format!("no such folder: {}", folder.display())),
            Some(folder) => Library::load(folder),
            None => built_in::library(),
        };
        loaded.map_err(|errors| errors.to_string())
    }

    /// The folder; `None` if it is the default.
    pub(crate) fn elsewhere(&self) -> Option<&Path> {
        self.scenarios
            .as_deref()
            .filter(|folder| *folder != Path::new(FOLDER))
    }

    /// The folder to read; `None` for the built-in scenarios.
    fn folder(&self) -> Option<&Path> {
        let local = Path::new(FOLDER);
        self.scenarios
            .as_deref()
            .or_else(|| Library::is_in(local).then_some(local))
    }

    /// The folder whose paths are ids.
    fn root(&self) -> &Path {
        self.folder().unwrap_or(Path::new(FOLDER))
    }

    /// Prints which scenarios are used, unless the user chose them or the folder belongs to a checkout.
    fn print_choice(&self) {
        if self.scenarios.is_some() {
            return;
        }
        match self.folder() {
            None => print_note("using the built-in scenarios"),
            Some(folder) if folder.join("Cargo.toml").exists() => {}
            Some(folder) => print_note(&format!(
                "using the folder `{}` instead of the built-in scenarios",
                folder.display()
            )),
        }
    }
}

/// A selection of scenarios by id.
#[derive(Args)]
pub(crate) struct ScenarioArguments {
    /// Select scenarios: a part of the id, a whole id, a pattern such as `suite/turn/*`, or the path of a script
    ///
    /// Several filters select the scenarios of each. `!FILTER` excludes scenarios. Case does not matter.
    #[arg(help_heading = None::<&str>, value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    #[command(flatten)]
    pub(crate) library: LibraryArguments,
}

impl ScenarioArguments {
    /// All scenarios of the folder, unless only scripts are named, and the scripts that are named. Prints an error before
    /// it returns one.
    pub(crate) fn load(&self) -> Result<Library, Exit> {
        self.load_after(|| self.library.print_choice())
            .map_err(|error| usage_error(&error))
    }

    /// As [`Self::load`], with errors as texts. Calls `before` before it loads the folder.
    fn load_after(&self, before: impl FnOnce()) -> Result<Library, String> {
        let selection = self.selection()?;
        let named = Library::of_files(self.library.root(), selection.files());
        let named = named.map_err(|errors| errors.to_string())?;
        if !selection.is_of_library() {
            return Ok(named);
        }
        before();
        let mut library = self.library.load()?;
        library.extend(named);
        Ok(library)
    }

    /// The selected scenarios: at least one. Prints an error before it returns one.
    pub(crate) fn select<'a>(&self, library: &'a Library) -> Result<Vec<&'a Entry>, Exit> {
        let selection = self.selection().map_err(|error| usage_error(&error))?;
        match library.select(&selection) {
            Ok(entries) if entries.is_empty() => Err(usage_error(match library.entries().is_empty() {
                true => "no scenarios in the folder",
                false => "the filters exclude all scenarios",
            })),
            Ok(entries) => Ok(entries),
            Err(UnmatchedFilter(filter)) => Err(nothing_matches(&filter, library)),
        }
    }

    /// The first filter that selects nothing; `None` if each selects a scenario.
    pub(crate) fn unmatched_filter(&self) -> Option<String> {
        let selection = self.selection().ok()?;
        let Ok(library) = self.load_after(|| {}) else {
            // Without a folder, no filter selects anything.
            return self.filters.first().cloned();
        };
        library
            .select(&selection)
            .err()
            .map(|UnmatchedFilter(filter)| filter)
    }

    fn selection(&self) -> Result<Selection, String> {
        Selection::parse(self.filters.iter().map(String::as_str)).map_err(|error| error.to_string())
    }
}

/// Reads one scenario, and returns it with its text. A path that does not exist may name a built-in script.
pub(crate) fn read(file: &Path) -> Result<(Scenario, String), String> {
    let built_in = (!file.exists()).then(|| built_in::script(file)).flatten();
    let text = match built_in {
        Some(text) => text.into_owned(),
        None => read_file(file, LARGEST_FILE)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
    };
    let scenario = Scenario::parse(&text, file).map_err(|errors| errors.to_string())?;
    Ok((scenario, text))
}

/// Prints that a filter selects no scenario.
fn nothing_matches(filter: &str, library: &Library) -> Exit {
    usage_error(&match similar_ids(filter, library).as_slice() {
        [] => format!("no scenario matches {filter:?}; `turnstile list` shows all ids"),
        ids => format!("no scenario matches {filter:?}; did you mean {}?", ids.join(", ")),
    })
}
