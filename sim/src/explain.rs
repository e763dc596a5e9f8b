//! Explains a rule of the protocol or an oracle: its text, why it exists, and what refers to it.
//!
//! Everything here is collected from the registries: the protocol's rules, the oracles, the coverage marks, the scripts
//! and the mutants. Nothing is stated here.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::Path;

use turnstile_judge::oracle::{self, Moment, ORACLES, Oracle};
use turnstile_judge::rules::{self, Rule, RuleId};
use turnstile_scenarios::{At, Entry, Scenario};

use crate::coverage::Mark;

/// How similar a name must be to be suggested, from 0 to 1.
const SIMILARITY: f64 = 0.75;
/// Maximum number of suggestions.
const SUGGESTIONS: usize = 3;

/// Neither a rule of the protocol nor an oracle has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// Similar names that exist, the most similar first.
    pub similar: Vec<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no rule or oracle is named {:?}", self.name)?;
        match self.similar.is_empty() {
            true => formatter.write_str("; sim/docs/rules.md lists the oracles"),
            false => write!(formatter, "; similar: {}", self.similar.join(", ")),
        }
    }
}

impl std::error::Error for UnknownName {}

/// Explains the rule or oracle named `name`. `entries` are the scenarios that may refer to it.
///
/// # Errors
///
/// Fails if there is no rule or oracle with that name.
pub fn explain(name: &str, entries: &[Entry]) -> Result<String, UnknownName> {
    if let Some(rule) = name.parse().ok().and_then(RuleId::rule) {
        return Ok(explain_rule(rule, entries));
    }
    oracle::named(name)
        .map(explain_oracle)
        .ok_or_else(|| UnknownName {
            name: name.to_owned(),
            similar: similar(name),
        })
}

/// An error for each rule that a script names and the protocol does not have.
pub fn unknown_rules(scenario: &Scenario, file: &Path) -> Vec<String> {
    let rules = scenario.rules.iter();
    let errors = rules.filter_map(|At { value: name, spot }| {
        let error = name.parse::<RuleId>().err()?;
        let (file, line, column) = (file.display(), spot.line, spot.column);
        Some(format!("{file}:{line}:{column}: {error}"))
    });
    errors.collect()
}

fn explain_rule(rule: &Rule, entries: &[Entry]) -> String {
    let mut page = Page::new(&format!("{} ({})", rule.id, rule.section));
    page.lines(rule.introduction.iter().cloned().chain([rule.text.clone()]));
    let oracles: Vec<&Oracle> = ORACLES
        .iter()
        .filter(|oracle| oracle.protocol.contains(&rule.id))
        .collect();
    page.section(
        "Oracles",
        oracles
            .iter()
            .map(|oracle| format!("{}: {}\n  {}", oracle.name, oracle.rule, oracle.why)),
    );
    let marks = Mark::all()
        .into_iter()
        .filter(|mark| mark.rules().contains(&rule.id));
    page.section(
        "Coverage",
        marks.map(|mark| format!("{}: {}", mark.list(), mark.text())),
    );
    page.section("Scripts", scripts_of(rule.id, entries));
    page.section(
        "Mutants that these oracles find",
        oracles.iter().flat_map(|oracle| mutants_of(oracle)),
    );
    page.text
}

fn explain_oracle(oracle: &'static Oracle) -> String {
    let mut page = Page::new(oracle.name);
    page.lines([oracle.rule.to_owned()]);
    page.section("Why", [oracle.why.to_owned()]);
    let moment = match oracle.moment {
        Moment::Always => "at every moment of a run",
        Moment::AtEnd => "at the end of a run",
    };
    page.section("Checked", [moment.to_owned()]);
    let rules = oracle.protocol.iter().filter_map(|id| id.rule());
    page.section(
        "Rules",
        rules.map(|rule| format!("{}: {}", rule.id, first_line(&rule.text))),
    );
    page.section("Mutants that it finds", mutants_of(oracle));
    page.text
}

fn scripts_of(id: RuleId, entries: &[Entry]) -> impl Iterator<Item = String> {
    let id = id.to_string();
    let named = move |entry: &&Entry| entry.scenario.rules.iter().any(|rule| *rule.value == *id);
    // A script is one entry for each of its surfaces.
    let mut known = BTreeSet::new();
    entries
        .iter()
        .filter(named)
        .filter(move |entry| known.insert(&entry.path))
        .map(|entry| format!("{}: {}", entry.id, entry.scenario.title))
}

/// The mutants that the oracle must find.
#[cfg(feature = "selftest")]
fn mutants_of(oracle: &Oracle) -> Vec<String> {
    use crate::selftest::{name_of, oracle_of, rules_matching};
    let all = rules_matching(None).into_iter();
    all.filter(|rule| oracle_of(*rule) == oracle.name)
        .map(name_of)
        .collect()
}

/// The mutants that the oracle must find. This build has none.
#[cfg(not(feature = "selftest"))]
fn mutants_of(_: &Oracle) -> Vec<String> {
    Vec::new()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn similar(name: &str) -> Vec<String> {
    let rules = rules::all().map(|rule| rule.id.to_string());
    let oracles = ORACLES.iter().map(|oracle| oracle.name.to_owned());
    let mut similar: Vec<(f64, String)> = rules
        .chain(oracles)
        .map(|known| {
            (
                strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()),
                known,
            )
        })
        .filter(|(similarity, _)| *similarity >= SIMILARITY)
        .collect();
    similar.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    similar
        .into_iter()
        .take(SUGGESTIONS)
        .map(|(_, known)| known)
        .collect()
}

/// The text of an explanation: a heading and sections.
struct Page {
    text: String,
}

impl Page {
    fn new(heading: &str) -> Self {
        Self {
            text: format!("{heading}\n"),
        }
    }

    /// Adds lines, indented.
    fn lines(&mut self, items: impl IntoIterator<Item = String>) {
        for item in items {
            for line in item.lines() {
                // Writing to a string does not fail.
                let _ = match line.is_empty() {
                    true => writeln!(self.text),
                    false => writeln!(self.text, "  {line}"),
                };
            }
        }
    }

    /// Adds a section, unless it is empty.
    fn section(&mut self, heading: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.text.push('\n');
            self.text.push_str(heading);
            self.text.push('\n');
            self.lines(items);
        }
    }
}

#[cfg(test)]
mod tests {
    use turnstile_scenarios::Library;

    use super::*;

    fn entry() -> Entry {
        let script =
            "scenario: a batch\nabout: a\nseam: turn\nrules: [R8.8]\nsteps:\n- start: { as: a, say: idle }\n";
        let path = Path::new("suite/turn/some.yaml");
        Entry {
            id: "suite/turn/some".to_owned(),
            path: path.to_owned(),
            scenario: Scenario::parse(script, path).unwrap(),
        }
    }

    #[test]
    fn a_rule_is_explained_with_what_refers_to_it() {
        let text = explain("R8.8", &[entry()]).unwrap();
        for part in [
            "R8.8 (8. Callbacks, The idle batch)\n  Finalizing creates exactly one job, for the representative.\n",
            "\nOracles\n  one-callback-per-batch: Each finalized batch",
            "\nCoverage\n  server: an idle batch is finalized\n",
            "\nScripts\n  suite/turn/some: a batch\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn an_oracle_is_explained_with_its_rules() {
        let text = explain("first-in-first-out", &[]).unwrap();
        for part in [
            "\nWhy\n  A turn builds",
            "\nChecked\n  at every moment",
            "\nRules\n  R4.1: A message is *pending*",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn an_unknown_rule_of_a_script_is_reported_with_its_place() {
        let script = "scenario: s\nabout: a\nseam: turn\nrules: [R8.3, R8.99]\nsteps:\n- start: { as: a, say: idle }\n";
        let path = Path::new("s.yaml");
        let scenario = Scenario::parse(script, path).unwrap();
        assert_eq!(
            unknown_rules(&scenario, path),
            ["s.yaml:4:15: the protocol has no rule \"R8.99\""]
        );
    }

    #[test]
    fn scripts_name_rules_of_the_protocol() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"));
        for entry in Library::load(folder).unwrap().entries() {
            assert_eq!(unknown_rules(&entry.scenario, &entry.path), [""; 0]);
        }
    }

    #[test]
    fn an_unknown_name_has_suggestions() {
        let similar = |name: &str| explain(name, &[]).unwrap_err().similar;
        assert_eq!(similar("one-callback-per-bach")[0], "one-callback-per-batch");
        assert!(similar("r8.3").contains(&"R8.3".to_owned()));
        assert_eq!(similar("zzz"), [""; 0]);
    }
}
