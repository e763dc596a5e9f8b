//! The edges of the server: HTTP procedures, the clients' stream, the wrappers' ingest.
//!
//! This module parses requests into valid values and serializes replies. It decides nothing. What the procedures do
//! is in `procedures` and [`legacy::api`](crate::legacy::api).

mod bad_parameter;
mod ingest;
mod procedures;
mod stream;
mod stream_filter;
mod trpc;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, close_code};
use axum::routing::{any, get};

use crate::app::App;

/// Builds all routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(trpc::PREFIX, any(trpc::call))
        .route(&format!("{}{{*procedure}}", trpc::PREFIX), any(trpc::call))
        .route("/stream", get(stream::open))
        .route("/sessions/{user}/{session}/ingest", get(ingest::open))
        .with_state(app)
}

/// The close frame that the server sends when it shuts down. Peers may reconnect to its successor.
fn going_away() -> Message {
    Message::Close(Some(CloseFrame {
        code: close_code::AWAY,
        reason: "".into(),
    }))
}
