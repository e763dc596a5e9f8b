//! The report on a terminal: a table of counts, and the mutants that no oracle noticed.

use std::io::{self, Write};

use turnstile_scenarios::{printable, shortened};

use super::summary::{Counts, Summary};
use super::trial::{Class, Trial};
use crate::report::style::{BAD, GOOD, QUIET};

/// The maximum length of a finding's text, in characters.
const LONGEST: usize = 160;

/// Writes the counts by place and operation.
///
/// # Errors
///
/// If the writer fails.
pub fn write_table(mut out: impl Write, summary: &Summary) -> io::Result<()> {
    writeln!(
        out,
        "{QUIET}{:<9}{:<10}{:>8}{:>8}{:>8}{:>10}{:>10}{:>14}{:>8}{:>9}{QUIET:#}",
        "place",
        "operation",
        "mutants",
        "oracle",
        "script",
        "survived",
        "reviewed",
        "not provoked",
        "errors",
        "noticed"
    )?;
    for ((place, operation), counts) in &summary.rows {
        write_row(&mut out, place.name(), operation.name(), counts)?;
    }
    write_row(&mut out, "all", "", &summary.total)
}

fn write_row(mut out: impl Write, place: &str, operation: &str, counts: &Counts) -> io::Result<()> {
    let Counts {
        oracle,
        script,
        survived,
        not_provoked,
        reviewed,
        failed,
    } = counts;
    let (all, noticed) = (counts.all(), counts.noticed());
    writeln!(
        out,
        "{place:<9}{operation:<10}{all:>8}{oracle:>8}{script:>8}{survived:>10}{reviewed:>10}{not_provoked:>14}{failed:>8}{noticed:>7.0} %"
    )
}

/// Writes the mutants that no oracle noticed, with how they were noticed otherwise.
///
/// # Errors
///
/// If the writer fails.
pub fn write_survivors(mut out: impl Write, trials: &[Trial]) -> io::Result<()> {
    let mut survivors: Vec<&Trial> = trials
        .iter()
        .filter(|trial| trial.class() != Class::Oracle)
        .collect();
    survivors.sort_by_key(|trial| (trial.review().is_some(), trial.class(), &trial.rewrite));
    for trial in survivors {
        write_survivor(&mut out, trial)?;
    }
    Ok(())
}

fn write_survivor(mut out: impl Write, trial: &Trial) -> io::Result<()> {
    let Trial {
        rewrite,
        played,
        differing,
        ..
    } = trial;
    let class = trial.class();
    let style = match (trial.review(), class) {
        (Some(_), _) => GOOD,
        (None, Class::NotProvoked) => QUIET,
        (None, _) => BAD,
    };
    writeln!(out, "{style}{:>14}{style:#}  {rewrite}", class.name())?;
    let indent = "";
    if let Some(reason) = trial.review() {
        writeln!(out, "{indent:16}{QUIET}reviewed: {reason}{QUIET:#}")?;
    }
    if class != Class::NotProvoked {
        writeln!(
            out,
            "{indent:16}{QUIET}differs in {differing} of {played} plays{QUIET:#}"
        )?;
    }
    for notice in trial.errors.iter().chain(&trial.scripts).take(1) {
        let text = printable(&notice.text);
        let text = shortened(&text, LONGEST);
        writeln!(
            out,
            "{indent:16}{QUIET}{}: {}: {text}{QUIET:#}",
            notice.scenario, notice.rule
        )?;
    }
    Ok(())
}
