//! Serves axum routers on a [`Listener`].
//!
//! axum's own `serve` is not used, because it adds a `Date` from the machine's clock to every reply.

use std::convert::Infallible;
use std::pin::pin;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;

use crate::network::{ByteStream, Listener};
use crate::stop::Stop;

/// Serves `router` to all connections of `listener`, until it is dropped. That closes the connections, except
/// upgraded ones, which belong to their handlers.
pub async fn serve(listener: Box<dyn Listener>, router: Router) {
    serve_by(listener, |stream| serve_connection(stream, router.clone())).await;
}

/// Like [`serve`], until `stop` is requested. Then it accepts no more connections, and completes once pending
/// requests are answered. Drop it to stop at once.
pub async fn serve_until(listener: Box<dyn Listener>, router: Router, stop: Stop) {
    let mut connections = JoinSet::new();
    let mut stop_serving = stop.clone();
    tokio::select! {
        biased;
        () = stop_serving.requested() => {}
        () = accept(listener, &mut connections, |stream| {
            serve_connection_until(stream, router.clone(), stop.clone())
        }) => {}
    }
    while connections.join_next().await.is_some() {}
}

/// Like [`serve`], with `connection` as the handler of each connection.
pub async fn serve_by<F: Future<Output = ()> + Send + 'static>(
    listener: Box<dyn Listener>,
    connection: impl Fn(Box<dyn ByteStream>) -> F,
) {
    accept(listener, &mut JoinSet::new(), connection).await;
}

/// Accepts connections without end and spawns a handler for each.
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
                // A connection that failed while it was accepted affects only its peer.
                if let Ok(stream) = accepted {
                    connections.spawn(connection(stream));
                }
            }
        }
    }
}

/// Serves `router` on one connection until either side closes it.
pub async fn serve_connection(stream: Box<dyn ByteStream>, router: Router) {
    // The way in which a peer disconnects does not matter here; each handler notices the end of its exchange.
    let _ = connection(stream, router).await;
}

/// Like [`serve_connection`], and sends what `finish` makes of each response.
pub async fn serve_connection_with<F>(
    stream: Box<dyn ByteStream>,
    router: Router,
    finish: impl Fn(Response) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answering, finish) = (router.call(request), finish.clone());
        async move {
            let response = answering.await?;
            Ok::<_, Infallible>(finish(response).await)
        }
    });
    let connection = builder().serve_connection(TokioIo::new(stream), service);
    let _ = connection.with_upgrades().await;
}

/// Like [`serve_connection`]. Once stopping is requested, it ends after the current request.
async fn serve_connection_until(stream: Box<dyn ByteStream>, router: Router, mut stop: Stop) {
    let mut connection = pin!(connection(stream, router));
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stop.requested() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

type Connection = UpgradeableConnection<TokioIo<Box<dyn ByteStream>>, TowerToHyperService<Router>>;

fn connection(stream: Box<dyn ByteStream>, router: Router) -> Connection {
    builder()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades()
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false);
    builder
}
