//! A session that an older service left on the server's disk (PROTOCOL.md §10).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Lapse, is_default, read_from_text, write_as_text};

use crate::json::JsonObject;
use crate::name::{Label, is_plain};
use crate::place::At;

/// Prefix of execution ids (PROTOCOL.md §1).
const EXECUTION_PREFIX: &str = "exc_";

/// Content of the server's disk before its first start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stored {
    /// Form of the record; default `flat`.
    #[serde(skip_serializing_if = "is_default")]
    pub form: RecordForm,
    /// Fields of the record, merged over the default record; null removes a field.
    #[serde(skip_serializing_if = "is_default")]
    pub record: At<JsonObject>,
    /// Label of the message in the record's `initialMessageId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_message: Option<At<Label>>,
    /// Executions of the session.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<StoredExecution>,
}

/// Form of a stored record (PROTOCOL.md §10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordForm {
    /// All fields at the top.
    #[default]
    Flat,
    /// Fields in groups, with `metadataSchemaVersion: 2`. A group is merged field by field.
    Grouped,
}

/// An execution of an older service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoredExecution {
    /// Label of the execution.
    pub r#as: At<Label>,
    /// Id of the execution; generated if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ExecutionId>,
    /// Status of the execution.
    pub status: ExecutionStatus,
    /// How long before the start of the run it was started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub started_before: Lapse,
    /// Label of the message that it ran for, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<At<Label>>,
}

/// Status of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum ExecutionStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Interrupted,
}

/// Id of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionId(String);

/// Invalid text for [`ExecutionId`].
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
