//! Finding scenarios, in the folder or in a file, and saying so if they are not there or wrong.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use turnstile_scenarios::{Entry, Library, LibraryErrors, Scenario};

use super::exit::{Exit, complain};

/// Where they are if nobody says otherwise.
const FOLDER: &str = "scenarios";

/// Where the scenarios are.
#[derive(Args)]
pub(crate) struct LibraryArguments {
    /// The folder with the scenarios: its `suite` and its `regressions`
    #[arg(
        long,
        default_value = FOLDER,
        env = "TURNSTILE_SCENARIOS",
        value_name = "DIR"
    )]
    scenarios: PathBuf,
}

impl LibraryArguments {
    /// The folder, if it is not the one where they are looked for anyway.
    pub(crate) fn elsewhere(&self) -> Option<&Path> {
        Some(self.scenarios.as_path()).filter(|folder| *folder != Path::new(FOLDER))
    }
}

/// Scenarios, chosen by id.
#[derive(Args)]
pub(crate) struct ScenarioArguments {
    /// Only scenarios whose id contains this
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) library: LibraryArguments,
}

impl ScenarioArguments {
    /// All scenarios of the folder. An error was printed already.
    pub(crate) fn load(&self) -> Result<Library, Exit> {
        load(&self.library)
    }

    /// Those of the chosen id: at least one. An error was printed already.
    pub(crate) fn select<'a>(&self, library: &'a Library) -> Result<Vec<&'a Entry>, Exit> {
        let filter = self.filter.as_deref();
        let entries = library.matching(filter);
        if entries.is_empty() {
            return Err(nothing_matches(filter));
        }
        Ok(entries)
    }
}

/// All scenarios of the folder; if they cannot be played, it is said why.
fn load(arguments: &LibraryArguments) -> Result<Library, Exit> {
    let folder = &arguments.scenarios;
    if !folder.is_dir() {
        complain(&format!(
            "there is no folder {}: run from the top of the project, or name the folder with --scenarios",
            folder.display()
        ));
        return Err(Exit::Usage);
    }
    Library::load(folder).map_err(|errors: LibraryErrors| {
        complain(&errors.to_string());
        Exit::Usage
    })
}

/// One scenario; or what is wrong with its file.
pub(crate) fn read(file: &Path) -> Result<Scenario, String> {
    let source =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Scenario::parse(&source, file).map_err(|errors| errors.to_string())
}

/// Says that there is nothing to do.
fn nothing_matches(filter: Option<&str>) -> Exit {
    complain(&match filter {
        Some(filter) => format!("no scenario has {filter:?} in its id; `turnstile list` shows all ids"),
        None => "there are no scenarios in the folder".to_owned(),
    });
    Exit::Usage
}
