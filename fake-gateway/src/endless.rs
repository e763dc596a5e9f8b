//! Answers whose body never ends.
//!
//! Handlers return [`body`]; the edge does not wait for its end.

use std::convert::Infallible;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};

/// Marks a response whose body never ends.
#[derive(Clone)]
struct NeverEnds;

/// A body that begins with `text` and never ends, with the mark for the response.
pub(crate) fn body(text: &str) -> (Extension<impl Clone + Send + Sync + 'static>, Body) {
    let beginning = stream::iter([Ok::<_, Infallible>(Bytes::from(text.to_owned()))]);
    (
        Extension(NeverEnds),
        Body::from_stream(beginning.chain(stream::pending())),
    )
}

/// Whether the body of the response never ends.
pub(crate) fn is_endless(response: &Response) -> bool {
    response.extensions().get::<NeverEnds>().is_some()
}
