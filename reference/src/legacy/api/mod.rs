//! Old clients and old wrappers: the procedures that only they call, and the parameters that only they send.

pub mod input;
pub mod procedures;

use std::collections::BTreeSet;

use serde::Deserialize;

use super::model::{Origin, execution};

/// The query parameters about executions, of the stream and of the ingest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    /// At the ingest: the execution that an older wrapper works for.
    execution_id: Option<String>,
    /// At the stream: the executions whose events the client wants, separated by commas.
    execution_ids: Option<String>,
}

/// The executions whose events a client wants. Without any, it wants all events.
#[derive(Debug, Clone, Default)]
pub struct Filter(Option<BTreeSet<String>>);

impl Params {
    /// The execution that an older wrapper works for, if it names one.
    ///
    /// # Errors
    ///
    /// If the text is not the id of an execution.
    pub fn execution(&self) -> Result<Option<execution::Id>, execution::NotAnId> {
        self.execution_id.clone().map(execution::Id::try_from).transpose()
    }

    /// The filter that a client of the stream asks for.
    pub fn filter(&self) -> Filter {
        let wanted = self.execution_ids.as_ref();
        Filter(wanted.map(|ids| ids.split(',').map(str::to_owned).collect()))
    }
}

impl Filter {
    /// Whether the client wants an event of that origin.
    pub fn wants(&self, origin: &Origin) -> bool {
        let Some(wanted) = &self.0 else { return true };
        origin.execution().is_some_and(|id| wanted.contains(id.as_str()))
    }
}
