//! Loads scenarios from the folder or from a file, and prints errors.

use std::path::{Path, PathBuf};

use clap::Args;
use turnstile_scenarios::{Entry, LARGEST_FILE, Library, LibraryErrors, Scenario, read_file};

use super::exit::{Exit, print_error};
use super::suggestions::similar_ids;

/// The default folder.
const FOLDER: &str = "scenarios";

/// The folder of the scenarios.
#[derive(Args)]
pub(crate) struct LibraryArguments {
    /// Folder with scenarios, in `suite` and `regressions`
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
    /// Select scenarios whose id contains FILTER; an exact id selects only that scenario
    #[arg(help_heading = None::<&str>)]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) library: LibraryArguments,
}

impl ScenarioArguments {
    /// All scenarios of the folder. Prints an error before it returns one.
    pub(crate) fn load(&self) -> Result<Library, Exit> {
        load(&self.library)
    }

    /// The selected scenarios: at least one. Prints an error before it returns one.
    pub(crate) fn select<'a>(&self, library: &'a Library) -> Result<Vec<&'a Entry>, Exit> {
        let filter = self.filter.as_deref();
        let entries = library.matching(filter);
        if entries.is_empty() {
            return Err(nothing_matches(filter, library));
        }
        Ok(entries)
    }
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
    Library::load(folder).map_err(|errors: LibraryErrors| {
        print_error(&errors.to_string());
        Exit::Usage
    })
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

/// Prints that no scenario is selected.
fn nothing_matches(filter: Option<&str>, library: &Library) -> Exit {
    print_error(&match filter {
        Some(filter) => match similar_ids(filter, library).as_slice() {
            [] => format!("no scenario matches {filter:?}; `turnstile list` shows all ids"),
            ids => format!("no scenario matches {filter:?}; did you mean {}?", ids.join(", ")),
        },
        None => "no scenarios in the folder".to_owned(),
    });
    Exit::Usage
}
