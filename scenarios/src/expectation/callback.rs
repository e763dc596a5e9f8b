//! What reaches the receiver.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::Terminal;
use crate::json::Subset;
use crate::name::Label;
use crate::place::At;
use turnstile_fault::Lapse;

/// What reached the receiver for one message, or for one execution of an older service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Callback {
    /// The message or execution.
    pub r#for: At<Label>,
    /// How many jobs were delivered, which are requests answered with 2xx; 0 if none may be.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
    /// The payload's `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Terminal>,
    /// The payload's `lastAssistantMessageText`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A text that the payload's `errorMessage` contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The payload's `gateResult`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateResult>,
    /// What the payload has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<At<Subset>>,
    /// Fields that are nowhere in the payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Headers of the request; the value `present` stands for any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The path that it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many requests there were in all, whatever they were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// When the first request came, counted from the run's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Lapse>,
    /// No request came before this moment, counted from the run's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Lapse>,
    /// A request had come by this moment, counted from the run's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Lapse>,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_once(times: &u32) -> bool {
    *times == once()
}

/// `gateResult` of a callback (protocol §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateResult {
    /// The gate lets it pass.
    Pass,
    /// It does not.
    Fail,
    /// The payload has none.
    None,
}

impl Callback {
    /// Whether anything is said of what a callback has in it or when it comes.
    pub fn describes_one(&self) -> bool {
        self.status.is_some()
            || self.text.is_some()
            || self.error.is_some()
            || self.gate.is_some()
            || self.has.is_some()
            || !self.lacks.is_empty()
            || !self.headers.is_empty()
            || self.path.is_some()
    }
}
