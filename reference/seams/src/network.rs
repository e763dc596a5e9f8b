//! Connections, as they are given to a party: accepting them and making them.
//!
//! Addresses are authorities, `host:port`, the way they stand in a URL; what a host name means is the
//! network's business.

use std::io;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// One end of an ordered, reliable connection. Dropping it closes it.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for S {}

/// A network as one party sees it.
pub trait Network: Send + Sync + 'static {
    /// Starts to accept connections at `authority` (`host:port`; port 0 picks a free one).
    ///
    /// # Errors
    ///
    /// As the operating system's `bind` fails, for example because the address is taken.
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;

    /// Connects to `authority` (`host:port`).
    ///
    /// Waits for as long as the other side neither accepts nor refuses: a caller that cannot wait sets
    /// a time-out of its own.
    ///
    /// # Errors
    ///
    /// As the operating system's `connect` fails, for example because nobody listens there.
    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>>;
}

/// An address at which connections are accepted. Dropping it ends that.
pub trait Listener: Send + 'static {
    /// The next connection.
    ///
    /// # Errors
    ///
    /// A failure of one connection, after which the next call may succeed.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;

    /// The authority (`host:port`) that was bound, with the port that was really taken.
    fn authority(&self) -> String;
}
