//! The network of a server, on which what it writes is rewritten: frames and replies on accepted connections, requests on
//! others.
//!
//! This file has the connections. `replies`, `requests` and `frames` cut the bytes into units, and `http` reads and writes
//! messages.

mod frames;
mod http;
mod replies;
mod requests;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turnstile_seams::{BoxFuture, ByteStream, Clock, ClockExt as _, Wrapping};

use self::replies::Replies;
use self::requests::Requests;
use super::planted::Planted;

/// The time by which a delayed unit, and everything behind it on its connection, is late.
const DELAY: Duration = Duration::from_secs(2);

/// Rewrites what is written on the connections of a network.
pub struct Rewriting {
    /// The times of delays.
    pub clock: Arc<dyn Clock>,
    /// What to rewrite.
    pub planted: Arc<Planted>,
}

impl Rewriting {
    fn rewritten(&self, stream: Box<dyn ByteStream>, codec: Codec) -> Box<dyn ByteStream> {
        Box::new(Rewritten::new(stream, codec, Arc::clone(&self.clock)))
    }
}

impl Wrapping for Rewriting {
    fn accepted(&self, stream: Box<dyn ByteStream>) -> Box<dyn ByteStream> {
        let replies = Replies::new(Arc::clone(&self.planted));
        self.rewritten(stream, Codec::Replies(replies))
    }

    fn connected(&self, stream: Box<dyn ByteStream>, authority: &str) -> Box<dyn ByteStream> {
        let requests = Requests::new(authority, Arc::clone(&self.planted));
        self.rewritten(stream, Codec::Requests(requests))
    }
}

/// Cuts bytes into units.
enum Codec {
    Replies(Replies),
    Requests(Requests),
}

/// What a connection writes next.
enum Piece {
    Bytes(Bytes),
    Pause(Duration),
}

/// The output of a codec.
#[derive(Default)]
struct Output(VecDeque<Piece>);

impl Output {
    fn bytes(&mut self, bytes: impl Into<Bytes>) {
        self.0.push_back(Piece::Bytes(bytes.into()));
    }

    fn late(&mut self, bytes: impl Into<Bytes>) {
        self.0.push_back(Piece::Pause(DELAY));
        self.bytes(bytes);
    }
}

/// A connection whose written bytes are rewritten. A unit is passed on when all of it was written.
struct Rewritten {
    stream: Box<dyn ByteStream>,
    codec: Codec,
    output: Output,
    clock: Arc<dyn Clock>,
    pause: Option<BoxFuture<'static, ()>>,
}

impl Rewritten {
    fn new(stream: Box<dyn ByteStream>, codec: Codec, clock: Arc<dyn Clock>) -> Self {
        Self {
            stream,
            codec,
            output: Output::default(),
            clock,
            pause: None,
        }
    }

    /// Writes the output of the codec.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.output.0.front_mut() {
                None => return Poll::Ready(Ok(())),
                Some(Piece::Pause(pause)) => {
                    self.pause = Some(self.clock.sleep(*pause));
                    self.output.0.pop_front();
                }
                Some(Piece::Bytes(bytes)) if bytes.is_empty() => {
                    self.output.0.pop_front();
                }
                Some(Piece::Bytes(bytes)) => {
                    let count = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
                    if count == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    bytes.advance(count);
                }
            }
        }
    }
}

impl AsyncRead for Rewritten {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, out))?;
        if let Codec::Replies(replies) = &mut self.codec {
            replies.read(&out.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewritten {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_drain(context))?;
        match &mut this.codec {
            Codec::Replies(replies) => replies.write(bytes, &mut this.output),
            Codec::Requests(requests) => requests.write(bytes, &mut this.output),
        }
        // What cannot be written now is written before the next bytes, or with the flush.
        match this.poll_drain(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
