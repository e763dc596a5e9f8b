//! Expectations about callbacks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::Terminal;
use crate::json::Subset;
use crate::name::Label;
use crate::place::At;
use turnstile_fault::Lapse;

/// The callbacks for one message, or for one execution of an older service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Callback {
    /// The message or execution.
    pub r#for: At<Label>,
    /// Number of delivered jobs, which are requests answered with 2xx; default 1.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
    /// The payload's `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Terminal>,
    /// The payload's `lastAssistantMessageText`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Text that the payload's `errorMessage` contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The payload's `gateResult`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateResult>,
    /// Fields that the payload has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<At<Subset>>,
    /// Fields that must not occur anywhere in the payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Headers of the request; the value `present` matches any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Path of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Number of requests, whatever their answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Time of the first request, counted from the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Lapse>,
    /// No request arrived before this time, counted from the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Lapse>,
    /// A request arrived by this time, counted from the start of the run.
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

/// `gateResult` of a callback (PROTOCOL.md §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateResult {
    /// The gate passed.
    Pass,
    /// The gate failed.
    Fail,
    /// The payload has no `gateResult`.
    None,
}

impl Callback {
    /// Whether it specifies the content or the time of a callback.
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
