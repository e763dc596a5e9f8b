//! Kilo's gateway calls for one turn: the catalogue, then the streamed completion (R11.19).
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
use turnstile_events::observation::{Observation, Probe, body_as_value};
use turnstile_seams::Seams;
use turnstile_seams::http_client::{self, HttpError};

use super::lifecycle::Progress;
use super::request::Prompt;
use crate::gateway::{COMPLETIONS_PATH, END_MARK, MODELS_PATH};

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
        let body = json!({
            "model": model,
            "stream": true,
            "messages": [{ "role": "user", "content": prompt.text }],
        });
        let answer = self.request(Method::POST, COMPLETIONS_PATH, &body).await?;
        if !answer.response.status().is_success() {
            return Err(refusal(&self.whole_body(answer).await?));
        }
        self.reply_received(&answer, Value::Null);
        let exchange = answer.exchange;
        let streamed = stream_text(answer.response, report).await;
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
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

async fn stream_text(response: Response<Incoming>, report: &impl Fn(Progress)) -> Result<(), TurnError> {
    let mut events = pin!(SseStream::new(response.into_body()));
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| TurnError::BrokenOff(error.to_string()))?;
        let Some(data) = event.data else { continue };
        if data == END_MARK {
            return Ok(());
        }
        let chunk: Chunk =
            serde_json::from_str(&data).map_err(|error| TurnError::BrokenOff(error.to_string()))?;
        let text: String = chunk
            .choices
            .into_iter()
            .filter_map(|choice| choice.delta.content)
            .collect();
        if !text.is_empty() {
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
