//! A report as people read it: in a terminal, or wherever its text goes.

use std::io::{self, Write};

use anstyle::Style;

use super::report::{Report, Row, Section, Standing};
use crate::report::style::{BAD, GOOD, QUIET};

const HEAD: Style = Style::new().bold();

/// How wide the texts of tables are.
const TEXT_WIDTH: usize = 36;
/// How wide a number in a table is.
const NUMBER_WIDTH: usize = 10;
/// How wide a number in the matrix is.
const CELL_WIDTH: usize = 5;

/// How the marks of a deadline end: it was met, it was dropped, it was taken up after a restart.
const DEADLINE_ENDINGS: [&str; 3] = [": due", ": cancelled", ": survives a restart"];
/// What those endings are called above the columns.
const DEADLINE_COLUMNS: [&str; 3] = ["due", "cancelled", "restarted"];
/// What the texts of refusals have in them.
const REFUSAL_WORDS: [&str; 2] = ["refusal", "refused"];

/// Writes a report as text.
///
/// # Errors
///
/// As the writer fails.
pub fn tell(report: &Report, out: &mut impl Write) -> io::Result<()> {
    tell_sections(report, out)?;
    tell_gaps(report, out)?;
    tell_deadlines(report, out)?;
    tell_refusals(report, out)?;
    tell_matrix(report, out)?;
    tell_plays(report, out)?;
    out.flush()
}

fn tell_sections(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{HEAD}{:<TEXT_WIDTH$}{:>NUMBER_WIDTH$}{HEAD:#}",
        "section of the protocol", "reached"
    )?;
    for Section {
        section,
        subject,
        reached,
        rows,
    } in &report.sections
    {
        let name = format!("§{section} {subject}");
        writeln!(out, "{name:<TEXT_WIDTH$}{reached:>NUMBER_WIDTH$} of {rows:>3}")?;
    }
    let reached = report.rows.iter().filter(|row| row.scenarios > 0).count();
    let rows = report.rows.len();
    writeln!(out, "{:<TEXT_WIDTH$}{reached:>NUMBER_WIDTH$} of {rows:>3}", "all")
}

/// What was not reached, and what should not have been.
fn tell_gaps(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for (standing, title) in [
        (Standing::Argued, "not reached, and why"),
        (Standing::Unexplained, "not reached, and nobody says why"),
        (
            Standing::Stale,
            "reached, in spite of an argument why it cannot be",
        ),
    ] {
        let mut rows = report.standing(standing).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let style = if standing.is_good() { HEAD } else { BAD };
        writeln!(out, "\n{style}{title}{style:#}")?;
        for row in rows {
            writeln!(out, "§{:<3} {}", row.section, row.text)?;
            if let Some(argument) = row.argument {
                writeln!(out, "     {QUIET}{argument}{QUIET:#}")?;
            }
        }
    }
    let untried: Vec<&str> = report.untried().collect();
    if !untried.is_empty() {
        let title = "faults that no scenario has";
        writeln!(out, "\n{BAD}{title}{BAD:#}\n     {}", untried.join("\n     "))?;
    }
    Ok(())
}

/// The deadlines, each with its marks side by side.
fn tell_deadlines(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\n{HEAD}{:<TEXT_WIDTH$}", "scenarios by deadline")?;
    for column in DEADLINE_COLUMNS {
        write!(out, "{column:>NUMBER_WIDTH$}")?;
    }
    writeln!(out, "{HEAD:#}")?;
    let [due, ..] = DEADLINE_ENDINGS;
    for name in report.rows.iter().filter_map(|row| row.text.strip_suffix(due)) {
        write!(out, "{name:<TEXT_WIDTH$}")?;
        for ending in DEADLINE_ENDINGS {
            let is_meant = |row: &&Row| row.text.strip_suffix(ending) == Some(name);
            match report.rows.iter().find(is_meant) {
                Some(row) => tell_count(row.scenarios, row.standing.is_good(), NUMBER_WIDTH, out)?,
                None => write!(out, "{QUIET}{:>NUMBER_WIDTH$}{QUIET:#}", "-")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn tell_refusals(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{HEAD}scenarios by refusal{HEAD:#}")?;
    let is_refusal = |row: &&Row| REFUSAL_WORDS.iter().any(|word| row.text.contains(word));
    for row in report.rows.iter().filter(is_refusal) {
        tell_count(row.scenarios, row.standing.is_good(), CELL_WIDTH, out)?;
        writeln!(out, "  §{:<3} {}", row.section, row.text)?;
    }
    Ok(())
}

/// How many scenarios have which fault and came by which section.
fn tell_matrix(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "\n{HEAD}{:<TEXT_WIDTH$}{:>NUMBER_WIDTH$}",
        "scenarios by fault and section", "all"
    )?;
    for section in &report.sections {
        let section = format!("§{}", section.section);
        write!(out, "{section:>CELL_WIDTH$}")?;
    }
    writeln!(out, "{HEAD:#}")?;
    for fault in &report.faults {
        write!(out, "{:<TEXT_WIDTH$}", fault.fault)?;
        tell_count(fault.scenarios, fault.scenarios > 0, NUMBER_WIDTH, out)?;
        for &count in &fault.by_section {
            tell_count(count, true, CELL_WIDTH, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn tell_plays(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    for (title, plays) in [
        ("broke", &report.broken),
        ("ended in a failure of the harness", &report.failed),
    ] {
        for (id, seed) in plays {
            writeln!(
                out,
                "{BAD}{id}{BAD:#} {title} with seed {seed}; `turnstile run` tells how"
            )?;
        }
    }
    let count = |standing| report.standing(standing).count();
    let reached = count(Standing::Reached) + count(Standing::Stale);
    let style = if report.is_complete() { GOOD } else { BAD };
    writeln!(
        out,
        "{style}{reached} reached, {} argued, {} unexplained, {} reached against an argument{style:#} \
         by {} scenarios in {} plays",
        count(Standing::Argued),
        count(Standing::Unexplained),
        count(Standing::Stale),
        report.scenarios,
        report.plays
    )
}

/// A number: quiet if it is none, loud if none should not be.
fn tell_count(count: usize, is_good: bool, width: usize, out: &mut impl Write) -> io::Result<()> {
    match (count, is_good) {
        (_, false) => write!(out, "{BAD}{count:>width$}{BAD:#}"),
        (0, true) => write!(out, "{QUIET}{count:>width$}{QUIET:#}"),
        (_, true) => write!(out, "{count:>width$}"),
    }
}
