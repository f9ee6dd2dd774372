//! ICMP echo through the host, where it permits that: sockets that can do nothing but echo (icmp(7)), and need a group
//! within the host's `net.ipv4.ping_group_range`.
//!
//! Replies are the real host's replies or there are none: nothing is made up here.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

use super::errors::{self, QueuedError};

/// The length of an echo's header in bytes.
const HEADER: usize = 8;

/// A reply to an echo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who replies.
    pub from: IpAddr,
    /// The request's sequence number.
    pub sequence: u16,
    /// The request's data.
    pub data: Vec<u8>,
}

/// What comes back to an echo socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reply.
    Reply(Reply),
    /// An ICMP error about a request.
    Error(QueuedError),
}

/// A socket for the echoes of one identifier of the program's. The kernel gives it an identifier of its own.
#[derive(Debug)]
pub struct EchoSocket {
    socket: AsyncFd<Socket>,
    ipv6: bool,
}

impl EchoSocket {
    /// Opens a socket.
    ///
    /// # Errors
    /// `EACCES` where the host does not permit it to this group, and those of `socket`.
    pub fn open(ipv6: bool) -> io::Result<Self> {
        let (domain, protocol) = if ipv6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(protocol))?;
        errors::enable(&socket, ipv6)?;
        let socket = super::watch(socket, Interest::READABLE | Interest::ERROR)?;
        Ok(Self { socket, ipv6 })
    }

    /// Sends a request with this time to live.
    ///
    /// # Errors
    /// Those of `sendto`.
    pub fn send(&self, to: IpAddr, hop_limit: u8, sequence: u16, data: &[u8]) -> io::Result<()> {
        let socket = self.socket.get_ref();
        if self.ipv6 {
            socket.set_unicast_hops_v6(hop_limit.into())?;
        } else {
            socket.set_ttl_v4(hop_limit.into())?;
        }
        let mut packet = Vec::with_capacity(HEADER + data.len());
        let kind = if self.ipv6 { 128 } else { 8 };
        let [high, low] = sequence.to_be_bytes();
        // the kernel fills in the identifier and the checksum
        packet.extend([kind, 0, 0, 0, 0, 0, high, low]);
        packet.extend(data);
        match socket.send_to(&packet, &SockAddr::from(SocketAddr::new(to, 0))) {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the next reply or error.
    ///
    /// # Errors
    /// Those of `recvfrom`.
    pub async fn receive(&self) -> io::Result<Answer> {
        loop {
            let mut guard = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
            if let Some(answer) = self.try_receive()? {
                return Ok(answer);
            }
            guard.clear_ready_matching(Ready::READABLE | Ready::ERROR);
            // what came between looking and clearing would not be announced again
            if let Some(answer) = self.try_receive()? {
                return Ok(answer);
            }
        }
    }

    fn try_receive(&self) -> io::Result<Option<Answer>> {
        let socket = self.socket.get_ref();
        if let Some(error) = errors::next(socket)? {
            return Ok(Some(Answer::Error(error)));
        }
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let (len, from) = match rustix::net::recvfrom(socket, &mut buffer[..], rustix::net::RecvFlags::empty()) {
                Ok((len, _, from)) => (len, from),
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::INTR) => continue,
                // the error that is in the queue is announced here as well
                Err(errno) => match errors::next(socket)? {
                    Some(error) => return Ok(Some(Answer::Error(error))),
                    None => return Err(errno.into()),
                },
            };
            let from = from.and_then(|from| SocketAddr::try_from(from).ok()).map(|from| from.ip());
            let reply = if self.ipv6 { 129 } else { 0 };
            if let (Some(from), Some(&[kind, 0, _, _, _, _, high, low])) =
                (from, buffer.get(..len).and_then(|packet| packet.first_chunk::<HEADER>()))
                && kind == reply
            {
                buffer.truncate(len);
                let data = buffer.split_off(HEADER);
                return Ok(Some(Answer::Reply(Reply { from, sequence: u16::from_be_bytes([high, low]), data })));
            }
        }
    }
}

/// Whether the host permits echo sockets to this process.
#[must_use]
pub fn is_permitted() -> bool {
    Socket::new(Domain::IPV4, Type::DGRAM.cloexec(), Some(Protocol::ICMPV4)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn loopback_replies_where_the_host_permits_it() {
        for (ipv6, to) in [(false, IpAddr::V4(Ipv4Addr::LOCALHOST)), (true, IpAddr::V6(Ipv6Addr::LOCALHOST))] {
            let Ok(socket) = EchoSocket::open(ipv6) else {
                assert!(ipv6 || !is_permitted());
                continue;
            };
            socket.send(to, 64, 7, b"hello").unwrap();
            let answer = socket.receive().await.unwrap();
            assert_eq!(answer, Answer::Reply(Reply { from: to, sequence: 7, data: b"hello".to_vec() }));
        }
    }
}
