//! Runs the tool as a process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::library::top;

/// A command that runs the tool in the project root, without colours and without settings from the environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnstile"));
    command
        .args(arguments)
        .current_dir(top())
        .stdin(Stdio::null())
        .env("NO_COLOR", "1");
    for (name, _) in env::vars_os() {
        // With `CARGO` the tool prints commands as `cargo run -- …`.
        if name == "CARGO" || name.to_string_lossy().starts_with("TURNSTILE_") {
            command.env_remove(name);
        }
    }
    command.env("TURNSTILE_CACHE_DIR", scratch("cache"));
    command
}

/// Runs the tool and waits for its output.
pub fn turnstile(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the tool can be run")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path in the tests' temporary folder.
pub fn scratch(name: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
