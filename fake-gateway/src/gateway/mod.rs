//! The LLM gateway: an OpenRouter-shaped API that takes its answers from the prompts (R11.1–R11.18,
//! R11.47–R11.49).
//!
//! This file has the HTTP routes and streams the answers. `directive` parses prompts, `parking_lot` tracks
//! requests that wait at a gate, `openai` has the JSON shapes.

mod directive;
mod openai;
mod parking_lot;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
pub use directive::ECHO_LENGTH;
use directive::{Directive, Step};
pub(crate) use directive::{IDLE_DIRECTIVE, has_directive};
use futures_util::{Stream, future, stream};
use http::StatusCode;
use openai::{Completion, CompletionRequest};
use parking_lot::{ParkingLot, Ticket};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use turnstile_events::observation::Probe;
use turnstile_seams::{ClockExt as _, Listener, Seams, http_server};

use crate::coverage::FakeEvent;
use crate::edge::{Exchange, Headers, recorded};

/// The only model in the catalogue (R11.1).
pub const MODEL: &str = "fake-deterministic";

/// Route of the catalogue of models.
pub const MODELS_PATH: &str = "/api/openrouter/models";

/// Route of completions.
pub const COMPLETIONS_PATH: &str = "/api/openrouter/chat/completions";

/// Data of the event that ends a streamed completion (R11.2).
pub const END_MARK: &str = "[DONE]";

/// The fake gateway. Clones share one state.
#[derive(Clone)]
pub struct Gateway {
    seams: Seams,
    probe: Probe,
    parking_lot: Arc<Mutex<ParkingLot<oneshot::Sender<()>>>>,
    live_answers: Arc<AtomicUsize>,
}

impl Gateway {
    /// A gateway without waiting requests.
    pub fn new(seams: Seams, probe: Probe) -> Self {
        Self {
            seams,
            probe,
            parking_lot: Arc::default(),
            live_answers: Arc::default(),
        }
    }

    /// All routes, including the control routes.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route(MODELS_PATH, get(catalogue))
            .route(COMPLETIONS_PATH, post(complete))
            .with_state(self.clone());
        let control_routes = Router::new()
            .route("/test/release", post(release))
            .route("/test/gate-status", get(gate_status))
            .route("/test/waiters", get(waiters))
            .with_state(self.clone());
        recorded(api, self.probe.clone(), Headers::Ignored).merge(control_routes)
    }

    /// Serves every connection of `listener`, without end.
    pub async fn serve(self, listener: Box<dyn Listener>) {
        http_server::serve(listener, self.router()).await;
    }

    /// Lets the requests continue that are parked under a tag; false if there are none.
    pub fn release(&self, tag: &str) -> bool {
        let released = self.parking_lot().release(tag, self.seams.clock.now());
        let is_released = !released.is_empty();
        for waker in released {
            // The request may have ended already.
            let _ = waker.send(());
        }
        is_released
    }

    /// The number of parked requests by tag.
    pub fn waiting(&self) -> BTreeMap<String, usize> {
        let lot = self.parking_lot();
        lot.counts().map(|(tag, count)| (tag.to_owned(), count)).collect()
    }

    fn parking_lot(&self) -> MutexGuard<'_, ParkingLot<oneshot::Sender<()>>> {
        // No method of the parking lot leaves it half-changed, so poisoning is harmless.
        self.parking_lot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `tag` is released. Dropping the future leaves the gate.
    async fn park(&self, tag: &str) {
        let (waker, woken) = oneshot::channel();
        let ticket = self.parking_lot().arrive(tag, self.seams.clock.now(), waker);
        if let Some(ticket) = ticket {
            let _place = ParkedPlace {
                gateway: self,
                ticket,
            };
            // The sender is dropped only together with this future, so an error cannot occur.
            let _ = woken.await;
        }
    }
}

/// Removes a request from its gate when dropped.
struct ParkedPlace<'a> {
    gateway: &'a Gateway,
    ticket: Ticket,
}

impl Drop for ParkedPlace<'_> {
    fn drop(&mut self) {
        self.gateway.parking_lot().leave(&self.ticket);
    }
}

async fn catalogue() -> Json<Value> {
    FakeEvent::CatalogueRequested.hit();
    Json(openai::catalogue())
}

async fn complete(
    State(gateway): State<Gateway>,
    Extension(exchange): Extension<Exchange>,
    body: Bytes,
) -> Response {
    let request: CompletionRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            FakeEvent::MalformedCompletionRequest.hit();
            let message = format!("the body is not a completion request: {error}");
            return refuse(
                StatusCode::BAD_REQUEST,
                &message,
                "invalid_request_error",
                &json!("invalid_request"),
            );
        }
    };
    let prompt = request.last_user_text();
    let answer = Directive::parse(&prompt)
        .inspect_err(|_| FakeEvent::UnknownDirective.hit())
        .map_err(|unknown| unknown.to_string())
        .and_then(|directive| directive.answer(request.tool_results()));
    match answer {
        Ok(steps) => Sse::new(stream_answer(gateway, exchange, &prompt, steps)).into_response(),
        Err(message) => {
            let status = StatusCode::PAYMENT_REQUIRED;
            refuse(status, &message, "insufficient_quota", &json!(status.as_u16()))
        }
    }
}

fn refuse(status: StatusCode, message: &str, kind: &str, code: &Value) -> Response {
    (status, Json(openai::error(message, kind, code))).into_response()
}

type Steps = Box<dyn Iterator<Item = Step> + Send>;

/// A streamed answer in progress. It is counted in `live_answers` while it exists, and dropped when it ends
/// or its client disconnects.
struct StreamedAnswer {
    gateway: Gateway,
    exchange: Exchange,
    completion: Completion,
    steps: Steps,
}

fn stream_answer(
    gateway: Gateway,
    exchange: Exchange,
    prompt: &str,
    steps: Steps,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    gateway.live_answers.fetch_add(1, Ordering::Relaxed);
    let answer = StreamedAnswer {
        completion: Completion::new(exchange.number(), gateway.seams.clock.now(), prompt),
        gateway,
        exchange,
        steps,
    };
    stream::unfold(answer, async |mut answer| {
        let data = answer.next().await?;
        let text = match &data {
            Value::String(mark) => mark.clone(),
            chunk => chunk.to_string(),
        };
        answer.exchange.chunk_sent(data);
        Some((Ok(Event::default().data(text)), answer))
    })
}

impl StreamedAnswer {
    /// Waits for the next server-sent event and returns its data; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.steps.next()? {
                Step::Text(text) => return Some(self.completion.text(&text)),
                Step::Pause(pause) => self.gateway.seams.clock.sleep(pause).await,
                Step::Park(tag) => self.gateway.park(&tag).await,
                Step::Hang => future::pending().await,
                Step::ToolCall(number) => return Some(self.completion.tool_call(number)),
                Step::Finish(reason) => return Some(self.completion.finish(reason)),
                Step::Done => {
                    self.exchange.over();
                    return Some(Value::from(END_MARK));
                }
            }
        }
    }
}

impl Drop for StreamedAnswer {
    fn drop(&mut self) {
        self.gateway.live_answers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Deserialize)]
struct Gate {
    tag: String,
}

async fn release(State(gateway): State<Gateway>, Query(Gate { tag }): Query<Gate>) -> StatusCode {
    match gateway.release(&tag) {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::NOT_FOUND,
    }
}

async fn gate_status(State(gateway): State<Gateway>, Query(Gate { tag }): Query<Gate>) -> Json<Value> {
    let engaged = gateway.parking_lot().is_engaged(&tag);
    Json(json!({ "tag": tag, "engaged": engaged }))
}

async fn waiters(State(gateway): State<Gateway>) -> Json<Value> {
    let tags: Vec<Value> = gateway
        .waiting()
        .into_iter()
        .map(|(tag, count)| json!({ "tag": tag, "count": count }))
        .collect();
    let live_answers = gateway.live_answers.load(Ordering::Relaxed);
    Json(json!({ "tags": tags, "liveResponses": live_answers }))
}
