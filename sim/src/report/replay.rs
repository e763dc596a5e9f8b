//! The commands that play something again.

use std::path::Path;

use turnstile_scenarios::Surface;
use turnstile_world::WorldKind;

use crate::suite::Play;

/// How this program was called, as it can be called again.
pub fn program() -> &'static str {
    match (std::env::var_os("CARGO"), cfg!(debug_assertions)) {
        (None, _) => "turnstile",
        (Some(_), false) => "cargo run --release --",
        (Some(_), true) => "cargo run --",
    }
}

/// The command that plays it again in the world in which it was played.
pub fn replay_of_play(play: &Play) -> String {
    let Play { entry, options } = play;
    let command = replay_command(&entry.path, options.seed, entry.scenario.api.first());
    match options.world {
        WorldKind::Events => command,
        #[cfg(feature = "witness")]
        WorldKind::Witness { .. } => command + " --world witness",
    }
}

/// The command that plays a scenario again in real time, in the words in which this program was called, with the
/// same `flags`.
pub fn replay_in_real_time(id: &str, flags: &str) -> String {
    // An id has its surface in brackets, which a shell would read otherwise.
    format!("{} run --live{flags} '{id}'", program())
}

/// The command that plays the scenario of a seed again with `flags`, in the words in which this program was called.
pub fn replay_of_seed(seed: u64, flags: &str) -> String {
    format!("{} replay {seed}{flags}", program())
}

/// The command that plays a file again, in the words in which this program was called.
pub fn replay_command(file: &Path, seed: u64, surface: Surface) -> String {
    if file.as_os_str().is_empty() {
        return replay_of_seed(seed, "");
    }
    let surface = match surface {
        Surface::Unified => String::new(),
        Surface::Legacy => format!(" --api {surface}"),
    };
    format!("{} replay {} --seed {seed}{surface}", program(), file.display())
}
