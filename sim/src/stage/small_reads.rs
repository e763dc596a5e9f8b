//! The connections of a client that reads slowly: nothing is read before it is needed.
//!
//! Otherwise the client's WebSocket would hold many frames that have left the connection, and would still show them after
//! a reset.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turnstile_seams::{ByteStream, Wrapping};

/// Maximum size of a read, in bytes: less than a frame.
const PIECE: usize = 64;

/// Reads the connections that are opened in small pieces.
pub(super) struct SmallReads;

impl Wrapping for SmallReads {
    fn connected(&self, stream: Box<dyn ByteStream>, _: &str) -> Box<dyn ByteStream> {
        Box::new(InPieces(stream))
    }
}

struct InPieces(Box<dyn ByteStream>);

impl AsyncRead for InPieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; PIECE];
        let wanted = out.remaining().min(PIECE);
        let mut piece = ReadBuf::new(&mut bytes[..wanted]);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut piece))?;
        out.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for InPieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
