//! The network as a party of the harness sees it in real time: the machine's sockets, under the names that parties
//! have in every world, and with the links' faults on each connection.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use turnstile_seams::{BoxFuture, ByteStream, Clock, Listener, Network};

use super::line::{Fate, Line, Links, ROOM, Ways, come_about};
use crate::network::split;

/// Everything that all parties' networks share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Neighbourhood(Arc<Shared>);

struct Shared {
    /// What is wrong with links.
    links: watch::Sender<Links>,
    clock: Arc<dyn Clock>,
    /// The party whose machine is not the harness's: the server under test.
    stranger: Arc<str>,
    directory: Mutex<Directory>,
}

#[derive(Default)]
struct Directory {
    /// Where parties really listen, by the authority that they have in every world.
    addresses: BTreeMap<String, SocketAddr>,
    /// Sockets that were bound before their party asked for them, by authority.
    reserved: BTreeMap<String, StdListener>,
    /// Sockets that are bound where parties listen, and listen themselves to nobody: while a party is down its port is
    /// still its own, and whoever calls there is refused.
    placeholders: Vec<TcpSocket>,
    /// Other authorities of the stranger's.
    aliases: BTreeSet<String>,
    /// Local addresses of connections that a party of the harness has opened: faults strike them at that end.
    opened_here: BTreeSet<SocketAddr>,
    /// Connections that are there, with who is at their ends.
    lines: BTreeMap<u64, Registered>,
    numbered: u64,
}

struct Registered {
    host: String,
    peer: String,
    fate: watch::Sender<Fate>,
}

impl Neighbourhood {
    /// An empty one, in which the party called `stranger` is on no machine of the harness.
    pub(super) fn new(stranger: &str, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            links: watch::Sender::new(Links::default()),
            clock,
            stranger: stranger.into(),
            directory: Mutex::default(),
        }))
    }

    /// Changes what is wrong with links.
    pub(super) fn change_links(&self, change: impl FnOnce(&mut Links)) {
        self.0.links.send_modify(change);
    }

    /// Says where the party that is reached at `authority` really listens.
    pub(super) fn set_address(&self, authority: &str, address: SocketAddr) {
        self.directory().addresses.insert(authority.to_owned(), address);
    }

    /// Listens at `address` already, for the party that is reached at `authority`: whoever connects before that party
    /// does is not refused.
    ///
    /// # Errors
    ///
    /// If the machine does not let it, for example because somebody else listens there.
    pub(super) fn reserve(&self, authority: &str, address: SocketAddr) -> io::Result<()> {
        let (placeholder, listener) = claim(address)?;
        let mut directory = self.directory();
        directory.placeholders.push(placeholder);
        directory.addresses.insert(authority.to_owned(), address);
        directory.reserved.insert(authority.to_owned(), listener);
        Ok(())
    }

    /// Says by which other authority the stranger may be called.
    pub(super) fn add_alias(&self, authority: &str) {
        self.directory().aliases.insert(authority.to_owned());
    }

    /// Where `authority` is really reached. One that nobody knows yet gets a free port of the loopback.
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

    /// Lets the connections between two hosts meet a fate, which is told by whether it is the first that holds the
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

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.0.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listener of a party that starts.
    fn listener(&self, authority: &str) -> io::Result<StdListener> {
        let address = self.address_of(authority)?;
        match self.directory().reserved.remove(authority) {
            Some(reserved) => Ok(reserved),
            None => bind(address),
        }
    }

    /// Who is called by that authority, and where it is.
    fn resolve(&self, authority: &str) -> io::Result<(String, SocketAddr)> {
        let (host, _) = split(authority)?;
        let directory = self.directory();
        if let Some(address) = directory.addresses.get(authority) {
            return Ok((host.to_owned(), *address));
        }
        let is_stranger = directory.aliases.contains(authority);
        let known_as = if is_stranger { &self.0.stranger } else { host };
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

    /// Gives a party its end of a connection; what passes on it is carried by a task of the party's own.
    fn adopt(
        &self,
        host: &str,
        peer: &str,
        socket: TcpStream,
        is_opening: bool,
    ) -> io::Result<Box<dyn ByteStream>> {
        socket.set_nodelay(true)?;
        let (near, far) = tokio::io::duplex(ROOM);
        let (fate, told) = watch::channel(Fate::Whole);
        let number = {
            let mut directory = self.directory();
            directory.numbered += 1;
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
            neighbourhood: self.clone(),
            number,
        };
        let line = Line {
            pipe: far,
            socket,
            ways: Ways::between(host, peer),
            links: self.0.links.subscribe(),
            fate: told,
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

/// A connection's place in the directory, for as long as it is there.
struct Entry {
    neighbourhood: Neighbourhood,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.neighbourhood.directory().lines.remove(&self.number);
    }
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Binds a port for good, and listens there.
fn claim(address: SocketAddr) -> io::Result<(TcpSocket, StdListener)> {
    let placeholder = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    placeholder.set_reuseaddr(true)?;
    placeholder.bind(address)?;
    let listener = bind(placeholder.local_addr()?)?;
    Ok((placeholder, listener))
}

/// The [`Network`] of one run of a host.
pub(super) struct HostNetwork {
    pub host: Arc<str>,
    pub neighbourhood: Neighbourhood,
}

impl Network for HostNetwork {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = self.neighbourhood.listener(authority)?;
            Ok(Box::new(HostListener {
                listener: TcpListener::from_std(listener)?,
                authority: authority.to_owned(),
                host: Arc::clone(&self.host),
                neighbourhood: self.neighbourhood.clone(),
            }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (peer, address) = self.neighbourhood.resolve(authority)?;
            let ways = Ways::between(&self.host, &peer);
            let mut links = self.neighbourhood.0.links.subscribe();
            // What opens a connection is held, or lost and sent again, as anything else.
            let open = links.wait_for(|links| links.let_through(&ways)).await;
            open.map_err(|_| io::Error::other("this world is over"))?;
            come_about(&ways, links, &*self.neighbourhood.0.clock).await;
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            let is_ours = *peer != *self.neighbourhood.0.stranger;
            let mut opened = None;
            if is_ours {
                // The other end must be able to tell as soon as it accepts.
                socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
                let local = socket.local_addr()?;
                self.neighbourhood.directory().opened_here.insert(local);
                opened = Some(local);
            }
            let connected = socket.connect(address).await;
            if let (Err(_), Some(local)) = (&connected, opened) {
                self.neighbourhood.directory().opened_here.remove(&local);
            }
            self.neighbourhood.adopt(&self.host, &peer, connected?, false)
        })
    }
}

struct HostListener {
    listener: TcpListener,
    authority: String,
    host: Arc<str>,
    neighbourhood: Neighbourhood,
}

impl Listener for HostListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (socket, from) = self.listener.accept().await?;
            if self.neighbourhood.directory().opened_here.remove(&from) {
                socket.set_nodelay(true)?;
                return Ok(Box::new(socket) as Box<dyn ByteStream>);
            }
            let stranger = Arc::clone(&self.neighbourhood.0.stranger);
            // It was there at once for whoever opened it, and what is said on it comes so much later.
            self.neighbourhood.adopt(&self.host, &stranger, socket, true)
        })
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }
}
