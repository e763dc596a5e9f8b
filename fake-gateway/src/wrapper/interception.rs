//! Rewrites of what goes into a lifecycle and comes out of it. A wrapper changes nothing; its mutants do.

use std::sync::Arc;

use serde_json::Value;

use super::lifecycle::{Action, Input};

/// Stands between a host, its lifecycle and its ingest sockets.
pub(super) trait Interceptor: Send + Sync {
    /// What the lifecycle gets instead of an input.
    fn inputs(&self, input: Input) -> Vec<Input> {
        vec![input]
    }

    /// What the host performs instead of the actions that follow from one input.
    fn actions(&self, actions: Vec<Action>) -> Vec<Action> {
        actions
    }

    /// What an ingest socket writes instead of a frame.
    fn frames(&self, frame: Arc<Value>) -> Vec<Arc<Value>> {
        vec![frame]
    }
}

/// Changes nothing.
pub(super) struct Unchanged;

impl Interceptor for Unchanged {}
