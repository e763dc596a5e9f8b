//! What is wrong with a script, and how it is told.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::place::Spot;

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was given to the reader.
    pub file: PathBuf,
    /// Where in it.
    pub spot: Spot,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// The line at that spot, without its end.
    pub line: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { line, column } = self.spot;
        write!(
            formatter,
            "{}:{line}:{column}: {}",
            self.file.display(),
            self.message
        )?;
        if self.line.trim().is_empty() {
            return Ok(());
        }
        // A tab is as wide as the terminal likes; a space is one column, as the caret needs it.
        let shown = self.line.replace('\t', " ");
        let margin = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column.saturating_sub(1) as usize);
        write!(formatter, "\n{margin} |\n{line} | {shown}\n{margin} | {indent}^")
    }
}

/// All that is wrong with a script, in order of line. Displayed as one paragraph a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScriptErrors {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ScriptErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

/// Collects the problems of one script while it is read and checked.
pub(crate) struct Report<'a> {
    /// The script's text.
    pub source: &'a str,
    file: &'a Path,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub fn new(source: &'a str, file: &'a Path) -> Self {
        Self {
            source,
            file,
            problems: Vec::new(),
        }
    }

    pub fn add(&mut self, spot: Spot, message: impl fmt::Display) {
        let line = (spot.line as usize)
            .checked_sub(1)
            .and_then(|index| self.source.lines().nth(index));
        self.problems.push(Problem {
            file: self.file.to_owned(),
            spot,
            message: message.to_string(),
            line: line.unwrap_or_default().to_owned(),
        });
    }

    /// `result` if nothing was reported, else the report.
    ///
    /// # Panics
    ///
    /// If there is neither a result nor a problem.
    pub fn conclude<T>(mut self, result: Option<T>) -> Result<T, ScriptErrors> {
        if self.problems.is_empty() {
            return Ok(result.expect("a script without problems was read whole"));
        }
        self.problems.sort_by_key(|problem| problem.spot);
        Err(ScriptErrors {
            problems: self.problems,
        })
    }
}
