//! Loads scenarios from the folder or from a file, and prints errors.

use std::path::{Path, PathBuf};

use clap::Args;
use turnstile_scenarios::{
    Entry, LARGEST_FILE, Library, LibraryErrors, Scenario, Selection, UnmatchedFilter, read_file,
};

use super::exit::{Exit, print_error};
use super::suggestions::similar_ids;

/// The default folder.
const FOLDER: &str = "scenarios";

/// The folder of the scenarios.
#[derive(Args)]
pub(crate) struct LibraryArguments {
    /// Folder with scenarios: in `suite` and `regressions` if it has one of these, otherwise all scripts below it
    #[arg(
        long,
        default_value = FOLDER,
        env = "TURNSTILE_SCENARIOS",
        value_name = "DIR"
    )]
    scenarios: PathBuf,
}

impl LibraryArguments {
    /// All scenarios of the folder; `None` if it is missing or a script is invalid.
    pub(crate) fn load_quietly(&self) -> Option<Library> {
        Library::load(&self.scenarios).ok()
    }

    /// The folder; `None` if it is the default.
    pub(crate) fn elsewhere(&self) -> Option<&Path> {
        Some(self.scenarios.as_path()).filter(|folder| *folder != Path::new(FOLDER))
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
        let selection = self.selection()?;
        let root = &self.library.scenarios;
        let named = Library::of_files(root, selection.files()).map_err(|errors| invalid(&errors))?;
        if !selection.is_of_library() {
            return Ok(named);
        }
        let mut library = load(&self.library)?;
        library.extend(named);
        Ok(library)
    }

    /// As [`Self::load`]; `None` after an error, which is not printed.
    pub(crate) fn load_quietly(&self) -> Option<Library> {
        let selection = Selection::parse(self.filters.iter().map(String::as_str)).ok()?;
        let named = Library::of_files(&self.library.scenarios, selection.files()).ok()?;
        if !selection.is_of_library() {
            return Some(named);
        }
        let mut library = self.library.load_quietly()?;
        library.extend(named);
        Some(library)
    }

    /// The selected scenarios: at least one. Prints an error before it returns one.
    pub(crate) fn select<'a>(&self, library: &'a Library) -> Result<Vec<&'a Entry>, Exit> {
        match library.select(&self.selection()?) {
            Ok(entries) if entries.is_empty() => {
                print_error(match library.entries().is_empty() {
                    true => "no scenarios in the folder",
                    false => "the filters exclude all scenarios",
                });
                Err(Exit::Usage)
            }
            Ok(entries) => Ok(entries),
            Err(UnmatchedFilter(filter)) => Err(nothing_matches(&filter, library)),
        }
    }

    /// The first filter that selects nothing, if there is one.
    pub(crate) fn unmatched_filter(&self) -> Option<String> {
        let selection = Selection::parse(self.filters.iter().map(String::as_str)).ok()?;
        let Some(library) = self.load_quietly() else {
            // Without a folder, no filter selects anything.
            return self.filters.first().cloned();
        };
        library
            .select(&selection)
            .err()
            .map(|UnmatchedFilter(filter)| filter)
    }

    fn selection(&self) -> Result<Selection, Exit> {
        Selection::parse(self.filters.iter().map(String::as_str)).map_err(|error| {
            print_error(&error.to_string());
            Exit::Usage
        })
    }
}

fn invalid(errors: &LibraryErrors) -> Exit {
    print_error(&errors.to_string());
    Exit::Usage
}

/// All scenarios of the folder. Prints an error before it returns one.
fn load(arguments: &LibraryArguments) -> Result<Library, Exit> {
    let folder = &arguments.scenarios;
    if !folder.is_dir() {
        print_error(&format!(
            "no such folder: {}; run from the top of the project, or set --scenarios",
            folder.display()
        ));
        return Err(Exit::Usage);
    }
    Library::load(folder).map_err(|errors| invalid(&errors))
}

/// All scenarios of the folder; `None` if there is no such folder. Errors in scripts are reported.
pub(crate) fn load_if_present(arguments: &LibraryArguments) -> Result<Option<Library>, Exit> {
    if arguments.scenarios.is_dir() {
        load(arguments).map(Some)
    } else {
        Ok(None)
    }
}

/// Reads one scenario.
pub(crate) fn read(file: &Path) -> Result<Scenario, String> {
    let source =
        read_file(file, LARGEST_FILE).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Scenario::parse(&source, file).map_err(|errors| errors.to_string())
}

/// Prints that a filter selects no scenario.
fn nothing_matches(filter: &str, library: &Library) -> Exit {
    print_error(&match similar_ids(filter, library).as_slice() {
        [] => format!("no scenario matches {filter:?}; `turnstile list` shows all ids"),
        ids => format!("no scenario matches {filter:?}; did you mean {}?", ids.join(", ")),
    });
    Exit::Usage
}
