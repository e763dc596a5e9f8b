//! A coverage report as text.

use std::io::{self, Write};

use anstyle::Style;

use super::report::{Report, Row, Section, Standing};
use crate::report::style::{BAD, GOOD, QUIET};

const HEAD: Style = Style::new().bold();

/// The width of the texts in tables.
const TEXT_WIDTH: usize = 36;
/// The width of a number in a table.
const NUMBER_WIDTH: usize = 10;
/// The width of a number in the matrix.
const CELL_WIDTH: usize = 5;

/// The endings of a deadline's marks: it expired, it was cancelled, it was resumed after a restart.
const DEADLINE_ENDINGS: [&str; 3] = [": due", ": cancelled", ": survives a restart"];
/// The column headings of those endings.
const DEADLINE_COLUMNS: [&str; 3] = ["due", "cancelled", "restarted"];
/// Words that mark the text of a refusal.
const REFUSAL_WORDS: [&str; 2] = ["refusal", "refused"];

/// Writes a report as text.
///
/// # Errors
///
/// If the writer fails.
pub fn write_text(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write_sections(report, out)?;
    write_gaps(report, out)?;
    write_deadlines(report, out)?;
    write_refusals(report, out)?;
    write_matrix(report, out)?;
    write_plays(report, out)?;
    out.flush()
}

fn write_sections(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{HEAD}{:<TEXT_WIDTH$}{:>NUMBER_WIDTH$}{HEAD:#}",
        "section of the protocol", "hit"
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

/// Marks that were not hit, and waivers that are out of date.
fn write_gaps(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for (standing, title) in [
        (Standing::Argued, "not hit, with a waiver"),
        (Standing::Unexplained, "not hit, without a waiver"),
        (Standing::Stale, "hit, although a waiver says that it cannot be"),
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
        let title = "faults without a scenario";
        writeln!(out, "\n{BAD}{title}{BAD:#}\n     {}", untried.join("\n     "))?;
    }
    Ok(())
}

/// The deadlines with their marks side by side.
fn write_deadlines(report: &Report, out: &mut impl Write) -> io::Result<()> {
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
                Some(row) => write_count(row.scenarios, row.standing.is_good(), NUMBER_WIDTH, out)?,
                None => write!(out, "{QUIET}{:>NUMBER_WIDTH$}{QUIET:#}", "-")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_refusals(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{HEAD}scenarios by refusal{HEAD:#}")?;
    let is_refusal = |row: &&Row| REFUSAL_WORDS.iter().any(|word| row.text.contains(word));
    for row in report.rows.iter().filter(is_refusal) {
        write_count(row.scenarios, row.standing.is_good(), CELL_WIDTH, out)?;
        writeln!(out, "  §{:<3} {}", row.section, row.text)?;
    }
    Ok(())
}

/// The number of scenarios by fault and by section of the protocol.
fn write_matrix(report: &Report, out: &mut impl Write) -> io::Result<()> {
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
        write_count(fault.scenarios, fault.scenarios > 0, NUMBER_WIDTH, out)?;
        for &count in &fault.by_section {
            write_count(count, true, CELL_WIDTH, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_plays(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    for (title, plays) in [
        ("failed", &report.broken),
        ("had a harness error", &report.failed),
    ] {
        for (id, seed) in plays {
            writeln!(
                out,
                "{BAD}{id}{BAD:#} {title} with seed {seed}; `turnstile run` shows details"
            )?;
        }
    }
    let count = |standing| report.standing(standing).count();
    let reached = count(Standing::Reached) + count(Standing::Stale);
    let style = if report.is_complete() { GOOD } else { BAD };
    writeln!(
        out,
        "{style}{reached} hit, {} waived, {} not hit, {} stale waivers{style:#} in {} scenarios, {} plays",
        count(Standing::Argued),
        count(Standing::Unexplained),
        count(Standing::Stale),
        report.scenarios,
        report.plays
    )
}

/// A number: dimmed if it is 0, marked as bad if it should not be 0.
fn write_count(count: usize, is_good: bool, width: usize, out: &mut impl Write) -> io::Result<()> {
    match (count, is_good) {
        (_, false) => write!(out, "{BAD}{count:>width$}{BAD:#}"),
        (0, true) => write!(out, "{QUIET}{count:>width$}{QUIET:#}"),
        (_, true) => write!(out, "{count:>width$}"),
    }
}
