//! JSON shapes of the OpenAI API, limited to what the gateway uses.
//!
//! Only shapes: when each one is sent is decided elsewhere.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::MODEL;
use super::directive::FinishReason;

/// The number of characters that count as one token.
const TOKEN_LENGTH: usize = 4;

/// The tool that answers call, with its arguments as JSON text. It changes nothing in a workspace.
const TOOL: (&str, &str) = ("bash", r#"{"command":"true","description":"Do nothing"}"#);

/// A completion request. Other fields are ignored (R11.13); the answer is always a stream.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionRequest {
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

    /// The number of results of tools after the last user message (R11.49).
    pub(super) fn tool_results(&self) -> usize {
        let since_prompt = self.messages.rsplit(|message| message.role == "user").next();
        let messages = since_prompt.unwrap_or_default().iter();
        messages.filter(|message| message.role == "tool").count()
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
pub(super) fn error(message: &str, kind: &str, code: &Value) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

/// The fields that all chunks of one streamed answer share, and the texts for its usage.
#[derive(Debug)]
pub(super) struct Completion {
    number: u64,
    created: i64,
    has_begun: bool,
    /// Length of the prompt, in characters.
    prompt_length: usize,
    /// Length of the answer so far, in characters.
    answer_length: usize,
}

impl Completion {
    /// The `number`-th completion of this gateway, started at `now`.
    pub(super) fn new(number: u64, now: Timestamp, prompt: &str) -> Self {
        Self {
            number,
            created: now.as_second(),
            has_begun: false,
            prompt_length: prompt.chars().count(),
            answer_length: 0,
        }
    }

    /// A chunk with `text`; the first chunk also has the role.
    pub(super) fn text(&mut self, text: &str) -> Value {
        self.answer_length += text.chars().count();
        self.delta("content", &json!(text))
    }

    /// A chunk with a tool call, the `number`-th of its turn.
    pub(super) fn tool_call(&mut self, number: usize) -> Value {
        let (name, arguments) = TOOL;
        let call = json!([{
            "index": 0,
            "id": format!("call_{}_{number}", self.number),
            "type": "function",
            "function": { "name": name, "arguments": arguments },
        }]);
        self.delta("tool_calls", &call)
    }

    /// The last chunk, with `finish_reason` and `usage` (R11.2).
    pub(super) fn finish(&self, reason: FinishReason) -> Value {
        let reason = match reason {
            FinishReason::Stop => "stop",
            FinishReason::ToolCalls => "tool_calls",
        };
        let mut chunk = self.chunk(&json!({}), &json!(reason));
        let tokens = [self.prompt_length, self.answer_length].map(|length| length.div_ceil(TOKEN_LENGTH));
        chunk["usage"] = json!({
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": tokens[0] + tokens[1],
        });
        chunk
    }

    fn delta(&mut self, field: &str, value: &Value) -> Value {
        let mut delta = json!({ field: value });
        if !self.has_begun {
            delta["role"] = json!("assistant");
        }
        self.has_begun = true;
        self.chunk(&delta, &Value::Null)
    }

    fn chunk(&self, delta: &Value, finish_reason: &Value) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.number),
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
        })
    }
}
