//! Connections that note what the server sends on WebSockets. What a mutant changes of it is decided where it is written, however
//! late the other side reads it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turnstile_seams::{ByteStream, Wrapping};

use super::super::Recorder;
use super::{add, hash_of};

/// How the answer begins after which a connection is a WebSocket. The server writes it alone.
const UPGRADE: &[u8] = b"HTTP/1.1 101 ";

/// Notes what is sent on accepted connections.
pub(super) struct NotingStreams(pub(super) Recorder);

impl Wrapping for NotingStreams {
    fn accepted(&self, stream: Box<dyn ByteStream>) -> Box<dyn ByteStream> {
        Box::new(NotingStream {
            recorder: self.0.clone(),
            stream,
            is_upgraded: false,
        })
    }
}

struct NotingStream {
    recorder: Recorder,
    stream: Box<dyn ByteStream>,
    /// Whether it is a WebSocket.
    is_upgraded: bool,
}

impl NotingStream {
    fn note(&mut self, written: &[u8]) {
        if self.is_upgraded {
            add(&self.recorder, hash_of(&written), false);
        }
        self.is_upgraded |= written.starts_with(UPGRADE);
    }
}

impl AsyncRead for NotingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for NotingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = &written {
            self.note(&bytes[..*length]);
        }
        written
    }

    // Without these, what the server writes at once would be sent in other parts than without notes.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        if let Poll::Ready(Ok(length)) = &written {
            let bytes = buffers.iter().flat_map(|buffer| buffer.iter());
            let bytes: Vec<u8> = bytes.take(*length).copied().collect();
            self.note(&bytes);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
