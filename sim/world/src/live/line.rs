//! A connection between a party of the harness and a peer, and the effects of faults on it.
//!
//! The party has one end of a pipe; the other end is connected to the machine's socket, and data is copied
//! both ways while the link works. Cuts, losses and delays are applied at the party's end, so the peer needs
//! no support for them.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, sink};
use tokio::net::TcpStream;
use tokio::sync::watch;
use turnstile_fault::ConnectionEnd;
use turnstile_seams::{Clock, ClockExt as _};

use crate::condition::{Blockade, Busy, Condition};

/// How much a party may write, or leave unread, on a blocked connection, in bytes.
pub(super) const ROOM: usize = 256 * 1024;
/// Size of one read, in bytes.
const CHUNK: usize = 16 * 1024;

/// State of each direction between two hosts, by sender and receiver.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(BTreeMap<(String, String), Condition>);

impl Links {
    pub(super) fn direction(&self, way: &Way) -> Condition {
        self.0.get(way).copied().unwrap_or_default()
    }

    pub(super) fn change(&mut self, way: Way, change: impl FnOnce(&mut Condition)) {
        change(self.0.entry(way).or_default());
    }

    pub(super) fn heal_everything(&mut self) {
        self.0.clear();
    }

    /// How long opening a connection takes.
    pub(super) fn opening(&self, ways: &Ways) -> Duration {
        self.direction(&ways.out).extra + self.direction(&ways.back).extra
    }

    /// Whether a connection can be opened, which needs both directions.
    pub(super) fn let_through(&self, ways: &Ways) -> bool {
        [&ways.out, &ways.back].map(|way| self.direction(way).blockade.is_none()) == [true, true]
    }
}

/// Counts what passes on connections. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<AtomicU64>);

impl Activity {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sender and receiver.
type Way = (String, String);

/// Both directions of a connection, from the view of the party that holds it.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    out: Way,
    back: Way,
}

impl Ways {
    pub(super) fn between(host: &str, peer: &str) -> Self {
        Self {
            out: (host.to_owned(), peer.to_owned()),
            back: (peer.to_owned(), host.to_owned()),
        }
    }
}

/// How a connection is ended by a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// No fault has ended it.
    Whole,
    /// Both ends get a reset.
    Reset,
    /// One side sends a FIN after everything that it sent before: this host if `by_host`, otherwise its peer.
    Finished {
        /// Whether this host sends the FIN.
        by_host: bool,
    },
    /// Nothing passes any more, and neither end is notified.
    Silenced,
    /// Data is held until the connection is whole again.
    Stalled,
}

impl Fate {
    /// The fate of a connection with this end. `is_first` if its holder is the closing host.
    pub(super) fn of(end: ConnectionEnd, is_first: bool) -> Self {
        match end {
            ConnectionEnd::Reset => Self::Reset,
            ConnectionEnd::Silence => Self::Silenced,
            ConnectionEnd::Finish => Self::Finished { by_host: is_first },
        }
    }
}

/// The middle of a connection.
pub(super) struct Line {
    /// Connected to the party's end.
    pub pipe: DuplexStream,
    /// Connected to the peer.
    pub socket: TcpStream,
    pub ways: Ways,
    pub links: watch::Receiver<Links>,
    pub activity: Activity,
    pub fate: watch::Receiver<Fate>,
    pub clock: Arc<dyn Clock>,
    /// Whether the peer regards it as open while its opening is still in flight.
    pub is_opening: bool,
}

impl Line {
    /// Copies data in both directions until both are done or a fault ends the connection.
    pub(super) async fn run(self) {
        let Self {
            pipe,
            mut socket,
            ways,
            links,
            activity,
            mut fate,
            clock,
            is_opening,
        } = self;
        let (mut pipe_reader, mut pipe_writer) = tokio::io::split(pipe);
        let (mut socket_reader, mut socket_writer) = socket.split();
        let struck = {
            let direction = |way, is_out| Carrier {
                way,
                is_out,
                links: links.clone(),
                activity: &activity,
                fate: fate.clone(),
                clock: &*clock,
            };
            let out = direction(&ways.out, true).carry(&mut pipe_reader, &mut socket_writer);
            let back = direction(&ways.back, false).carry(&mut socket_reader, &mut pipe_writer);
            let passing = async {
                if is_opening {
                    wait_for_opening(&ways, links.clone(), &*clock).await;
                }
                tokio::join!(out, back)
            };
            tokio::select! {
                biased;
                struck = fate.wait_for(|fate| matches!(fate, Fate::Reset | Fate::Silenced)) => {
                    // Without a sender no fault can end it.
                    struck.map_or(Fate::Whole, |fate| *fate)
                }
                _ = passing => Fate::Whole,
            }
        };
        match struck {
            Fate::Whole | Fate::Finished { .. } | Fate::Stalled => {}
            Fate::Reset => {
                // Otherwise the peer would read an end of stream.
                if let Err(error) = socket.set_zero_linger() {
                    tracing::warn!(%error, "a connection could not be reset, and is closed");
                }
            }
            Fate::Silenced => {
                discard_both(&mut pipe_reader, &mut socket_reader).await;
                // The party has dropped its end, and the peer must not be notified: the connection ends with
                // its host.
                pending::<()>().await;
            }
        }
    }
}

/// Waits for the time that opening takes: the handshake travels in both directions before any data. After a
/// heal the handshake is sent again.
pub(super) async fn wait_for_opening(ways: &Ways, mut links: watch::Receiver<Links>, clock: &dyn Clock) {
    let opening = links.borrow_and_update().opening(ways);
    let healed = links.wait_for(|links| links.opening(ways).is_zero() && links.let_through(ways));
    tokio::select! {
        biased;
        _ = healed, if !opening.is_zero() => {}
        () = clock.sleep(opening) => {}
    }
}

/// Discards data from both sides until both are done.
async fn discard_both(one: &mut (impl AsyncRead + Unpin), other: &mut (impl AsyncRead + Unpin)) {
    tokio::join!(discard(one), discard(other));
}

/// Discards data from one side until it is done.
async fn discard(from: &mut (impl AsyncRead + Unpin)) {
    // Neither side is notified of the end.
    let _ = tokio::io::copy(from, &mut sink()).await;
}

/// Copies one direction of a connection.
struct Carrier<'a> {
    way: &'a Way,
    /// Whether the host is the sender.
    is_out: bool,
    links: watch::Receiver<Links>,
    activity: &'a Activity,
    fate: watch::Receiver<Fate>,
    clock: &'a dyn Clock,
}

impl Carrier<'_> {
    /// Copies data from `from` to `to`, in order and subject to the link's state. Ends when everything from
    /// `from` has arrived, or when `to` accepts no more.
    async fn carry(mut self, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
        let mut in_flight = InFlight::default();
        let mut buffer = BytesMut::new();
        let mut can_be_finished = true;
        loop {
            let direction = self.links.borrow_and_update().direction(self.way);
            in_flight.apply(direction, self.clock.now());
            if in_flight.is_over() {
                return;
            }
            let is_stalled = *self.fate.borrow() == Fate::Stalled;
            let arrival = in_flight.next_arrival(direction).filter(|_| !is_stalled);
            tokio::select! {
                biased;
                changed = self.links.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                changed = self.fate.changed(), if can_be_finished => {
                    can_be_finished = changed.is_ok();
                    let Fate::Finished { by_host } = *self.fate.borrow() else { continue };
                    can_be_finished = false;
                    if by_host == self.is_out {
                        in_flight.send(Bytes::new(), direction, self.clock.now());
                    } else {
                        // The receiver accepts no more data, so the sender is notified at once.
                        let _ = to.shutdown().await;
                        return discard(from).await;
                    }
                }
                () = arrives(arrival, self.clock) => {
                    self.activity.add();
                    let Some(chunk) = in_flight.take() else { continue };
                    let given = match chunk.is_empty() {
                        true => to.shutdown().await,
                        false => to.write_all(&chunk).await,
                    };
                    if given.is_err() {
                        return;
                    }
                }
                _ = from.read_buf(&mut buffer), if in_flight.has_room() => {
                    self.activity.add();
                    // An empty read is the end of the stream, and so is a failed one.
                    in_flight.send(buffer.split().freeze(), direction, self.clock.now());
                    buffer.reserve(CHUNK);
                }
            }
        }
    }
}

/// Data in flight in one direction.
#[derive(Default)]
struct InFlight {
    /// With the time of arrival; an empty one is the end of the stream.
    chunks: VecDeque<(Timestamp, Bytes)>,
    size: usize,
    is_at_end: bool,
    /// Data was lost, so nothing after it can be read, including the end.
    has_gap: bool,
    busy: Busy,
}

impl InFlight {
    /// Applies the link's state to data in flight.
    fn apply(&mut self, direction: Condition, now: Timestamp) {
        match direction.blockade {
            Some(Blockade::BlackHole) if !self.chunks.is_empty() => {
                self.has_gap = true;
                self.chunks.clear();
                self.size = 0;
            }
            None if direction.is_well() => {
                self.chunks
                    .iter_mut()
                    .for_each(|(arrival, _)| *arrival = now.min(*arrival));
            }
            _ => {}
        }
    }

    fn send(&mut self, chunk: Bytes, direction: Condition, now: Timestamp) {
        self.is_at_end |= chunk.is_empty();
        self.has_gap |= direction.loses();
        if !self.has_gap {
            self.size += chunk.len();
            let leaves = direction.leaves(now, chunk.len(), &mut self.busy);
            self.chunks.push_back((leaves + direction.extra, chunk));
        }
    }

    fn next_arrival(&self, direction: Condition) -> Option<Timestamp> {
        let next = self.chunks.front().filter(|_| direction.blockade.is_none());
        next.map(|(arrival, _)| *arrival)
    }

    fn take(&mut self) -> Option<Bytes> {
        let (_, chunk) = self.chunks.pop_front()?;
        self.size -= chunk.len();
        Some(chunk)
    }

    fn has_room(&self) -> bool {
        !self.is_at_end && self.size < ROOM
    }

    /// Whether everything has arrived, including the end.
    fn is_over(&self) -> bool {
        self.is_at_end && self.chunks.is_empty() && !self.has_gap
    }
}

async fn arrives(arrival: Option<Timestamp>, clock: &dyn Clock) {
    match arrival {
        Some(arrival) => clock.sleep_until(arrival).await,
        None => pending().await,
    }
}
