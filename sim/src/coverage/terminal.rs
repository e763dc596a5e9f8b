//! A coverage report as text.

use std::io::{self, Write};

use anstyle::Style;

use super::report::{MarkReport, MarkStatus, Report, Section};
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
        hit,
        marks,
    } in &report.sections
    {
        let name = format!("§{section} {subject}");
        writeln!(out, "{name:<TEXT_WIDTH$}{hit:>NUMBER_WIDTH$} of {marks:>3}")?;
    }
    let hit = report.marks.iter().filter(|mark| mark.scenarios > 0).count();
    let marks = report.marks.len();
    writeln!(out, "{:<TEXT_WIDTH$}{hit:>NUMBER_WIDTH$} of {marks:>3}", "all")
}

/// Marks that were not hit, and waivers that are out of date.
fn write_gaps(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for (status, title) in [
        (MarkStatus::Waived, "not hit, with a waiver"),
        (MarkStatus::NotHit, "not hit, without a waiver"),
        (
            MarkStatus::StaleWaiver,
            "hit, although a waiver says that it cannot be",
        ),
    ] {
        let mut marks = report.with_status(status).peekable();
        if marks.peek().is_none() {
            continue;
        }
        let style = if status.is_good() { HEAD } else { BAD };
        writeln!(out, "\n{style}{title}{style:#}")?;
        for mark in marks {
            writeln!(out, "§{:<3} {}", mark.section, mark.text)?;
            if let Some(waiver) = mark.waiver {
                writeln!(out, "     {QUIET}{waiver}{QUIET:#}")?;
            }
        }
    }
    let unused_faults: Vec<&str> = report.unused_faults().collect();
    if !unused_faults.is_empty() {
        let title = "faults without a scenario";
        writeln!(
            out,
            "\n{BAD}{title}{BAD:#}\n     {}",
            unused_faults.join("\n     ")
        )?;
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
    for name in report.marks.iter().filter_map(|mark| mark.text.strip_suffix(due)) {
        write!(out, "{name:<TEXT_WIDTH$}")?;
        for ending in DEADLINE_ENDINGS {
            let is_meant = |mark: &&MarkReport| mark.text.strip_suffix(ending) == Some(name);
            match report.marks.iter().find(is_meant) {
                Some(mark) => write_count(mark.scenarios, mark.status.is_good(), NUMBER_WIDTH, out)?,
                None => write!(out, "{QUIET}{:>NUMBER_WIDTH$}{QUIET:#}", "-")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_refusals(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{HEAD}scenarios by refusal{HEAD:#}")?;
    let is_refusal = |mark: &&MarkReport| REFUSAL_WORDS.iter().any(|word| mark.text.contains(word));
    for mark in report.marks.iter().filter(is_refusal) {
        write_count(mark.scenarios, mark.status.is_good(), CELL_WIDTH, out)?;
        writeln!(out, "  §{:<3} {}", mark.section, mark.text)?;
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
    let count = |status| report.with_status(status).count();
    let hit = count(MarkStatus::Hit) + count(MarkStatus::StaleWaiver);
    let style = if report.is_complete() { GOOD } else { BAD };
    writeln!(
        out,
        "{style}{hit} hit, {} waived, {} not hit, {} stale waivers{style:#} in {} scenarios, {} plays",
        count(MarkStatus::Waived),
        count(MarkStatus::NotHit),
        count(MarkStatus::StaleWaiver),
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
