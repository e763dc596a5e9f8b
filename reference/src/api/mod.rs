//! The server's faces: HTTP procedures, the clients' stream, the wrappers' ingest.
//!
//! What comes in is parsed into valid values here, what goes out is put into the wire's form here.
//! Nothing is decided.

pub mod auth;
mod ingest;
pub(crate) mod input;
pub(crate) mod procedures;
mod stream;
mod stream_filter;
mod trpc;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, close_code};
use axum::routing::{any, get};
use jiff::Timestamp;

use crate::server::Server;

/// All routes of the server.
pub fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route(trpc::PREFIX, any(trpc::call))
        .route(&format!("{}{{*procedure}}", trpc::PREFIX), any(trpc::call))
        .route("/stream", get(stream::open))
        .route("/sessions/{user}/{session}/ingest", get(ingest::open))
        .with_state(server)
}

/// A time as it stands on the wire: ISO 8601 with milliseconds.
pub(crate) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// What a WebSocket is closed with when the server ends. Whoever held it may come back to the next one.
fn going_away() -> Message {
    Message::Close(Some(CloseFrame {
        code: close_code::AWAY,
        reason: "".into(),
    }))
}
