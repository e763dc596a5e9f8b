//! Compares the findings of a run with an earlier JSON report.
//!
//! A finding is the same one if its identity is: the scenario and what failed in it. Seeds, titles, times and line numbers
//! are no part of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::report::json::{JsonReport, SCHEMA_VERSION};

/// The parts of a report that are compared.
#[derive(Debug, Deserialize)]
struct Report {
    schema_version: u32,
    plays: Vec<Play>,
}

#[derive(Debug, Deserialize)]
struct Play {
    id: String,
    #[serde(default)]
    mutant: Option<String>,
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    /// Absent in reports of older versions.
    #[serde(default)]
    identity: String,
    text: String,
}

/// The differences of two runs.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Comparison {
    /// Findings that the earlier run did not have.
    pub new: Vec<Compared>,
    /// Findings that this run does not have, although it played the scenario.
    pub resolved: Vec<Compared>,
    /// Findings of both runs.
    pub still: Vec<Compared>,
    /// Findings that one of the runs had in some plays of the scenario and not in others.
    pub flaky: Vec<Compared>,
}

/// A finding in a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Compared {
    /// Its identity.
    pub identity: String,
    /// What happened, in the run that shows it.
    pub text: String,
}

/// The plays of a run by scenario and server, each with its findings.
type Runs = BTreeMap<(String, Option<String>), Vec<BTreeMap<String, String>>>;

/// Compares a run with the text of an earlier report.
///
/// # Errors
///
/// The text is no report of this version.
pub(super) fn compare(earlier: &str, now: &JsonReport) -> Result<Comparison, serde_json::Error> {
    use serde::de::Error as _;
    let earlier: Report = serde_json::from_str(earlier)?;
    if earlier.schema_version != SCHEMA_VERSION {
        return Err(serde_json::Error::custom(format!(
            "its schema_version is {}, not {SCHEMA_VERSION}",
            earlier.schema_version
        )));
    }
    let before = runs(earlier.plays.into_iter().map(|play| {
        let findings = play
            .findings
            .into_iter()
            .map(|finding| (finding.identity, finding.text));
        ((play.id, play.mutant), findings.collect())
    }));
    let now = runs(now.plays.iter().map(|play| {
        let findings = play
            .findings
            .iter()
            .map(|finding| (finding.identity.clone(), finding.text.clone()));
        ((play.id.clone(), play.mutant.clone()), findings.collect())
    }));
    Ok(differences(&before, &now))
}

fn runs(plays: impl Iterator<Item = ((String, Option<String>), BTreeMap<String, String>)>) -> Runs {
    let mut runs = Runs::new();
    for (scenario, findings) in plays {
        runs.entry(scenario).or_default().push(findings);
    }
    runs
}

fn differences(before: &Runs, now: &Runs) -> Comparison {
    let mut comparison = Comparison::default();
    let nothing = Vec::new();
    let scenarios: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    for scenario in scenarios {
        let earlier = before.get(scenario).unwrap_or(&nothing);
        let later = now.get(scenario).unwrap_or(&nothing);
        let texts: BTreeMap<&String, &String> = earlier.iter().chain(later).flatten().collect();
        for (identity, text) in texts {
            let count = |plays: &[BTreeMap<String, String>]| {
                plays
                    .iter()
                    .filter(|findings| findings.contains_key(identity))
                    .count()
            };
            let (was, is) = (count(earlier), count(later));
            let is_mixed = |count: usize, plays: &[_]| 0 < count && count < plays.len();
            let kind = if is_mixed(was, earlier) || is_mixed(is, later) {
                &mut comparison.flaky
            } else if is == 0 && later.is_empty() {
                continue;
            } else if is == 0 {
                &mut comparison.resolved
            } else if was == 0 {
                &mut comparison.new
            } else {
                &mut comparison.still
            };
            kind.push(Compared {
                identity: identity.clone(),
                text: text.clone(),
            });
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_new_resolved_still_there_or_flaky() {
        let play = |id: &str, findings: &[&str]| {
            let findings = findings
                .iter()
                .map(|finding| ((*finding).to_owned(), "text".to_owned()));
            ((id.to_owned(), None), findings.collect::<BTreeMap<_, _>>())
        };
        let before = [
            play("a", &["stays", "goes"]),
            play("b", &["rare"]),
            play("b", &[]),
            play("c", &["unplayed"]),
        ];
        let now = [
            play("a", &["stays", "comes"]),
            play("b", &["rare"]),
            play("b", &["rare"]),
            play("d", &["first"]),
        ];
        let found = differences(&runs(before.into_iter()), &runs(now.into_iter()));
        let names = |list: &[Compared]| {
            list.iter()
                .map(|one| one.identity.clone())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(&found.new), "comes first");
        assert_eq!(names(&found.resolved), "goes");
        assert_eq!(names(&found.still), "stays");
        assert_eq!(names(&found.flaky), "rare");
    }
}
