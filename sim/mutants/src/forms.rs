//! Mutants of the form of what the server writes: fields of its events and replies that are missing or wrong
//! (protocol §2, §9). The values that remain are right.

use std::sync::Arc;

use serde_json::Value;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::server::Hooks;
use turnstile_reference::session::Effect;

use crate::replies::rewrite_answers;

/// Removes a field of the object at a JSON pointer. Without such an object or field it does nothing.
fn remove(value: &mut Value, within: &str, field: &str) {
    if let Some(Value::Object(object)) = value.pointer_mut(within) {
        object.remove(field);
    }
}

/// Removes a field from the data of the server's own events as it sends them.
pub struct OmitsField {
    event: &'static str,
    /// The object that contains the field, as a JSON pointer below the data.
    within: &'static str,
    field: &'static str,
}

impl OmitsField {
    /// Sends failures without their error; violates R9.35.
    pub const ERROR: Self = Self {
        event: "cloud.message.failed",
        within: "",
        field: "error",
    };
    /// Sends the status of the preparation without its step; violates R9.39.
    pub const STEP: Self = Self {
        event: "cloud.status",
        within: "/cloudStatus",
        field: "step",
    };
}

impl Interceptor for OmitsField {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        for effect in &mut decided.effects {
            let Effect::Broadcast(event) = effect else {
                continue;
            };
            if event.stream_event_type != self.event {
                continue;
            }
            remove(Arc::make_mut(&mut event.data), self.within, self.field);
        }
        Memory::Stays
    }
}

/// Acknowledges messages without the address of the stream; violates R2.56.
pub fn omit_stream(hooks: &mut Hooks) {
    rewrite_answers(hooks, "", |answer| remove(answer, "/result/data", "streamUrl"));
}

/// Answers interrupts without a text; violates R2.121.
pub fn omit_text_of_interrupt(hooks: &mut Hooks) {
    rewrite_answers(hooks, "interruptSession", |answer| {
        remove(answer, "/result/data", "message");
    });
}
