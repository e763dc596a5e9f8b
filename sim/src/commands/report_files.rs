//! Reports that are written to files, for machines and for later.
//!
//! They are written when all plays are over, whatever came of them. One that cannot be written does not keep
//! the others from being written.

use std::io::Write as _;

use clap::Args;
use turnstile::report::{Heading, JsonReport, JunitReport, timeline};
use turnstile::suite::Played;
use turnstile_scenarios::Entry;

use super::output_file::OutputFile;

/// Which reports are written, and where to.
#[derive(Args)]
pub(crate) struct ReportArguments {
    /// Write a JUnit report for a CI system: a suite for each seam, a case for each play
    #[arg(long, value_name = "FILE")]
    junit: Option<OutputFile>,
    /// Write what came of each play as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<OutputFile>,
    /// Write a timeline to look at in a browser: of the one play, or of the first that broke if there are several
    ///
    /// If several are played and all hold, there is nothing to look at and no file is written.
    #[arg(long, value_name = "FILE")]
    timeline: Option<OutputFile>,
}

/// The reports that were asked for, as far as the plays are over.
pub(crate) struct ReportFiles<'a> {
    arguments: &'a ReportArguments,
    plays: usize,
    junit: Option<JunitReport>,
    json: Option<JsonReport>,
    page: Option<String>,
}

impl<'a> ReportFiles<'a> {
    /// Reports of so many plays, with the seed of each if it tells them apart.
    pub(crate) fn new(
        arguments: &'a ReportArguments,
        plays: usize,
        with_seed: bool,
        trace_lines: usize,
    ) -> Self {
        let junit = || JunitReport::new(trace_lines).with_seed(with_seed);
        Self {
            arguments,
            plays,
            junit: arguments.junit.as_ref().map(|_| junit()),
            json: arguments.json.as_ref().map(|_| JsonReport::default()),
            page: None,
        }
    }

    /// Takes a play that there was not into those that tell of it.
    pub(crate) fn skip(&mut self, entry: &Entry, reason: &str) {
        if let Some(junit) = &mut self.junit {
            junit.skip(entry, reason);
        }
        if let Some(json) = &mut self.json {
            json.skip(entry, reason);
        }
    }

    /// Takes a play into all of them, which `replay` plays again.
    pub(crate) fn add(&mut self, played: &Played, replay: &str) {
        if let Some(junit) = &mut self.junit {
            junit.add(played, replay);
        }
        if let Some(json) = &mut self.json {
            json.add(played, replay);
        }
        let is_wanted = self.arguments.timeline.is_some() && self.page.is_none();
        if let (true, Ok(verdict)) = (is_wanted, &played.verdict)
            && (self.plays == 1 || !verdict.findings.is_empty())
        {
            self.page = Some(timeline::page(verdict, &Heading::of(&played.play, replay)));
        }
    }

    /// Writes all of them, and says so if one cannot be. Whether all were.
    pub(crate) fn write(self) -> bool {
        let mut all = true;
        if let (Some(file), Some(junit)) = (&self.arguments.junit, self.junit) {
            all &= file.write("the JUnit report", |out| junit.write(out));
        }
        if let (Some(file), Some(json)) = (&self.arguments.json, self.json) {
            all &= file.write("the JSON report", |out| json.write(out));
        }
        match (&self.arguments.timeline, self.page) {
            (Some(file), Some(page)) => all &= write_page(file, &page),
            (Some(file), None) => {
                let why = if self.plays == 1 {
                    "the harness failed, so there is nothing to draw"
                } else {
                    "no play broke, and of several only one that broke is drawn"
                };
                anstream::eprintln!("no timeline was written to {}: {why}", file.display());
            }
            (None, _) => {}
        }
        all
    }
}

/// Writes a timeline. Whether it could be.
pub(crate) fn write_page(file: &OutputFile, page: &str) -> bool {
    file.write("the timeline", |out| out.write_all(page.as_bytes()))
}
