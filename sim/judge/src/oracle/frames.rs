//! The frames by which a wrapper ends its run (protocol §6). A frame with data of the wrong type has no effect.
//!
//! The frames of imported executions end no run and are not recognized. This module judges nothing.

use serde_json::Value;

use super::history::{StreamEvent, WrapperFrame};

/// The kind of such a frame. Few frames have a name of one, so the data of the others need not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Complete,
    Interrupted,
    Error,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "complete" => Some(Self::Complete),
            "interrupted" => Some(Self::Interrupted),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// A frame that ends the run of its wrapper (R6.34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd<'a> {
    /// `complete`.
    Complete {
        /// The branch that it reports.
        branch: Option<&'a str>,
        /// The gate result that it reports.
        gate_result: Option<&'a str>,
    },
    /// `interrupted`.
    Interrupted,
    /// `error` with `fatal: true`.
    FatalError,
}

impl<'a> RunEnd<'a> {
    /// Reads a kept event.
    pub(super) fn of_event(event: &'a StreamEvent) -> Option<Self> {
        let kind = Kind::of(&event.name)?;
        if event.is_of_execution() {
            return None;
        }
        read(kind, &event.data)
    }

    /// Reads a frame as it was sent. `interrupted` may have no data (R5.53).
    pub(super) fn of_frame(frame: &'a WrapperFrame) -> Option<Self> {
        match (Kind::of(&frame.name)?, &*frame.data) {
            (Kind::Interrupted, Value::Null) => Some(Self::Interrupted),
            (kind, data) => read(kind, data),
        }
    }

    /// Whether it is a `complete`.
    pub(super) fn is_complete(self) -> bool {
        matches!(self, Self::Complete { .. })
    }
}

/// Reads an event whose data is valid (R6.35 to R6.37).
fn read(kind: Kind, data: &Value) -> Option<RunEnd<'_>> {
    let fields = data.as_object()?;
    let is = |field: &str, is_valid: fn(&Value) -> bool| match fields.get(field) {
        // Only in `complete` a field with `null` counts as absent (R6.16).
        Some(Value::Null) => kind == Kind::Complete,
        Some(value) => is_valid(value),
        None => true,
    };
    match kind {
        Kind::Complete => {
            let is_valid = data["exitCode"].is_number()
                && is("currentBranch", Value::is_string)
                && is("gateResult", |result| *result == "pass" || *result == "fail");
            is_valid.then(|| RunEnd::Complete {
                branch: data["currentBranch"].as_str(),
                gate_result: data["gateResult"].as_str(),
            })
        }
        Kind::Interrupted => is("reason", Value::is_string).then_some(RunEnd::Interrupted),
        Kind::Error => {
            let is_valid = data["fatal"] == true
                && is("error", |error| error.is_string() || error.is_object())
                && is("message", Value::is_string);
            is_valid.then_some(RunEnd::FatalError)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_valid_data_ends_a_run() {
        for (name, data, is_end) in [
            ("complete", json!({"exitCode": 0}), true),
            (
                "complete",
                json!({"exitCode": 0, "gateResult": null, "currentBranch": null}),
                true,
            ),
            (
                "complete",
                json!({"exitCode": 0, "gateResult": "pass", "currentBranch": "b"}),
                true,
            ),
            ("complete", json!({}), false),
            ("complete", json!({"exitCode": "0"}), false),
            ("complete", json!({"exitCode": 0, "gateResult": "maybe"}), false),
            ("complete", json!({"exitCode": 0, "gateResult": true}), false),
            ("complete", json!({"exitCode": 0, "currentBranch": 1}), false),
            ("complete", json!(null), false),
            ("interrupted", json!({}), true),
            ("interrupted", json!({"reason": "stopped"}), true),
            ("interrupted", json!({"reason": 1}), false),
            ("interrupted", json!({"reason": null}), false),
            ("interrupted", json!("text"), false),
            ("error", json!({"fatal": true}), true),
            ("error", json!({"fatal": true, "error": "no"}), true),
            ("error", json!({"fatal": true, "error": {"message": "no"}}), true),
            ("error", json!({"fatal": true, "error": 1}), false),
            ("error", json!({"fatal": true, "message": []}), false),
            ("error", json!({"fatal": true, "message": null}), false),
            ("error", json!({"fatal": "true"}), false),
            ("error", json!({"fatal": false}), false),
            ("session.idle", json!({}), false),
        ] {
            let read = Kind::of(name).and_then(|kind| read(kind, &data));
            assert_eq!(read.is_some(), is_end, "{name} {data}");
        }
    }
}
