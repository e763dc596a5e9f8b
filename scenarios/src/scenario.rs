//! A whole script.

use std::collections::BTreeSet;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Answer, Capability, is_default};

use crate::check::check;
use crate::expectation::Expectation;
use crate::name::SessionName;
use crate::parse::{Draft, read};
use crate::place::At;
use crate::problem::{Report, ScriptErrors};
use crate::session::Session;
use crate::step::Step;
use crate::surface::{Surface, Surfaces};

/// One scenario: what is done, and what must be true afterwards.
///
/// Read one with [`Scenario::parse`]. One that is put together by hand is not checked; write it out and
/// parse that.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Scenario {
    /// The title, a sentence that says what holds.
    #[serde(rename = "scenario")]
    #[schemars(length(min = 1))]
    pub title: String,
    /// What could go wrong, and why that is worth a scenario.
    #[schemars(length(min = 1))]
    pub about: String,
    /// The part of the system that it is about.
    pub seam: Seam,
    /// On which surfaces it is played, once on each.
    #[serde(default, skip_serializing_if = "is_default")]
    pub api: Surfaces,
    /// Whether steps that do not go as scripted are passed over, so that only what must hold in every run is
    /// judged. For scripts that were generated, whose faults fall where they fall.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tolerant: bool,
    /// How the session is made.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: Session,
    /// What the receiver does with its first requests, one after another; then it answers 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receiver: Vec<Answer>,
    /// What is done.
    #[schemars(length(min = 1))]
    pub steps: Vec<At<Step>>,
    /// What must be true at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<At<Expectation>>,
}

/// The part of the system that a scenario is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seam {
    /// One message from admission to its end.
    Turn,
    /// Messages that wait for each other.
    Queue,
    /// The user stops what is going on.
    Interrupt,
    /// The LLM gateway misbehaves.
    Gateway,
    /// The way of a callback to its receiver.
    Callback,
    /// Connections that break and come back.
    Reconnect,
    /// Parties that stop and start again.
    Crash,
    /// What a client sees.
    Stream,
    /// The wrapper misbehaves.
    Wrapper,
    /// What old clients and older services' sessions need.
    Legacy,
    /// The end of a session itself.
    Deletion,
}

impl Scenario {
    /// Reads a script and checks that it can be played. `file` is what problems are reported under.
    ///
    /// # Errors
    ///
    /// Every problem of the script, in order of line. Of several mistakes in the words of one step the
    /// first one is told.
    pub fn parse(source: &str, file: &Path) -> Result<Self, ScriptErrors> {
        let mut report = Report::new(source, file);
        let draft = read(&mut report);
        if let Some(draft) = &draft {
            check(draft, &mut report);
        }
        let scenario = draft.and_then(Draft::finish);
        report.conclude(scenario)
    }

    /// What it needs of a server under test beyond the protocol.
    pub fn needs(&self) -> BTreeSet<Capability> {
        let of_steps = self.steps.iter().filter_map(|step| match &step.value {
            Step::Fault(injection) => Some(injection.fault.needs(injection.lasts.as_deref().copied())),
            _ => None,
        });
        let mut needs: BTreeSet<Capability> = of_steps.flatten().collect();
        if self.session.stored.is_some() {
            needs.insert(Capability::StoredSession);
        }
        if !self.other_sessions().is_empty() {
            needs.insert(Capability::Sandboxes);
        }
        needs
    }

    /// What its steps call the sessions that they make, beside the one without a name of its own.
    pub fn other_sessions(&self) -> BTreeSet<&SessionName> {
        let named = self.steps.iter().filter_map(|step| match &step.value {
            Step::Start(start) => Some(&start.session.value),
            Step::Prepare(prepare) => Some(&prepare.session.value),
            _ => None,
        });
        named.filter(|name| !is_default(*name)).collect()
    }

    /// This scenario on one of its surfaces only, with a title that says so; none if it is not for that one.
    pub fn on(&self, surface: Surface) -> Option<Self> {
        self.api.contains(&surface).then(|| Self {
            title: format!("{}{}", self.title, surface.suffix()),
            api: surface.into(),
            ..self.clone()
        })
    }
}

/// The JSON Schema of scripts, for editors. It knows the words and the shapes; that labels, tags and
/// parties fit together only [`Scenario::parse`] knows.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}
