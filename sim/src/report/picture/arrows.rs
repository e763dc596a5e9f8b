//! Matches records of sent and received messages.
//!
//! The server records nothing. Its traffic is recorded only by its peers, so both ends of such an arrow are one record.
//! If both parties keep a record, the two records are matched: a request by its method, path and body, a response by its
//! exchange.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::{Trace, What};

use super::Lanes;
use super::words::is_refusal;

/// The path prefix of the fakes' control endpoints, whose requests the fakes do not record.
const CONTROL_ENDPOINTS: &str = "/test/";

/// A message from one party to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::report) struct Arrow {
    /// The sender's lane.
    pub from: usize,
    /// The receiver's lane.
    pub to: usize,
    /// Its kind.
    pub kind: ArrowKind,
    /// Whether it arrived.
    pub fate: Fate,
    /// The record of its arrival, if that is a separate record.
    pub arrives: Option<usize>,
}

/// Kinds of arrows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum ArrowKind {
    /// A request.
    Request,
    /// A response.
    Reply,
    /// A chunk of a streamed response.
    Chunk,
    /// The opening of a WebSocket.
    Open,
    /// A frame on a WebSocket.
    Frame,
    /// The end of a WebSocket.
    Close,
}

/// What happened to a sent message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum Fate {
    /// It arrived, or its receiver keeps no record.
    Arrived,
    /// It is a refusal.
    Refused,
    /// Its receiver keeps a record and did not record it.
    Lost,
}

/// The arrow of each record of a trace, if it has one.
pub(super) fn of(trace: &Trace, lanes: &Lanes) -> Vec<Option<Arrow>> {
    let mut wires = Wires {
        lanes,
        arrows: vec![None; trace.records().len()],
        under_way: BTreeMap::new(),
        asked: BTreeMap::new(),
        peers: BTreeMap::new(),
        replies: BTreeMap::new(),
    };
    for (index, record) in trace.records().iter().enumerate() {
        if let What::Observation(observation) = &record.what {
            wires.take(index, &record.party, observation);
        }
    }
    wires.lose_the_rest()
}

/// A party and the number of one of its exchanges or sockets.
type Numbered<'a> = (&'a str, u64);

/// A request that has not arrived yet.
struct Request<'a> {
    record: usize,
    exchange: Numbered<'a>,
    method: &'a str,
    path: &'a str,
    body: &'a Value,
    /// Whether its sender has stopped waiting for a response.
    given_up: bool,
}

struct Wires<'a> {
    lanes: &'a Lanes,
    arrows: Vec<Option<Arrow>>,
    /// Requests that have not arrived yet, by receiver, oldest first.
    under_way: BTreeMap<&'a str, Vec<Request<'a>>>,
    /// The sender's exchange for each exchange of a receiver; `None` if the sender is the server.
    asked: BTreeMap<Numbered<'a>, Option<Numbered<'a>>>,
    /// The peer of each exchange or socket that a party opened.
    peers: BTreeMap<(Numbered<'a>, Wire), &'a str>,
    /// Responses that have not arrived yet, by the exchange of the requester.
    replies: BTreeMap<Numbered<'a>, usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wire {
    Exchange,
    Socket,
}

impl<'a> Wires<'a> {
    fn take(&mut self, record: usize, party: &'a str, observation: &'a Observation) {
        match observation {
            Observation::RequestSent {
                exchange,
                to,
                method,
                path,
                body,
                ..
            } => {
                let request = Request {
                    record,
                    exchange: (party, *exchange),
                    method,
                    path,
                    body,
                    given_up: false,
                };
                self.request_sent(request, to);
            }
            Observation::RequestReceived {
                exchange,
                method,
                path,
                body,
                ..
            } => {
                let sent = self.arrived(party, method, path, body);
                self.request_received(record, (party, *exchange), sent);
            }
            Observation::ReplySent { exchange, status, .. } => {
                let asker = self.asker((party, *exchange));
                let to = asker.map_or(SERVER, |(asker, _)| asker);
                self.draw(record, party, to, ArrowKind::Reply, fate_of(*status));
                if let Some(asker) = asker {
                    self.replies.insert(asker, record);
                }
            }
            Observation::ReplyReceived { exchange, status, .. } => {
                self.reply_received(record, (party, *exchange), *status);
            }
            Observation::NoReply { exchange, .. } => self.give_up((party, *exchange)),
            Observation::ChunkSent { exchange, .. } => {
                let to = self.asker((party, *exchange)).map_or(SERVER, |(asker, _)| asker);
                self.draw(record, party, to, ArrowKind::Chunk, Fate::Arrived);
            }
            Observation::SocketOpened { socket, to, .. } => {
                self.peers.insert(((party, *socket), Wire::Socket), to);
                self.draw(record, party, to, ArrowKind::Open, Fate::Arrived);
            }
            Observation::SocketRefused { to, status, .. } => {
                let fate = status.map_or(Fate::Lost, |_| Fate::Refused);
                self.draw(record, party, to, ArrowKind::Open, fate);
            }
            Observation::FrameSent { socket, .. } => {
                if let Some(to) = self.peer(party, *socket, Wire::Socket) {
                    self.draw(record, party, to, ArrowKind::Frame, Fate::Arrived);
                }
            }
            Observation::FrameReceived { socket, .. } => {
                if let Some(from) = self.peer(party, *socket, Wire::Socket) {
                    self.draw(record, from, party, ArrowKind::Frame, Fate::Arrived);
                }
            }
            Observation::SocketClosed { socket, by, .. } => self.closed(record, (party, *socket), *by),
            Observation::PeerGone { .. } => {}
        }
    }

    fn request_sent(&mut self, request: Request<'a>, to: &'a str) {
        let (exchange, party) = (request.exchange, request.exchange.0);
        self.peers.insert((exchange, Wire::Exchange), to);
        self.draw(request.record, party, to, ArrowKind::Request, Fate::Arrived);
        if to != SERVER && !request.path.starts_with(CONTROL_ENDPOINTS) {
            self.under_way.entry(to).or_default().push(request);
        }
    }

    /// `sent` is the sent request; `None` if the sender is the server, which records nothing.
    fn request_received(&mut self, record: usize, exchange: Numbered<'a>, sent: Option<Request<'a>>) {
        let asker = sent.as_ref().map(|sent| sent.exchange);
        self.asked.insert(exchange, asker);
        match sent {
            Some(sent) => self.join(sent.record, record),
            None => self.draw(record, SERVER, exchange.0, ArrowKind::Request, Fate::Arrived),
        }
    }

    fn reply_received(&mut self, record: usize, exchange: Numbered<'a>, status: u16) {
        if let Some(sent) = self.replies.remove(&exchange) {
            self.join(sent, record);
        } else if let Some(from) = self.peer(exchange.0, exchange.1, Wire::Exchange) {
            self.draw(record, from, exchange.0, ArrowKind::Reply, fate_of(status));
        }
    }

    /// Marks a request as abandoned by its sender.
    fn give_up(&mut self, exchange: Numbered<'a>) {
        let requests = self.under_way.values_mut().flatten();
        let given_up = requests.filter(|request| request.exchange == exchange);
        given_up.for_each(|request| request.given_up = true);
    }

    fn closed(&mut self, record: usize, socket: Numbered<'a>, by: ClosedBy) {
        let (party, number) = socket;
        match (self.peer(party, number, Wire::Socket), by) {
            (Some(peer), ClosedBy::Itself) => {
                self.draw(record, party, peer, ArrowKind::Close, Fate::Arrived);
            }
            (Some(peer), ClosedBy::Peer) => {
                self.draw(record, peer, party, ArrowKind::Close, Fate::Arrived);
            }
            (_, ClosedBy::Lost) | (None, _) => {}
        }
    }

    /// The exchange of the requester, unless the requester is the server.
    fn asker(&self, exchange: Numbered<'a>) -> Option<Numbered<'a>> {
        self.asked.get(&exchange).copied().flatten()
    }

    fn peer(&self, party: &'a str, number: u64, wire: Wire) -> Option<&'a str> {
        self.peers.get(&((party, number), wire)).copied()
    }

    /// Removes the oldest equal request, preferring requests that are not abandoned.
    fn arrived(&mut self, to: &str, method: &str, path: &str, body: &Value) -> Option<Request<'a>> {
        let under_way = self.under_way.get_mut(to)?;
        let is_it = |request: &Request| (request.method, request.path, request.body) == (method, path, body);
        let awaited = under_way
            .iter()
            .position(|request| is_it(request) && !request.given_up);
        let place = awaited.or_else(|| under_way.iter().position(is_it))?;
        Some(under_way.remove(place))
    }

    fn draw(&mut self, record: usize, from: &str, to: &str, kind: ArrowKind, fate: Fate) {
        if let (Some(from), Some(to)) = (self.lanes.find(from), self.lanes.find(to)) {
            self.arrows[record] = Some(Arrow {
                from,
                to,
                kind,
                fate,
                arrives: None,
            });
        }
    }

    /// Ends the arrow of a sent record at a received record.
    fn join(&mut self, sent: usize, received: usize) {
        if let Some(arrow) = &mut self.arrows[sent] {
            arrow.arrives = Some(received);
        }
    }

    /// Marks everything that has not arrived as lost, and returns the arrows.
    fn lose_the_rest(mut self) -> Vec<Option<Arrow>> {
        let requests = self.under_way.values().flatten().map(|request| request.record);
        let lost: Vec<usize> = requests.chain(self.replies.into_values()).collect();
        for record in lost {
            if let Some(arrow) = &mut self.arrows[record] {
                arrow.fate = Fate::Lost;
            }
        }
        self.arrows
    }
}

fn fate_of(status: u16) -> Fate {
    if is_refusal(status) {
        Fate::Refused
    } else {
        Fate::Arrived
    }
}
