//! The V2 procedures, and the parameters of legacy clients and wrappers.

pub mod input;
pub mod procedures;

use std::collections::BTreeSet;

use serde::Deserialize;

use super::model::{Origin, execution};

/// The query parameters about executions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    /// Of the ingest: the execution that the wrapper runs.
    execution_id: Option<String>,
    /// Of the stream: the executions whose events the client wants, separated by commas (R9.6).
    execution_ids: Option<String>,
}

/// The executions whose events a client wants. `None` matches all events.
#[derive(Debug, Clone, Default)]
pub struct Filter(Option<BTreeSet<String>>);

impl Params {
    /// Returns the execution that the wrapper names, if any.
    ///
    /// # Errors
    ///
    /// If the id is malformed.
    pub fn execution(&self) -> Result<Option<execution::Id>, execution::MalformedId> {
        self.execution_id.clone().map(execution::Id::try_from).transpose()
    }

    /// Parses the filter of a stream.
    pub fn filter(&self) -> Filter {
        let wanted = self.execution_ids.as_ref();
        Filter(wanted.map(|ids| ids.split(',').map(str::to_owned).collect()))
    }
}

impl Filter {
    /// Whether the filter includes events of that origin.
    pub fn wants(&self, origin: &Origin) -> bool {
        let Some(wanted) = &self.0 else { return true };
        origin.execution().is_some_and(|id| wanted.contains(id.as_str()))
    }
}
