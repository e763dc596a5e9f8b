//! A party's end of a connection in real time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::line::Fate;

/// One end of a connection. After a reset it fails at once, even with data that was not read before.
pub(super) struct End<S> {
    stream: S,
    fate: watch::Receiver<Fate>,
}

impl<S> End<S> {
    pub(super) fn new(stream: S, fate: watch::Receiver<Fate>) -> Self {
        Self { stream, fate }
    }

    fn ensure_not_reset(&self) -> io::Result<()> {
        match *self.fate.borrow() {
            Fate::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            Fate::Whole | Fate::Finished { .. } | Fate::Silenced | Fate::Stalled => Ok(()),
        }
    }
}

// A reset ends the stream too, which wakes a pending read or write.

impl<S: AsyncRead + Unpin> AsyncRead for End<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.ensure_not_reset()?;
        Pin::new(&mut self.stream).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for End<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.ensure_not_reset()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
