//! Ports that stay reserved while nothing listens on them.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;

use tokio::net::TcpSocket;

/// Reserves an address of this machine; with port 0, a free port. A socket is bound to it without listening, so connections
/// are refused, and the system does not give the port to a process that asks for any free port or opens a connection. A
/// process that names the port and sets `SO_REUSEADDR`, as servers do on Unix, can listen on it at any time.
///
/// # Errors
///
/// If the address is not available.
pub(super) fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let placeholder = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    placeholder.set_reuseaddr(true)?;
    placeholder.bind(address)?;
    Ok(placeholder)
}

/// Makes a listener refuse connections from now on. Dropping it is not enough: a process that this one is just starting has a
/// copy until it runs its own program, and the system accepts connections for the copy.
pub(super) fn stop_listening(listener: &impl AsFd) {
    if let Ok(copy) = listener.as_fd().try_clone_to_owned() {
        // An error says that it did not listen any more.
        let _ = TcpStream::from(copy).shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_server_finds_its_port_again_and_no_other_process_takes_it() {
        let reserved = reserve((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
        let address = reserved.local_addr().expect("it is bound");
        for _ in 0..2 {
            let server = TcpListener::bind(address).expect("the server listens");
            TcpStream::connect(address).expect("it accepts connections");
            stop_listening(&server);
            drop(server);
            TcpStream::connect(address).expect_err("nothing listens");
            let other = TcpSocket::new_v4().expect("there are sockets");
            other.bind(address).expect_err("the port is in use");
        }
    }

    #[test]
    fn a_listener_that_stops_refuses_connections_although_a_process_has_a_copy_of_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let _copy = listener.try_clone().expect("it can be copied");
        TcpStream::connect(address).expect("it accepts connections");
        stop_listening(&listener);
        drop(listener);
        let refused = TcpStream::connect(address).expect_err("nothing listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
