//! Carries packets between the hosts' socket stacks: takes them out of one stack, sends them over a link,
//! delivers them to another, and forges packets for faults and dead hosts.
//!
//! [`Fabric::deliver`] and [`Fabric::clean_up_after`] correct differences between the simulated stack and a real one.
//! The world decides when to deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use turmoil_net::{
    EnterGuard, HostId, KernelConfig, Net, NetstatState, Packet, TcpFlags, TcpSegment, Transport,
};

use super::death::Death;
use super::links::Direction;
use super::network::{Departure, RECEIVE_BUFFER};
use super::stalls::{Connection, Stalls};
use super::streams::Streams;

/// All socket stacks of a world, and the links between them.
pub(super) struct Fabric {
    stacks: Vec<HostId>,
    /// The directions in use so far. They are few, and each pass of the world's loop looks at all of them.
    links: Vec<Link>,
    streams: Streams,
    sent: u64,
    departed: BTreeMap<Connection, Departed>,
    silenced: BTreeSet<Connection>,
    /// Hosts without power. Packets to them wait on the link, because TCP would send them again.
    unpowered: BTreeSet<usize>,
    /// The hosts whose data does not reach another host any more, and that host.
    unheard: BTreeSet<(usize, usize)>,
    outgoing: Vec<Packet>,
    stalls: Stalls,
    /// Keeps the socket layer installed.
    net: EnterGuard,
}

/// One direction between two hosts.
struct Link {
    /// From which host to which.
    ends: (usize, usize),
    direction: Direction,
}

/// State of a connection that its host has closed.
#[derive(Debug, Clone, Copy, Default)]
struct Departed {
    /// Its FIN is in flight or delivered.
    finished: bool,
    /// The socket no longer exists, because the process died.
    socket_removed: bool,
}

/// The label of the stream of a link's direction.
fn label(from: usize, to: usize) -> String {
    format!("link:{}:{}", address(from), address(to))
}

impl Fabric {
    /// The fabric of at most `hosts` hosts. All stacks are created in advance, because the socket layer accepts no further
    /// ones once it runs. Every pass of the world's loop visits all of them.
    pub(super) fn new(streams: Streams, hosts: usize) -> Self {
        let config = KernelConfig::default()
            // Large, so that a message needs few packets.
            .mtu(65_535)
            .recv_buf_cap(RECEIVE_BUFFER)
            .send_buf_cap(RECEIVE_BUFFER)
            // Unaccepted connections must not be refused.
            .default_backlog(usize::MAX)
            // The stack measures retransmission in passes of the world's loop instead of time. Links do not
            // lose packets by accident, so no retransmission is needed.
            .retx_threshold(u32::MAX);
        let mut net = Net::with_config(config);
        let stacks = (0..hosts).map(|host| net.add_host(address(host))).collect();
        Self {
            stacks,
            links: Vec::new(),
            streams,
            sent: 0,
            departed: BTreeMap::new(),
            silenced: BTreeSet::new(),
            unpowered: BTreeSet::new(),
            unheard: BTreeSet::new(),
            outgoing: Vec::new(),
            stalls: Stalls::default(),
            net: net.enter(),
        }
    }

    /// Whether there is a stack for this host.
    pub(super) fn has_room_for(&self, host: usize) -> bool {
        host < self.stacks.len()
    }

    pub(super) fn stack(&self, host: usize) -> HostId {
        self.stacks[host]
    }

    /// The direction from one host to another.
    pub(super) fn direction(&mut self, from: usize, to: usize) -> &mut Direction {
        let known = self.links.iter().position(|link| link.ends == (from, to));
        let place = known.unwrap_or_else(|| {
            let direction = Direction::new(self.streams.stream(&label(from, to)));
            let ends = (from, to);
            self.links.push(Link { ends, direction });
            self.links.len() - 1
        });
        &mut self.links[place].direction
    }

    /// Draws the latencies of later packets from other streams.
    pub(super) fn draw_from(&mut self, streams: Streams) {
        self.streams = streams;
        for Link { ends, direction } in &mut self.links {
            direction.draw_from(streams.stream(&label(ends.0, ends.1)));
        }
    }

    /// All directions in use so far.
    pub(super) fn directions(&mut self) -> impl Iterator<Item = &mut Direction> {
        self.links.iter_mut().map(|link| &mut link.direction)
    }

    /// Time of the next arrival.
    pub(super) fn next_arrival(&self) -> Option<Timestamp> {
        self.next_link().map(|((arrival, _), _)| arrival)
    }

    /// The next arrival, and the place of its link.
    fn next_link(&self) -> Option<((Timestamp, u64), usize)> {
        let links = self.links.iter().enumerate();
        let arrivals = links.filter_map(|(place, link)| Some((link.direction.next_arrival()?, place)));
        let is_powered = |place: usize| !self.unpowered.contains(&self.links[place].ends.1);
        arrivals.filter(|(_, place)| is_powered(*place)).min()
    }

    /// Records connections that their hosts have closed. A host that closed a connection with unread data
    /// resets its peer.
    pub(super) fn note_departures(&mut self, now: Timestamp, departures: Vec<Departure>) {
        for Departure { local, peer, unread } in departures {
            if unread {
                self.abort(now, (local, peer));
            } else {
                self.departed.insert((local, peer), Departed::default());
            }
        }
    }

    /// Takes outgoing packets from all stacks and sends them.
    pub(super) fn collect(&mut self, now: Timestamp) {
        self.collect_except(now, None);
    }

    /// As [`Fabric::collect`], but discards the packets of `mute`.
    fn collect_except(&mut self, now: Timestamp, mute: Option<usize>) {
        let mut packets = std::mem::take(&mut self.outgoing);
        self.net.egress_all(&mut packets);
        for packet in packets.drain(..) {
            if mute.is_none() || mute != host_at(packet.src) {
                self.send(now, packet);
            }
        }
        self.outgoing = packets;
    }

    fn send(&mut self, now: Timestamp, packet: Packet) {
        let (Some(from), Some(to)) = (host_at(packet.src), host_at(packet.dst)) else {
            return; // Nobody has that address.
        };
        if let Some((connection, segment)) = sender_view(&packet) {
            if self.silenced.contains(&connection) {
                return;
            }
            if segment.flags.syn {
                self.departed.remove(&connection);
            }
            if segment.flags.fin
                && let Some(departed) = self.departed.get_mut(&connection)
            {
                departed.finished = true;
            }
        }
        if let Some((connection, segment)) = sender_view(&packet) {
            let begins = segment.flags.syn && !segment.flags.ack;
            if self.stalls.holds((from, to), connection, begins) {
                self.stalls.hold((from, to), packet);
                return;
            }
        }
        self.sent += 1;
        let number = self.sent;
        self.direction(from, to).send(now, number, packet);
    }

    /// Delivers every packet that is due.
    pub(super) fn deliver_due(&mut self, now: Timestamp) {
        while let Some(((arrival, _), place)) = self.next_link()
            && arrival <= now
        {
            let packet = self.links[place].direction.take_next();
            self.deliver(now, packet.expect("a link with an arrival has a packet"));
        }
    }

    /// Loses all data from a host to another from now on, and the connections that it opens to it. What the other host sends
    /// still arrives, also on connections that it opens.
    pub(super) fn ignore(&mut self, from: usize, to: usize) {
        self.unheard.insert((from, to));
    }

    /// Whether a packet is lost because its receiver ignores its sender.
    fn is_unheard(&self, packet: &Packet) -> bool {
        if self.unheard.is_empty() {
            return false;
        }
        let ends = host_at(packet.src).zip(host_at(packet.dst));
        let carries = |segment: &TcpSegment| {
            let TcpFlags {
                syn, ack, fin, rst, ..
            } = segment.flags;
            !segment.payload.is_empty() || fin || rst || (syn && !ack)
        };
        ends.is_some_and(|ends| self.unheard.contains(&ends))
            && sender_view(packet).is_some_and(|(_, segment)| carries(segment))
    }

    /// Delivers a packet to its stack, except where that stack differs from a real one.
    fn deliver(&mut self, now: Timestamp, packet: Packet) {
        if self.is_unheard(&packet) {
            return;
        }
        if let Some((connection, segment)) = receiver_view(&packet) {
            let departed = self.departed.get(&connection).copied();
            // A reset would leave a half-open connection that occupies its port permanently. A half-open
            // connection ends with its listener.
            if segment.flags.rst && is_half_open(connection) {
                return;
            }
            // The stack would accept data for a socket without an owner; a real one resets.
            if departed.is_some() && !segment.payload.is_empty() {
                self.abort(now, connection);
                return;
            }
            // A real stack survives its process and completes the closing handshake; this one no longer has
            // the socket.
            if departed.is_some_and(|departed| departed.socket_removed) && !segment.flags.syn {
                return;
            }
        }
        self.net.deliver(packet);
    }

    /// Aborts a connection from its first host's side: removes its socket and resets its peer.
    fn abort(&mut self, now: Timestamp, (local, peer): Connection) {
        self.departed.remove(&(local, peer));
        self.net.deliver(reset_packet(peer, local));
        self.send(now, reset_packet(local, peer));
    }

    /// All connections between two hosts, from the view of the first.
    fn connections(one: usize, other: usize) -> BTreeSet<Connection> {
        let here = connections_of(one).filter(|(_, peer)| peer.ip() == address(other));
        let there = connections_of(other).filter(|(_, peer)| peer.ip() == address(one));
        here.chain(there.map(|(local, peer)| (peer, local))).collect()
    }

    /// Resets all connections between two hosts in the stacks of both, at once. Returns the connections from the view
    /// of the first; their hosts must drop what they have read in advance.
    pub(super) fn reset(&mut self, one: usize, other: usize) -> BTreeSet<Connection> {
        let connections = Self::connections(one, other);
        for &(here, there) in &connections {
            self.lose((one, other), (here, there));
            for connection in [(here, there), (there, here)] {
                if !is_half_open(connection) {
                    self.net.deliver(reset_packet(connection.1, connection.0));
                }
            }
        }
        connections
    }

    /// Stops all traffic on the existing connections between two hosts. Returns how many there were.
    pub(super) fn silence(&mut self, one: usize, other: usize) -> usize {
        let connections = Self::connections(one, other);
        for &(here, there) in &connections {
            self.lose((one, other), (here, there));
            self.silenced.extend([(here, there), (there, here)]);
        }
        connections.len()
    }

    /// Holds the packets of all connections between two hosts, including those in flight.
    pub(super) fn stall(&mut self, one: usize, other: usize) {
        for connection in Self::connections(one, other) {
            self.stalls.add(connection);
            let back = (connection.1, connection.0);
            for (pair, connection) in [((one, other), connection), ((other, one), back)] {
                let is_of = |packet: &Packet| sender_view(packet).is_some_and(|(view, _)| view == connection);
                for packet in self.direction(pair.0, pair.1).take(is_of) {
                    self.stalls.hold(pair, packet);
                }
            }
        }
    }

    /// Holds the packets of the next connection that a host opens to another.
    pub(super) fn stall_next(&mut self, from: usize, to: usize) {
        self.stalls.add_next((from, to));
    }

    /// Ends the stalls of connections between these hosts, and sends what they held.
    pub(super) fn end_stalls(&mut self, now: Timestamp, is_meant: impl Fn((usize, usize)) -> bool) {
        let is_between = |connection: &Connection| {
            let pair = host_at(connection.0.ip()).zip(host_at(connection.1.ip()));
            pair.is_some_and(&is_meant)
        };
        for packet in self.stalls.end(&is_meant, is_between) {
            self.send(now, packet);
        }
    }

    /// Drops packets in flight, in both directions, of a connection between two hosts.
    fn lose(&mut self, (one, other): (usize, usize), connection: Connection) {
        self.stalls.forget(connection, |packet| {
            sender_view(packet)
                .is_some_and(|(view, _)| view == connection || view == (connection.1, connection.0))
        });
        self.direction(one, other)
            .lose(|packet| sender_view(packet).is_some_and(|(view, _)| view == connection));
        self.direction(other, one)
            .lose(|packet| receiver_view(packet).is_some_and(|(view, _)| view == connection));
    }

    /// Cleans up after a host that has died and closed its sockets: sends its FINs if it still can, then
    /// frees its ports, which otherwise stay occupied until the peers answer.
    pub(super) fn clean_up_after(
        &mut self,
        now: Timestamp,
        host: usize,
        death: Death,
        departures: Vec<Departure>,
    ) {
        let own = |connection: &Connection| connection.0.ip() == address(host);
        match death {
            Death::Process => {
                self.note_departures(now, departures);
                self.collect(now);
                self.departed
                    .retain(|connection, departed| !own(connection) || departed.finished);
                let dead = self.departed.iter_mut().filter(|(connection, _)| own(connection));
                dead.for_each(|(_, departed)| departed.socket_removed = true);
            }
            Death::Power => {
                self.departed.retain(|connection, _| !own(connection));
                self.unpowered.insert(host);
            }
        }
        for (local, peer) in connections_of(host) {
            self.net.deliver(reset_packet(peer, local));
        }
        self.collect_except(now, Some(host));
    }

    /// Marks a host as powered, and sends the packets that waited for it.
    pub(super) fn power_up(&mut self, now: Timestamp, host: usize) {
        if self.unpowered.remove(&host) {
            let towards = self.links.iter_mut().filter(|link| link.ends.1 == host);
            towards.for_each(|link| link.direction.resend(now));
        }
    }
}

/// The address of a host; the first one is 192.168.0.1.
pub(super) fn address(host: usize) -> IpAddr {
    let last = u8::try_from(host + 1).expect("a world has few hosts");
    Ipv4Addr::new(192, 168, 0, last).into()
}

/// The host that would have an address; `None` if no host can have it.
fn host_at(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [192, 168, 0, last] => usize::from(last).checked_sub(1),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

/// All TCP connections in a host's stack, from its view.
fn connections_of(host: usize) -> impl Iterator<Item = Connection> {
    let sockets = turmoil_net::netstat(address(host)).entries;
    sockets
        .into_iter()
        .filter_map(|socket| Some((socket.local, socket.peer?)))
}

/// Whether the first host of a connection has answered its SYN and waits for the final ACK.
fn is_half_open((local, peer): Connection) -> bool {
    turmoil_net::netstat(local.ip()).entries.iter().any(|socket| {
        socket.state == Some(NetstatState::SynReceived) && socket.local == local && socket.peer == Some(peer)
    })
}

fn sender_view(packet: &Packet) -> Option<(Connection, &TcpSegment)> {
    let Transport::Tcp(segment) = &packet.payload else {
        return None;
    };
    let source = SocketAddr::new(packet.src, segment.src_port);
    let destination = SocketAddr::new(packet.dst, segment.dst_port);
    Some(((source, destination), segment))
}

fn receiver_view(packet: &Packet) -> Option<(Connection, &TcpSegment)> {
    sender_view(packet).map(|((source, destination), segment)| ((destination, source), segment))
}

fn reset_packet(from: SocketAddr, to: SocketAddr) -> Packet {
    Packet {
        src: from.ip(),
        dst: to.ip(),
        ttl: 64,
        payload: Transport::Tcp(TcpSegment {
            src_port: from.port(),
            dst_port: to.port(),
            seq: 0,
            ack: 0,
            flags: TcpFlags {
                rst: true,
                ..TcpFlags::default()
            },
            window: 0,
            payload: bytes::Bytes::new(),
        }),
    }
}
