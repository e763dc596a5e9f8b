//! The file with the expected failures of a server.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;
use turnstile_judge::oracle::{Finding, ORACLES};
use turnstile_judge::rules::RuleId;
use turnstile_scenarios::Problem;

use crate::script::PLAYER_RULES;
use crate::toml_file::parse_toml;

/// How often a flaky scenario is played at most, unless its entry has a number.
const FLAKY_PLAYS: NonZeroU32 = NonZeroU32::new(3).expect("it is not zero");
/// The largest number of plays in an entry.
const MOST_PLAYS: u32 = 20;

/// The expected failures of a server, and where they are written.
#[derive(Debug, Default)]
pub struct Baseline {
    file: PathBuf,
    text: String,
    entries: Vec<Expected>,
}

/// The file as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The expected failures.
    #[serde(default)]
    #[schemars(with = "Vec<Expected>")]
    expected: Vec<Spanned<Expected>>,
}

/// An expected failure: of a scenario, of a rule in any scenario, or of a rule in one scenario.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Id of the scenario as reports show it, with ` (legacy)` for the legacy surface.
    pub scenario: Option<String>,
    /// Name of an oracle, or id of a rule of the protocol such as `R8.3`.
    pub rule: Option<String>,
    /// Why the failure is expected.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// Whether the scenario fails at times only. It is played until it passes.
    #[serde(default)]
    pub flaky: bool,
    /// How often a flaky scenario is played at most. The default is 3.
    #[serde(default, deserialize_with = "plays")]
    #[schemars(range(min = 1, max = 20))]
    pub repeat: Option<NonZeroU32>,
    /// Where it is in the file.
    #[serde(skip)]
    span: Range<usize>,
}

fn plays<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    let plays = NonZeroU32::deserialize(deserializer)?;
    if plays.get() > MOST_PLAYS {
        let text = format!("`repeat` is a number from 1 to {MOST_PLAYS}");
        return Err(serde::de::Error::custom(text));
    }
    Ok(Some(plays))
}

impl Expected {
    /// How often a scenario is played that it is about.
    pub(super) fn plays(&self) -> u32 {
        match self.flaky {
            true => self.repeat.unwrap_or(FLAKY_PLAYS).get(),
            false => 1,
        }
    }

    /// Whether it is about a finding of a scenario.
    pub(super) fn covers(&self, id: &str, finding: &Finding) -> bool {
        let is_of_rule = |rule: &String| {
            let protocol = rule.parse::<RuleId>().ok();
            finding.rule == *rule || protocol.is_some_and(|rule| finding.protocol.contains(&rule))
        };
        self.scenario.as_ref().is_none_or(|scenario| scenario == id)
            && self.rule.as_ref().is_none_or(is_of_rule)
    }

    /// What it is about, for messages.
    pub fn subject(&self) -> String {
        match (&self.scenario, &self.rule) {
            (Some(scenario), Some(rule)) => format!("`{rule}` in `{scenario}`"),
            (Some(name), None) | (None, Some(name)) => format!("`{name}`"),
            (None, None) => "nothing".to_owned(),
        }
    }

    /// What is wrong with it, if anything.
    fn flaw(&self) -> Option<String> {
        if self.scenario.is_none() && self.rule.is_none() {
            return Some("an expected failure has a `scenario`, a `rule`, or both".to_owned());
        }
        if self.reason.trim().is_empty() {
            return Some(format!(
                "the expected failure of {} has no reason: say why it fails",
                self.subject()
            ));
        }
        if self.repeat.is_some() && !self.flaky {
            return Some("`repeat` requires `flaky = true`".to_owned());
        }
        let rule = self.rule.as_ref()?;
        let is_known = ORACLES.iter().any(|oracle| oracle.name == *rule)
            || PLAYER_RULES.contains(&&**rule)
            || rule.parse::<RuleId>().is_ok();
        (!is_known).then(|| {
            format!(
                "there is no rule `{rule}`: it is the name of an oracle or the id of a rule of the protocol"
            )
        })
    }
}

impl Baseline {
    /// A baseline without entries, for a file that does not exist yet.
    pub fn empty(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            ..Self::default()
        }
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    ///
    /// The first error, with its position.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Problem> {
        let written: Written = parse_toml(text, file)?;
        let entries = written.expected.into_iter().map(|entry| {
            let span = entry.span();
            Expected {
                span,
                ..entry.into_inner()
            }
        });
        let baseline = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            entries: entries.collect(),
        };
        let flawed = baseline
            .entries
            .iter()
            .find_map(|entry| Some((entry, entry.flaw()?)));
        match flawed {
            Some((entry, flaw)) => Err(baseline.problem(entry, flaw)),
            None => Ok(baseline),
        }
    }

    /// Checks that all scenarios exist.
    ///
    /// # Errors
    ///
    /// The first entry whose scenario is not known.
    pub fn check_scenarios(&self, is_known: impl Fn(&str) -> bool) -> Result<(), Problem> {
        for entry in &self.entries {
            if let Some(id) = entry.scenario.as_ref().filter(|id| !is_known(id)) {
                let text = format!("there is no scenario `{id}`: `turnstile list` lists the ids");
                return Err(self.problem(entry, text));
            }
        }
        Ok(())
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Expected] {
        &self.entries
    }

    /// The text of the file.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// File and line of an entry.
    pub fn place(&self, entry: &Expected) -> String {
        let spot = self.problem(entry, "").spot;
        format!("{}:{}", self.file.display(), spot.line)
    }

    fn problem(&self, entry: &Expected, message: impl std::fmt::Display) -> Problem {
        Problem::in_text(&self.file, &self.text, entry.span.start, message)
    }
}

/// The JSON Schema of baselines, for editors.
pub fn schema() -> Value {
    schemars::schema_for!(Written).to_value()
}
