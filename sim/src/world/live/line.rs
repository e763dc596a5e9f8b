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
use turnstile_seams::Clock;

use crate::world::links::LinkFault;

/// How much of a connection a party may have written, or not have read, while nothing passes, in bytes.
pub(super) const ROOM: usize = 256 * 1024;
/// How much is read from either end at once, in bytes.
const PARCEL: usize = 16 * 1024;

/// What is wrong with each direction between two hosts: what the first one sends to the second.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(BTreeMap<(String, String), Direction>);

/// One direction of a link.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Direction {
    /// What it does instead of giving on what it is given.
    pub fault: Option<LinkFault>,
    /// How much longer it takes.
    pub extra: Duration,
}

impl Links {
    pub(super) fn direction(&self, way: &Way) -> Direction {
        self.0.get(way).copied().unwrap_or_default()
    }

    pub(super) fn change(&mut self, way: Way, change: impl FnOnce(&mut Direction)) {
        change(self.0.entry(way).or_default());
    }

    pub(super) fn heal_everything(&mut self) {
        self.0.clear();
    }

    /// Whether a connection can come about: that takes both directions.
    pub(super) fn let_through(&self, ways: &Ways) -> bool {
        [&ways.out, &ways.back].map(|way| self.direction(way).fault.is_none()) == [true, true]
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
    /// Both ends read an end of stream.
    Finished,
    /// Nothing passes any more, and nobody is told.
    Silenced,
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
        } = self;
        let (mut pipe_reader, mut pipe_writer) = tokio::io::split(pipe);
        let (mut socket_reader, mut socket_writer) = socket.split();
        let struck = {
            let out = carry(
                &mut pipe_reader,
                &mut socket_writer,
                &ways.out,
                links.clone(),
                &*clock,
            );
            let back = carry(&mut socket_reader, &mut pipe_writer, &ways.back, links, &*clock);
            let passing = async { tokio::join!(out, back) };
            tokio::select! {
                biased;
                struck = fate.wait_for(|fate| *fate != Fate::Whole) => {
                    // Whoever decides over its fate has gone: then nothing strikes it.
                    struck.map_or(Fate::Whole, |fate| *fate)
                }
                _ = passing => Fate::Whole,
            }
        };
        match struck {
            Fate::Whole => {}
            Fate::Reset => {
                // Without it the peer would read an end of stream.
                if let Err(error) = socket.set_zero_linger() {
                    tracing::warn!(%error, "a connection could not be reset, and is closed");
                }
            }
            Fate::Finished => {
                // Both may be gone already.
                let _ = socket_writer.shutdown().await;
                let _ = pipe_writer.shutdown().await;
                swallow_both(&mut pipe_reader, &mut socket_reader).await;
            }
            Fate::Silenced => {
                swallow_both(&mut pipe_reader, &mut socket_reader).await;
                // The party has let go of it, and the peer must not hear of that either: it ends with its host.
                pending::<()>().await;
            }
        }
    }
}

/// Takes what either side sends and gives it to nobody, until both are done.
async fn swallow_both(one: &mut (impl AsyncRead + Unpin), other: &mut (impl AsyncRead + Unpin)) {
    let (mut nowhere, mut nowhere_else) = (sink(), sink());
    // Whichever way they end, nobody is told.
    let _ = tokio::join!(
        tokio::io::copy(one, &mut nowhere),
        tokio::io::copy(other, &mut nowhere_else)
    );
}

/// Carries what `from` gives to `to`, in order, as the state of the link lets it. Ends when `from` has and all of
/// it is there, or when `to` takes no more.
async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    way: &Way,
    mut links: watch::Receiver<Links>,
    clock: &dyn Clock,
) {
    // What is on its way, with its arrival; nothing at all is the end of the stream.
    let mut travelling: VecDeque<(Timestamp, Bytes)> = VecDeque::new();
    let mut size = 0;
    let mut is_at_end = false;
    // A stream that misses something can never go on.
    let mut is_torn = false;
    let mut buffer = BytesMut::new();
    loop {
        let direction = links.borrow_and_update().direction(way);
        match direction.fault {
            Some(LinkFault::BlackHole) if !travelling.is_empty() => {
                is_torn = true;
                travelling.clear();
                size = 0;
            }
            None if direction.extra.is_zero() => {
                let now = clock.now();
                travelling
                    .iter_mut()
                    .for_each(|(arrival, _)| *arrival = now.min(*arrival));
            }
            _ => {}
        }
        if is_at_end && travelling.is_empty() {
            return;
        }
        let next = travelling.front().filter(|_| direction.fault.is_none());
        let arrival = next.map(|(arrival, _)| *arrival);
        tokio::select! {
            biased;
            changed = links.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = arrives(arrival, clock) => {
                let Some((_, parcel)) = travelling.pop_front() else { continue };
                size -= parcel.len();
                let given = match parcel.is_empty() {
                    true => to.shutdown().await,
                    false => to.write_all(&parcel).await,
                };
                if given.is_err() {
                    return;
                }
            }
            read = from.read_buf(&mut buffer), if !is_at_end && size < ROOM => {
                is_at_end = !matches!(read, Ok(count) if count > 0);
                let parcel = buffer.split().freeze();
                buffer.reserve(PARCEL);
                is_torn |= direction.fault == Some(LinkFault::BlackHole);
                if !is_torn {
                    size += parcel.len();
                    travelling.push_back((clock.now() + direction.extra, parcel));
                }
            }
        }
    }
}

async fn arrives(arrival: Option<Timestamp>, clock: &dyn Clock) {
    match arrival {
        Some(arrival) => clock.sleep_until(arrival).await,
        None => pending().await,
    }
}
