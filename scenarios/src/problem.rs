//! Errors of a script and their display.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::place::Spot;

/// An error of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as passed to the parser.
    pub file: PathBuf,
    /// Position in the file.
    pub spot: Spot,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// The line at the position, without its line break.
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
        // Terminals vary in the width of a tab; the caret needs one column per character.
        let shown = self.line.replace('\t', " ");
        let margin = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column.saturating_sub(1) as usize);
        write!(formatter, "\n{margin} |\n{line} | {shown}\n{margin} | {indent}^")
    }
}

/// All errors of a script, in order of position. Displayed with a blank line between errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScriptErrors {
    /// The errors, at least one.
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

/// Collects the errors of a script during parsing and checking.
pub(crate) struct Report<'a> {
    /// Text of the script.
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

    /// Returns `result` if no error was reported, otherwise the errors.
    ///
    /// # Panics
    ///
    /// If there is neither a result nor an error.
    pub fn conclude<T>(mut self, result: Option<T>) -> Result<T, ScriptErrors> {
        if self.problems.is_empty() {
            return Ok(result.expect("a script without errors was parsed completely"));
        }
        self.problems.sort_by_key(|problem| problem.spot);
        Err(ScriptErrors {
            problems: self.problems,
        })
    }
}
