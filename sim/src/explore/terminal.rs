//! Telling a terminal what seeds have found.

use std::io::{self, Write};

use super::cluster::Cluster;
use super::result::Exploration;
use super::run::Explored;
use crate::report::finding::Flaw;
use crate::report::replay_of_seed;
use crate::report::style::{BAD, GOOD, QUIET};

/// Seconds in an hour.
const HOUR_S: f64 = 3600.0;
/// How many seeds of a cluster are named.
const SEEDS_NAMED: usize = 5;

/// Tells what did not hold in one seed, which is played again with `flags`; nothing if all held.
///
/// # Errors
///
/// As `out` fails.
pub fn tell_seed(out: &mut impl Write, explored: &Explored, flags: &str) -> io::Result<()> {
    let seed = explored.seed;
    if let Err(error) = &explored.outcome {
        writeln!(out, "{BAD}ERROR{BAD:#} seed {seed}: the harness failed: {error}")?;
        return writeln!(out, "    replay: {}", replay_of_seed(seed, flags));
    }
    let Some(broken) = explored.broken() else {
        return Ok(());
    };
    writeln!(out, "{BAD}BROKE{BAD:#} seed {seed}")?;
    for Flaw { rule, place, text } in &broken.flaws {
        writeln!(out, "    {BAD}{rule}{BAD:#} {place}")?;
        writeln!(out, "      {text}")?;
    }
    if !broken.tail.is_empty() {
        writeln!(out, "    the trace up to there:")?;
        for line in &broken.tail {
            writeln!(out, "      {QUIET}{line}{QUIET:#}")?;
        }
    }
    writeln!(out, "    replay: {}", replay_of_seed(seed, flags))
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

/// Tells what came of all seeds.
///
/// # Errors
///
/// As `out` fails.
pub fn tell_exploration(out: &mut impl Write, exploration: &Exploration) -> io::Result<()> {
    for cluster in &exploration.clusters {
        writeln!(
            out,
            "{BAD}{:>6} ×{BAD:#} {}: {}",
            cluster.count,
            cluster.rule,
            cluster.circumstances()
        )?;
        writeln!(out, "         {}", cluster.text)?;
        writeln!(out, "         {QUIET}seeds {}{QUIET:#}", named_seeds(cluster))?;
    }
    for failure in &exploration.harness_failures {
        writeln!(out, "{BAD}ERROR{BAD:#} seed {}: {}", failure.seed, failure.error)?;
    }
    let Exploration {
        played,
        held,
        virtual_s,
        ..
    } = exploration;
    let failed = exploration.harness_failures.len() as u64;
    let broken = played - held - failed;
    let style = if broken + failed == 0 { GOOD } else { BAD };
    write!(out, "{style}{held} of {played} seeds held{style:#}")?;
    if broken > 0 {
        let ways = exploration.clusters.len();
        let ways = if ways == 1 {
            "one way".to_owned()
        } else {
            format!("{ways} ways")
        };
        write!(out, ", {BAD}{broken} broke in {ways}{BAD:#}")?;
    }
    if failed > 0 {
        write!(out, ", {BAD}{failed} with a failure of the harness{BAD:#}")?;
    }
    let wall = exploration.wall_s();
    writeln!(out, " in {wall:.1} s")?;
    if exploration.is_stopped_early() {
        writeln!(out, "{QUIET}not all seeds were played: it ended before{QUIET:#}")?;
    }
    writeln!(
        out,
        "{QUIET}{:.0} seeds a second, {:.0} virtual hours{QUIET:#}",
        *played as f64 / wall.max(f64::MIN_POSITIVE),
        virtual_s / HOUR_S
    )?;
    out.flush()
}
