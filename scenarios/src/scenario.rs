//! A whole script.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Answer, Capability, Lapse, is_default};

use crate::expectation::Expectation;
use crate::name::{ClientName, SessionName};
use crate::place::At;
use crate::profile::RequiredProfile;
use crate::rule_name::RuleName;
use crate::session::Session;
use crate::step::Step;
use crate::surface::{Surface, Surfaces};

/// A scenario: steps and expectations.
///
/// [`Scenario::parse`] reads one. A scenario built in code is not checked; write it and parse the result.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Scenario {
    /// Title: a sentence that states what holds.
    #[serde(rename = "scenario")]
    #[schemars(length(min = 1))]
    pub title: String,
    /// What could go wrong, and why it matters.
    #[schemars(length(min = 1))]
    pub about: String,
    /// Part of the system under test.
    pub seam: Seam,
    /// Ids of the protocol's rules that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<At<RuleName>>,
    /// Surfaces to run on, once each.
    #[serde(default, skip_serializing_if = "is_default")]
    pub api: Surfaces,
    /// The seed of its plays in a simulated world, unless the command line has one; by default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether to ignore steps that do not go as scripted, and to judge only what must hold in every run. For
    /// generated scripts, whose faults occur at unpredictable times.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tolerant: bool,
    /// Values of the protocol profile. A simulated server gets them; a server in a process of its own must declare them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub profile: RequiredProfile,
    /// Time between the acceptance of a turn and its first event, of every wrapper; by default none, and a short one with
    /// a server in a process of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Lapse>,
    /// Settings of the session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: Session,
    /// Answers of the receiver to its first requests, one each; afterwards it answers 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receiver: Vec<Answer>,
    /// The steps.
    #[schemars(length(min = 1))]
    pub steps: Vec<At<Step>>,
    /// The expectations at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<At<Expectation>>,
}

/// The part of the system that a scenario tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seam {
    /// One message from admission to its end.
    Turn,
    /// Messages that wait for each other.
    Queue,
    /// Interrupts by the user.
    Interrupt,
    /// Failures of the LLM gateway.
    Gateway,
    /// Delivery of callbacks.
    Callback,
    /// Lost and restored connections.
    Reconnect,
    /// Crashes and restarts.
    Crash,
    /// Streams of clients.
    Stream,
    /// Misbehaviour of the wrapper.
    Wrapper,
    /// Old clients, and sessions of older services.
    Legacy,
    /// Deletion of a session.
    Deletion,
}

impl Scenario {
    /// Capabilities that it needs of a server under test, beyond the protocol.
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

    /// Whether a fault waits for an operation of a disk that it counts. The trace then depends on how the server writes.
    pub fn counts_disk_operations(&self) -> bool {
        self.steps.iter().any(|step| match &step.value {
            Step::Fault(injection) => injection.fault.disk_operation().is_some(),
            _ => false,
        })
    }

    /// Names of the sessions that its steps create, except the default session.
    pub fn other_sessions(&self) -> BTreeSet<&SessionName> {
        let named = self.steps.iter().filter_map(|step| match &step.value {
            Step::Start(start) => Some(&start.session.value),
            Step::Prepare(prepare) => Some(&prepare.session.value),
            Step::Call(call) if call.creates_session() => Some(&call.session.value),
            _ => None,
        });
        named.filter(|name| !is_default(*name)).collect()
    }

    /// The clients that steps name.
    pub fn clients(&self) -> BTreeSet<&ClientName> {
        let named = self.steps.iter().filter_map(|step| match &step.value {
            Step::Start(step) => Some(&step.client.value),
            Step::Send(step) => Some(&step.client.value),
            Step::Prepare(step) => Some(&step.client.value),
            Step::Initiate(step) => Some(&step.client.value),
            Step::Update(step) => Some(&step.client.value),
            Step::Delete(step) => Some(&step.client.value),
            Step::Interrupt(step) => Some(&step.client.value),
            Step::Call(step) => Some(&step.client.value),
            Step::Open(step) => Some(&step.client.value),
            Step::Close(step) => Some(&step.client.value),
            Step::Await(_)
            | Step::Release(_)
            | Step::Heal(_)
            | Step::Restart(_)
            | Step::Fault(_)
            | Step::Ingest(_)
            | Step::Wait(_) => None,
        });
        named.collect()
    }

    /// This scenario for one surface, with the surface in its title; `None` if it does not run on that surface.
    pub fn on(&self, surface: Surface) -> Option<Self> {
        self.api.contains(&surface).then(|| Self {
            title: format!("{}{}", self.title, surface.suffix()),
            api: surface.into(),
            ..self.clone()
        })
    }
}

/// The JSON Schema of scripts, for editors. It covers keys and types; only [`Scenario::parse`] checks that
/// labels, tags and parties fit together.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}
