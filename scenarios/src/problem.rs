//! Errors of a script and their display.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::place::Spot;
use crate::text::{printable, shortened};

/// The number of characters of a message that are kept. A message may quote the script.
const MESSAGE_LENGTH: usize = 2_000;
/// The number of characters of a line that are shown before a position, and in total.
const SHOWN_BEFORE: usize = 100;
const SHOWN_LENGTH: usize = 160;

/// An error of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as passed to the parser.
    pub file: PathBuf,
    /// Position in the file.
    pub spot: Spot,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// The line at the position, without its line break; of a long line, the part around the position.
    pub line: String,
    /// Position of the caret in `line`, in characters from 0.
    caret: usize,
}

impl Problem {
    /// An error of a text file that is not a script, at the byte `offset` of its `text`.
    pub fn in_text(file: &Path, text: &str, offset: usize, message: impl fmt::Display) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let spot = Spot {
            line: count(before.matches('\n').count() + 1),
            column: count(before[start..].chars().count() + 1),
        };
        Report::new(text, file).problem(spot, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { line, column } = self.spot;
        write!(
            formatter,
            "{}:{line}:{column}: {}",
            printable(&self.file.to_string_lossy()),
            printable(&self.message)
        )?;
        if self.line.trim().is_empty() {
            return Ok(());
        }
        // Terminals vary in the width of a tab; the caret needs one column per character. Other control
        // characters would move the cursor.
        let shown: String = self
            .line
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        let margin = " ".repeat(line.to_string().len());
        let indent = " ".repeat(self.caret);
        let shown = printable(&shown);
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
    lines: Vec<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub fn new(source: &'a str, file: &'a Path) -> Self {
        Self {
            source,
            file,
            lines: source.lines().collect(),
            problems: Vec::new(),
        }
    }

    pub fn add(&mut self, spot: Spot, message: impl fmt::Display) {
        // A value that YAML makes up, such as one of a merged map, has no position.
        let spot = if spot.line == 0 { Spot::START } else { spot };
        let problem = self.problem(spot, message);
        self.problems.push(problem);
    }

    /// The error at a position, with its line.
    fn problem(&self, spot: Spot, message: impl fmt::Display) -> Problem {
        let line = (spot.line as usize)
            .checked_sub(1)
            .and_then(|index| self.lines.get(index));
        let (line, caret) = around(line.copied().unwrap_or_default(), spot.column);
        Problem {
            file: self.file.to_owned(),
            spot,
            message: shortened(&message.to_string(), MESSAGE_LENGTH).into_owned(),
            line,
            caret,
        }
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

/// The part of a line around a column, and the position of the column in it.
fn around(line: &str, column: u32) -> (String, usize) {
    let position = column.saturating_sub(1) as usize;
    let start = if line.chars().nth(SHOWN_LENGTH).is_none() {
        0
    } else {
        position.saturating_sub(SHOWN_BEFORE)
    };
    let mut rest = line.chars().skip(start);
    let mut shown: String = rest.by_ref().take(SHOWN_LENGTH).collect();
    let mut caret = position - start;
    if start > 0 {
        shown.insert(0, '…');
        caret += 1;
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    // An error at the end of a file can be behind its last line.
    (shown, caret.min(SHOWN_LENGTH + 1))
}
