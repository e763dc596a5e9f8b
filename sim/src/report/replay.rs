//! The commands that replay a run.

use std::path::{Path, PathBuf};

use turnstile_scenarios::Surface;
use turnstile_world::WorldKind;

use crate::suite::Play;

/// The command that starts this program, as the user started it.
pub fn program() -> &'static str {
    match (std::env::var_os("CARGO"), cfg!(debug_assertions)) {
        (None, _) => "turnstile",
        (Some(_), false) => "cargo run --release --",
        (Some(_), true) => "cargo run --",
    }
}

/// The command that replays a play in the same world, against the same server.
pub fn replay_of_play(play: &Play) -> String {
    let Play { entry, options } = play;
    let mut command = replay_command(&entry.path, options.seed, entry.scenario.api.first());
    if let Some(mutant) = options.subject.mutant() {
        command.push_str(&format!(" --breaking {mutant}"));
    }
    match options.world {
        WorldKind::Events => command,
        #[cfg(feature = "witness")]
        WorldKind::Witness { .. } => command + " --world witness",
    }
}

/// The command that repeats a live run of a scenario with `flags`.
pub fn replay_in_real_time(id: &str, flags: &str) -> String {
    // Quoted because an id may end in a surface in parentheses.
    format!("{} run --live{flags} '{id}'", program())
}

/// How seeds are played again.
#[derive(Debug, Clone)]
pub struct SeedReplay {
    by: ReplayBy,
    flags: String,
}

/// What determines a play.
#[derive(Debug, Clone)]
enum ReplayBy {
    /// Its seed, after this command.
    Seed(&'static str),
    /// Its script in this folder.
    Script(PathBuf),
}

impl SeedReplay {
    /// In the simulated world, against the server that the flags select.
    pub fn simulated(flags: String) -> Self {
        Self {
            by: ReplayBy::Seed("replay"),
            flags,
        }
    }

    /// In real time, against the server that the flags select.
    pub fn live(flags: String) -> Self {
        Self {
            by: ReplayBy::Seed("explore --live --seeds"),
            flags,
        }
    }

    /// In the simulated world, from scripts in a folder.
    pub fn scripts(folder: PathBuf, flags: String) -> Self {
        Self {
            by: ReplayBy::Script(folder),
            flags,
        }
    }

    /// The file with the script of a play; `None` if its seed determines it.
    pub fn script(&self, number: u64) -> Option<PathBuf> {
        match &self.by {
            ReplayBy::Seed(_) => None,
            ReplayBy::Script(folder) => Some(script_in(folder, number)),
        }
    }

    /// The command for a seed.
    pub fn of(&self, seed: u64) -> String {
        let (program, flags) = (program(), &self.flags);
        match &self.by {
            ReplayBy::Script(folder) => {
                format!("{program} replay {}{flags}", script_in(folder, seed).display())
            }
            ReplayBy::Seed(command) => format!("{program} {command} {seed}{flags}"),
        }
    }
}

/// The file of a play's script.
fn script_in(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("play-{number}.yaml"))
}

/// The command that replays a script. An empty `file` means a generated scenario, which its seed determines.
pub fn replay_command(file: &Path, seed: u64, surface: Surface) -> String {
    if file.as_os_str().is_empty() {
        return SeedReplay::simulated(String::new()).of(seed);
    }
    let surface = match surface {
        Surface::Unified => String::new(),
        Surface::Legacy => format!(" --api {surface}"),
    };
    format!("{} replay {} --seed {seed}{surface}", program(), file.display())
}
