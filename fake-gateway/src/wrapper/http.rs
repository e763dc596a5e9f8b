//! The wrapper's HTTP routes (R5.24–R5.40, R5.71–R5.82) and its control route: parses requests for the host and sends its
//! replies.
//!
//! It makes no decisions.

use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use turnstile_events::observation::Probe;
use turnstile_fault::OddAnswer;

use super::behaviour::Behaviour;
use super::host::Arrival;
use super::reply::{Refusal, Reply};
use super::request::{self, Request};
use crate::coverage::FakeEvent;
use crate::edge::{Headers, recorded};
use crate::{cut, endless};

/// The page of a proxy that does not reach its server.
const BAD_GATEWAY: &str = "<html><head><title>502 Bad Gateway</title></head>\
    <body><center><h1>502 Bad Gateway</h1></center></body></html>";

type HostSender = State<UnboundedSender<Arrival>>;

/// The routes of the wrapper behind `host`.
pub(super) fn router(host: UnboundedSender<Arrival>, probe: Probe) -> Router {
    let session_routes = Router::new()
        .route(
            "/job/status",
            get(async |State(host): HostSender| submit(&host, Request::Status).await),
        )
        .route("/session/ready", post(ready))
        .route("/job/prompt", post(prompt))
        .route("/job/command", post(command))
        .route("/job/abort", post(abort))
        .with_state(host.clone());
    // Health is polled; recording it would flood the record.
    let other_routes = Router::new()
        .route(
            "/health",
            get(async |State(host): HostSender| submit(&host, Request::Health).await),
        )
        .route("/test/behaviour", post(set_behaviour))
        .with_state(host);
    recorded(session_routes, probe, Headers::Ignored).merge(other_routes)
}

async fn ready(State(host): HostSender, body: Bytes) -> Response {
    match request::parse_ready(&body) {
        Ok(request) => submit(&host, request).await,
        Err(refusal) => {
            FakeEvent::MalformedRequest.hit();
            respond(&refusal.of_ready())
        }
    }
}

async fn prompt(State(host): HostSender, body: Bytes) -> Response {
    submit_job(&host, request::parse_prompt(&body)).await
}

async fn command(State(host): HostSender, body: Bytes) -> Response {
    let request = request::parse_command(&body);
    if request.is_ok() {
        FakeEvent::CommandAccepted.hit();
    }
    submit_job(&host, request).await
}

async fn abort(State(host): HostSender, body: Bytes) -> Response {
    submit_job(&host, request::parse_abort(&body)).await
}

async fn set_behaviour(State(host): HostSender, body: Bytes) -> Response {
    match Behaviour::parse(&body) {
        Ok(behaviour) => submit(&host, Request::SetBehaviour(behaviour)).await,
        Err(refusal) => respond(&refusal.of_job()),
    }
}

async fn submit_job(host: &UnboundedSender<Arrival>, request: Result<Request, Refusal>) -> Response {
    match request {
        Ok(request) => submit(host, request).await,
        Err(refusal) => {
            FakeEvent::MalformedRequest.hit();
            respond(&refusal.of_job())
        }
    }
}

async fn submit(host: &UnboundedSender<Arrival>, request: Request) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = host.send(Arrival::Request(Box::new(request), answer));
    match answered.await {
        Ok(Some(reply)) => respond(&reply),
        Ok(None) => cut::instead_of_answer(),
        // The host ended before this server did.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn respond(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).expect("the status is valid");
    match (reply.odd, &reply.body) {
        (Some(odd), body) => respond_oddly(odd, status, &body.to_string()),
        (None, Value::Null) => status.into_response(),
        (None, body) => (status, Json(body)).into_response(),
    }
}

/// An answer that is not a wrapper's, in place of one with that status and text.
fn respond_oddly(odd: OddAnswer, status: StatusCode, text: &str) -> Response {
    let json = [(CONTENT_TYPE, "application/json")];
    match odd {
        OddAnswer::Html502 => (StatusCode::BAD_GATEWAY, Html(BAD_GATEWAY)).into_response(),
        OddAnswer::Truncated => {
            let half = text.floor_char_boundary(text.len() / 2);
            (status, json, text[..half].to_owned()).into_response()
        }
        OddAnswer::Empty => (status, json).into_response(),
        OddAnswer::Endless => (status, json, endless::body(text)).into_response(),
    }
}
