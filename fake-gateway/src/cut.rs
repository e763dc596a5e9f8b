//! Closes a connection instead of answering its request, as a crash in the middle of an answer would.
//!
//! Handlers request it by returning [`instead_of_answer`].

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use futures_util::future;
use tokio::sync::Notify;
use turnstile_seams::{ByteStream, Listener, http_server};

/// Marks a response that is not sent.
#[derive(Clone)]
struct NeverSent;

/// A placeholder response that closes the connection. Has an effect only under [`serve`] or
/// [`serve_until_cut`].
pub fn instead_of_answer() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(NeverSent);
    response
}

/// Whether the response is the placeholder of [`instead_of_answer`].
pub fn is_never_sent(response: &Response) -> bool {
    response.extensions().get::<NeverSent>().is_some()
}

/// Serves `router` on every connection of `listener`, without end, and closes a connection when a handler
/// returns [`instead_of_answer`].
pub async fn serve(listener: Box<dyn Listener>, router: Router) {
    http_server::serve_by(listener, |stream| serve_until_cut(stream, router.clone())).await;
}

/// Serves one connection until its peer closes it or a handler returns [`instead_of_answer`].
pub async fn serve_until_cut(stream: Box<dyn ByteStream>, router: Router) {
    let cut = Arc::new(Notify::new());
    let answered = cut.clone();
    let finish = move |response| cut_if_not_answered(answered.clone(), response);
    tokio::select! {
        biased;
        () = cut.notified() => {}
        () = http_server::serve_connection_with(stream, router, finish) => {}
    }
}

async fn cut_if_not_answered(cut: Arc<Notify>, response: Response) -> Response {
    if is_never_sent(&response) {
        cut.notify_one();
        return future::pending().await;
    }
    response
}
