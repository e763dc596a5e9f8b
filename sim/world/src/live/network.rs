//! The network as a party of the harness sees it in real time: the machine's sockets under the names of
//! parties, with faults of links on each connection.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use turnstile_seams::{BoxFuture, ByteStream, Clock, Listener, Network};

use super::end::End;
use super::line::{Activity, Fate, Line, Links, ROOM, Ways, wait_for_opening};
use super::port;
use crate::network::split;

/// How long the port of a party that restarts may still be in use.
const BUSY_AT_MOST: Duration = Duration::from_secs(5);
/// The pause between two tries to listen on it.
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// State shared by the networks of all parties. Clones share it.
#[derive(Clone)]
pub(super) struct SharedNetwork(Arc<Shared>);

struct Shared {
    /// State of the links.
    links: watch::Sender<Links>,
    clock: Arc<dyn Clock>,
    /// Counts what passes on connections.
    activity: Activity,
    /// The party outside of the harness: the server under test.
    external: Arc<str>,
    directory: Mutex<Directory>,
}

#[derive(Default)]
struct Directory {
    /// Real addresses of parties, by authority.
    addresses: BTreeMap<String, SocketAddr>,
    /// Sockets bound before their party asks for them, by authority.
    reserved: BTreeMap<String, StdListener>,
    /// Sockets that are bound to the addresses of parties without listening. They reserve the port while a
    /// party is down, and connections to it are refused.
    placeholders: Vec<TcpSocket>,
    /// Other authorities of the server under test.
    aliases: BTreeSet<String>,
    /// Connections that a party of the harness opened, by their local addresses, until the other end has accepted them.
    /// Faults are applied at the end of the opener.
    opened_here: BTreeMap<SocketAddr, watch::Receiver<Fate>>,
    /// Open connections and their ends.
    lines: BTreeMap<u64, Registered>,
    numbered: u64,
    /// Openers and peers whose next connection stalls.
    stalling_next: Vec<(String, String)>,
}

struct Registered {
    host: String,
    peer: String,
    fate: watch::Sender<Fate>,
}

impl SharedNetwork {
    /// An empty network. The party `external` is not on a machine of the harness.
    pub(super) fn new(external: &str, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            links: watch::Sender::new(Links::default()),
            clock,
            activity: Activity::default(),
            external: external.into(),
            directory: Mutex::default(),
        }))
    }

    /// A count that changes whenever something passes on a connection of a party, or one is opened or ends.
    pub(super) fn activity(&self) -> u64 {
        self.0.activity.count()
    }

    /// Changes the state of links.
    pub(super) fn change_links(&self, change: impl FnOnce(&mut Links)) {
        self.0.links.send_modify(change);
    }

    /// Sets the real address of the party at `authority`.
    pub(super) fn set_address(&self, authority: &str, address: SocketAddr) {
        self.directory().addresses.insert(authority.to_owned(), address);
    }

    /// Listens on `address` for the party at `authority`, so that connections are not refused before the
    /// party starts.
    ///
    /// # Errors
    ///
    /// If the address is not available.
    pub(super) fn reserve(&self, authority: &str, address: SocketAddr) -> io::Result<()> {
        let (placeholder, listener) = claim(address)?;
        let mut directory = self.directory();
        directory.placeholders.push(placeholder);
        directory.addresses.insert(authority.to_owned(), address);
        directory.reserved.insert(authority.to_owned(), listener);
        Ok(())
    }

    /// Adds another authority of the server under test.
    pub(super) fn add_alias(&self, authority: &str) {
        self.directory().aliases.insert(authority.to_owned());
    }

    /// The real address of `authority`. An unknown authority gets a free port of the loopback.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub(super) fn address_of(&self, authority: &str) -> io::Result<SocketAddr> {
        let mut directory = self.directory();
        if let Some(address) = directory.addresses.get(authority) {
            return Ok(*address);
        }
        let (placeholder, listener) = claim((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        directory.placeholders.push(placeholder);
        directory.addresses.insert(authority.to_owned(), address);
        directory.reserved.insert(authority.to_owned(), listener);
        Ok(address)
    }

    /// Ends the connections between two hosts. `fate` is called with whether the first host holds the
    /// connection. Returns how many there are.
    pub(super) fn strike(&self, one: &str, other: &str, fate: impl Fn(bool) -> Fate) -> usize {
        let directory = self.directory();
        let is_meant = |line: &&Registered| {
            (line.host == one && line.peer == other) || (line.host == other && line.peer == one)
        };
        let lines: Vec<&Registered> = directory.lines.values().filter(is_meant).collect();
        for line in &lines {
            line.fate.send_replace(fate(line.host == one));
        }
        lines.len()
    }

    /// Holds the data of the connections between two hosts.
    pub(super) fn stall(&self, one: &str, other: &str) {
        let directory = self.directory();
        let is_meant = |line: &&Registered| {
            (line.host == one && line.peer == other) || (line.host == other && line.peer == one)
        };
        for line in directory.lines.values().filter(is_meant) {
            line.fate.send_if_modified(|fate| {
                let stalls = *fate == Fate::Whole;
                if stalls {
                    *fate = Fate::Stalled;
                }
                stalls
            });
        }
    }

    /// Holds the data of the next connection that one host opens to another.
    pub(super) fn stall_next(&self, from: &str, to: &str) {
        let pair = (from.to_owned(), to.to_owned());
        self.directory().stalling_next.push(pair);
    }

    /// Ends the stalls of connections between two hosts, or all stalls.
    pub(super) fn end_stalls(&self, hosts: Option<(&str, &str)>) {
        let is_meant = |one: &str, other: &str| {
            hosts.is_none_or(|(from, to)| (one, other) == (from, to) || (one, other) == (to, from))
        };
        let mut directory = self.directory();
        directory.stalling_next.retain(|(from, to)| !is_meant(from, to));
        for line in directory.lines.values() {
            if is_meant(&line.host, &line.peer) && *line.fate.borrow() == Fate::Stalled {
                line.fate.send_replace(Fate::Whole);
            }
        }
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.0.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens again for a party that is about to restart, so that connections wait for it instead of being refused. Does
    /// nothing for an address that is not available: the party reports the error.
    pub(super) fn listen_again(&self, party: &str) {
        let own: Vec<(String, SocketAddr)> = {
            let Directory {
                addresses, reserved, ..
            } = &*self.directory();
            let own = addresses.iter().filter(|(authority, _)| {
                let is_own = split(authority).is_ok_and(|(name, _)| *name == *party);
                is_own && !reserved.contains_key(*authority)
            });
            own.map(|(authority, at)| (authority.clone(), *at)).collect()
        };
        for (authority, address) in own {
            if let Ok(listener) = bind_again(address) {
                self.directory().reserved.insert(authority, listener);
            }
        }
    }

    /// Closes the listeners for which a party that has crashed did not ask: the system would accept connections that nobody
    /// serves. Its ports stay reserved.
    pub(super) fn stop_listening(&self, party: &str) {
        self.directory().reserved.retain(|authority, listener| {
            let is_own = split(authority).is_ok_and(|(name, _)| *name == *party);
            if is_own {
                port::stop_listening(listener);
            }
            !is_own
        });
    }

    /// The listener of a party that starts.
    fn listener(&self, authority: &str) -> io::Result<StdListener> {
        let address = self.address_of(authority)?;
        match self.directory().reserved.remove(authority) {
            Some(reserved) => Ok(reserved),
            None => bind(address),
        }
    }

    /// The party with that authority, and its address.
    fn resolve(&self, authority: &str) -> io::Result<(String, SocketAddr)> {
        let (host, _) = split(authority)?;
        let directory = self.directory();
        if let Some(address) = directory.addresses.get(authority) {
            return Ok((host.to_owned(), *address));
        }
        let is_external = directory.aliases.contains(authority);
        let known_as = if is_external { &self.0.external } else { host };
        let addresses = directory.addresses.iter();
        let mut addresses =
            addresses.filter(|(authority, _)| split(authority).is_ok_and(|(name, _)| *name == *known_as));
        if let Some((_, address)) = addresses.next() {
            return Ok((known_as.to_owned(), *address));
        }
        let address = authority
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("there is no host `{host}`")))?;
        Ok((host.to_owned(), address))
    }

    /// Gives a party its end of a connection. A task of the party copies its data.
    fn adopt(
        &self,
        host: &str,
        peer: &str,
        socket: TcpStream,
        fate: watch::Sender<Fate>,
        is_opening: bool,
    ) -> io::Result<Box<dyn ByteStream>> {
        socket.set_nodelay(true)?;
        self.0.activity.add();
        let (near, far) = tokio::io::duplex(ROOM);
        let near = End::new(near, fate.subscribe());
        let fate_receiver = fate.subscribe();
        let number = {
            let mut directory = self.directory();
            directory.numbered += 1;
            // Whoever accepts a connection has the opener as its peer.
            let (opener, accepter) = if is_opening { (peer, host) } else { (host, peer) };
            let next = directory.stalling_next.iter();
            let stalls = next
                .clone()
                .position(|(from, to)| *from == *opener && *to == *accepter);
            if let Some(place) = stalls {
                directory.stalling_next.remove(place);
                fate.send_replace(Fate::Stalled);
            }
            let number = directory.numbered;
            let registered = Registered {
                host: host.to_owned(),
                peer: peer.to_owned(),
                fate,
            };
            directory.lines.insert(number, registered);
            number
        };
        let entry = Entry {
            shared_network: self.clone(),
            number,
        };
        let line = Line {
            pipe: far,
            socket,
            ways: Ways::between(host, peer),
            links: self.0.links.subscribe(),
            activity: self.0.activity.clone(),
            fate: fate_receiver,
            clock: Arc::clone(&self.0.clock),
            is_opening,
        };
        tokio::spawn(async move {
            line.run().await;
            drop(entry);
        });
        Ok(Box::new(near))
    }
}

/// A connection's entry in the table; dropping it removes the entry.
struct Entry {
    shared_network: SharedNetwork,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.shared_network.0.activity.add();
        self.shared_network.directory().lines.remove(&self.number);
    }
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The same for a port on which this process has listened before. A process that another world starts has a copy of that
/// listener until it runs its own program, so the port may be in use for a moment.
#[expect(clippy::disallowed_methods, reason = "another process starts in real time")]
fn bind_again(address: SocketAddr) -> io::Result<StdListener> {
    let deadline = Instant::now() + BUSY_AT_MOST;
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(BETWEEN_TRIES);
            }
            bound => return bound,
        }
    }
}

/// Reserves a port permanently, and listens on it.
fn claim(address: SocketAddr) -> io::Result<(TcpSocket, StdListener)> {
    let placeholder = port::reserve(address)?;
    let listener = bind(placeholder.local_addr()?)?;
    Ok((placeholder, listener))
}

/// The [`Network`] of one run of a host.
pub(super) struct HostNetwork {
    pub host: Arc<str>,
    pub shared_network: SharedNetwork,
}

impl Network for HostNetwork {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = self.shared_network.listener(authority)?;
            Ok(Box::new(HostListener {
                listener: TcpListener::from_std(listener)?,
                authority: authority.to_owned(),
                host: Arc::clone(&self.host),
                shared_network: self.shared_network.clone(),
            }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (peer, address) = self.shared_network.resolve(authority)?;
            let ways = Ways::between(&self.host, &peer);
            let mut links = self.shared_network.0.links.subscribe();
            // A handshake is held, or lost and sent again, like other packets.
            let open = links.wait_for(|links| links.let_through(&ways)).await;
            open.map_err(|_| io::Error::other("this world is over"))?;
            wait_for_opening(&ways, links, &*self.shared_network.0.clock).await;
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            let is_ours = *peer != *self.shared_network.0.external;
            let fate = watch::Sender::new(Fate::Whole);
            let mut opened = None;
            if is_ours {
                // The other end must be able to identify the connection as soon as it accepts it.
                socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
                let local = socket.local_addr()?;
                let mut directory = self.shared_network.directory();
                directory.opened_here.insert(local, fate.subscribe());
                opened = Some(local);
            }
            let connected = socket.connect(address).await;
            if let (Err(_), Some(local)) = (&connected, opened) {
                self.shared_network.directory().opened_here.remove(&local);
            }
            self.shared_network
                .adopt(&self.host, &peer, connected?, fate, false)
        })
    }
}

struct HostListener {
    listener: TcpListener,
    authority: String,
    host: Arc<str>,
    shared_network: SharedNetwork,
}

impl Listener for HostListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (socket, from) = self.listener.accept().await?;
            let opened_here = self.shared_network.directory().opened_here.remove(&from);
            if let Some(fate) = opened_here {
                socket.set_nodelay(true)?;
                return Ok(Box::new(End::new(socket, fate)) as Box<dyn ByteStream>);
            }
            let fate = watch::Sender::new(Fate::Whole);
            let external = Arc::clone(&self.shared_network.0.external);
            // For the opener it was open at once, so its data arrives with the delay of the handshake.
            self.shared_network
                .adopt(&self.host, &external, socket, fate, true)
        })
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }
}

impl Drop for HostListener {
    fn drop(&mut self) {
        port::stop_listening(&self.listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_that_restarts_waits_until_its_port_is_free() {
        let held = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
        let address = held.local_addr().expect("it is bound");
        assert!(bind(address).is_err(), "the port is in use");
        let restarting = thread::spawn(move || bind_again(address).map(|_| ()));
        drop(held);
        let listening = restarting.join().expect("it does not panic");
        listening.expect("the port is free by then");
    }
}
