//! One connection between a party of the harness and a peer, and what faults do to it on its way.
//!
//! The party holds one end of a pipe; at the other end is the machine's socket. What is written into one comes
//! out of the other for as long as the link is well. A link is held, lossy or slow here, at the party's own end,
//! so that a peer that knows nothing of any of it is struck all the same.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, sink};
use tokio::net::TcpStream;
use tokio::sync::watch;
use turnstile_fault::ConnectionEnd;
use turnstile_seams::{Clock, ClockExt as _};

use crate::condition::{Blockade, Condition};

/// How much of a connection a party may have written, or not have read, while nothing passes, in bytes.
pub(super) const ROOM: usize = 256 * 1024;
/// How much is read from either end at once, in bytes.
const PARCEL: usize = 16 * 1024;

/// What is wrong with each direction between two hosts: what the first one sends to the second.
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

    /// How long a connection takes to come about.
    pub(super) fn opening(&self, ways: &Ways) -> Duration {
        self.direction(&ways.out).extra + self.direction(&ways.back).extra
    }

    /// Whether a connection can come about: that takes both directions.
    pub(super) fn let_through(&self, ways: &Ways) -> bool {
        [&ways.out, &ways.back].map(|way| self.direction(way).blockade.is_none()) == [true, true]
    }
}

/// Who sends, and to whom.
type Way = (String, String);

/// Both directions of a connection, as the party that holds it sees them.
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

/// How a connection ends before its parties end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does not.
    Whole,
    /// Both ends are told that it is gone.
    Reset,
    /// One side says that it is done, behind all that it has said before: this host if `by_host`, else its peer.
    Finished {
        /// Which side.
        by_host: bool,
    },
    /// Nothing passes any more, and nobody is told.
    Silenced,
}

impl Fate {
    /// The fate of a connection that ends like this; `is_first` if the one that closes holds it.
    pub(super) fn of(end: ConnectionEnd, is_first: bool) -> Self {
        match end {
            ConnectionEnd::Reset => Self::Reset,
            ConnectionEnd::Silence => Self::Silenced,
            ConnectionEnd::Finish => Self::Finished { by_host: is_first },
        }
    }
}

/// A connection, seen from its middle.
pub(super) struct Line {
    /// What the party's own end is connected with.
    pub pipe: DuplexStream,
    /// The way to the peer.
    pub socket: TcpStream,
    pub ways: Ways,
    pub links: watch::Receiver<Links>,
    pub fate: watch::Receiver<Fate>,
    pub clock: Arc<dyn Clock>,
    /// Whether the peer believes that it is there, and what opens it is still on its way.
    pub is_opening: bool,
}

impl Line {
    /// Passes on what either side sends until both are done, or until its fate strikes.
    pub(super) async fn run(self) {
        let Self {
            pipe,
            mut socket,
            ways,
            links,
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
                fate: fate.clone(),
                clock: &*clock,
            };
            let out = direction(&ways.out, true).carry(&mut pipe_reader, &mut socket_writer);
            let back = direction(&ways.back, false).carry(&mut socket_reader, &mut pipe_writer);
            let passing = async {
                if is_opening {
                    come_about(&ways, links.clone(), &*clock).await;
                }
                tokio::join!(out, back)
            };
            tokio::select! {
                biased;
                struck = fate.wait_for(|fate| matches!(fate, Fate::Reset | Fate::Silenced)) => {
                    // Whoever decides over its fate has gone: then nothing strikes it.
                    struck.map_or(Fate::Whole, |fate| *fate)
                }
                _ = passing => Fate::Whole,
            }
        };
        match struck {
            Fate::Whole | Fate::Finished { .. } => {}
            Fate::Reset => {
                // Without it the peer would read an end of stream.
                if let Err(error) = socket.set_zero_linger() {
                    tracing::warn!(%error, "a connection could not be reset, and is closed");
                }
            }
            Fate::Silenced => {
                swallow_both(&mut pipe_reader, &mut socket_reader).await;
                // The party has let go of it, and the peer must not hear of that either: it ends with its host.
                pending::<()>().await;
            }
        }
    }
}

/// Waits for as long as it takes until a connection is there: what opens it is on the way in both directions before
/// anything else is. When the link is healed it is sent once more.
pub(super) async fn come_about(ways: &Ways, mut links: watch::Receiver<Links>, clock: &dyn Clock) {
    let opening = links.borrow_and_update().opening(ways);
    let healed = links.wait_for(|links| links.opening(ways).is_zero() && links.let_through(ways));
    tokio::select! {
        biased;
        _ = healed, if !opening.is_zero() => {}
        () = clock.sleep(opening) => {}
    }
}

/// Takes what either side sends and gives it to nobody, until both are done.
async fn swallow_both(one: &mut (impl AsyncRead + Unpin), other: &mut (impl AsyncRead + Unpin)) {
    tokio::join!(swallow(one), swallow(other));
}

/// Takes what one side sends and gives it to nobody, until it is done.
async fn swallow(from: &mut (impl AsyncRead + Unpin)) {
    // Whichever way it ends, nobody is told.
    let _ = tokio::io::copy(from, &mut sink()).await;
}

/// What carries one direction of a connection.
struct Carrier<'a> {
    way: &'a Way,
    /// Whether it is the host that sends.
    is_out: bool,
    links: watch::Receiver<Links>,
    fate: watch::Receiver<Fate>,
    clock: &'a dyn Clock,
}

impl Carrier<'_> {
    /// Carries what `from` gives to `to`, in order, as the state of the link lets it. Ends when `from` has and all of
    /// it is there, or when `to` takes no more.
    async fn carry(mut self, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
        let mut travelling = Travelling::default();
        let mut buffer = BytesMut::new();
        let mut can_be_finished = true;
        loop {
            let direction = self.links.borrow_and_update().direction(self.way);
            travelling.meet(direction, self.clock.now());
            if travelling.is_over() {
                return;
            }
            let arrival = travelling.next_arrival(direction);
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
                        travelling.send(Bytes::new(), direction, self.clock.now());
                    } else {
                        // It says nothing that anybody reads any more, and its peer is told at once.
                        let _ = to.shutdown().await;
                        return swallow(from).await;
                    }
                }
                () = arrives(arrival, self.clock) => {
                    let Some(parcel) = travelling.take() else { continue };
                    let given = match parcel.is_empty() {
                        true => to.shutdown().await,
                        false => to.write_all(&parcel).await,
                    };
                    if given.is_err() {
                        return;
                    }
                }
                _ = from.read_buf(&mut buffer), if travelling.has_room() => {
                    // Nothing read is the end of the stream, and so is what cannot be read.
                    travelling.send(buffer.split().freeze(), direction, self.clock.now());
                    buffer.reserve(PARCEL);
                }
            }
        }
    }
}

/// What is on its way in one direction.
#[derive(Default)]
struct Travelling {
    /// With the moment of its arrival; nothing at all is the end of the stream.
    parcels: VecDeque<(Timestamp, Bytes)>,
    size: usize,
    is_at_end: bool,
    /// It misses something: the rest can never be read, and not even its end.
    is_torn: bool,
}

impl Travelling {
    /// Lets the state of the link work on what is on its way.
    fn meet(&mut self, direction: Condition, now: Timestamp) {
        match direction.blockade {
            Some(Blockade::BlackHole) if !self.parcels.is_empty() => {
                self.is_torn = true;
                self.parcels.clear();
                self.size = 0;
            }
            None if direction.is_well() => {
                self.parcels
                    .iter_mut()
                    .for_each(|(arrival, _)| *arrival = now.min(*arrival));
            }
            _ => {}
        }
    }

    fn send(&mut self, parcel: Bytes, direction: Condition, now: Timestamp) {
        self.is_at_end |= parcel.is_empty();
        self.is_torn |= direction.loses();
        if !self.is_torn {
            self.size += parcel.len();
            self.parcels.push_back((now + direction.extra, parcel));
        }
    }

    fn next_arrival(&self, direction: Condition) -> Option<Timestamp> {
        let next = self.parcels.front().filter(|_| direction.blockade.is_none());
        next.map(|(arrival, _)| *arrival)
    }

    fn take(&mut self) -> Option<Bytes> {
        let (_, parcel) = self.parcels.pop_front()?;
        self.size -= parcel.len();
        Some(parcel)
    }

    fn has_room(&self) -> bool {
        !self.is_at_end && self.size < ROOM
    }

    /// Whether all that was sent has arrived, its end with it.
    fn is_over(&self) -> bool {
        self.is_at_end && self.parcels.is_empty() && !self.is_torn
    }
}

async fn arrives(arrival: Option<Timestamp>, clock: &dyn Clock) {
    match arrival {
        Some(arrival) => clock.sleep_until(arrival).await,
        None => pending().await,
    }
}
