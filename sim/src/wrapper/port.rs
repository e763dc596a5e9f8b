//! A port on which a process that is about to start can listen.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports to choose from. Systems give none of them to sockets that do not ask for one, so no connection takes a port
/// before its wrapper does.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;
/// The distance between the first choices of two processes.
const STRIDE: u32 = 131;

static CHOSEN: AtomicU32 = AtomicU32::new(0);

/// A loopback port that is free, and that was not chosen before.
///
/// # Errors
///
/// If none of them can be bound.
pub(super) fn free_port() -> io::Result<u16> {
    let first = process::id().wrapping_mul(STRIDE);
    for _ in 0..COUNT {
        let number = first.wrapping_add(CHOSEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % COUNT).map_err(io::Error::other)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no loopback port is free"))
}
