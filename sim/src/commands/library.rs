//! Loads scenarios from a folder, from a file, or from the program itself, and prints errors.

use std::path::{Path, PathBuf};

use clap::Args;
use turnstile_scenarios::{
    Entry, LARGEST_FILE, Library, LibraryErrors, Scenario, Selection, UnmatchedFilter, read_file,
};

use super::built_in;
use super::exit::{Exit, print_error, print_note};
use super::suggestions::similar_ids;

/// The folder that is used instead of the built-in scenarios if it contains scenarios.
const FOLDER: &str = "scenarios";

/// The folder of the scenarios.
#[derive(Args)]
pub(crate) struct LibraryArguments {
    /// Folder with scenarios: in `suite` and `regressions` if it has one of these, otherwise all scripts below it [default:
    /// `scenarios` if it has them, else the built-in scenarios]
    #[arg(long, env = "TURNSTILE_SCENARIOS", value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

impl LibraryArguments {
    /// All scenarios of the folder; `None` if it is missing or a script is invalid.
    pub(crate) fn load_quietly(&self) -> Option<Library> {
        self.read().ok()
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

    fn read(&self) -> Result<Library, LibraryErrors> {
        self.folder().map_or_else(built_in::library, Library::load)
    }

    /// Prints which scenarios are used, unless the user chose them or the folder is that of a checkout.
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
        let selection = self.selection()?;
        let root = self.library.root();
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
        let named = Library::of_files(self.library.root(), selection.files()).ok()?;
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
    arguments.print_choice();
    load_silently(arguments)
}

/// As [`load`], without a note that says which scenarios are used.
pub(crate) fn load_silently(arguments: &LibraryArguments) -> Result<Library, Exit> {
    if let Some(folder) = arguments.folder().filter(|folder| !folder.is_dir()) {
        print_error(&format!("no such folder: {}", folder.display()));
        return Err(Exit::Usage);
    }
    arguments.read().map_err(|errors| invalid(&errors))
}

/// Reads one scenario. A path that does not exist may be that of a built-in script.
pub(crate) fn read(file: &Path) -> Result<Scenario, String> {
    let built_in = (!file.exists()).then(|| built_in::script(file)).flatten();
    let source = match built_in {
        Some(text) => text.into_owned(),
        None => read_file(file, LARGEST_FILE)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
    };
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
