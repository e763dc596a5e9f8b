//! The wrapper's HTTP routes (R5.24–R5.40) and its control route: parses requests for the host and sends its
//! replies.
//!
//! It makes no decisions.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use turnstile_events::observation::Witness;

use super::ask::{self, Ask, Refusal, Reply};
use super::behaviour::Behaviour;
use super::host::Arrival;
use crate::coverage::Deed;
use crate::cut;
use crate::edge::{Headers, recorded};

type Door = State<UnboundedSender<Arrival>>;

/// The routes of the wrapper behind `host`.
pub(super) fn router(host: UnboundedSender<Arrival>, witness: Witness) -> Router {
    let asks = Router::new()
        .route(
            "/job/status",
            get(async |State(host): Door| put(&host, Ask::Status).await),
        )
        .route("/session/ready", post(ready))
        .route("/job/prompt", post(prompt))
        .route("/job/command", post(command))
        .route("/job/abort", post(abort))
        .with_state(host.clone());
    let side_door = Router::new()
        .route("/test/behaviour", post(behave))
        .with_state(host);
    // Health is polled; recording it would flood the record.
    let health = Router::new().route("/health", get(async || Json(json!({ "status": "ok" }))));
    recorded(asks, witness, Headers::Ignored)
        .merge(side_door)
        .merge(health)
}

async fn ready(State(host): Door, body: Bytes) -> Response {
    match ask::parse_ready(&body) {
        Ok(ask) => put(&host, ask).await,
        Err(refusal) => {
            Deed::Malformed.reach();
            respond(&refusal.of_ready())
        }
    }
}

async fn prompt(State(host): Door, body: Bytes) -> Response {
    put_job(&host, ask::parse_prompt(&body)).await
}

async fn command(State(host): Door, body: Bytes) -> Response {
    let ask = ask::parse_command(&body);
    if ask.is_ok() {
        Deed::CommandTaken.reach();
    }
    put_job(&host, ask).await
}

async fn abort(State(host): Door, body: Bytes) -> Response {
    put_job(&host, ask::parse_abort(&body)).await
}

async fn behave(State(host): Door, body: Bytes) -> Response {
    match Behaviour::parse(&body) {
        Ok(behaviour) => put(&host, Ask::Behave(behaviour)).await,
        Err(refusal) => respond(&refusal.of_job()),
    }
}

async fn put_job(host: &UnboundedSender<Arrival>, ask: Result<Ask, Refusal>) -> Response {
    match ask {
        Ok(ask) => put(host, ask).await,
        Err(refusal) => {
            Deed::Malformed.reach();
            respond(&refusal.of_job())
        }
    }
}

async fn put(host: &UnboundedSender<Arrival>, ask: Ask) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = host.send(Arrival::Asked(ask, answer));
    match answered.await {
        Ok(Some(reply)) => respond(&reply),
        Ok(None) => cut::instead_of_answer(),
        // The host ended before this server did.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn respond(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).expect("replies carry real statuses");
    match &reply.body {
        Value::Null => status.into_response(),
        body => (status, Json(body)).into_response(),
    }
}
