//! The wrapper's HTTP routes (R5.24–R5.40, R5.71–R5.82) and its control route: parses requests for the host and sends its
//! replies.
//!
//! It makes no decisions.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use turnstile_events::observation::Probe;

use super::behaviour::Behaviour;
use super::host::Arrival;
use super::reply::{Refusal, Reply};
use super::request::{self, Request};
use crate::coverage::FakeEvent;
use crate::cut;
use crate::edge::{Headers, recorded};

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
            FakeEvent::MalformedRequest.reach();
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
        FakeEvent::CommandAccepted.reach();
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
            FakeEvent::MalformedRequest.reach();
            respond(&refusal.of_job())
        }
    }
}

async fn submit(host: &UnboundedSender<Arrival>, request: Request) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = host.send(Arrival::Request(request, answer));
    match answered.await {
        Ok(Some(reply)) => respond(&reply),
        Ok(None) => cut::instead_of_answer(),
        // The host ended before this server did.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn respond(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).expect("the status is valid");
    match &reply.body {
        Value::Null => status.into_response(),
        body => (status, Json(body)).into_response(),
    }
}
