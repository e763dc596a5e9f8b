//! Connections whose packets are held while other connections of the same link go on.
//!
//! What a packet says is not the subject of this file; the fabric names the connection of each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use turmoil_net::Packet;

/// A connection from the view of one host: its own end first, then its peer's.
pub(super) type Connection = (SocketAddr, SocketAddr);

/// Sender and receiver.
type Pair = (usize, usize);

/// The stalled connections, and what they hold.
#[derive(Default)]
pub(super) struct Stalls {
    /// Both views of each connection.
    connections: BTreeSet<Connection>,
    /// How many of the next connections stall, by their opener and its peer.
    next: BTreeMap<Pair, u32>,
    /// In the order of sending.
    held: Vec<(Pair, Packet)>,
}

impl Stalls {
    /// Stalls a connection.
    pub fn add(&mut self, connection: Connection) {
        self.connections
            .extend([connection, (connection.1, connection.0)]);
    }

    /// Stalls the next connection of these hosts.
    pub fn add_next(&mut self, pair: Pair) {
        *self.next.entry(pair).or_default() += 1;
    }

    /// Whether a packet must be held. `begins` if it is the first one of its connection.
    pub fn holds(&mut self, pair: Pair, connection: Connection, begins: bool) -> bool {
        if begins && let Some(left) = self.next.get_mut(&pair) {
            *left -= 1;
            if *left == 0 {
                self.next.remove(&pair);
            }
            self.add(connection);
        }
        self.connections.contains(&connection)
    }

    /// Holds a packet.
    pub fn hold(&mut self, pair: Pair, packet: Packet) {
        self.held.push((pair, packet));
    }

    /// Drops a connection and what it holds.
    pub fn forget(&mut self, connection: Connection, is_of: impl Fn(&Packet) -> bool) {
        self.connections.remove(&connection);
        self.connections.remove(&(connection.1, connection.0));
        self.held.retain(|(_, packet)| !is_of(packet));
    }

    /// Ends the stalls between these hosts, and returns what was held.
    pub fn end(
        &mut self,
        is_meant: impl Fn(Pair) -> bool,
        is_between: impl Fn(&Connection) -> bool,
    ) -> Vec<Packet> {
        self.next.retain(|pair, _| !is_meant(*pair));
        self.connections.retain(|connection| !is_between(connection));
        let (freed, left) = std::mem::take(&mut self.held)
            .into_iter()
            .partition::<Vec<_>, _>(|(pair, _)| is_meant(*pair));
        self.held = left;
        freed.into_iter().map(|(_, packet)| packet).collect()
    }
}
