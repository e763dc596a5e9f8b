//! The network of a party: listening and connecting.
//!
//! Addresses are authorities, `host:port`, as in a URL. The network resolves the host name.

use std::io;

use futures_util::future::{self, BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite};

/// The authority of a free port of the loopback.
pub const ANY_PORT: &str = "127.0.0.1:0";

/// One end of an ordered, reliable connection. Dropping it closes the connection.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// A network from the perspective of one party.
pub trait Network: Send + Sync + 'static {
    /// Listens at `authority` (`host:port`; port 0 selects a free port).
    ///
    /// # Errors
    ///
    /// Those of the operating system's `bind`, for example if the address is in use.
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;

    /// Connects to `authority` (`host:port`). Waits without limit while the other side neither accepts nor refuses,
    /// so callers need a time-out.
    ///
    /// # Errors
    ///
    /// Those of the operating system's `connect`, for example if the connection is refused.
    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>>;

    /// Secures a connection to `host` with TLS, as its client. A network without TLS, such as a simulated one, closes
    /// the connection.
    ///
    /// # Errors
    ///
    /// If there is no TLS, or the other side does not prove that it is `host`.
    fn secure<'a>(
        &'a self,
        stream: Box<dyn ByteStream>,
        host: &'a str,
    ) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        drop((stream, host));
        let error = io::Error::new(io::ErrorKind::Unsupported, "this network has no TLS");
        Box::pin(future::ready(Err(error)))
    }
}

/// A listening socket. Dropping it closes the socket.
pub trait Listener: Send + 'static {
    /// Accepts the next connection.
    ///
    /// # Errors
    ///
    /// The failure of one connection. The next call may succeed.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;

    /// The bound authority (`host:port`), with the actual port.
    fn authority(&self) -> String;
}
