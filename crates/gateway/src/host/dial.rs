//! The host's half of a TCP flow: a socket of the kernel's, connected before the program's SYN is answered.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

/// Connects to `destination`. The socket has Nagle's algorithm off: the program's own TCP has decided already what goes
/// out when.
///
/// # Errors
/// Those of `socket` and `connect`; [`Verdict::of`](super::Verdict::of) says what the program shall see of them.
pub async fn dial(destination: SocketAddr) -> io::Result<TcpStream> {
    let socket = if destination.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    socket.connect(destination).await
}
