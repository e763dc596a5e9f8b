//! The edges of the server: HTTP procedures, the clients' stream, the wrappers' ingest.
//!
//! This module parses what comes in into valid values, and gives what goes out the form of the wire. It decides
//! nothing, and it does nothing that a procedure does: that is in [`procedures`](crate::procedures) and
//! [`legacy::api`](crate::legacy::api).

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

/// All routes of the app.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(trpc::PREFIX, any(trpc::call))
        .route(&format!("{}{{*procedure}}", trpc::PREFIX), any(trpc::call))
        .route("/stream", get(stream::open))
        .route("/sessions/{user}/{session}/ingest", get(ingest::open))
        .with_state(app)
}

/// What a WebSocket is closed with when the server ends. Whoever held it may come back to the next one.
fn going_away() -> Message {
    Message::Close(Some(CloseFrame {
        code: close_code::AWAY,
        reason: "".into(),
    }))
}
