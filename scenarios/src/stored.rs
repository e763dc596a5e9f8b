//! A session that an older service left on the server's disk (protocol §10).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Lapse, is_default, read_from_text, write_as_text};

use crate::json::JsonObject;
use crate::name::{Label, is_plain};
use crate::place::At;

/// How ids of executions begin (protocol §1).
const EXECUTION_PREFIX: &str = "exc_";

/// What lies on the server's disk before it starts for the first time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stored {
    /// Fields of the flat record, over those that it has anyway; null takes one away.
    #[serde(skip_serializing_if = "is_default")]
    pub record: At<JsonObject>,
    /// What the script calls the message that the record has as its `initialMessageId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_message: Option<At<Label>>,
    /// The executions that lie beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<StoredExecution>,
}

/// An execution of an older service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoredExecution {
    /// What the script calls it.
    pub r#as: At<Label>,
    /// Its id; one is made if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ExecutionId>,
    /// How far it had got.
    pub status: ExecutionStatus,
    /// How long before the run's beginning it was started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub started_before: Lapse,
    /// What the script calls the message that it ran for, if it knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<At<Label>>,
}

/// How far an execution had got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum ExecutionStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Interrupted,
}

/// The id of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionId(String);

/// Why a text is no id of an execution.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the id of an execution: `exc_`, then letters, digits, `-` and `_`")]
pub struct ExecutionIdError(String);

impl FromStr for ExecutionId {
    type Err = ExecutionIdError;

    fn from_str(text: &str) -> Result<Self, ExecutionIdError> {
        match text.strip_prefix(EXECUTION_PREFIX) {
            Some(rest) if is_plain(rest) => Ok(Self(text.to_owned())),
            _ => Err(ExecutionIdError(text.to_owned())),
        }
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

read_from_text!(ExecutionId, { "type": "string", "pattern": "^exc_[A-Za-z0-9_-]+$" });
write_as_text!(ExecutionId);
