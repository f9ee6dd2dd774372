//! UDP sockets.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bowline_base::Instant;
use bowline_stack::{
    Datagram, IcmpError, UdpBind, UdpCallError, UdpFailure, UdpInfo, UdpKey, UdpReadiness, UdpSend, Undelivered,
};
use bytes::Bytes;

use crate::shared::{Core, Shared};
use crate::{Net, error};

/// A UDP socket. Dropping it closes it; what it has queued is still sent.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, server) = bowline::memory::pair()?;
/// let server = server.bind_udp("10.0.0.2:53".parse().unwrap()).await?;
/// let client = client.bind_udp("0.0.0.0:0".parse().unwrap()).await?;
/// client.connect("10.0.0.2:53".parse().unwrap())?;
/// client.send(b"query").await?;
/// let mut buffer = [0; 512];
/// let (length, peer) = server.recv_from(&mut buffer).await?;
/// server.send_to(&buffer[..length], peer).await?;
/// assert_eq!(client.recv(&mut buffer).await?, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    shared: Arc<Shared>,
    key: UdpKey,
    local: SocketAddr,
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl UdpSocket {
    /// A socket on `address`. The unspecified address stands for all of ours, of both IP versions; port 0 for a free one.
    ///
    /// # Errors
    /// `EADDRINUSE`; `EADDRNOTAVAIL` for an address that is not ours; `ENOBUFS` beyond the configuration's number of
    /// sockets; `ENETDOWN`. The future is ready at once.
    pub async fn bind(net: &Net, address: SocketAddr) -> io::Result<Self> {
        let bind = match address.ip().is_unspecified() {
            true => UdpBind::port(address.port()),
            false => UdpBind::address(address),
        };
        Self::bind_with(net, bind)
    }

    /// A socket for the datagrams of every port that has none, to every address that is ours, any-IP ones included: for
    /// gateways. [`recv_datagram`](Self::recv_datagram) says where each was meant to go, and an answer names its source.
    ///
    /// # Errors
    /// `EADDRINUSE` where there is one already; `ENETDOWN`.
    pub fn any_port(net: &Net) -> io::Result<Self> {
        Self::bind_with(net, UdpBind::any_port())
    }

    /// A socket with everything that can be said about it.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(net: &Net, bind: UdpBind) -> io::Result<Self> {
        let shared = net.shared();
        let address = bind.address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let (key, port) = shared.act(|core, _| {
            core.check_open()?;
            let key = core.stack.udp_bind(bind).map_err(|why| error::udp(why, address.is_ipv6()))?;
            io::Result::Ok((key, core.stack.udp_info(key).and_then(|info| info.port).unwrap_or(0)))
        })?;
        Ok(Self { shared: Arc::clone(shared), key, local: SocketAddr::new(address, port) })
    }

    /// Where it is bound; unspecified for every address of ours, port 0 for any-port.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// The peer that it is connected to.
    ///
    /// # Errors
    /// `ENOTCONN` where it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.info().and_then(|info| info.peer).ok_or_else(error::not_connected)
    }

    /// What is known of it: its queues and what was dropped.
    #[must_use]
    pub fn info(&self) -> Option<UdpInfo> {
        self.shared.look(|core, _| core.stack.udp_info(self.key))
    }

    /// Connects it: it sends to `remote` by default, hears nobody else, and its calls fail with what ICMP says
    /// (`ECONNREFUSED` for a closed port), once each.
    ///
    /// # Errors
    /// `ENETUNREACH` without a route; `EINVAL` for no unicast destination.
    pub fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        self.shared.act(|core, _| {
            core.check()?;
            core.stack.udp_connect(self.key, remote).map_err(|why| error::udp(why, remote.is_ipv6()))
        })
    }

    /// Sends a datagram to `destination`; waits for room.
    ///
    /// # Errors
    /// `EMSGSIZE` for one that no packet can hold; `ENETUNREACH`; `EINVAL` for no destination; what ICMP said of the peer.
    pub async fn send_to(&self, data: &[u8], destination: SocketAddr) -> io::Result<usize> {
        self.send_datagram(UdpSend::to(destination, Bytes::copy_from_slice(data))).await
    }

    /// Sends a datagram to the peer that it is connected to; waits for room.
    ///
    /// # Errors
    /// `EDESTADDRREQ` where it is not connected; otherwise as [`send_to`](Self::send_to).
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_datagram(UdpSend::connected(Bytes::copy_from_slice(data))).await
    }

    /// Sends a datagram, or a train of them, with everything that can be said about it. The payload is not copied.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to), and `EADDRNOTAVAIL` for a source that is not ours.
    pub async fn send_datagram(&self, send: UdpSend) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send_datagram(cx, &send)).await
    }

    /// [`send_datagram`](Self::send_datagram) for callers that poll.
    pub fn poll_send_datagram(&self, cx: &mut Context<'_>, send: &UdpSend) -> Poll<io::Result<usize>> {
        self.poll_call(cx, Direction::Write, |core, now| {
            core.stack.udp_send(now, self.key, send.clone()).map(|()| send.payload.len())
        })
    }

    /// Sends a datagram without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room; otherwise as [`send_datagram`](Self::send_datagram).
    pub fn try_send_datagram(&self, send: UdpSend) -> io::Result<usize> {
        let length = send.payload.len();
        self.call(|core, now| core.stack.udp_send(now, self.key, send).map(|()| length))
    }

    /// Receives a datagram and who sent it. What does not fit in `buf` is lost.
    ///
    /// # Errors
    /// What ICMP said of the peer of a connected socket; `ENETDOWN`.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.recv_datagram().await?;
        Ok((copy(&datagram, buf), datagram.source))
    }

    /// Receives a datagram. What does not fit in `buf` is lost.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(copy(&self.recv_datagram().await?, buf))
    }

    /// Receives a datagram with both its addresses, its hop limit and traffic class, without copying a large one.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv_datagram(&self) -> io::Result<Datagram> {
        poll_fn(|cx| self.poll_recv_datagram(cx)).await
    }

    /// [`recv_datagram`](Self::recv_datagram) for callers that poll.
    pub fn poll_recv_datagram(&self, cx: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        self.poll_call(cx, Direction::Read, |core, _| core.stack.udp_receive(self.key))
    }

    /// Receives a datagram without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; otherwise as [`recv_from`](Self::recv_from).
    pub fn try_recv_datagram(&self) -> io::Result<Datagram> {
        self.call(|core, _| core.stack.udp_receive(self.key))
    }

    /// The oldest ICMP error about what an any-port socket sent. [`readable`](Self::readable) tells of one too.
    #[must_use]
    pub fn take_failure(&self) -> Option<UdpFailure> {
        self.shared.look(|core, _| core.stack.udp_failure(self.key))
    }

    /// Tells the sender of a datagram, by ICMP, that it could not be passed on: for gateways. `len` is the length of its
    /// payload. The stack's rate limits apply.
    pub fn report_unreachable(&self, source: SocketAddr, destination: SocketAddr, len: usize, error: IcmpError) {
        self.shared.act(|core, now| {
            core.stack.report_unreachable(now, &Undelivered::Udp { source, destination, len }, error);
        });
    }

    /// Waits until there is a datagram, or an error.
    ///
    /// # Errors
    /// `ENETDOWN`.
    pub async fn readable(&self) -> io::Result<()> {
        let wanted = UdpReadiness::READABLE | UdpReadiness::ERROR;
        poll_fn(|cx| self.poll_ready(cx, Direction::Read, wanted)).await
    }

    /// Waits until there is room for a datagram, or an error.
    ///
    /// # Errors
    /// `ENETDOWN`.
    pub async fn writable(&self) -> io::Result<()> {
        let wanted = UdpReadiness::WRITABLE | UdpReadiness::ERROR;
        poll_fn(|cx| self.poll_ready(cx, Direction::Write, wanted)).await
    }

    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction, wanted: UdpReadiness) -> Poll<io::Result<()>> {
        self.shared.look(|core, _| {
            core.check()?;
            if core.stack.udp_info(self.key).is_none_or(|info| info.readiness.intersects(wanted)) {
                return Poll::Ready(Ok(()));
            }
            self.register(core, direction, cx);
            Poll::Pending
        })
    }

    fn poll_call<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        call: impl FnOnce(&mut Core, Instant) -> Result<R, UdpCallError>,
    ) -> Poll<io::Result<R>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let result = self.shared.act(|core, now| {
            core.check()?;
            match call(core, now) {
                Err(UdpCallError::WouldBlock) => {
                    self.register(core, direction, cx);
                    Ok(None)
                }
                done => done.map(Some).map_err(|why| error::udp(why, self.local.is_ipv6())),
            }
        });
        match result.transpose() {
            None => Poll::Pending,
            Some(done) => {
                coop.made_progress();
                Poll::Ready(done)
            }
        }
    }

    fn call<R>(&self, call: impl FnOnce(&mut Core, Instant) -> Result<R, UdpCallError>) -> io::Result<R> {
        self.shared.act(|core, now| {
            core.check()?;
            call(core, now).map_err(|why| error::udp(why, self.local.is_ipv6()))
        })
    }

    fn register(&self, core: &mut Core, direction: Direction, cx: &Context<'_>) {
        let waiting = core.udp.slot(self.key.index());
        match direction {
            Direction::Read => waiting.read.register(cx),
            Direction::Write => waiting.write.register(cx),
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.shared.act(|core, _| {
            if let Some(waiting) = core.udp.get(self.key.index()) {
                *waiting = crate::waiters::Directions::default();
            }
            core.stack.udp_close(self.key);
        });
    }
}

fn copy(datagram: &Datagram, buf: &mut [u8]) -> usize {
    let length = datagram.payload.len().min(buf.len());
    for (to, from) in buf.iter_mut().zip(&datagram.payload) {
        *to = *from;
    }
    length
}
