//! The network as a host of the witness sees it: implements the seams' [`Network`] on turmoil's sockets.
//!
//! Every connection has a [`Line`] at each end, where faults are applied. [`reach`] and [`SEGMENT`] add what
//! turmoil's TCP leaves out and a party could notice.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use turmoil::net::{TcpListener, TcpStream};
use turnstile_seams::{BoxFuture, ByteStream, Clock as _, ClockExt as _, Listener, Network};

use super::clock::TickClock;
use super::links::Links;
use crate::condition::Blockade;
use crate::death::Death;
use crate::network::{RECEIVE_BUFFER, split};
use crate::power::PowerSwitch;

/// Most unread writes that turmoil holds for a connection.
pub(super) const SEGMENTS: usize = 64;

/// Largest write. turmoil counts writes instead of bytes; this gives unread data the same limit as in the
/// other world.
const SEGMENT: usize = RECEIVE_BUFFER / SEGMENTS;

/// State shared by all hosts of a world: the hosts, the links, the connections.
#[derive(Clone, Default)]
pub(super) struct SharedNetwork(Arc<Mutex<Shared>>);

#[derive(Default)]
pub(super) struct Shared {
    pub hosts: Vec<HostState>,
    /// Addresses of the hosts, in the same order.
    pub addresses: Vec<IpAddr>,
    pub links: Links,
    opened: u64,
    lines: BTreeMap<u64, Arc<Line>>,
    /// How many of the next connections stall, by their opener and its peer.
    stalls_next: BTreeMap<(usize, usize), u32>,
    /// The attempts to connect that are stalled.
    stalled_attempts: BTreeMap<u64, (usize, usize)>,
    attempts: u64,
}

/// A host as seen by others.
pub(super) struct HostState {
    pub name: Arc<str>,
    /// How it went down, while it is down.
    pub down: Option<Death>,
}

impl SharedNetwork {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The ends at `host` of its connections with `peer`.
    pub(super) fn lines(&self, host: usize, peer: usize) -> Vec<Arc<Line>> {
        let between = |line: &&Arc<Line>| line.host == host && line.peer == peer;
        self.lines.values().filter(between).cloned().collect()
    }

    /// Drops a host's ends of all connections without notifying turmoil.
    pub(super) fn abandon(&mut self, host: usize) {
        let lines = std::mem::take(&mut self.lines);
        let (abandoned, others) = lines.into_iter().partition(|(_, line)| line.host == host);
        self.lines = others;
        for line in BTreeMap::into_values(abandoned) {
            line.end(Fate::Reset);
        }
    }

    /// Holds what arrives on the connections between two hosts, until their stalls end.
    pub(super) fn stall(&mut self, one: usize, other: usize) {
        for line in self.lines(one, other).iter().chain(&self.lines(other, one)) {
            line.state().is_stalled = true;
        }
    }

    /// Stalls the next connection that a host opens to another.
    pub(super) fn stall_next(&mut self, from: usize, to: usize) {
        *self.stalls_next.entry((from, to)).or_default() += 1;
    }

    /// The number of an attempt to connect that stalls; `None` if it does not.
    fn begin_attempt(&mut self, pair: (usize, usize)) -> Option<u64> {
        let left = self.stalls_next.get_mut(&pair)?;
        *left -= 1;
        if *left == 0 {
            self.stalls_next.remove(&pair);
        }
        self.attempts += 1;
        self.stalled_attempts.insert(self.attempts, pair);
        Some(self.attempts)
    }

    /// Ends the stalls between hosts, and lets what they held be read.
    pub(super) fn end_stalls(&mut self, is_meant: impl Fn((usize, usize)) -> bool) {
        self.stalls_next.retain(|pair, _| !is_meant(*pair));
        self.stalled_attempts.retain(|_, pair| !is_meant(*pair));
        for line in self
            .lines
            .values()
            .filter(|line| is_meant((line.host, line.peer)))
        {
            let mut state = line.state();
            state.is_stalled = false;
            state.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| *host.name == *name)
    }
}

/// How a connection was ended, at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not ended.
    Whole,
    /// It was reset.
    Reset,
    /// This end was made to send a FIN.
    Finished,
    /// Nothing passes any more.
    Silenced,
}

/// One end of a connection.
pub(super) struct Line {
    number: u64,
    host: usize,
    peer: usize,
    state: Mutex<LineState>,
}

struct LineState {
    fate: Fate,
    /// `None` as soon as nothing may pass any more.
    socket: Option<TcpStream>,
    fin_sent: bool,
    /// Whether it holds what arrives.
    is_stalled: bool,
    /// Bytes written after the connection was silenced.
    discarded: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Line {
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection at this end so that no more data passes.
    pub(super) fn end(&self, fate: Fate) {
        let mut state = self.state();
        // Outside of a running world turmoil does not notice a dropped socket.
        state.socket = None;
        state.turn_to(fate);
    }

    /// Ends reads and writes at this end. [`Line::send_fin`] must follow.
    pub(super) fn finish(&self) {
        self.state().turn_to(Fate::Finished);
    }

    /// Sends the FIN as soon as there is room for it. Must run on the host.
    pub(super) async fn send_fin(self: Arc<Self>) {
        // A connection that was reset already needs no FIN.
        let _ = poll_fn(|context| self.state().poll_shutdown(context)).await;
    }
}

impl LineState {
    fn turn_to(&mut self, fate: Fate) {
        if self.fate == Fate::Whole {
            self.fate = fate;
            let waiting = self.reader.take().into_iter().chain(self.writer.take());
            waiting.for_each(Waker::wake);
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = match (self.fate, &mut self.socket) {
            (Fate::Whole, Some(_)) if self.is_stalled => Poll::Pending,
            (Fate::Whole, Some(socket)) => Pin::new(socket).poll_read(context, out),
            (Fate::Finished, _) => return Poll::Ready(Ok(())),
            (Fate::Silenced, _) => Poll::Pending,
            (Fate::Reset, _) | (Fate::Whole, None) => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        };
        if polled.is_pending() {
            self.reader = Some(context.waker().clone());
        }
        polled
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = match (self.fate, &mut self.socket) {
            (Fate::Whole, Some(socket)) => {
                Pin::new(socket).poll_write(context, &bytes[..bytes.len().min(SEGMENT)])
            }
            (Fate::Finished, _) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            (Fate::Silenced, _) if self.discarded < RECEIVE_BUFFER => {
                self.discarded += bytes.len();
                return Poll::Ready(Ok(bytes.len()));
            }
            (Fate::Silenced, _) => Poll::Pending,
            (Fate::Reset, _) | (Fate::Whole, None) => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        };
        if polled.is_pending() {
            self.writer = Some(context.waker().clone());
        }
        polled
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            // turmoil panics on a second FIN.
            Some(socket) if !self.fin_sent => {
                if is_full(socket, context) {
                    self.writer = Some(context.waker().clone());
                    return Poll::Pending;
                }
                self.fin_sent = true;
                Pin::new(socket).poll_shutdown(context)
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Drops the socket. If the world still runs, turmoil sends a FIN for it.
    fn drop_socket(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        let mut context = Context::from_waker(Waker::noop());
        if !self.fin_sent
            && is_full(&socket, &mut context)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = socket.writable().await;
            });
        }
    }
}

/// Whether the peer has so much unread data that turmoil would lose a FIN.
fn is_full(socket: &TcpStream, context: &mut Context<'_>) -> bool {
    pin!(socket.writable()).poll(context).is_pending()
}

/// The [`Network`] of one run of a host.
#[derive(Clone)]
pub(super) struct HostNetwork {
    pub host: usize,
    pub shared_network: SharedNetwork,
    pub clock: TickClock,
    pub power: PowerSwitch,
}

impl HostNetwork {
    fn adopt(&self, peer: usize, socket: TcpStream) -> Box<dyn ByteStream> {
        let mut shared = self.shared_network.lock();
        shared.opened += 1;
        let line = Arc::new(Line {
            number: shared.opened,
            host: self.host,
            peer,
            state: Mutex::new(LineState {
                fate: Fate::Whole,
                socket: Some(socket),
                fin_sent: false,
                is_stalled: false,
                discarded: 0,
                reader: None,
                writer: None,
            }),
        });
        shared.lines.insert(line.number, Arc::clone(&line));
        Box::new(HostStream {
            line,
            shared_network: self.shared_network.clone(),
            power: self.power.clone(),
        })
    }
}

/// Whether an attempt to connect succeeds.
enum Reach {
    /// Yes, as far as turmoil decides.
    Open,
    /// The process is dead, and its machine refuses.
    Refused,
    /// Not yet; perhaps later.
    NotYet,
    /// Its packets are lost without notice.
    Never,
}

/// Corrects three differences from TCP: turmoil keeps a SYN to a host that is down until the host is up,
/// refuses a SYN that a partition drops at once, and delivers the answer to a SYN whatever the state of the
/// reverse direction.
fn reach(shared: &Shared, from: usize, to: usize) -> Reach {
    let way = shared.links.direction(from, to).blockade;
    match (shared.hosts[to].down, way) {
        (_, Some(Blockade::BlackHole)) => Reach::Never,
        (Some(Death::Power), _) => Reach::NotYet,
        (Some(Death::Process), None) => Reach::Refused,
        (None, None) | (_, Some(Blockade::Cut)) => Reach::Open,
    }
}

impl Network for HostNetwork {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (host, port) = split(authority)?;
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
            let authority = format!("{host}:{}", listener.local_addr()?.port());
            Ok(Box::new(HostListener {
                listener,
                authority,
                network: self.clone(),
            }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (host, port) = split(authority)?;
            let peer = self.shared_network.lock().find(host).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("there is no host `{host}`"))
            })?;
            if self.power.pulled().is_some() {
                std::future::pending::<()>().await;
            }
            loop {
                let reach = reach(&self.shared_network.lock(), self.host, peer);
                match reach {
                    Reach::Open => break,
                    Reach::Refused => {
                        self.clock.sleep(self.clock.tick()).await;
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    Reach::NotYet => self.clock.sleep(self.clock.tick()).await,
                    Reach::Never => std::future::pending().await,
                }
            }
            let stalled = self.shared_network.lock().begin_attempt((self.host, peer));
            if let Some(attempt) = stalled {
                while self.shared_network.lock().stalled_attempts.contains_key(&attempt) {
                    self.clock.sleep(self.clock.tick()).await;
                }
            }
            let socket = TcpStream::connect((host, port)).await?;
            self.wait_for_answer(peer).await;
            Ok(self.adopt(peer, socket))
        })
    }
}

impl HostNetwork {
    /// Waits for the time that the answer to a SYN takes.
    async fn wait_for_answer(&self, peer: usize) {
        let way_back = || self.shared_network.lock().links.direction(peer, self.host);
        let extra = way_back().extra;
        if extra > Duration::ZERO {
            let arrival = self.clock.now() + extra;
            while self.clock.now() < arrival && way_back().extra == extra {
                self.clock.sleep(self.clock.tick()).await;
            }
        }
        loop {
            match way_back().blockade {
                None => return,
                Some(Blockade::Cut) => self.clock.sleep(self.clock.tick()).await,
                Some(Blockade::BlackHole) => std::future::pending().await,
            }
        }
    }
}

struct HostListener {
    listener: TcpListener,
    authority: String,
    network: HostNetwork,
}

impl Listener for HostListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async {
            let (socket, origin) = self.listener.accept().await?;
            let shared = self.network.shared_network.lock();
            let peer = shared
                .addresses
                .iter()
                .position(|address| *address == origin.ip());
            drop(shared);
            let peer = peer.expect("the peer is a host of this world");
            Ok(self.network.adopt(peer, socket))
        })
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }
}

/// One end of a connection, as its host owns it.
struct HostStream {
    line: Arc<Line>,
    shared_network: SharedNetwork,
    power: PowerSwitch,
}

impl AsyncRead for HostStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.line.state().poll_read(context, out)
    }
}

impl AsyncWrite for HostStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.power.pulled().is_some() {
            return Poll::Pending;
        }
        self.line.state().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written data is already with turmoil.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.power.pulled().is_some() {
            return Poll::Pending;
        }
        self.line.state().poll_shutdown(context)
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        // Without power no FIN is sent; the world drops these connections.
        if self.power.pulled() != Some(Death::Power) {
            self.shared_network.lock().lines.remove(&self.line.number);
            self.line.state().drop_socket();
        }
    }
}
