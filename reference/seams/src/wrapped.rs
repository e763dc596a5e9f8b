//! A network with something around each of its connections.

use std::io;
use std::sync::Arc;

use crate::{BoxFuture, ByteStream, Listener, Network};

/// What is around the connections of a network. By default it is nothing.
pub trait Wrapping: Send + Sync + 'static {
    /// Wraps a connection that was accepted.
    fn accepted(&self, stream: Box<dyn ByteStream>) -> Box<dyn ByteStream> {
        stream
    }

    /// Wraps a connection to `authority` (`host:port`).
    fn connected(&self, stream: Box<dyn ByteStream>, authority: &str) -> Box<dyn ByteStream> {
        let _ = authority;
        stream
    }
}

/// A network whose connections are wrapped. TLS comes around that.
pub struct Wrapped<W> {
    network: Arc<dyn Network>,
    wrapping: Arc<W>,
}

impl<W: Wrapping> Wrapped<W> {
    /// Wraps the connections of `network`.
    pub fn new(network: Arc<dyn Network>, wrapping: W) -> Self {
        let wrapping = Arc::new(wrapping);
        Self { network, wrapping }
    }
}

impl<W: Wrapping> Network for Wrapped<W> {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = WrappedListener {
                listener: self.network.listen(authority).await?,
                wrapping: Arc::clone(&self.wrapping),
            };
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = self.network.connect(authority).await?;
            Ok(self.wrapping.connected(stream, authority))
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn ByteStream>,
        host: &'a str,
    ) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        self.network.secure(stream, host)
    }
}

struct WrappedListener<W> {
    listener: Box<dyn Listener>,
    wrapping: Arc<W>,
}

impl<W: Wrapping> Listener for WrappedListener<W> {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move { Ok(self.wrapping.accepted(self.listener.accept().await?)) })
    }

    fn authority(&self) -> String {
        self.listener.authority()
    }
}
