//! How a server comes by its socket.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    net::{TcpListener, TcpSocket},
    runtime,
};

/// Lessons open hundreds of connections in one instant, before the loop comes round to accept the first. The kernel
/// lowers this to its own limit (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// For a thread of its own.
pub(crate) fn bind_on_new_runtime() -> io::Result<(runtime::Runtime, TcpListener)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        bind(LOOPBACK)?
    };
    Ok((runtime, listener))
}

pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Otherwise a given port is refused for a minute after a server on it has closed connections. On Windows the same
    // option means that two servers may share the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
