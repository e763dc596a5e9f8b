//! A file that is named on the command line and written when all is over.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Display, Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser, ValueParserFactory};

use super::exit::complain;

/// A file that can be written, as far as that can be told beforehand: nobody wants to hear of a missing folder after
/// a night of plays.
#[derive(Debug, Clone)]
pub(crate) struct OutputFile(PathBuf);

impl OutputFile {
    pub(crate) fn display(&self) -> Display<'_> {
        self.0.display()
    }

    /// Writes the file anew, and says so if it cannot be. Whether it could.
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
            complain(&format!("cannot write {what} to {}: {error}", self.display()));
        }
        written.is_ok()
    }
}

impl ValueParserFactory for OutputFile {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        OsStringValueParser::new().try_map(named).into()
    }
}

/// The file of that name; or why it cannot be written.
fn named(path: OsString) -> Result<OutputFile, String> {
    let path = PathBuf::from(path);
    try_to_write(&path).map_err(|error| format!("it cannot be written: {error}"))?;
    Ok(OutputFile(path))
}

/// Leaves everything as it was.
fn try_to_write(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        // Whoever reads a pipe would take its opening and closing for all there is.
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
    fn a_file_that_cannot_be_written_is_refused_beforehand_and_one_that_can_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder can be made");
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
