//! The listening sockets: one per shard on the same address, so that the kernel spreads connections over the shards.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Bound listeners, one for each shard. Connections queue in the kernel until the gateway starts.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) sockets: Vec<TcpListener>,
    address: SocketAddr,
}

impl Listeners {
    /// Binds `shards` listeners to `address`; port 0 picks a free one. Fails when another process listens there: sharing a port
    /// is possible among our own listeners only.
    pub fn bind(address: SocketAddr, shards: usize, backlog: u32) -> io::Result<Self> {
        if address.port() != 0 {
            // A socket that does not share finds out whether somebody else listens there, even somebody who would share.
            drop(listener(address, false, backlog)?);
        }
        let first = listener(address, true, backlog)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..shards {
            sockets.push(listener(address, true, backlog)?);
        }
        Ok(Listeners { sockets, address })
    }

    /// Where they listen, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listener(address: SocketAddr, shared: bool, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it: one system call here in place of one for each connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shards_share_a_port_that_nobody_else_can_take() {
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(free, 3, 16).unwrap();
        assert_eq!(listeners.sockets.len(), 3);
        assert!(listeners.sockets.iter().all(|socket| socket.local_addr().unwrap() == listeners.address()));
        let error = Listeners::bind(listeners.address(), 1, 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let address = listeners.address();
        drop(listeners);
        Listeners::bind(address, 2, 16).unwrap();
    }

    #[test]
    fn accepted_sockets_send_without_delay() {
        let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), 1, 16).unwrap();
        let _client = std::net::TcpStream::connect(listeners.address()).unwrap();
        listeners.sockets[0].set_nonblocking(false).unwrap();
        assert!(listeners.sockets[0].accept().unwrap().0.nodelay().unwrap());
    }
}
