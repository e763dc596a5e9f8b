//! The report of an exploration on a terminal.

use std::io::{self, Write};
use std::time::Duration;

use super::cluster::Cluster;
use super::result::Exploration;
use super::run::Explored;
use crate::report::SeedReplay;
use crate::report::style::{BAD, GOOD, QUIET, Status, counts, seconds};
use turnstile_scenarios::printable;

/// Seconds in an hour.
const HOUR_S: f64 = 3600.0;
/// How many seeds of a cluster are named.
const SEEDS_NAMED: usize = 5;

/// Writes the findings of a seed and the command that replays it; nothing if the seed passed.
///
/// # Errors
///
/// If `out` fails.
pub fn write_seed(out: &mut impl Write, explored: &Explored, replay: &SeedReplay) -> io::Result<()> {
    let seed = explored.seed;
    let unit = match explored.script {
        None => "seed",
        Some(_) => "play",
    };
    if let Err(error) = &explored.outcome {
        writeln!(
            out,
            "{} {unit} {seed}: harness error: {}",
            Status::Error,
            printable(&error.to_string())
        )?;
        return writeln!(out, "    replay: {}", replay.of(seed));
    }
    let Some(failure) = explored.failure() else {
        return Ok(());
    };
    writeln!(out, "{} {unit} {seed}", Status::Fail)?;
    for finding in &failure.findings {
        let (violated, place) = (finding.violated(), finding.place());
        writeln!(out, "    {BAD}{}{BAD:#}{violated} {place}", finding.rule)?;
        writeln!(out, "      {}", printable(&finding.text))?;
    }
    if !failure.sequence.is_empty() {
        writeln!(out, "    what happened up to the first finding:")?;
        for line in &failure.sequence {
            writeln!(out, "    {QUIET}{}{QUIET:#}", printable(line))?;
        }
    }
    if !failure.tail.is_empty() {
        writeln!(out, "    last lines of the trace up to the first finding:")?;
        for line in &failure.tail {
            writeln!(out, "      {QUIET}{}{QUIET:#}", printable(line))?;
        }
    }
    if let Some(shows_the_same) = failure.in_simulation {
        writeln!(out, "    {}", in_simulation(shows_the_same))?;
    }
    writeln!(out, "    replay: {}", replay.of(seed))
}

/// Whether a simulated play of the same script violates the same rule, in words.
pub fn in_simulation(shows_the_same: bool) -> &'static str {
    match shows_the_same {
        true => "the simulated world shows the same with the same script",
        false => "the simulated world does not show this with the same script",
    }
}

/// The first seeds of a cluster.
pub(super) fn named_seeds(cluster: &Cluster) -> String {
    let seeds = cluster.seeds.iter().take(SEEDS_NAMED);
    let named: Vec<String> = seeds.map(u64::to_string).collect();
    let more = if cluster.count as usize > named.len() {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", named.join(", "))
}

/// Writes the kinds of findings and the summary of an exploration.
///
/// # Errors
///
/// If `out` fails.
pub fn write_exploration(out: &mut impl Write, exploration: &Exploration) -> io::Result<()> {
    let unit = exploration.unit();
    for cluster in &exploration.clusters {
        writeln!(
            out,
            "{BAD}{:>6} ×{BAD:#} {}: {}",
            cluster.count,
            printable(&cluster.rule),
            printable(&cluster.circumstances())
        )?;
        writeln!(out, "         {}", printable(&cluster.text))?;
        if let Some(shows_the_same) = cluster.in_simulation {
            writeln!(out, "         {QUIET}{}{QUIET:#}", in_simulation(shows_the_same))?;
        }
        writeln!(out, "         {QUIET}{unit} {}{QUIET:#}", named_seeds(cluster))?;
    }
    for failure in &exploration.harness_failures {
        let (seed, error) = (failure.seed, printable(&failure.error));
        let unit = unit.trim_end_matches('s');
        writeln!(out, "{} {unit} {seed}: harness error: {error}", Status::Error)?;
    }
    let Exploration {
        played,
        passed,
        virtual_s,
        ..
    } = exploration;
    let errors = exploration.harness_failures.len() as u64;
    let failed = played.saturating_sub(*passed).saturating_sub(errors);
    let style = if failed + errors == 0 { GOOD } else { BAD };
    write!(
        out,
        "{style}{played} {unit}: {}{style:#}",
        counts(*passed, failed, errors)
    )?;
    match exploration.clusters.len() {
        0 => {}
        1 => write!(out, " (1 kind of finding)")?,
        kinds => write!(out, " ({kinds} kinds of findings)")?,
    }
    let wall = exploration.wall_s();
    let duration = Duration::try_from_secs_f64(wall).unwrap_or_default();
    writeln!(out, " in {}", seconds(duration))?;
    if exploration.is_stopped_early() {
        writeln!(out, "{QUIET}stopped early: not all {unit} were played{QUIET:#}")?;
    }
    writeln!(
        out,
        "{QUIET}{:.0} {unit}/s, {:.0} virtual hours{QUIET:#}",
        *played as f64 / wall.max(f64::MIN_POSITIVE),
        virtual_s / HOUR_S
    )?;
    out.flush()
}
