//! The report as JSON: all mutants with what noticed them.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::summary::Summary;
use super::trial::{Notice, Trial};

/// The settings of a run, which determine its result.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Settings {
    /// The number of mutants that were asked for.
    pub count: usize,
    /// The seed of the draw.
    pub start: u64,
    /// The number of seeds that were played besides scenarios.
    pub seeds: u64,
}

/// Writes the report.
///
/// # Errors
///
/// If the writer fails.
pub fn write_json(mut out: impl Write, settings: Settings, trials: &[Trial]) -> io::Result<()> {
    let summary = Summary::of(trials);
    let mutants: Vec<Value> = trials.iter().map(mutant).collect();
    let report = json!({
        "settings": settings,
        "noticed": summary.total.noticed(),
        "mutants": mutants,
    });
    serde_json::to_writer_pretty(&mut out, &report)?;
    writeln!(out)
}

fn mutant(trial: &Trial) -> Value {
    let notices = |notices: &[Notice]| {
        let notice = |Notice { scenario, rule, text }: &Notice| json!({"scenario": scenario, "rule": rule, "text": text});
        notices.iter().map(notice).collect::<Vec<_>>()
    };
    json!({
        "name": trial.rewrite.to_string(),
        "place": trial.rewrite.target.place.name(),
        "operation": trial.rewrite.operation.name(),
        "class": trial.class().name(),
        "reviewed": trial.review(),
        "oracles": notices(&trial.oracles),
        "scripts": notices(&trial.scripts),
        "errors": notices(&trial.errors),
        "possible": trial.possible,
        "played": trial.played,
        "differing": trial.differing,
    })
}
