//! An output file that is named on the command line and written at the end.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Display, Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser, ValueParserFactory};

use super::exit::print_error;

/// A file that was checked to be writable when the command line was parsed, so that a wrong path is reported before
/// a long run and not after it.
#[derive(Debug, Clone)]
pub(crate) struct OutputFile(PathBuf);

impl OutputFile {
    pub(crate) fn display(&self) -> Display<'_> {
        self.0.display()
    }

    /// Replaces the file. Prints an error if that fails. Returns whether it was written.
    pub(crate) fn write(
        &self,
        what: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> bool {
        let written = File::create(&self.0).and_then(|file| {
            let mut out = BufWriter::new(file);
            write(&mut out)?;
            out.flush()
        });
        if let Err(error) = &written {
            print_error(&format!("cannot write {what} to {}: {error}", self.display()));
        }
        written.is_ok()
    }

    /// The real path of the file, which may not exist; `None` for a device or a pipe, which several outputs can share.
    fn identity(&self) -> Option<PathBuf> {
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
        OsStringValueParser::new().try_map(named).into()
    }
}

/// Checks that a file can be written.
fn named(path: OsString) -> Result<OutputFile, String> {
    let path = PathBuf::from(path);
    try_to_write(&path).map_err(|error| format!("cannot write it: {error}"))?;
    Ok(OutputFile(path))
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
        let named = |name: &str| named(folder.path().join(name).into_os_string()).expect("it can be written");
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
        let named = |name: &str| named(folder.path().join(name).into_os_string());
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
