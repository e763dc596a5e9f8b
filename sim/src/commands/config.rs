//! Defaults of options from the file `turnstile.toml`.
//!
//! The file has a table for each command, with a key for each option. It sets defaults of the command line, so that options
//! and environment variables win, and `--help` shows the values. It does not describe servers under test.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, Command};
use toml::{Table, Value};
use turnstile_scenarios::{FileError, LARGEST_FILE, read_file};

/// The file in the current folder.
const FILE: &str = "turnstile.toml";
/// Names another file; an empty value means none.
const VARIABLE: &str = "TURNSTILE_CONFIG";
/// The command whose options the program has without a command.
const DEFAULT_COMMAND: &str = "run";

/// The program with the defaults of the file, if there is one.
///
/// # Errors
///
/// The file cannot be read, or has a table, key or value that is not valid. The error names the file.
pub(crate) fn with_defaults(program: Command) -> Result<Command, String> {
    let Some((file, text)) = read()? else {
        return Ok(program);
    };
    let place = file.display();
    let tables: Table = toml::from_str(&text).map_err(|error| format!("{place}: {error}"))?;
    apply(program, &tables).map_err(|error| format!("{place}: {error}"))
}

/// The file and its content. A file that is named must exist.
fn read() -> Result<Option<(PathBuf, String)>, String> {
    let named = env::var_os(VARIABLE);
    let file = match &named {
        Some(name) if name.is_empty() => return Ok(None),
        Some(name) => PathBuf::from(name),
        None => Path::new(FILE).to_owned(),
    };
    match read_file(&file, LARGEST_FILE) {
        Ok(text) => Ok(Some((file, text))),
        Err(FileError::Read(error)) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn apply(mut program: Command, tables: &Table) -> Result<Command, String> {
    for (name, table) in tables {
        let Value::Table(options) = table else {
            return Err(format!(
                "`{name}` is not a table: write options below `[run]`, or the name of another command"
            ));
        };
        let command = program
            .find_subcommand(name)
            .ok_or_else(|| format!("there is no command `{name}`"))?;
        let mut defaults = Vec::new();
        for (key, value) in options {
            let is_it =
                |arg: &&Arg| arg.get_long() == Some(key) || arg.is_positional() && arg.get_id() == key;
            let arg = command.get_arguments().find(is_it);
            let arg = arg.ok_or_else(|| format!("`turnstile {name}` has no option `{key}`"))?;
            if arg.is_hide_env_values_set() {
                return Err(format!("`{key}` is a secret: set it in the environment"));
            }
            let values =
                texts(arg, value).ok_or_else(|| format!("{name}.{key}: the value has the wrong type"))?;
            check(&program, name, arg, &values)?;
            defaults.push((arg.get_id().clone(), values));
        }
        for (id, values) in defaults {
            let set = |arg: Arg| arg.default_values(values.iter().map(|value| leaked(value)));
            program = program.mut_subcommand(name, |command| command.mut_arg(&id, set));
            if name == DEFAULT_COMMAND {
                program = program.mut_arg(&id, set);
            }
        }
    }
    Ok(program)
}

/// Clap needs texts that live until the process ends. They are few.
fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// The value as the command line would have it; `None` if it has the wrong type.
fn texts(arg: &Arg, value: &Value) -> Option<Vec<String>> {
    let is_flag = !arg.get_action().takes_values();
    match value {
        Value::Boolean(is_set) if is_flag => Some(vec![is_set.to_string()]),
        Value::String(text) if !is_flag => Some(vec![text.clone()]),
        Value::Integer(number) if !is_flag => Some(vec![number.to_string()]),
        Value::Float(number) if !is_flag => Some(vec![number.to_string()]),
        Value::Array(values) => {
            let texts = values.iter().map(|value| texts(arg, value));
            Some(texts.collect::<Option<Vec<_>>>()?.concat())
        }
        _ => None,
    }
}

/// Checks values as if they were on the command line. What an option requires or conflicts with is not checked, because
/// the command line may have other options.
fn check(program: &Command, name: &str, arg: &Arg, values: &[String]) -> Result<(), String> {
    if !arg.get_action().takes_values() {
        return Ok(());
    }
    let option = arg.get_long().map(|long| format!("--{long}="));
    let words = values
        .iter()
        .map(|value| format!("{}{value}", option.as_deref().unwrap_or_default()));
    let line = [program.get_name(), name]
        .map(OsString::from)
        .into_iter()
        .chain(words.map(OsString::from));
    let checked = program.clone().try_get_matches_from(line);
    let Err(error) = checked.map(drop) else {
        return Ok(());
    };
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::Arguments;

    fn applied(text: &str) -> Result<Command, String> {
        apply(Arguments::command(), &toml::from_str(text).expect("it is TOML"))
    }

    #[test]
    fn defaults_come_from_the_file_and_the_command_line_wins() {
        let text = "[run]\njobs = 3\nquiet = true\nfilters = ['turn', '!legacy']\n[explore]\njobs = 2\n";
        let program = applied(text).expect("it is valid");
        program.clone().debug_assert();
        let matches = program.clone().get_matches_from(["turnstile", "run"]);
        let (_, run) = matches.subcommand().expect("there is one");
        let jobs = |matches: &clap::ArgMatches| {
            matches
                .get_one::<std::num::NonZeroUsize>("jobs")
                .map(|jobs| jobs.get())
        };
        assert_eq!(jobs(run), Some(3));
        assert!(run.get_flag("quiet"));
        let filters: Vec<&String> = run.get_many("filters").expect("it has some").collect();
        assert_eq!(filters, ["turn", "!legacy"]);
        assert_eq!(jobs(&program.clone().get_matches_from(["turnstile"])), Some(3));
        let matches = program.get_matches_from(["turnstile", "run", "queue", "--jobs", "5", "--verbose"]);
        let (_, run) = matches.subcommand().expect("there is one");
        assert_eq!(jobs(run), Some(5));
        let filters: Vec<&String> = run.get_many("filters").expect("it has one").collect();
        assert_eq!(filters, ["queue"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("jobs = 3", "`jobs` is not a table"),
            ("[rum]\njobs = 3", "no command `rum`"),
            ("[run]\njob = 3", "no option `job`"),
            ("[run]\njobs = 0", "invalid value '0' for '--jobs <N>'"),
            ("[run]\nquiet = 'yes'", "run.quiet"),
            ("[run]\napi-secret = 'x'", "is a secret"),
        ] {
            let error = applied(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
