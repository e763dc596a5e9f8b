//! Giving no answer at all: the connection that a request came on ends without a word, which is what a
//! crash in the middle of an answer looks like from outside.
//!
//! Who deserves that is decided by the handlers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::future;
use tokio::sync::Notify;
use turnstile_seams::{ByteStream, Listener, http_server};

/// Marks a response that never leaves.
#[derive(Clone)]
struct NeverSent;

/// Stands for an answer that is not given. Only under [`serve`] does the connection end for it.
pub(crate) fn instead_of_answer() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(NeverSent);
    response
}

/// Whether this stands for an answer that is not given.
pub(crate) fn is_never_sent(response: &Response) -> bool {
    response.extensions().get::<NeverSent>().is_some()
}

/// Serves `router` to every connection of `listener`, for ever, and cuts a connection on which a request
/// is not answered.
pub(crate) async fn serve(listener: Box<dyn Listener>, router: Router) {
    http_server::serve_by(listener, |stream| serve_until_cut(stream, router.clone())).await;
}

/// Serves one connection until its peer or the scissors end it. A cut drops the socket.
pub(crate) async fn serve_until_cut(stream: Box<dyn ByteStream>, router: Router) {
    let scissors = Arc::new(Notify::new());
    let router = router.layer(from_fn_with_state(scissors.clone(), cut_if_not_answered));
    tokio::select! {
        biased;
        () = scissors.notified() => {}
        () = http_server::serve_connection(stream, router) => {}
    }
}

async fn cut_if_not_answered(State(scissors): State<Arc<Notify>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if is_never_sent(&response) {
        scissors.notify_one();
        return future::pending().await;
    }
    response
}
