//! Loads scenarios from a folder, from a file, or from the program itself, and prints errors.

use std::path::{Path, PathBuf};

use clap::Args;
use turnstile_scenarios::{Entry, LARGEST_FILE, Library, LibraryErrors, Scenario, read_file};

use super::built_in;
use super::exit::{Exit, print_error, print_note};
use super::suggestions::similar_ids;

/// The folder that is used instead of the built-in scenarios if it contains scenarios.
const FOLDER: &str = "scenarios";

/// The folder of the scenarios.
#[derive(Args)]
pub(crate) struct LibraryArguments {
    /// Folder with scenarios, in `suite` and `regressions` [default: `scenarios` if it has them, else the built-in scenarios]
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
    arguments.print_choice();
    load_silently(arguments)
}

/// As [`load`], without a note that says which scenarios are used.
pub(crate) fn load_silently(arguments: &LibraryArguments) -> Result<Library, Exit> {
    if let Some(folder) = arguments.folder().filter(|folder| !folder.is_dir()) {
        print_error(&format!("no such folder: {}", folder.display()));
        return Err(Exit::Usage);
    }
    arguments.read().map_err(|errors: LibraryErrors| {
        print_error(&errors.to_string());
        Exit::Usage
    })
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
