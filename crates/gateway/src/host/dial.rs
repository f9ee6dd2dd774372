//! The host's half of a TCP flow: a socket of the kernel's, connected before the program's SYN is answered.
//!
//! The answer waits for what it depends on and for nothing else: where the destination is on this host, that is three
//! system calls, and the runtime hears of the socket afterwards.

use std::io;
use std::net::{SocketAddr, TcpStream};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;

use super::watch;

/// Connects to `destination`. The socket does not block, and no runtime watches it yet.
///
/// # Errors
/// Those of `socket` and `connect`; [`Verdict::of`](super::Verdict::of) says what the program shall see of them.
pub async fn dial(destination: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(destination), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    let address = destination.into();
    // A call that may not wait says that the handshake goes on even where it was over, or refused, before it returned, as
    // it is on the way to this host itself. Asked a second time it tells what came of it.
    if connect(&socket, &address)? || connect(&socket, &address)? {
        return Ok(socket.into());
    }
    let socket = watch(socket, Interest::WRITABLE)?;
    // what it is ready for may also be to tell its error
    let _ = socket.writable().await?;
    match socket.get_ref().take_error()? {
        None => Ok(socket.into_inner().into()),
        Some(error) => Err(error),
    }
}

/// Whether the connection is open by now.
fn connect(socket: &Socket, address: &socket2::SockAddr) -> io::Result<bool> {
    match socket.connect(address).map_err(|error| (Errno::from_io_error(&error), error)) {
        Ok(()) | Err((Some(Errno::ISCONN), _)) => Ok(true),
        Err((Some(Errno::INPROGRESS | Errno::ALREADY | Errno::INTR), _)) => Ok(false),
        Err((_, error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::*;

    #[tokio::test]
    async fn what_is_on_this_host_is_known_at_once() {
        for ip in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let Ok(listener) = TcpListener::bind((ip, 0)) else { continue };
            let address = listener.local_addr().unwrap();
            let mut dialing = std::pin::pin!(dial(address));
            let first = std::future::poll_fn(|cx| std::task::Poll::Ready(dialing.as_mut().poll(cx))).await;
            let std::task::Poll::Ready(Ok(stream)) = first else { panic!("{first:?}") };
            assert_eq!(stream.peer_addr().unwrap(), address);
            drop(listener);
            assert_eq!(dial(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
    }

    /// A listener whose queue is full answers nobody until it has accepted somebody, and then the next SYN.
    #[tokio::test]
    async fn what_takes_a_while_is_waited_for() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let first = dial(address).await.unwrap();
        let mut second = std::pin::pin!(dial(address));
        let look = std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx))).await;
        assert!(look.is_pending(), "{look:?}");
        let (accepted, _) = listener.accept().unwrap();
        let second = second.await.unwrap();
        assert_eq!(second.peer_addr().unwrap(), address);
        drop((first, accepted));
    }
}
