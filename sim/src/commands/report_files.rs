//! Reports in files.
//!
//! They are written after all plays, whatever the outcome. An error in one does not prevent the others.

use std::io;

use clap::Args;
use turnstile::report::{
    AnnotationsReport, Document, Event, FailureDetail, JsonReport, JunitReport, MarkdownReport,
    RecordingReport, Reporter, TimelineReport,
};

use super::clock::date_and_time;
use super::output_file::{OutputFile, check_distinct, terminal_beside};
use super::pages::{Pages, PagesArguments};

/// The files to write.
#[derive(Args)]
pub(crate) struct ReportArguments {
    /// Write a JUnit report: a suite for each seam, a case for each play; `-` is standard output
    #[arg(long, value_name = "FILE", value_parser = OutputFile::or_stdout())]
    junit: Option<OutputFile>,
    /// Write a JSON report; `-` is standard output
    #[arg(long, value_name = "FILE", value_parser = OutputFile::or_stdout())]
    json: Option<OutputFile>,
    /// Write a short report in Markdown, for the summary of a CI job or a comment
    #[arg(long, value_name = "FILE")]
    markdown: Option<OutputFile>,
    /// Write failures as workflow commands of GitHub Actions, which shows them as annotations
    #[arg(long, value_name = "FILE")]
    annotations: Option<OutputFile>,
    /// Write an interactive timeline (HTML) of the only play or of the first failure
    ///
    /// No file is written if there are several plays and all pass.
    #[arg(long, value_name = "FILE")]
    timeline: Option<OutputFile>,
    #[command(flatten)]
    pages: PagesArguments,
    /// Write a recording (JSON lines) of the only play or of the first failure, for `turnstile judge`
    ///
    /// No file is written if there are several plays and all pass.
    #[arg(long, value_name = "FILE")]
    trace_file: Option<OutputFile>,
}

impl ReportArguments {
    /// Checks that each report has a file of its own.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_distinct(&[
            ("--junit", self.junit.as_ref()),
            ("--json", self.json.as_ref()),
            ("--markdown", self.markdown.as_ref()),
            ("--annotations", self.annotations.as_ref()),
            ("--timeline", self.timeline.as_ref()),
            ("--trace-file", self.trace_file.as_ref()),
        ])?;
        self.pages.check()
    }

    /// Where the report for people goes.
    pub(crate) fn terminal(&self) -> Box<dyn io::Write> {
        terminal_beside(&[self.json.as_ref(), self.junit.as_ref()])
    }

    /// The reports of `plays` plays. `with_seed` adds the seed to the names of plays; `detail` says what is kept of a play
    /// with findings.
    pub(crate) fn files(&self, plays: usize, with_seed: bool, detail: FailureDetail) -> ReportFiles<'_> {
        let mut files = ReportFiles::default();
        let name = date_and_time().format("%Y-%m-%d %H:%M UTC").to_string();
        files.pages = self.pages.pages(&name, with_seed);
        if let Some(file) = &self.junit {
            let report = JunitReport::new(detail).started_at(date_and_time());
            files.add(file, report.with_seed(with_seed));
        }
        if let Some(file) = &self.json {
            files.add(file, JsonReport::default());
        }
        if let Some(file) = &self.markdown {
            files.add(file, MarkdownReport::new(detail).with_seed(with_seed));
        }
        if let Some(file) = &self.annotations {
            files.add(file, AnnotationsReport::default());
        }
        if let Some(file) = &self.timeline {
            files.add(file, TimelineReport::new(plays));
        }
        if let Some(file) = &self.trace_file {
            files.add(file, RecordingReport::new(plays));
        }
        files
    }
}

/// Documents, each with the file that it is written to.
#[derive(Default)]
pub(crate) struct ReportFiles<'a> {
    documents: Vec<(&'a OutputFile, Box<dyn Document>)>,
    pages: Option<Pages<'a>>,
}

impl<'a> ReportFiles<'a> {
    /// Adds a document.
    pub(crate) fn add(&mut self, file: &'a OutputFile, document: impl Document + 'static) {
        self.documents.push((file, Box::new(document)));
    }

    /// Writes all documents and prints an error for each that cannot be written. Returns whether all were written.
    pub(crate) fn write(self) -> bool {
        let mut all = true;
        for (file, document) in self.documents {
            let name = document.name();
            match document.absence() {
                Some(why) => anstream::eprintln!("no {name} written to {}: {why}", file.display()),
                None => all &= file.write(&format!("the {name}"), |out| document.write(out)),
            }
        }
        self.pages.is_none_or(Pages::write) && all
    }
}

impl Reporter for ReportFiles<'_> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let documents = self.documents.iter_mut();
        let reported = documents
            .map(|(_, document)| document.report(event))
            .fold(Ok(()), Result::and);
        match &mut self.pages {
            Some(pages) => reported.and(pages.report.report(event)),
            None => reported,
        }
    }
}
