//! UDP sockets: what they are bound and connected to. Sending, receiving and readiness are in the files beside.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bowline_base::Instant;
use bowline_stack::{IcmpError, UdpBind, UdpCallError, UdpFailure, UdpInfo, UdpKey, Undelivered};

use crate::shared::{Core, Shared};
use crate::{Net, error};

mod ready;
mod receive;
mod send;

/// A UDP socket. Dropping it closes it; what it has queued is still sent.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, server) = bowline::memory::pair()?;
/// let server = server.bind_udp("10.0.0.2:53".parse().unwrap()).await?;
/// let client = client.bind_udp("0.0.0.0:0".parse().unwrap()).await?;
/// client.connect("10.0.0.2:53".parse().unwrap()).await?;
/// client.send(b"query").await?;
/// let mut buffer = [0; 512];
/// let (length, peer) = server.recv_from(&mut buffer).await?;
/// server.send_to(&buffer[..length], peer).await?;
/// assert_eq!(client.recv(&mut buffer).await?, 5);
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    shared: Arc<Shared>,
    key: UdpKey,
    local: SocketAddr,
    /// What datagrams have that do not say otherwise.
    hop_limit: AtomicU8,
    traffic_class: AtomicU8,
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl UdpSocket {
    /// A socket on `address`. `0.0.0.0` stands for all of our IPv4 addresses, `[::]` for all of both versions, as on Linux;
    /// port 0 for a free one.
    ///
    /// # Errors
    /// `EADDRINUSE`; `EADDRNOTAVAIL` for an address that is not ours; `ENOBUFS` beyond the configuration's number of
    /// sockets; `ENETDOWN`. The future is ready at once.
    pub async fn bind(net: &Net, address: SocketAddr) -> io::Result<Self> {
        let bind = match address.ip().is_unspecified() && address.is_ipv6() {
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
        Ok(Self {
            shared: Arc::clone(shared),
            key,
            local: SocketAddr::new(address, port),
            hop_limit: AtomicU8::new(64),
            traffic_class: AtomicU8::new(0),
        })
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
    /// (`ECONNREFUSED` for a closed port), once each. The future is ready at once.
    ///
    /// # Errors
    /// `ENETUNREACH` without a route; `EINVAL` for no unicast destination.
    pub async fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        self.shared.act(|core, _| {
            core.check()?;
            core.stack.udp_connect(self.key, remote).map_err(|why| error::udp(why, remote.is_ipv6()))
        })
    }

    /// The oldest ICMP error about what an any-port socket sent. [`readable`](Self::readable) tells of one too.
    #[must_use]
    pub fn take_failure(&self) -> Option<UdpFailure> {
        self.shared.look(|core, _| core.stack.udp_failure(self.key))
    }

    /// The IP time to live of what it sends (`IP_TTL`, `IPV6_UNICAST_HOPS`); default 64.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn ttl(&self) -> io::Result<u8> {
        Ok(self.hop_limit.load(Relaxed))
    }

    /// Sets what [`ttl`](Self::ttl) returns. [`UdpSend::hop_limit`](crate::UdpSend::hop_limit) says it for one datagram.
    ///
    /// # Errors
    /// `EINVAL` for zero.
    pub fn set_ttl(&self, ttl: u8) -> io::Result<()> {
        if ttl == 0 {
            return Err(error::invalid());
        }
        self.hop_limit.store(ttl, Relaxed);
        Ok(())
    }

    /// The IP traffic class of what it sends (`IP_TOS`, `IPV6_TCLASS`); default 0.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn traffic_class(&self) -> io::Result<u8> {
        Ok(self.traffic_class.load(Relaxed))
    }

    /// Sets what [`traffic_class`](Self::traffic_class) returns. [`UdpSend::traffic_class`](crate::UdpSend::traffic_class) says it for one datagram.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn set_traffic_class(&self, traffic_class: u8) -> io::Result<()> {
        self.traffic_class.store(traffic_class, Relaxed);
        Ok(())
    }

    /// Tells the sender of a datagram, by ICMP, that it could not be passed on: for gateways. `len` is the length of its
    /// payload. The stack's rate limits apply.
    pub fn report_unreachable(&self, source: SocketAddr, destination: SocketAddr, len: usize, error: IcmpError) {
        self.shared.act(|core, now| {
            core.stack.report_unreachable(now, &Undelivered::Udp { source, destination, len }, error);
        });
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

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("local", &self.local).finish_non_exhaustive()
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
