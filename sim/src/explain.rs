//! Explains a name: a rule of the protocol, an oracle, a mutant, a kind of fault, a command or a page.
//!
//! Everything here is collected from the registries: the protocol's rules, the oracles, the coverage marks, the scripts,
//! the mutants and the faults. Nothing is stated here.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::Path;

use turnstile_fault::FaultKind;
use turnstile_judge::oracle::{self, Moment, ORACLES, Oracle};
use turnstile_judge::rules::{self, Rule, RuleId};
use turnstile_scenarios::{At, Entry, Scenario, Step};

use crate::coverage::Mark;

/// How similar a name must be to be suggested, from 0 to 1.
const SIMILARITY: f64 = 0.75;
/// Maximum number of suggestions.
const SUGGESTIONS: usize = 3;
/// Maximum number of listed scripts with a fault.
const EXAMPLES: usize = 5;

/// Nothing that can be explained has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// Similar names that exist, the most similar first.
    pub similar: Vec<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "no rule, oracle, mutant, fault, command or page is named {:?}",
            self.name
        )?;
        match self.similar.is_empty() {
            true => formatter.write_str("; `turnstile explain` lists the pages"),
            false => write!(formatter, "; similar: {}", self.similar.join(", ")),
        }
    }
}

impl std::error::Error for UnknownName {}

/// A command of the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandHelp {
    /// Its name.
    pub name: String,
    /// Its help text.
    pub help: String,
}

/// A page for users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// Its text, in Markdown.
    pub text: String,
}

impl Document {
    /// The first heading.
    pub fn title(&self) -> &str {
        first_line(&self.text).trim_start_matches(['#', ' '])
    }
}

/// What an explanation can refer to, besides the registries of this crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// The scenarios.
    pub entries: &'a [Entry],
    /// The commands.
    pub commands: &'a [CommandHelp],
    /// The pages.
    pub pages: &'a [Document],
}

/// Explains everything with the name `name`. An oracle and a mutant may have the same name.
///
/// # Errors
///
/// Fails if nothing has that name.
pub fn explain(name: &str, sources: Sources<'_>) -> Result<String, UnknownName> {
    let Sources {
        entries,
        commands,
        pages,
    } = sources;
    let rule = name.parse().ok().and_then(RuleId::rule);
    let fault = FaultKind::ALL.iter().find(|kind| kind.name() == name);
    let command = commands.iter().find(|command| command.name == name);
    let page = pages.iter().find(|page| page.name == name);
    let found: Vec<String> = [
        rule.map(|rule| explain_rule(rule, entries)),
        oracle::named(name).map(explain_oracle),
        mutants::explain(name, entries),
        fault.map(|kind| explain_fault(*kind, entries)),
        command.map(|command| command.help.clone()),
        page.map(|page| page.text.clone()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if found.is_empty() {
        return Err(UnknownName {
            name: name.to_owned(),
            similar: similar(name, sources),
        });
    }
    Ok(found.join("\n"))
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
        oracles.iter().flat_map(|oracle| mutants::found_by(oracle)),
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
    page.section("Rules", rules.map(rule_line));
    page.section("Mutants that it finds", mutants::found_by(oracle));
    page.text
}

fn explain_fault(kind: FaultKind, entries: &[Entry]) -> String {
    let mut page = Page::new(&format!("{} (fault)", kind.name()));
    page.lines([kind.about().to_owned()]);
    page.section("Keys", kind.network_keys().iter().map(|key| (*key).to_owned()));
    page.section(
        "May need of a live server",
        kind.needs()
            .iter()
            .map(|capability| format!("{}: {}", capability.name(), capability.text())),
    );
    let injects = |scenario: &Scenario| {
        let mut steps = scenario.steps.iter();
        steps.any(|step| matches!(&**step, Step::Fault(injection) if injection.fault.kind() == kind))
    };
    let scripts: Vec<String> = scripts_with(entries, injects).collect();
    let others = scripts.len().saturating_sub(EXAMPLES);
    let rest = (others > 0).then(|| format!("and {others} more"));
    page.section("Scripts", scripts.into_iter().take(EXAMPLES).chain(rest));
    page.text
}

fn scripts_of(id: RuleId, entries: &[Entry]) -> impl Iterator<Item = String> {
    let id = id.to_string();
    scripts_with(entries, move |scenario| {
        scenario.rules.iter().any(|rule| *rule.value == *id)
    })
}

/// The selected scripts with their titles. A script is one entry for each of its surfaces, and is listed once.
fn scripts_with(entries: &[Entry], is_selected: impl Fn(&Scenario) -> bool) -> impl Iterator<Item = String> {
    let mut known = BTreeSet::new();
    entries
        .iter()
        .filter(move |entry| is_selected(&entry.scenario))
        .filter(move |entry| known.insert(&entry.path))
        .map(|entry| format!("{}: {}", entry.id, entry.scenario.title))
}

#[cfg(feature = "selftest")]
mod mutants {
    //! The mutants of this build.

    use turnstile_judge::oracle::{self, Oracle};
    use turnstile_judge::rules::RuleId;
    use turnstile_scenarios::Entry;

    use super::{Page, rule_line, scripts_with};
    use crate::selftest::{mutant_named, name_of, oracle_of, rules_matching, script_of};

    pub(super) fn explain(name: &str, entries: &[Entry]) -> Option<String> {
        let mutant = mutant_named(name)?;
        let mut page = Page::new(&format!("{name} (mutant)"));
        page.lines([
            "A server that violates this rule:".to_owned(),
            mutant.text().to_owned(),
        ]);
        let ids = mutant.ids().iter().filter_map(|id| id.parse::<RuleId>().ok());
        page.section("Rules", ids.filter_map(RuleId::rule).map(rule_line));
        let oracle = oracle_of(mutant);
        let rule = oracle::named(oracle).map_or("", |oracle| oracle.rule);
        page.section("Oracle that finds it", [format!("{oracle}: {rule}")]);
        let title = entries.iter().find(|entry| entry.id == script_of(mutant));
        let title = title.map(|entry| format!(": {}", entry.scenario.title));
        page.section(
            "A script that finds it",
            [format!("{}{}", script_of(mutant), title.unwrap_or_default())],
        );
        let is_about = |id: &str| mutant.ids().contains(&id);
        let scripts = scripts_with(entries, |scenario| {
            scenario.rules.iter().any(|rule| is_about(&rule.value))
        });
        page.section("Scripts about these rules", scripts);
        Some(page.text)
    }

    /// The names of the mutants that the oracle must find.
    pub(super) fn found_by(oracle: &Oracle) -> Vec<String> {
        let all = rules_matching(None).into_iter();
        all.filter(|rule| oracle_of(*rule) == oracle.name)
            .map(name_of)
            .collect()
    }

    pub(super) fn names() -> Vec<String> {
        rules_matching(None).into_iter().map(name_of).collect()
    }
}

#[cfg(not(feature = "selftest"))]
mod mutants {
    //! This build has no mutants.

    use turnstile_judge::oracle::Oracle;
    use turnstile_scenarios::Entry;

    pub(super) fn explain(_: &str, _: &[Entry]) -> Option<String> {
        None
    }

    pub(super) fn found_by(_: &Oracle) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn names() -> Vec<String> {
        Vec::new()
    }
}

fn rule_line(rule: &Rule) -> String {
    format!("{}: {}", rule.id, first_line(&rule.text))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn similar(name: &str, sources: Sources<'_>) -> Vec<String> {
    let rules = rules::all().map(|rule| rule.id.to_string());
    let oracles = ORACLES.iter().map(|oracle| oracle.name.to_owned());
    let faults = FaultKind::ALL.iter().map(|kind| kind.name().to_owned());
    let commands = sources.commands.iter().map(|command| command.name.clone());
    let pages = sources.pages.iter().map(|page| page.name.clone());
    let known: BTreeSet<String> = rules
        .chain(oracles)
        .chain(mutants::names())
        .chain(faults)
        .chain(commands)
        .chain(pages)
        .collect();
    let mut similar: Vec<(f64, String)> = known
        .into_iter()
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
mod tests;
