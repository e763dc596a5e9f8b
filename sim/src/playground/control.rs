//! The routes of the page and of clients under development: credentials, what happens, faults, and what is saved.
//!
//! | route | |
//! |---|---|
//! | `GET /up/token`, `GET /up/ticket` | credentials of the user |
//! | `GET /up/state` | the server, the links, the wrappers, the gateways and the receiver |
//! | `GET /up/events` | the log as it grows, as server-sent events |
//! | `POST /up/actions` | an [`Action`] |
//! | `GET /up/sessions/{id}/scenario`, `…/recording` | what happened in a session |

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::middleware::from_fn;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Playground;
use super::action::Action;
use super::cors;
use super::saved;
use crate::tokens;

/// Media type of scripts.
const YAML: &str = "application/yaml; charset=utf-8";
/// Media type of recordings.
const JSON_LINES: &str = "application/x-ndjson";
/// How often a quiet stream of events sends a comment, so that its end is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The routes, for pages of this machine alone.
pub(super) fn router(playground: Arc<Playground>) -> Router {
    Router::new()
        .route("/up/token", get(token))
        .route("/up/ticket", get(ticket))
        .route("/up/state", get(state))
        .route("/up/events", get(events))
        .route("/up/actions", post(act))
        .route("/up/sessions/{id}/scenario", get(scenario))
        .route("/up/sessions/{id}/recording", get(recording))
        .with_state(playground)
        .layer(from_fn(cors::refuse_foreign))
}

async fn token(State(playground): State<Arc<Playground>>) -> Json<Value> {
    let settings = &playground.settings;
    let token = tokens::user_token(&settings.user, playground.expiry(), &settings.api_secret);
    Json(json!({"user": settings.user, "token": token}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfSession {
    cloud_agent_session_id: String,
}

async fn ticket(State(playground): State<Arc<Playground>>, Query(of): Query<OfSession>) -> Json<Value> {
    let settings = &playground.settings;
    let session = of.cloud_agent_session_id;
    let ticket = tokens::stream_ticket(
        &settings.user,
        &session,
        playground.expiry(),
        &settings.ticket_secret,
    );
    Json(json!({"ticket": ticket}))
}

async fn state(State(playground): State<Arc<Playground>>) -> Json<Value> {
    let mut sessions = Vec::new();
    for (id, session) in playground.sessions.all().await {
        let links = &session.links;
        sessions.push(json!({
            "id": id,
            "cut": {
                "client": links.client.is_cut(),
                "wrapper": links.wrapper.is_cut(),
                "gateway": links.gateway.is_cut(),
            },
            "wrapper": {"isUp": session.wrapper.authority().await.is_some()},
            "waiting": session.gateway.waiting(),
        }));
    }
    Json(json!({
        "server": {"isUp": playground.server.authority().is_some()},
        "receiver": {"url": playground.callback_url(), "answers": playground.receiver.unused()},
        "sessions": sessions,
    }))
}

#[derive(Default, Deserialize)]
struct From {
    #[serde(default)]
    from: u64,
}

/// Streams the log. A browser that reconnects names the last entry that it has.
async fn events(
    State(playground): State<Arc<Playground>>,
    Query(From { from }): Query<From>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let from = last.map_or(from, |last| last + 1);
    let log = playground.log.clone();
    let changes = log.follow();
    let entries = stream::unfold((log, changes, from), async |(log, mut changes, from)| {
        loop {
            let (entries, next) = log.since(from);
            if !entries.is_empty() {
                let data = Value::Array(entries).to_string();
                let event = Event::default().id((next - 1).to_string()).data(data);
                return Some((Ok(event), (log, changes, next)));
            }
            changes.changed().await;
        }
    });
    Sse::new(entries).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

async fn act(State(playground): State<Arc<Playground>>, Json(action): Json<Action>) -> Response {
    match action.perform(&playground).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (error.status(), turnstile_seams::error_chain::with_sources(&error)).into_response(),
    }
}

async fn scenario(State(playground): State<Arc<Playground>>, Path(id): Path<String>) -> Response {
    match saved::scenario(&playground, &id.to_lowercase()) {
        Ok(script) => ([(CONTENT_TYPE, YAML)], script).into_response(),
        Err(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
    }
}

async fn recording(State(playground): State<Arc<Playground>>, Path(id): Path<String>) -> Response {
    let mut text = Vec::new();
    match saved::recording(&playground, &id.to_lowercase()).write(&mut text) {
        Ok(()) => ([(CONTENT_TYPE, JSON_LINES)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
