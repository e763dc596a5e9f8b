//! Passes requests and WebSockets to the server over the links of their session, and logs what clients send and receive.
//!
//! The server is behind it at another port, so a client sees a cut or a crash as it would see one of a network. What a
//! procedure or an event means is not known here, except which session it is about.

mod call;
mod streams;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use fake_gateway::cut;
use http::Uri;
use http::header::AUTHORIZATION;
use turnstile_seams::websocket::{self, OpenError, WebSocket};
use turnstile_world::live::front;

pub(super) use self::streams::Watchers;
use self::streams::open_stream;
use super::Playground;
use crate::tunnel::link::Link;
use crate::tunnel::{self, refusal};

/// The routes of the server.
pub(super) fn router(playground: Arc<Playground>) -> Router {
    Router::new()
        .route("/trpc/{*procedure}", any(call::call))
        .route("/stream", get(open_stream))
        .route("/sessions/{user}/{session}/ingest", get(ingest))
        .fallback(other)
        .with_state(playground)
}

/// The routes at which the server reaches the wrappers, each below the id of its session.
pub(super) fn wrappers(playground: Arc<Playground>) -> Router {
    Router::new()
        .route("/{session}/{*path}", any(request_wrapper))
        .with_state(playground)
}

/// Passes a request of the server to a wrapper. The connection is closed without an answer while the wrapper is down.
async fn request_wrapper(
    State(playground): State<Arc<Playground>>,
    Path((id, path)): Path<(String, String)>,
    request: Request,
) -> Response {
    let session = match playground.sessions.meet(&id.to_lowercase()).await {
        Ok(session) => session,
        Err(error) => {
            tracing::error!(%error, "no wrapper started");
            return cut::instead_of_answer();
        }
    };
    let link = &session.links.wrapper;
    let exchange = async {
        link.pass().await;
        let authority = session.wrapper.authority().await?;
        let target = format!("http://{authority}/{path}").parse().ok()?;
        let response = front::forward_to(&playground.seams.network, target, request).await;
        link.pass().await;
        Some(response)
    };
    link.unless_ended(exchange)
        .await
        .flatten()
        .unwrap_or_else(cut::instead_of_answer)
}

/// Passes a request that has no route here to the server.
async fn other(State(playground): State<Arc<Playground>>, request: Request) -> Response {
    to_server(&playground, request).await
}

/// Passes a request to the server, unchanged. The connection is closed without an answer while the server is down.
async fn to_server(playground: &Playground, request: Request) -> Response {
    let target = playground.server.authority().and_then(|authority| {
        let path = request.uri().path_and_query()?;
        format!("http://{authority}{path}").parse().ok()
    });
    match target {
        Some(target) => front::forward_to(&playground.seams.network, target, request).await,
        None => cut::instead_of_answer(),
    }
}

/// Opens a WebSocket of the server over a link. `None` if the link ends it before, or if the server is down.
async fn open(
    playground: &Playground,
    link: &Link,
    path: &str,
    authorization: Option<&str>,
) -> Option<Result<WebSocket, OpenError>> {
    let opening = async {
        link.pass().await;
        let authority = playground.server.authority()?;
        let url: Uri = format!("ws://{authority}{path}").parse().ok()?;
        Some(websocket::open(&*playground.seams.network, &url, authorization).await)
    };
    link.unless_ended(opening).await.flatten()
}

/// Passes the ingest socket of a wrapper to the server.
async fn ingest(
    State(playground): State<Arc<Playground>>,
    Path((_, id)): Path<(String, String)>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return to_server(&playground, request).await;
    };
    let link = playground.sessions.links_of(&id.to_lowercase()).await.wrapper;
    let path = path_of(request.uri());
    let authorization = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    match open(&playground, &link, &path, authorization).await {
        Some(Ok(server)) => upgrade.on_upgrade(async move |mut wrapper| {
            // The wrapper logs what it sends and receives.
            tunnel::pass(&mut wrapper, server, &link, |_, _| {}).await;
        }),
        Some(Err(error)) => refusal(error),
        None => cut::instead_of_answer(),
    }
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}
