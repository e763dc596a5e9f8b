//! The network as a host sees it: implements the seams' [`Network`] on the simulated socket stack.
//!
//! All sockets of a host are in one table, [`Sockets`], so that a crash can close all of them, and
//! so that a fault can reach a connection. Traffic between hosts is handled elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil_net::HostId;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
use turnstile_seams::{BoxFuture, ByteStream, Listener, Network};

use super::power::PowerSwitch;

/// Receive buffer of a connection, in bytes.
///
/// The simulated stack announces a reopened window only if one read takes at least half of this. So a stream
/// always reads this much and returns it in pieces.
pub(super) const RECEIVE_BUFFER: usize = 64 * 1024;

/// The names of all hosts of a world.
pub(super) type Directory = Arc<Mutex<BTreeMap<Arc<str>, IpAddr>>>;

/// A connection that its host has closed.
pub(super) struct Departure {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// The host closed it with unread data, which TCP answers with a reset.
    pub unread: bool,
}

/// Buffer for reads from the stack, which the hosts of a world share: it is large, and one read uses it at a time.
pub(super) type ReadBuffer = Arc<Mutex<Vec<u8>>>;

/// All sockets of one run of a host.
pub(super) struct Sockets {
    stack: HostId,
    host: Arc<str>,
    address: IpAddr,
    directory: Directory,
    read_buffer: ReadBuffer,
    /// False once the host has crashed or its world has ended.
    alive: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    opened: u64,
    streams: BTreeMap<u64, Stream>,
    listeners: BTreeMap<u64, TcpListener>,
    departures: Vec<Departure>,
}

struct Stream {
    socket: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    /// Data read from the stack and not yet returned.
    unread: Bytes,
    /// Nothing more can be read from the stack.
    finished: bool,
    /// It was reset, so data that was not read before is lost.
    reset: bool,
    reader: Option<Waker>,
}

impl Sockets {
    pub(super) fn new(
        stack: HostId,
        host: Arc<str>,
        address: IpAddr,
        directory: Directory,
        read_buffer: ReadBuffer,
    ) -> Self {
        Self {
            stack,
            host,
            address,
            directory,
            read_buffer,
            alive: AtomicBool::new(true),
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Directs calls of the socket stack to this host. Required before every use of a socket of the stack,
    /// including its drop.
    fn enter(&self) -> io::Result<()> {
        if !self.alive.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the host of this socket has crashed",
            ));
        }
        turmoil_net::set_current(self.stack);
        Ok(())
    }

    fn adopt(self: &Arc<Self>, socket: TcpStream, power: &PowerSwitch) -> io::Result<Box<dyn ByteStream>> {
        let mut table = self.table();
        table.opened += 1;
        let number = table.opened;
        let stream = Stream {
            local: socket.local_addr()?,
            peer: socket.peer_addr()?,
            socket,
            unread: Bytes::new(),
            finished: false,
            reset: false,
            reader: None,
        };
        table.streams.insert(number, stream);
        Ok(Box::new(HostStream {
            number,
            sockets: Arc::clone(self),
            power: power.clone(),
        }))
    }

    fn close(&self, number: u64) {
        if self.enter().is_ok() {
            let mut table = self.table();
            if let Some(stream) = table.streams.remove(&number) {
                table.departures.push(stream.into_departure());
            }
        }
    }

    /// Closes all connections and listeners, in order of opening. Attempts to connect end with their tasks.
    pub(super) fn close_all(&self) {
        if self.enter().is_ok() {
            let mut table = self.table();
            let streams = std::mem::take(&mut table.streams);
            table
                .departures
                .extend(streams.into_values().map(Stream::into_departure));
            table.listeners.clear();
        }
    }

    /// Ends the use of the stack. Nothing can be opened afterwards.
    pub(super) fn leave(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }

    /// The connections closed since the last call.
    pub(super) fn take_departures(&self) -> Vec<Departure> {
        std::mem::take(&mut self.table().departures)
    }

    /// Sends a FIN on every connection to `peer` and ends its reads. Returns how many there were.
    pub(super) fn finish(&self, peer: IpAddr) -> usize {
        if self.enter().is_err() {
            return 0;
        }
        let mut table = self.table();
        let mut context = Context::from_waker(Waker::noop());
        let mut finished = 0;
        for stream in table
            .streams
            .values_mut()
            .filter(|stream| stream.peer.ip() == peer)
        {
            // A connection that was reset already needs no FIN.
            let _ = Pin::new(&mut stream.socket).poll_shutdown(&mut context);
            stream.finished = true;
            stream.reader.take().into_iter().for_each(Waker::wake);
            finished += 1;
        }
        finished
    }

    /// Ends these connections, each given by its local and its peer's address: both directions fail from now on. The
    /// stacks are reset separately.
    pub(super) fn reset(&self, connections: &BTreeSet<(SocketAddr, SocketAddr)>) {
        let mut table = self.table();
        let streams = table.streams.values_mut();
        for stream in streams.filter(|stream| connections.contains(&(stream.local, stream.peer))) {
            stream.reset = true;
            stream.unread.clear();
            stream.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    /// The address to listen on for the host part of an authority: all interfaces or only the loopback.
    fn interface(&self, host: &str) -> io::Result<Ipv4Addr> {
        match host {
            "localhost" => Ok(Ipv4Addr::LOCALHOST),
            "" | "0.0.0.0" => Ok(Ipv4Addr::UNSPECIFIED),
            name if *name == *self.host => Ok(Ipv4Addr::UNSPECIFIED),
            other => match other.parse::<Ipv4Addr>() {
                Ok(literal) if literal.is_loopback() => Ok(literal),
                Ok(literal) if literal == self.address => Ok(Ipv4Addr::UNSPECIFIED),
                _ => Err(io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    format!("`{other}` is not an address of {}", self.host),
                )),
            },
        }
    }

    fn resolve(&self, host: &str) -> io::Result<IpAddr> {
        if host == "localhost" {
            return Ok(Ipv4Addr::LOCALHOST.into());
        }
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory
            .get(host)
            .copied()
            .or_else(|| host.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no host `{host}`")))
    }
}

impl Stream {
    /// Closes the connection. The caller has entered the host of the stack.
    fn into_departure(self) -> Departure {
        Departure {
            local: self.local,
            peer: self.peer,
            unread: !self.unread.is_empty(),
        }
    }

    fn ensure_not_reset(&self) -> io::Result<()> {
        match self.reset {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        read_buffer: &mut Vec<u8>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The stack would first return what it has received.
        self.ensure_not_reset()?;
        if self.unread.is_empty() && !self.finished && out.remaining() > 0 {
            read_buffer.resize(RECEIVE_BUFFER, 0);
            let mut landed = ReadBuf::new(read_buffer);
            match Pin::new(&mut self.socket).poll_read(context, &mut landed) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.reader = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
            let (asked, rest) = landed
                .filled()
                .split_at(landed.filled().len().min(out.remaining()));
            out.put_slice(asked);
            self.unread = Bytes::copy_from_slice(rest);
        } else {
            let count = self.unread.len().min(out.remaining());
            out.put_slice(&self.unread[..count]);
            self.unread.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

pub(super) fn split(authority: &str) -> io::Result<(&str, u16)> {
    authority
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{authority}` is not of the form host:port"),
            )
        })
}

/// The [`Network`] of one run of a host.
pub(super) struct HostNetwork {
    sockets: Arc<Sockets>,
    power: PowerSwitch,
}

impl HostNetwork {
    pub(super) fn new(sockets: Arc<Sockets>, power: PowerSwitch) -> Self {
        Self { sockets, power }
    }
}

impl Network for HostNetwork {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (host, port) = split(authority)?;
            let interface = self.sockets.interface(host)?;
            self.sockets.enter()?;
            let listener = TcpListener::bind(SocketAddr::from((interface, port))).await?;
            let reached_as = if interface.is_loopback() {
                host
            } else {
                &self.sockets.host
            };
            let authority = format!("{reached_as}:{}", listener.local_addr()?.port());
            let mut table = self.sockets.table();
            table.opened += 1;
            let number = table.opened;
            table.listeners.insert(number, listener);
            Ok(Box::new(HostListener {
                number,
                authority,
                sockets: Arc::clone(&self.sockets),
                power: self.power.clone(),
            }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (host, port) = split(authority)?;
            let peer = SocketAddr::new(self.sockets.resolve(host)?, port);
            let connecting = Connecting {
                sockets: Arc::clone(&self.sockets),
                attempt: Some(Box::pin(TcpStream::connect(peer))),
            };
            let socket = connecting.await?;
            self.sockets.adopt(socket, &self.power)
        })
    }
}

/// An attempt to connect. Like every use of the stack, it enters its host first.
struct Connecting {
    sockets: Arc<Sockets>,
    /// `None` once abandoned.
    attempt: Option<BoxFuture<'static, io::Result<TcpStream>>>,
}

impl Future for Connecting {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.sockets.enter()?;
        self.attempt
            .as_mut()
            .expect("an attempt is there until it is dropped")
            .as_mut()
            .poll(context)
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let attempt = self.attempt.take();
        if self.sockets.enter().is_err() {
            // The host closed its socket, and the stack may no longer exist.
            std::mem::forget(attempt);
        }
    }
}

struct HostListener {
    number: u64,
    authority: String,
    sockets: Arc<Sockets>,
    power: PowerSwitch,
}

impl Listener for HostListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async {
            let (socket, _) = poll_fn(|context| {
                self.sockets.enter()?;
                let table = self.sockets.table();
                let listener = table.listeners.get(&self.number);
                listener
                    .expect("a listener is in the table until it is dropped")
                    .poll_accept(context)
            })
            .await?;
            self.sockets.adopt(socket, &self.power)
        })
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }
}

impl Drop for HostListener {
    fn drop(&mut self) {
        if self.sockets.enter().is_ok() {
            self.sockets.table().listeners.remove(&self.number);
        }
    }
}

/// One end of a connection, as its host owns it.
struct HostStream {
    number: u64,
    sockets: Arc<Sockets>,
    power: PowerSwitch,
}

impl HostStream {
    /// Runs `operation` on the stream's entry in the table.
    fn with<T>(&self, operation: impl FnOnce(&mut Stream) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.sockets.enter()?;
        let mut table = self.sockets.table();
        let stream = table
            .streams
            .get_mut(&self.number)
            .expect("a stream is in the table until it is dropped");
        operation(stream)
    }
}

impl AsyncRead for HostStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read_buffer = &self.sockets.read_buffer;
        self.with(|stream| {
            let mut read_buffer = read_buffer.lock().unwrap_or_else(PoisonError::into_inner);
            stream.poll_read(context, &mut read_buffer, out)
        })
    }
}

impl AsyncWrite for HostStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.power.pulled().is_some() {
            return Poll::Pending;
        }
        self.with(|stream| {
            stream.ensure_not_reset()?;
            Pin::new(&mut stream.socket).poll_write(context, bytes)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written data is already with the stack.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| Pin::new(&mut stream.socket).poll_shutdown(context))
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        self.sockets.close(self.number);
    }
}
