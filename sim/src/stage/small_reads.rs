//! The network of a client that reads slowly: nothing is read before it is needed.
//!
//! Otherwise the client's WebSocket would hold many frames that have left the connection, and would still show them after
//! a reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turnstile_seams::{BoxFuture, ByteStream, Listener, Network};

/// Maximum size of a read, in bytes: less than a frame.
const PIECE: usize = 64;

/// A network whose connections are read in small pieces.
pub(super) struct SmallReads(pub Arc<dyn Network>);

impl Network for SmallReads {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        self.0.listen(authority)
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = self.0.connect(authority).await?;
            Ok(Box::new(InPieces(stream)) as Box<dyn ByteStream>)
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn ByteStream>,
        host: &'a str,
    ) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        self.0.secure(stream, host)
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
