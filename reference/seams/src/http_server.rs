//! Serving an axum router on a [`Listener`].
//!
//! axum's own `serve` is not used because it stamps every reply with a `Date` from the machine's clock.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;

use crate::network::{ByteStream, Listener};

/// Serves `router` to every connection of `listener`, for ever. Dropping the future drops the
/// connections with it, except those that were upgraded and so belong to their handler.
pub async fn serve(listener: Box<dyn Listener>, router: Router) {
    serve_by(listener, |stream| serve_connection(stream, router.clone())).await;
}

/// As [`serve`], each connection by `connection`.
pub async fn serve_by<F: Future<Output = ()> + Send + 'static>(
    mut listener: Box<dyn Listener>,
    connection: impl Fn(Box<dyn ByteStream>) -> F,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // A connection that failed while it was being accepted is its peer's loss only.
                if let Ok(stream) = accepted {
                    connections.spawn(connection(stream));
                }
            }
        }
    }
}

/// Serves `router` on one connection until either side ends it.
pub async fn serve_connection(stream: Box<dyn ByteStream>, router: Router) {
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    // How a peer leaves, cleanly or not, is no concern of the server behind the router: a handler that
    // cares about its own exchange sees it end.
    let _ = connection.await;
}
