//! The machine's own sockets, clock and randomness behind the seams.

#![expect(clippy::disallowed_methods, reason = "this is where the real world is let in")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};

use crate::{ByteStream, Clock, Listener, Network, Randomness, Seams};

/// The real world, as one party sees it. Needs a tokio runtime with I/O and time enabled.
pub fn seams() -> Seams {
    Seams {
        network: Arc::new(MachineNetwork),
        clock: Arc::new(MachineClock),
        randomness: Randomness::new(rand::make_rng::<rand::rngs::StdRng>()),
    }
}

/// The machine's TCP sockets.
#[derive(Debug, Clone, Copy)]
pub struct MachineNetwork;

impl Network for MachineNetwork {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(authority).await?;
            let authority = listener.local_addr()?.to_string();
            Ok(Box::new(MachineListener { listener, authority }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

struct MachineListener {
    listener: TcpListener,
    authority: String,
}

impl Listener for MachineListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (stream, _) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                // tokio's timer follows the monotonic clock; the loop covers a wall clock set back.
                match Duration::try_from(deadline.duration_since(Timestamp::now())) {
                    Ok(left) if !left.is_zero() => tokio::time::sleep(left).await,
                    _ => return,
                }
            }
        })
    }
}
