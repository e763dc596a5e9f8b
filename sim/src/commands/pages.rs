//! The report of a run as pages: `--report` and `--compare`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser, ValueParserFactory};
use turnstile::report::HtmlReport;
use turnstile_scenarios::read_file;

use super::exit::print_error;
use super::output_file::OutputFile;

/// The largest report that is read, in bytes.
const LARGEST_REPORT: u64 = 256 << 20;
/// The file by which a folder is recognized as a report that may be replaced.
const MARK: &str = "report.json";

/// The pages to write.
#[derive(Args)]
pub(crate) struct PagesArguments {
    /// Write a report with a page for each play into a folder, or into one file if the name ends in `.html`
    ///
    /// The single file has no timelines and wire logs.
    #[arg(long, value_name = "DIR|FILE.html")]
    report: Option<ReportTarget>,
    /// Show in the report what is new and what is resolved since an earlier `report.json`
    #[arg(long, value_name = "FILE", requires = "report")]
    compare: Option<PathBuf>,
}

/// A folder or file that was checked to be writable.
#[derive(Debug, Clone)]
enum ReportTarget {
    Folder(PathBuf),
    File(OutputFile),
}

impl ValueParserFactory for ReportTarget {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        OsStringValueParser::new().try_map(target).into()
    }
}

fn target(name: OsString) -> Result<ReportTarget, String> {
    let path = PathBuf::from(&name);
    if path.extension().is_some_and(|extension| extension == "html") {
        return OutputFile::named(name).map(ReportTarget::File);
    }
    let problem = |error: io::Error| format!("cannot write it: {error}");
    match fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
        Ok(true) if !path.join(MARK).is_file() => {
            Err("the folder has other files and no report: name an empty or new folder".to_owned())
        }
        Ok(_) => Ok(ReportTarget::Folder(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(&path).map_err(problem)?;
            Ok(ReportTarget::Folder(path))
        }
        Err(error) => Err(problem(error)),
    }
}

/// A report and where it is written.
pub(crate) struct Pages<'a> {
    target: &'a ReportTarget,
    pub(crate) report: HtmlReport,
}

impl PagesArguments {
    /// The empty report, if one is asked for. `name` names the run; `with_seed` adds the seed to the names of plays.
    pub(crate) fn pages(&self, name: &str, with_seed: bool) -> Option<Pages<'_>> {
        let target = self.report.as_ref()?;
        // It was checked before the run.
        let earlier = self.compare.as_deref().and_then(|file| earlier(file).ok());
        let report = HtmlReport::new(name.to_owned())
            .compared_with(earlier)
            .with_seed(with_seed);
        Some(Pages { target, report })
    }

    /// Checks that the earlier report can be read.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.compare.as_deref().map(earlier).transpose().map(drop)
    }
}

/// The text of an earlier report.
fn earlier(file: &Path) -> Result<String, String> {
    let text = read_file(file, LARGEST_REPORT)
        .map_err(|error| format!("cannot read {} (--compare): {error}", file.display()))?;
    HtmlReport::check_earlier(&text).map_err(|error| {
        format!(
            "{} is not a report of `--json` (--compare): {error}",
            file.display()
        )
    })?;
    Ok(text)
}

impl Pages<'_> {
    /// Writes the pages. Prints an error if that fails. Returns whether they were written.
    pub(crate) fn write(self) -> bool {
        match self.target {
            ReportTarget::File(file) => file.write("the report", |out| self.report.write_file(out)),
            ReportTarget::Folder(folder) => {
                let written = self.report.write_folder(folder);
                if let Err(error) = &written {
                    print_error(&format!(
                        "cannot write the report to {}: {error}",
                        folder.display()
                    ));
                }
                written.is_ok()
            }
        }
    }
}
