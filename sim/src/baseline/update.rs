//! Changes the file of a baseline to what a run has shown. Comments, reasons and the order of what remains are kept.

use std::collections::BTreeMap;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TomlError, value};

use super::Review;
use super::file::Baseline;
use crate::report::LabelledFinding;
use crate::standing::Standing;
use crate::suite::Played;

/// The key of all entries.
const ENTRIES: &str = "expected";
/// The beginning of a reason that the tool wrote, and no person.
pub(super) const NOT_REVIEWED: &str = "not reviewed: ";
/// The top of a new file.
const TOP: &str = "\
# Expected failures. A failure without an entry and a pass with one are both red.
# Give every entry a reason.

";

/// Collects what a run shows, and changes the file.
#[derive(Debug)]
pub struct Update<'a> {
    baseline: &'a Baseline,
    review: Review<'a>,
    /// Reasons of unexpected failures, by scenario.
    added: BTreeMap<String, String>,
    /// Entries whose scenario passed, by their index.
    passed: Vec<usize>,
    /// Entries that are no longer flaky.
    steady: Vec<usize>,
}

impl<'a> Update<'a> {
    /// An update without plays.
    pub fn new(baseline: &'a Baseline) -> Self {
        Self {
            baseline,
            review: Review::new(baseline),
            added: BTreeMap::new(),
            passed: Vec::new(),
            steady: Vec::new(),
        }
    }

    /// Takes a play with its standing.
    pub fn add(&mut self, played: &Played) {
        self.review.add(played);
        let id = &played.play.entry.id;
        match &played.standing {
            Standing::UnexpectedPass(_) => self.passed.extend(self.baseline.of_scenario(id)),
            Standing::FailedEachTime(_) => self.steady.extend(self.baseline.of_scenario(id)),
            Standing::Unlisted => {
                let first = played.verdict.iter().flat_map(LabelledFinding::all).next();
                if let Some(finding) = first {
                    let reason = format!("{NOT_REVIEWED}{}: {}", finding.rule, finding.text);
                    self.added.entry(id.clone()).or_insert(reason);
                }
            }
            Standing::ExpectedFailure(_) | Standing::FlakyPass(_) => {}
        }
    }

    /// What the plays have met so far.
    pub fn review(&self) -> &Review<'a> {
        &self.review
    }

    /// The text of the changed file; `None` if nothing changes.
    ///
    /// # Errors
    ///
    /// If the file cannot be parsed, which it was before.
    pub fn text(&self, is_complete: bool) -> Result<Option<String>, TomlError> {
        let is_removed =
            |index: &usize| self.passed.contains(index) || self.review.is_stale(*index, is_complete);
        let removed: Vec<usize> = (0..self.baseline.entries().len()).filter(is_removed).collect();
        let is_new = self.baseline.text().is_empty();
        if removed.is_empty() && self.added.is_empty() && self.steady.is_empty() {
            // The next run reads the file, even if no failure is expected.
            return Ok(is_new.then(|| TOP.to_owned()));
        }
        let mut document: DocumentMut = self.baseline.text().parse()?;
        let entries = document
            .entry(ENTRIES)
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        if let Some(entries) = entries.as_array_of_tables_mut() {
            self.change(entries, &removed);
        }
        let top = if is_new { TOP } else { "" };
        Ok(Some(format!("{top}{document}")))
    }

    fn change(&self, entries: &mut ArrayOfTables, removed: &[usize]) {
        for index in &self.steady {
            if let Some(entry) = entries.get_mut(*index) {
                entry.remove("flaky");
                entry.remove("repeat");
            }
        }
        for index in removed.iter().rev() {
            entries.remove(*index);
        }
        for (scenario, reason) in &self.added {
            let mut entry = Table::new();
            entry.insert("scenario", value(scenario));
            entry.insert("reason", value(reason));
            if !entries.is_empty() {
                entry.decor_mut().set_prefix("\n");
            }
            entries.push(entry);
        }
    }
}
