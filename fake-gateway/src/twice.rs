//! Sends an answer twice on the connection of its request, like a faulty proxy.
//!
//! Handlers mark the answers to repeat with [`answer`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderValue, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turnstile_seams::ByteStream;

/// Marks a response to send twice.
#[derive(Clone)]
struct WrittenTwice;

/// Marks `response` to be sent twice, then closes the connection. Has an effect only on a connection made by
/// [`repeating`].
pub(crate) fn answer(mut response: Response) -> Response {
    response.extensions_mut().insert(WrittenTwice);
    let last = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, last);
    response
}

/// Whether the response is marked to be sent twice.
pub(crate) fn is_written_twice(response: &Response) -> bool {
    response.extensions().get::<WrittenTwice>().is_some()
}

/// Wraps a connection and its router so that marked answers are sent twice.
pub(crate) fn repeating(stream: Box<dyn ByteStream>, router: Router) -> (Box<dyn ByteStream>, Router) {
    let repeats = Arc::new(AtomicBool::new(false));
    let router = router.layer(from_fn_with_state(repeats.clone(), start_repeating_if_marked));
    let stream = RepeatingStream {
        stream,
        repeats,
        to_repeat: Vec::new(),
    };
    (Box::new(stream), router)
}

async fn start_repeating_if_marked(
    State(repeats): State<Arc<AtomicBool>>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if is_written_twice(&response) {
        repeats.store(true, Ordering::Relaxed);
    }
    response
}

/// A connection that, when shut down, repeats what was written since a marked answer.
struct RepeatingStream {
    stream: Box<dyn ByteStream>,
    repeats: Arc<AtomicBool>,
    /// Bytes to repeat.
    to_repeat: Vec<u8>,
}

impl AsyncRead for RepeatingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for RepeatingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        if self.repeats.load(Ordering::Relaxed) {
            self.to_repeat.extend_from_slice(&bytes[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream, to_repeat, ..
        } = &mut *self;
        while !to_repeat.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(context, to_repeat))?;
            to_repeat.drain(..written);
        }
        Pin::new(stream).poll_shutdown(context)
    }
}
