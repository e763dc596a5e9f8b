//! An output file that is named on the command line and written at the end. Options that say so also accept `-` for
//! standard output.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Display, Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser, ValueParserFactory};

use super::exit::{ignore_broken_pipe, print_error};

/// A file that was checked to be writable when the command line was parsed, so that a wrong path is reported before
/// a long run and not after it.
#[derive(Debug, Clone)]
pub(crate) struct OutputFile(PathBuf);

/// The name of standard output.
const STDOUT: &str = "-";

impl OutputFile {
    /// Parses a path, or `-` for standard output.
    pub(crate) fn or_stdout() -> ValueParser {
        OsStringValueParser::new()
            .try_map(|path| match path == STDOUT {
                true => Ok(Self(PathBuf::from(path))),
                false => Self::named(path),
            })
            .into()
    }

    /// A file at a path.
    ///
    /// # Errors
    ///
    /// It cannot be written, as a text.
    pub(crate) fn named(path: OsString) -> Result<Self, String> {
        let path = match path == STDOUT {
            true => Path::new(".").join(path),
            false => PathBuf::from(path),
        };
        try_to_write(&path).map_err(|error| format!("cannot write it: {error}"))?;
        Ok(Self(path))
    }

    /// Whether it is standard output. A file of that name has the path `./-`.
    pub(crate) fn is_stdout(&self) -> bool {
        self.0 == Path::new(STDOUT)
    }

    pub(crate) fn display(&self) -> Display<'_> {
        self.0.display()
    }

    /// Replaces the file. Prints an error if that fails. Returns whether it was written. The reader of standard output may
    /// stop early.
    pub(crate) fn write(&self, what: &str, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> bool {
        let written = if self.is_stdout() {
            let mut out = BufWriter::new(io::stdout().lock());
            ignore_broken_pipe(write(&mut out).and_then(|()| out.flush()))
        } else {
            File::create(&self.0).and_then(|file| {
                let mut out = BufWriter::new(file);
                write(&mut out)?;
                out.flush()
            })
        };
        if let Err(error) = &written {
            print_error(&format!("cannot write {what} to {}: {error}", self.display()));
        }
        written.is_ok()
    }

    /// The real path of the file, which may not exist; `None` for a device or a pipe, which several outputs can share.
    fn identity(&self) -> Option<PathBuf> {
        if self.is_stdout() {
            return Some(self.0.clone());
        }
        match fs::metadata(&self.0) {
            Ok(found) if !found.is_file() => None,
            Ok(_) => self.0.canonicalize().ok(),
            Err(_) => {
                let folder = self.0.parent().filter(|folder| *folder != Path::new(""));
                let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
                Some(folder.join(self.0.file_name()?))
            }
        }
    }
}

/// Where a report for people goes: to standard error if one of the files is standard output, which is for machines then.
pub(crate) fn terminal_beside(files: &[Option<&OutputFile>]) -> Box<dyn io::Write> {
    if files.iter().flatten().any(|file| file.is_stdout()) {
        Box::new(anstream::stderr())
    } else {
        Box::new(anstream::stdout())
    }
}

/// Checks that no two options name the same file, of which only the last would remain.
pub(crate) fn check_distinct(outputs: &[(&str, Option<&OutputFile>)]) -> Result<(), String> {
    let mut known: Vec<(&str, PathBuf)> = Vec::new();
    for (option, file) in outputs {
        let Some((file, identity)) = file.and_then(|file| Some((file, file.identity()?))) else {
            continue;
        };
        if let Some((other, _)) = known.iter().find(|(_, path)| *path == identity) {
            let file = file.display();
            return Err(format!("{other} and {option} both write {file}: name two files"));
        }
        known.push((option, identity));
    }
    Ok(())
}

impl ValueParserFactory for OutputFile {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        OsStringValueParser::new().try_map(Self::named).into()
    }
}

/// Tries to open a file for writing, without changing it.
fn try_to_write(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        // The reader of a pipe would take its opening and closing for the whole content.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            OpenOptions::new().write(true).create_new(true).open(path)?;
            fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_options_for_one_file_are_refused_under_any_name_of_it() {
        let folder = tempfile::tempdir().expect("a folder can be created");
        let named = |name: &str| {
            OutputFile::named(folder.path().join(name).into_os_string()).expect("it can be written")
        };
        let (one, same, other) = (named("a"), named("./a"), named("b"));
        let check = |two: &OutputFile| {
            check_distinct(&[("--json", Some(&one)), ("-o", None), ("--junit", Some(two))])
        };
        let error = check(&same).expect_err("it is the same file");
        assert!(error.starts_with("--json and --junit both write "), "{error}");
        assert_eq!(check(&other), Ok(()));
        fs::write(folder.path().join("a"), "").expect("it can be written");
        assert!(check(&same).is_err());
        let null = OutputFile(PathBuf::from("/dev/null"));
        assert_eq!(
            check_distinct(&[("--json", Some(&null)), ("--junit", Some(&null))]),
            Ok(())
        );
    }

    #[test]
    fn an_unwritable_file_is_refused_and_a_writable_one_is_unchanged() {
        let folder = tempfile::tempdir().expect("a folder can be created");
        let named = |name: &str| OutputFile::named(folder.path().join(name).into_os_string());
        assert!(named("missing/report.json").is_err());
        assert!(named("").is_err(), "a folder");
        assert!(named("new.json").is_ok());
        assert!(!folder.path().join("new.json").exists());
        fs::write(folder.path().join("old.json"), "old").expect("it can be written");
        let old = named("old.json").expect("it can be written");
        assert_eq!(fs::read_to_string(&old.0).expect("it is there"), "old");
        assert!(old.write("it", |out| out.write_all(b"new")));
        assert_eq!(fs::read_to_string(&old.0).expect("it is there"), "new");
    }
}
