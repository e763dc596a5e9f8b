//! The index of a report: counts, findings by kind, skipped scenarios by reason, and the rules of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use turnstile_judge::oracle::ORACLES;
use turnstile_judge::rules;

use super::compare::Comparison;
use super::play::{FindingView, PlayPage};
use crate::report::json::{Counts, JsonReport, SkipReport};

/// The kind of findings that no rule for all runs reports.
const OF_SCRIPTS: &str = "failed steps and expectations";
const ABOUT_SCRIPTS: &str = "What single scripts expect.";

/// How many scenarios of a kind of finding are listed.
const LISTED: usize = 8;

/// The content of the index, beside the plays.
#[derive(Debug, Serialize)]
pub(super) struct Index<'a> {
    name: &'a str,
    version: &'static str,
    counts: Counts,
    /// Wall time of all plays in seconds. Plays run in parallel, so the run took less.
    wall: String,
    groups: Vec<Group<'a>>,
    skips: BTreeMap<&'a str, Vec<&'a SkipReport>>,
    sections: Vec<Section>,
    seams: BTreeSet<&'a str>,
    surfaces: BTreeSet<&'a str>,
    mutants: BTreeSet<&'a str>,
    /// Whether plays of a scenario differ in their seeds.
    with_seed: bool,
    /// The plays, failed ones first.
    plays: Vec<&'a PlayPage>,
    /// The names of violated rules.
    rules: BTreeSet<&'a str>,
    comparison: Option<Comparison>,
}

/// Findings of one kind: of one rule for all runs, or of scripts.
#[derive(Debug, Serialize)]
struct Group<'a> {
    name: &'a str,
    /// The rule, or the title of the script.
    about: &'a str,
    text: &'a str,
    /// The number of plays.
    count: usize,
    /// Scenarios, the one that is read fastest first.
    scenarios: Vec<Listed<'a>>,
    /// The number of further scenarios.
    more: usize,
}

/// A scenario with its plays.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    plays: Vec<&'a PlayPage>,
}

/// The rules of a section of the protocol.
#[derive(Debug, Serialize)]
struct Section {
    title: String,
    violated: usize,
    named: usize,
    rules: Vec<RuleRow>,
}

/// A rule of the protocol with what the run says of it.
#[derive(Debug, Serialize)]
struct RuleRow {
    id: String,
    text: String,
    /// The number of plays whose findings name it.
    violated: usize,
    /// The number of plays whose scripts name it.
    named: usize,
    /// The oracles that check it in every run.
    oracles: Vec<&'static str>,
}

impl<'a> Index<'a> {
    pub fn of(
        name: &'a str,
        plays: &'a [PlayPage],
        json: &'a JsonReport,
        comparison: Option<Comparison>,
        with_seed: bool,
    ) -> Self {
        let wall: u64 = json.plays.iter().map(|play| play.wall_us).sum();
        let mut skips: BTreeMap<&str, Vec<&SkipReport>> = BTreeMap::new();
        for skip in &json.skips {
            skips.entry(&skip.reason).or_default().push(skip);
        }
        let findings = plays.iter().flat_map(|play| &play.findings);
        Self {
            name,
            version: env!("CARGO_PKG_VERSION"),
            counts: json.counts,
            wall: format!("{:.1}", wall as f64 / 1e6),
            groups: groups(plays),
            skips,
            sections: sections(plays),
            seams: plays.iter().map(|play| &*play.seam).collect(),
            surfaces: plays.iter().map(|play| play.surface).collect(),
            mutants: plays.iter().filter_map(|play| play.mutant.as_deref()).collect(),
            with_seed,
            plays: failed_first(plays),
            rules: findings
                .filter(|finding| finding.line.is_none())
                .map(|finding| &*finding.rule)
                .collect(),
            comparison,
        }
    }
}

/// The plays in their order, but failed ones first.
fn failed_first(plays: &[PlayPage]) -> Vec<&PlayPage> {
    let mut plays: Vec<&PlayPage> = plays.iter().collect();
    plays.sort_by_key(|play| matches!(play.status, "passed" | "expected"));
    plays
}

/// The findings of all plays by kind. Rules for all runs come first, because they name what went wrong, and of these the
/// most frequent ones.
fn groups(plays: &[PlayPage]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<&str, (Group, Vec<&PlayPage>)> = BTreeMap::new();
    let mut failed: Vec<&PlayPage> = plays.iter().filter(|play| !play.findings.is_empty()).collect();
    // What else went wrong, and a long run, distract from the kind of finding.
    failed.sort_by_key(|play| (kinds(play).len(), play.events));
    for play in failed {
        for (name, finding) in kinds(play) {
            let about = match finding.line {
                Some(_) => ABOUT_SCRIPTS,
                None => &*finding.expected,
            };
            let (group, plays) = groups.entry(name).or_insert_with(|| {
                let group = Group {
                    name,
                    about,
                    text: &finding.actual,
                    count: 0,
                    scenarios: Vec::new(),
                    more: 0,
                };
                (group, Vec::new())
            });
            group.count += 1;
            plays.push(play);
        }
    }
    let mut groups: Vec<Group> = groups
        .into_values()
        .map(|(group, plays)| listed(group, plays))
        .collect();
    groups.sort_by_key(|group| (group.name == OF_SCRIPTS, std::cmp::Reverse(group.count)));
    groups
}

/// The kinds of findings of a play, each with the first such finding.
fn kinds(play: &PlayPage) -> BTreeMap<&str, &FindingView> {
    let mut kinds = BTreeMap::new();
    for finding in &play.findings {
        let name = finding.line.map_or(&*finding.rule, |_| OF_SCRIPTS);
        kinds.entry(name).or_insert(finding);
    }
    kinds
}

/// A group with the scenarios of its plays, in the order of their first plays.
fn listed<'a>(mut group: Group<'a>, plays: Vec<&'a PlayPage>) -> Group<'a> {
    for play in plays {
        match group
            .scenarios
            .iter_mut()
            .find(|listed| listed.name == play.scenario)
        {
            Some(listed) => listed.plays.push(play),
            None => group.scenarios.push(Listed {
                name: &play.scenario,
                plays: vec![play],
            }),
        }
    }
    group.more = group.scenarios.len().saturating_sub(LISTED);
    group.scenarios.truncate(LISTED);
    group
}

fn sections(plays: &[PlayPage]) -> Vec<Section> {
    let mut violated: BTreeMap<&str, usize> = BTreeMap::new();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for play in plays {
        let ids: BTreeSet<&str> = play
            .findings
            .iter()
            .flat_map(|finding| &finding.protocol)
            .map(|rule| &*rule.id)
            .collect();
        for id in ids {
            *violated.entry(id).or_default() += 1;
        }
        for id in &play.rules {
            *named.entry(id).or_default() += 1;
        }
    }
    let mut sections: Vec<Section> = Vec::new();
    for rule in rules::all() {
        let id = rule.id.to_string();
        let oracles = ORACLES.iter().filter(|oracle| oracle.protocol.contains(&rule.id));
        let row = RuleRow {
            violated: violated.get(&*id).copied().unwrap_or(0),
            named: named.get(&*id).copied().unwrap_or(0),
            oracles: oracles.map(|oracle| oracle.name).collect(),
            text: rule.text.clone(),
            id,
        };
        if sections
            .last()
            .is_none_or(|section| section.title != rule.section)
        {
            sections.push(Section {
                title: rule.section.clone(),
                violated: 0,
                named: 0,
                rules: Vec::new(),
            });
        }
        let section = sections.last_mut().expect("it was just added");
        section.violated += usize::from(row.violated > 0);
        section.named += usize::from(row.named > 0 || !row.oracles.is_empty());
        section.rules.push(row);
    }
    sections
}
