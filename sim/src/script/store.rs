//! Chooses the server's store for a play, and checks the cheaper store against the database of real servers.

use std::time::Duration;

use turnstile_scenarios::Scenario;

use super::{HarnessError, Options, Verdict};
use crate::stage::{StoreChoice, Subject};

/// One of this many plays without findings is repeated with the database.
const ONE_IN: u64 = 64;

/// Plays with the store of the subject. A scenario with a fault that counts operations of the disk is always
/// played with the database, because it is about how that writes.
///
/// # Errors
///
/// The harness failed, or the stores differ.
pub(super) fn play(
    scenario: &Scenario,
    options: Options,
    play: impl Fn(Subject) -> Result<Verdict, HarnessError>,
) -> Result<Verdict, HarnessError> {
    let mut faults = options.faults.iter().flatten();
    let counted = faults.any(|fault| fault.kind.fault().disk_operation().is_some());
    let subject = options.subject;
    let database = subject.with_store(StoreChoice::Database);
    if subject.store() == StoreChoice::Database || counted || scenario.counts_disk_operations() {
        return play(database);
    }
    let verdict = play(subject)?;
    let is_checked = subject.store() == StoreChoice::CheckedJournal && subject.mutant().is_none();
    let is_chosen = !verdict.findings.is_empty() || is_sample(scenario, options);
    if !is_checked || !is_chosen {
        return Ok(verdict);
    }
    let checked = play(database)?;
    match verdict.trace.first_difference(&checked.trace) {
        None => Ok(checked),
        Some(difference) => Err(HarnessError::StoresDiffer(difference.to_string())),
    }
}

/// Whether a play without findings is repeated. Depends on what distinguishes it from others: its scenario, its seed and
/// the times of its faults.
fn is_sample(scenario: &Scenario, options: Options) -> bool {
    let at: Duration = options.faults.iter().flatten().map(|fault| fault.at).sum();
    let start = options.seed.wrapping_add(at.subsec_micros().into());
    let title = scenario.title.bytes().map(u64::from);
    let sum = title.fold(start, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum.is_multiple_of(ONE_IN)
}
