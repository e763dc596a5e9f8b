//! What clients are told of the cloud side while a wrapper is got ready and afterwards (protocol §5).
//!
//! None of it is kept: who comes later is told by `connected`.

use jiff::Timestamp;
use serde_json::json;

use super::events::{Persistence, name};
use super::{Decision, Session};
use crate::coverage::Row;

/// Steps of a preparation, by name, each with what a person reads.
pub(super) enum Step {
    /// The wrapper is asked to get ready.
    SandboxStarting,
    /// It has said that it is.
    WorkspaceReady,
}

impl Step {
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::SandboxStarting => ("sandbox_starting", "Getting the sandbox ready"),
            Self::WorkspaceReady => ("workspace_ready", "The workspace is ready"),
        }
    }
}

/// What clients were told last of the cloud side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Preparing,
    Ready,
    Error,
}

impl Session {
    pub(super) fn tell_preparing(&mut self, now: Timestamp, step: &Step, decision: &mut Decision) {
        Row::ToldPreparing.reach();
        let (step, message) = step.words();
        self.volatile.told = Some(Told::Preparing);
        let data = json!({"step": step, "message": message});
        self.emit(now, name::PREPARING, data, Persistence::Volatile, decision);
        let status = json!({"type": "preparing", "step": step, "message": message});
        self.tell_status(now, &status, decision);
    }

    /// Nothing is being prepared any more. Said once, not again with every turn.
    pub(super) fn tell_ready(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.volatile.told.replace(Told::Ready) != Some(Told::Ready) {
            Row::ToldReady.reach();
            self.tell_status(now, &json!({"type": "ready"}), decision);
        }
    }

    /// What was being prepared is of no use any more.
    pub(super) fn tell_ready_if_preparing(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.volatile.told == Some(Told::Preparing) {
            self.tell_ready(now, decision);
        }
    }

    pub(super) fn tell_failure(&mut self, now: Timestamp, message: &str, decision: &mut Decision) {
        Row::ToldError.reach();
        self.volatile.told = Some(Told::Error);
        self.tell_status(now, &json!({"type": "error", "message": message}), decision);
    }

    fn tell_status(&mut self, now: Timestamp, status: &serde_json::Value, decision: &mut Decision) {
        let data = json!({"cloudStatus": status});
        self.emit(now, name::CLOUD_STATUS, data, Persistence::Volatile, decision);
    }
}
