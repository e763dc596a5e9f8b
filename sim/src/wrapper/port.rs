//! A port on which a process that is about to start can listen.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports to choose from. Systems give none of them to sockets that do not ask for one, so no connection takes a port
/// before its wrapper does.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;
/// The distance between the first choices of two processes.
const STRIDE: u32 = 131;

static CHOSEN: AtomicU32 = AtomicU32::new(0);

/// A free TCP port of the loopback. No other harness chooses it until this is dropped.
pub(super) struct Port {
    number: u16,
    /// The UDP port of that number stands for the TCP port: while it is held, no harness tries the TCP port, which would
    /// disturb the process that is about to listen.
    _claim: UdpSocket,
}

impl Port {
    /// Its address, `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.number)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// A port that is free, and that was not chosen before.
    ///
    /// # Errors
    ///
    /// If none of them can be bound.
    pub fn choose() -> io::Result<Self> {
        let first = process::id().wrapping_mul(STRIDE);
        for _ in 0..COUNT {
            let number = first.wrapping_add(CHOSEN.fetch_add(1, Ordering::Relaxed));
            let number = u16::try_from(FIRST + number % COUNT).map_err(io::Error::other)?;
            let address = (Ipv4Addr::LOCALHOST, number);
            if let Ok(claim) = UdpSocket::bind(address)
                && TcpListener::bind(address).is_ok()
            {
                return Ok(Self {
                    number,
                    _claim: claim,
                });
            }
        }
        Err(io::Error::other("no loopback port is free"))
    }
}
