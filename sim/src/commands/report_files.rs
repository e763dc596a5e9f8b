//! Reports that are written to files, for machines and for later.
//!
//! They are written when all plays are over, whatever came of them. One that cannot be written does not keep
//! the others from being written.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use turnstile::report::{JsonReport, JunitReport, replay_command};
use turnstile::suite::Played;

use super::exit::complain;

/// Which reports are written, and where to.
#[derive(Args)]
pub(crate) struct ReportArguments {
    /// Write a JUnit report for a CI system: a suite for each seam, a case for each play
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write what came of each play as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The reports that were asked for, as far as the plays are over.
pub(crate) struct ReportFiles<'a> {
    arguments: &'a ReportArguments,
    junit: Option<JunitReport>,
    json: Option<JsonReport>,
}

impl<'a> ReportFiles<'a> {
    /// Reports with the seed of each play if it tells them apart.
    pub(crate) fn new(arguments: &'a ReportArguments, with_seed: bool, trace_lines: usize) -> Self {
        let junit = || JunitReport::new(trace_lines).with_seed(with_seed);
        Self {
            arguments,
            junit: arguments.junit.as_ref().map(|_| junit()),
            json: arguments.json.as_ref().map(|_| JsonReport::default()),
        }
    }

    /// Takes a play into all of them.
    pub(crate) fn add(&mut self, played: &Played) {
        let replay = replay_of(played);
        if let Some(junit) = &mut self.junit {
            junit.add(played, &replay);
        }
        if let Some(json) = &mut self.json {
            json.add(played, &replay);
        }
    }

    /// Writes all of them, and says so if one cannot be. Whether all were.
    pub(crate) fn write(self) -> bool {
        let mut all = true;
        if let (Some(file), Some(junit)) = (&self.arguments.junit, self.junit) {
            all &= write_file("the JUnit report", file, |out| junit.write(out));
        }
        if let (Some(file), Some(json)) = (&self.arguments.json, self.json) {
            all &= write_file("the JSON report", file, |out| json.write(out));
        }
        all
    }
}

/// The command that plays it again.
fn replay_of(played: &Played) -> String {
    let entry = played.play.entry;
    replay_command(&entry.path, played.play.options.seed, entry.scenario.api.first())
}

fn write_file(what: &str, file: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> bool {
    let written = File::create(file).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    if let Err(error) = &written {
        complain(&format!("cannot write {what} to {}: {error}", file.display()));
    }
    written.is_ok()
}
