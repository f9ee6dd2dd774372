//! A network: the stack, its devices, and the handle that everything else is made from.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bowline_base::Instant;
use bowline_tcp::{Counters, FourTuple, Info, Listen, ListenerInfo, Options};
use tokio::io::AsyncWriteExt;

use crate::forwarder::Forwarder;
use crate::shared::{Phase, Shared};
use crate::{EchoSocket, TcpListener, TcpStream, TraceStream, UdpSocket, error};

mod builder;

pub use builder::NetBuilder;

/// A network of ours. Clones are the same network.
///
/// It lives as long as its handles: once the last clone is dropped, every connection is reset and every socket made from
/// it fails with `ENETDOWN`. [`shutdown`](Self::shutdown) ends it in good order.
///
/// # Example
/// ```
/// use bowline::Net;
/// use bowline::device::memory::{self, MemoryConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (ours, theirs) = memory::pair(MemoryConfig::default());
/// let net = Net::builder().device(ours).address("10.0.0.1/24".parse().unwrap()).start()?;
/// let peer = Net::builder().device(theirs).address("10.0.0.2/24".parse().unwrap()).start()?;
/// let listener = peer.listen("10.0.0.2:80".parse().unwrap()).await?;
/// let stream = net.connect("10.0.0.2:80".parse().unwrap()).await?;
/// assert_eq!(net.connections().len(), 1);
/// # drop((stream, listener));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Net(Arc<Owner>);

/// What ends the network when the last handle goes.
struct Owner {
    shared: Arc<Shared>,
    ephemeral: (u16, u16),
    /// What connections start with.
    options: Options,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.act(|core, now| {
            if matches!(core.phase, Phase::Running | Phase::Closing) {
                core.abort_all(now);
            }
        });
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Net").field(&self.0.shared).finish()
    }
}

impl Net {
    /// A network to be made.
    pub fn builder() -> NetBuilder {
        NetBuilder::default()
    }

    /// Connects to `remote` from an address and a port that the network chooses. Dropping the future gives it up.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub async fn connect(&self, remote: SocketAddr) -> io::Result<TcpStream> {
        self.connect_with(None, remote, None).await
    }

    /// Connects from `local`, if it is given: its port may be 0, and in an any-IP network its address need not be ours.
    /// `options` is what the connection starts with, by default the network's.
    ///
    /// # Errors
    /// As [`TcpStream::connect`], and `EADDRINUSE` where the four-tuple is taken, `EADDRNOTAVAIL` where `local` is not
    /// ours.
    pub async fn connect_with(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        options: Option<Options>,
    ) -> io::Result<TcpStream> {
        let stream = self.connect_now(local, remote, options)?;
        stream.connected().await?;
        Ok(stream)
    }

    /// As [`connect_with`](Self::connect_with), without waiting: the connection is in SYN-SENT.
    /// [`TcpStream::connected`] waits; what is written before leaves when it is open.
    ///
    /// # Errors
    /// What is known at once.
    pub fn connect_now(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        options: Option<Options>,
    ) -> io::Result<TcpStream> {
        let shared = &self.0.shared;
        let (key, tuple) = shared.act(|core, now| {
            core.check_open()?;
            let key = core.stack.tcp_connect(now, local, remote, options).map_err(error::connect)?;
            let tuple = core.tcp().tuple(key).ok_or_else(error::not_connected)?;
            io::Result::Ok((key, tuple))
        })?;
        Ok(TcpStream::new(Arc::clone(shared), key, tuple))
    }

    /// Connects, and sends `data` as the first bytes of the stream: with the SYN, where the server takes that (TCP Fast Open,
    /// RFC 7413), so that its answer comes a round trip sooner.
    ///
    /// The first connection to a server asks for a cookie and sends `data` after the handshake; further ones send with the SYN as
    /// much as fits a segment. On a bad network a server may see these bytes twice, in two connections: send what does no
    /// harm then. `options` is what the connection starts with, by default the network's. A listener takes such data where
    /// [`Options::fast_open`]`.listen` says so; its connection can be accepted, read from and written to at once.
    ///
    /// # Errors
    /// As [`TcpStream::connect`], and as writing.
    pub async fn connect_with_data(
        &self,
        remote: SocketAddr,
        data: &[u8],
        options: Option<Options>,
    ) -> io::Result<TcpStream> {
        let shared = &self.0.shared;
        let mut options = options.unwrap_or_else(|| self.0.options.clone());
        options.fast_open.connect = true;
        // Under one lock, so that the driver finds both the SYN and what goes along.
        let (key, tuple, sent) = shared.act(|core, now| {
            core.check_open()?;
            let key = core.stack.tcp_connect(now, None, remote, Some(options)).map_err(error::connect)?;
            let tuple = core.tcp().tuple(key).ok_or_else(error::not_connected)?;
            let sent = if data.is_empty() { 0 } else { core.tcp().send(now, key, data).unwrap_or(0) };
            io::Result::Ok((key, tuple, sent))
        })?;
        let mut stream = TcpStream::new(Arc::clone(shared), key, tuple);
        stream.connected().await?;
        stream.write_all(data.get(sent..).unwrap_or_default()).await?;
        Ok(stream)
    }

    /// Listens on `address`: `0.0.0.0` stands for all of our IPv4 addresses, `[::]` for all of both versions; port 0 for a
    /// free port. The future is ready at once.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    pub async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let ip = Some(address.ip()).filter(|ip| ip.is_ipv4() || !ip.is_unspecified());
        self.listen_with(Listen { address: ip, ..Listen::on_port(address.port()) })
    }

    /// Listens with everything that can be said about it. `deferred` is for [`forwarder_with`](Self::forwarder_with).
    ///
    /// # Errors
    /// `EINVAL` for a deferred one; otherwise as [`TcpListener::bind`].
    pub fn listen_with(&self, listen: Listen) -> io::Result<TcpListener> {
        if listen.deferred {
            return Err(error::invalid());
        }
        TcpListener::open(&self.0.shared, listen, self.0.ephemeral)
    }

    /// Sees every SYN that no listener takes, and decides: for gateways. The interface must be any-IP
    /// ([`NetBuilder::any_ip`]) for addresses that are not ours.
    ///
    /// # Errors
    /// `EADDRINUSE` where there is one already; `ENETDOWN`.
    pub fn forwarder(&self) -> io::Result<Forwarder> {
        self.forwarder_with(Listen { port: None, backlog: 4096, ..Listen::on_port(0) })
    }

    /// As [`forwarder`](Self::forwarder), for one address or one port, or with another bound on the undecided.
    ///
    /// # Errors
    /// As [`forwarder`](Self::forwarder).
    pub fn forwarder_with(&self, listen: Listen) -> io::Result<Forwarder> {
        let shared = &self.0.shared;
        let key = shared.act(|core, _| {
            core.check_open()?;
            core.listen(Listen { deferred: true, ..listen })
        })?;
        Ok(Forwarder::new(Arc::clone(shared), key))
    }

    /// A UDP socket on `address`: `0.0.0.0` stands for all of our IPv4 addresses, `[::]` for all of both versions; port 0 for
    /// a free one.
    ///
    /// # Errors
    /// As [`UdpSocket::bind`].
    pub async fn bind_udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        UdpSocket::bind(self, address).await
    }

    /// Pings: those to addresses that only any-IP makes ours, and the answers to ours.
    ///
    /// # Errors
    /// `EADDRINUSE` where somebody has it already.
    pub fn echo(&self) -> io::Result<EchoSocket> {
        EchoSocket::open(&self.0.shared)
    }

    /// A subscription to all records from now on.
    #[must_use]
    pub fn trace(&self) -> TraceStream {
        TraceStream::new(&self.0.shared)
    }

    /// Every connection, half-open ones and those in TIME-WAIT included, as `ss -tina` would show them.
    ///
    /// It looks at all of them: for people, not for each packet.
    #[must_use]
    pub fn connections(&self) -> Vec<Info> {
        self.0.shared.look(|core, now| core.tcp().connections(now))
    }

    /// The connection with this four-tuple, if there is one.
    #[must_use]
    pub fn find(&self, tuple: FourTuple) -> Option<Info> {
        self.connections().into_iter().find(|info| info.tuple == tuple)
    }

    /// Every listener, as `ss -ltn` would show them.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        self.0.shared.look(|core, now| core.tcp().listeners(now))
    }

    /// TCP's counters, with the names of `nstat`.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.shared.look(|core, _| *core.tcp().counters())
    }

    /// The counters of IP, ICMP and UDP.
    #[must_use]
    pub fn stack_counters(&self) -> bowline_stack::Counters {
        self.0.shared.look(|core, _| *core.stack.counters())
    }

    /// How many connections, half-open ones and TIME-WAIT entries there are.
    #[must_use]
    pub fn population(&self) -> (usize, usize, usize) {
        self.0.shared.look(|core, _| core.tcp().population())
    }

    /// Now, on the clock of the records.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.shared.clock.now()
    }

    /// The wall-clock time of [`Instant::ZERO`] on the clock of the records.
    #[must_use]
    pub fn origin(&self) -> SystemTime {
        self.0.shared.clock.wall()
    }

    /// Ends the network in good order: listeners close, every connection sends its FIN after its data, and nothing new
    /// begins. Connections that are not over after `grace` are reset, those among them whose streams were dropped. Ready when
    /// everything has been sent; what had arrived can still be read from streams that ended in time.
    pub async fn shutdown(&self, grace: Duration) {
        let shared = &self.0.shared;
        shared.act(|core, now| {
            if core.phase != Phase::Running {
                return;
            }
            core.phase = Phase::Closing;
            for listener in core.tcp().listeners(now) {
                core.tcp().close_listener(now, listener.key);
            }
            for key in core.tcp().keys() {
                // One that is closing already needs no word from us.
                let _ = core.tcp().shutdown(now, key);
            }
        });
        if tokio::time::timeout(grace, self.stopped()).await.is_err() {
            shared.act(|core, now| {
                if core.phase == Phase::Closing {
                    core.abort_all(now);
                }
            });
            self.stopped().await;
        }
    }

    /// Ends the network at once: all that is open is reset, and what a device still holds, the resets among it, is lost. For
    /// who cannot wait for [`shutdown`](Self::shutdown), which a slow device may hold up for as long as it likes.
    pub fn halt(&self) {
        self.0.shared.act(|core, now| {
            if core.phase != Phase::Stopped {
                core.abort_all(now);
                core.phase = Phase::Stopped;
            }
        });
    }

    /// Waits until the network has stopped, for whatever reason.
    pub async fn stopped(&self) {
        std::future::poll_fn(|cx| {
            self.0.shared.look(|core, _| {
                if core.phase == Phase::Stopped {
                    return std::task::Poll::Ready(());
                }
                core.stopped.register(cx);
                std::task::Poll::Pending
            })
        })
        .await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}
