//! Kilo's gateway calls for one turn: the catalogue, then streamed completions until one calls no tool (R11.19, R11.50).
//!
//! The lifecycle decides the effect of the turn's progress on the session.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use sse_stream::SseStream;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{Observation, Probe, body_as_value};
use turnstile_seams::Seams;
use turnstile_seams::http_client::{self, HttpError};

use super::lifecycle::Progress;
use super::request::Prompt;
use super::turns::ToolCall;
use crate::gateway::{COMPLETIONS_PATH, END_MARK, MODELS_PATH};

/// The reason of an answer that calls tools.
const TOOL_CALLS: &str = "tool_calls";

/// Most tool calls in one answer.
const MOST_CALLS: usize = 128;

/// The result of every tool.
const TOOL_RESULT: &str = "done";

/// The name of the model of a turn that names none, for errors.
const DEFAULT_MODEL: &str = "default";

/// Why a turn has no complete answer.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("`{0}` is not a URL")]
    Url(String),
    #[error("no answer from the gateway: {0}")]
    NoAnswer(#[from] HttpError),
    #[error("{message}")]
    Refused { message: String },
    #[error("the gateway's answer broke off: {0}")]
    BrokenOff(String),
    #[error("Model not found: {0}")]
    UnknownModel(String),
}

/// HTTP client of the gateway.
#[derive(Clone)]
pub(super) struct GatewayClient {
    /// Base URL, without a path.
    pub(super) url: String,
    pub(super) seams: Seams,
    pub(super) probe: Probe,
}

/// A response whose body is not read yet.
struct Answer {
    exchange: u64,
    response: Response<Incoming>,
}

impl GatewayClient {
    /// Runs the turn of `prompt` and reports its progress. The last report is the end of the turn.
    pub(super) async fn run(self, prompt: Prompt, report: impl Fn(Progress)) {
        let end = match self.run_turn(&prompt, &report).await {
            Ok(()) => Progress::Finished,
            Err(error @ TurnError::UnknownModel(_)) => Progress::UnknownModel(error.to_string()),
            Err(error) => Progress::Refused(error.to_string()),
        };
        report(end);
    }

    async fn run_turn(&self, prompt: &Prompt, report: &impl Fn(Progress)) -> Result<(), TurnError> {
        let model = self.model_for(prompt.model.as_deref()).await?;
        report(Progress::Begun);
        let mut messages = vec![json!({ "role": "user", "content": prompt.text })];
        loop {
            let answer = self.converse(&model, &messages, report).await?;
            if answer.calls.is_empty() {
                return Ok(());
            }
            report(Progress::Answered);
            messages.extend(answer.into_messages());
        }
    }

    /// Sends the conversation so far and reports the answer as it comes.
    async fn converse(
        &self,
        model: &str,
        messages: &[Value],
        report: &impl Fn(Progress),
    ) -> Result<Completion, TurnError> {
        let body = json!({ "model": model, "stream": true, "messages": messages });
        let answer = self.request(Method::POST, COMPLETIONS_PATH, &body).await?;
        if !answer.response.status().is_success() {
            return Err(refusal(&self.whole_body(answer).await?));
        }
        self.reply_received(&answer, Value::Null);
        let exchange = answer.exchange;
        let streamed = read_completion(answer.response, report).await;
        if let Err(TurnError::BrokenOff(error)) = &streamed {
            self.no_reply(exchange, error);
        }
        streamed
    }

    /// The model to use: `wanted`, which must be in the catalogue, or the first one in it (R11.27, R11.34).
    async fn model_for(&self, wanted: Option<&str>) -> Result<String, TurnError> {
        let answer = self.request(Method::GET, MODELS_PATH, &Value::Null).await?;
        let is_refused = !answer.response.status().is_success();
        let body = self.whole_body(answer).await?;
        if is_refused {
            return Err(refusal(&body));
        }
        let listed = body["data"].as_array().map_or(&[][..], Vec::as_slice);
        let mut models = listed.iter().filter_map(|model| model["id"].as_str());
        let found = match wanted {
            Some(wanted) => models.find(|model| *model == wanted),
            None => models.next(),
        };
        let unknown = || TurnError::UnknownModel(wanted.unwrap_or(DEFAULT_MODEL).to_owned());
        found.map(str::to_owned).ok_or_else(unknown)
    }

    async fn request(&self, method: Method, path: &str, body: &Value) -> Result<Answer, TurnError> {
        let url = format!("{}{path}", self.url);
        let uri: Uri = url.parse().map_err(|_| TurnError::Url(url))?;
        let exchange = self.probe.next_exchange();
        self.probe.observe(Observation::RequestSent {
            exchange,
            to: uri.host().unwrap_or_default().to_owned(),
            method: method.to_string(),
            path: path.to_owned(),
            credentials: Credentials::Own,
            body: body.clone(),
        });
        let mut request = Request::new(Full::new(match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        }));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        if !body.is_null() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        match http_client::send(&self.seams.network, request).await {
            Ok(response) => Ok(Answer { exchange, response }),
            Err(error) => {
                self.no_reply(exchange, &error.to_string());
                Err(error.into())
            }
        }
    }

    async fn whole_body(&self, answer: Answer) -> Result<Value, TurnError> {
        let Answer { exchange, response } = answer;
        let status = response.status().as_u16();
        match http_client::read_body(response).await {
            Ok(body) => {
                let body = body_as_value(&body);
                self.probe.observe(Observation::ReplyReceived {
                    exchange,
                    status,
                    body: body.clone(),
                });
                Ok(body)
            }
            Err(error) => {
                self.no_reply(exchange, &error.to_string());
                Err(error.into())
            }
        }
    }

    fn reply_received(&self, answer: &Answer, body: Value) {
        self.probe.observe(Observation::ReplyReceived {
            exchange: answer.exchange,
            status: answer.response.status().as_u16(),
            body,
        });
    }

    fn no_reply(&self, exchange: u64, error: &str) {
        self.probe.observe(Observation::NoReply {
            exchange,
            error: error.to_owned(),
        });
    }
}

/// One chunk of a streamed completion; other fields are ignored.
#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCallDelta>,
}

/// A part of a tool call; the first part has the id and the name, and the arguments come in pieces.
#[derive(Deserialize)]
struct ToolCallDelta {
    index: usize,
    id: Option<String>,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// A complete answer of the gateway.
#[derive(Default)]
struct Completion {
    text: String,
    /// The tools to call before the gateway is called again; empty if the turn ends.
    calls: Vec<ToolCall>,
}

impl Completion {
    /// The messages that continue the conversation: this answer, and the result of each tool.
    fn into_messages(self) -> Vec<Value> {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|call| {
                let function = json!({ "name": call.tool, "arguments": call.arguments });
                json!({ "id": call.id, "type": "function", "function": function })
            })
            .collect();
        let mut messages = vec![json!({ "role": "assistant", "content": self.text, "tool_calls": calls })];
        let results = self.calls.iter();
        messages.extend(
            results.map(|call| json!({ "role": "tool", "tool_call_id": call.id, "content": TOOL_RESULT })),
        );
        messages
    }

    fn add(&mut self, delta: ToolCallDelta) {
        while self.calls.len() <= delta.index {
            self.calls.push(ToolCall::default());
        }
        let call = &mut self.calls[delta.index];
        call.id.push_str(delta.id.as_deref().unwrap_or_default());
        call.tool
            .push_str(delta.function.name.as_deref().unwrap_or_default());
        call.arguments
            .push_str(delta.function.arguments.as_deref().unwrap_or_default());
    }
}

/// Reads a streamed completion. Text is reported as it comes, tool calls when they are complete.
async fn read_completion(
    response: Response<Incoming>,
    report: &impl Fn(Progress),
) -> Result<Completion, TurnError> {
    let mut completion = Completion::default();
    let mut finish_reason = None;
    let mut events = pin!(SseStream::new(response.into_body()));
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| TurnError::BrokenOff(error.to_string()))?;
        let Some(data) = event.data else { continue };
        if data == END_MARK {
            if finish_reason.as_deref() != Some(TOOL_CALLS) {
                completion.calls.clear();
            }
            for call in &completion.calls {
                report(Progress::ToolCalled(call.clone()));
            }
            return Ok(completion);
        }
        let chunk: Chunk =
            serde_json::from_str(&data).map_err(|error| TurnError::BrokenOff(error.to_string()))?;
        let mut text = String::new();
        for choice in chunk.choices {
            text.push_str(choice.delta.content.as_deref().unwrap_or_default());
            for call in choice
                .delta
                .tool_calls
                .into_iter()
                .filter(|call| call.index < MOST_CALLS)
            {
                completion.add(call);
            }
            finish_reason = choice.finish_reason.or(finish_reason);
        }
        if !text.is_empty() {
            completion.text.push_str(&text);
            report(Progress::Text(text));
        }
    }
    Err(TurnError::BrokenOff(format!("it ended before {END_MARK}")))
}

/// Reads the message of an error answer (R11.11).
fn refusal(body: &Value) -> TurnError {
    let message = body["error"]["message"]
        .as_str()
        .unwrap_or("the gateway refused without a message");
    TurnError::Refused {
        message: message.to_owned(),
    }
}
