//! The server side of an HTTP edge: numbers exchanges and records them.
//!
//! The meaning of requests and the content of streamed answers belong to the handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};
use turnstile_events::observation::{Observation, Probe, body_as_value};

use crate::{cut, endless, twice};

/// Largest accepted request body, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Whether request headers are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// Record them.
    Recorded,
    /// Leave them out.
    Ignored,
}

/// One HTTP exchange, passed to handlers as a request extension. Dropping the last clone of an exchange that
/// has not finished records [`Observation::PeerGone`], because a server drops the handler when its connection
/// ends.
#[derive(Clone)]
pub(crate) struct Exchange(Arc<OpenExchange>);

struct OpenExchange {
    probe: Probe,
    number: u64,
    over: AtomicBool,
}

impl Exchange {
    fn begin(probe: &Probe) -> Self {
        Self(Arc::new(OpenExchange {
            number: probe.next_exchange(),
            probe: probe.clone(),
            over: AtomicBool::new(false),
        }))
    }

    /// The number of the exchange, unique within its party.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Records one server-sent event of a streamed answer.
    pub(crate) fn chunk_sent(&self, data: Value) {
        self.0.probe.observe(Observation::ChunkSent {
            exchange: self.0.number,
            data,
        });
    }

    /// Marks the exchange as finished by this side, so that dropping it does not record a lost peer.
    pub(crate) fn over(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    fn reply_sent(&self, status: StatusCode, body: Value) {
        self.0.probe.observe(Observation::ReplySent {
            exchange: self.0.number,
            status: status.as_u16(),
            body,
        });
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        if !self.over.load(Ordering::Relaxed) {
            self.probe.observe(Observation::PeerGone {
                exchange: self.number,
            });
        }
    }
}

/// Records every exchange of `router`, whose answers are in memory. An answer that is never complete is not recorded. For an
/// answer of type `text/event-stream` only the head is recorded; the handler records the chunks and the end.
pub fn recorded(router: Router, probe: Probe, headers: Headers) -> Router {
    router.layer(from_fn_with_state((probe, headers), record))
}

async fn record(State((probe, headers)): State<(Probe, Headers)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // An incomplete request does not count as received.
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let exchange = Exchange::begin(&probe);
    probe.observe(Observation::RequestReceived {
        exchange: exchange.number(),
        method: parts.method.to_string(),
        path: parts
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned(),
        headers: match headers {
            Headers::Recorded => headers_as_value(&parts.headers),
            Headers::Ignored => Value::Null,
        },
        body: body_as_value(&body),
    });
    parts.extensions.insert(exchange.clone());

    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if cut::is_never_sent(&response) || endless::is_endless(&response) {
        exchange.over();
        return response;
    }
    let is_written_twice = twice::is_written_twice(&response);
    let (parts, body) = response.into_parts();
    if is_event_stream(&parts.headers) {
        exchange.reply_sent(parts.status, Value::Null);
        return Response::from_parts(parts, body);
    }
    // Bodies of these handlers are in memory, so reading them cannot fail.
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    exchange.reply_sent(parts.status, body_as_value(&body));
    if is_written_twice {
        exchange.reply_sent(parts.status, body_as_value(&body));
    }
    exchange.over();
    Response::from_parts(parts, Body::from(body))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Converts headers to a JSON object, ordered by lower-case name. Values of a repeated name are joined with
/// commas (RFC 9110, 5.3).
fn headers_as_value(headers: &HeaderMap) -> Value {
    let mut named = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match named.get_mut(name.as_str()) {
            Some(Value::String(joined)) => {
                joined.push_str(", ");
                joined.push_str(&value);
            }
            _ => {
                named.insert(name.to_string(), Value::String(value.into_owned()));
            }
        }
    }
    Value::Object(named)
}
