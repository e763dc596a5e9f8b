//! Serving an axum router on a [`Listener`].
//!
//! axum's own `serve` is not used because it stamps every reply with a `Date` from the machine's clock.

use std::pin::pin;

use axum::Router;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;

use crate::network::{ByteStream, Listener};
use crate::stop::Stop;

/// Serves `router` to every connection of `listener`, for ever. Dropping the future drops the
/// connections with it, except those that were upgraded and so belong to their handler.
pub async fn serve(listener: Box<dyn Listener>, router: Router) {
    serve_by(listener, |stream| serve_connection(stream, router.clone())).await;
}

/// As [`serve`], until it is asked to stop: then it accepts nobody any more, and completes when the requests
/// that are under way are answered. Whoever does not want to wait for that drops it.
pub async fn serve_until(listener: Box<dyn Listener>, router: Router, stop: Stop) {
    let mut connections = JoinSet::new();
    let mut asked = stop.clone();
    tokio::select! {
        biased;
        () = asked.asked() => {}
        () = accept(listener, &mut connections, |stream| {
            serve_connection_until(stream, router.clone(), stop.clone())
        }) => {}
    }
    while connections.join_next().await.is_some() {}
}

/// As [`serve`], each connection by `connection`.
pub async fn serve_by<F: Future<Output = ()> + Send + 'static>(
    listener: Box<dyn Listener>,
    connection: impl Fn(Box<dyn ByteStream>) -> F,
) {
    accept(listener, &mut JoinSet::new(), connection).await;
}

/// Accepts connections for ever and puts each into `connections`.
async fn accept<F: Future<Output = ()> + Send + 'static>(
    mut listener: Box<dyn Listener>,
    connections: &mut JoinSet<()>,
    connection: impl Fn(Box<dyn ByteStream>) -> F,
) {
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
    // How a peer leaves, cleanly or not, is no concern of the server behind the router: a handler that
    // cares about its own exchange sees it end.
    let _ = connection(stream, router).await;
}

/// As [`serve_connection`]; asked to stop, it ends after the request that it is at.
async fn serve_connection_until(stream: Box<dyn ByteStream>, router: Router, mut stop: Stop) {
    let mut connection = pin!(connection(stream, router));
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stop.asked() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

type Connection = UpgradeableConnection<TokioIo<Box<dyn ByteStream>>, TowerToHyperService<Router>>;

fn connection(stream: Box<dyn ByteStream>, router: Router) -> Connection {
    http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades()
}
