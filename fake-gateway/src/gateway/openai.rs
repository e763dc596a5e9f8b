//! JSON shapes of the OpenAI API, limited to what the gateway uses.
//!
//! Only shapes: when each one is sent is decided elsewhere.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::MODEL;

/// A completion request. Other fields are ignored; the answer is always a stream.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionRequest {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    messages: Vec<PromptMessage>,
}

#[derive(Debug, Deserialize)]
struct PromptMessage {
    role: String,
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Debug, Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: String,
}

impl CompletionRequest {
    /// The text of the last user message; empty if there is no user message.
    pub(super) fn last_user_text(&self) -> String {
        let last = self.messages.iter().rfind(|message| message.role == "user");
        match last.and_then(|message| message.content.as_ref()) {
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts.iter().map(|part| part.text.as_str()).collect(),
            None => String::new(),
        }
    }
}

/// The catalogue of models (R11.1).
pub(super) fn catalogue() -> Value {
    json!({ "data": [{
        "id": MODEL,
        "name": "Fake (deterministic)",
        "context_length": 128_000,
        "architecture": { "input_modalities": ["text"], "output_modalities": ["text"] },
        "pricing": { "prompt": "0", "completion": "0" },
        "supported_parameters": ["tools"],
    }] })
}

/// The body of an error answer (R11.11).
pub(super) fn error(message: &str, kind: &str, code: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

/// The fields that all chunks of one streamed answer share.
#[derive(Debug)]
pub(super) struct Completion {
    id: String,
    created: i64,
    has_begun: bool,
}

impl Completion {
    /// The `number`-th completion of this gateway, started at `now`.
    pub(super) fn new(number: u64, now: Timestamp) -> Self {
        Self {
            id: format!("chatcmpl-{number}"),
            created: now.as_second(),
            has_begun: false,
        }
    }

    /// A chunk with `text`; the first chunk also has the role.
    pub(super) fn text(&mut self, text: &str) -> Value {
        let delta = if self.has_begun {
            json!({ "content": text })
        } else {
            json!({ "role": "assistant", "content": text })
        };
        self.has_begun = true;
        self.chunk(&delta, &Value::Null)
    }

    /// The chunk with `finish_reason: "stop"`.
    pub(super) fn stop(&self) -> Value {
        self.chunk(&json!({}), &json!("stop"))
    }

    fn chunk(&self, delta: &Value, finish_reason: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
        })
    }
}
