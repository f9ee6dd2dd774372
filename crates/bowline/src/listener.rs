//! Listening sockets.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bowline_tcp::{FourTuple, Keys, Listen, ListenerInfo, ListenerKey};

use crate::shared::{Core, Shared};
use crate::{Net, TcpStream, error};

/// A listening TCP socket.
///
/// Handshakes are completed by the stack; [`accept`](Self::accept) hands out connections that are open. Dropping the
/// listener resets those that were not accepted.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, server) = bowline::memory::pair()?;
/// let listener = server.listen("10.0.0.2:80".parse().unwrap()).await?;
/// let opening = client.connect("10.0.0.2:80".parse().unwrap());
/// let (opened, accepted) = tokio::join!(opening, listener.accept());
/// let (stream, peer) = accepted?;
/// assert_eq!(peer, opened?.local_addr()?);
/// assert_eq!(stream.local_addr()?, listener.local_addr()?);
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    shared: Arc<Shared>,
    key: ListenerKey,
    local: SocketAddr,
}

impl TcpListener {
    /// Listens on `address`, with [`Listen`]'s defaults. `0.0.0.0` stands for all of our IPv4 addresses, `[::]` for all of
    /// both versions, as on Linux; port 0 for a free one.
    ///
    /// # Errors
    /// `EADDRINUSE`; `EADDRNOTAVAIL` for an address that is not ours; `ENOBUFS` beyond the configuration's number of listeners; `ENETDOWN`.
    pub async fn bind(net: &Net, address: SocketAddr) -> io::Result<Self> {
        net.listen(address).await
    }

    pub(crate) fn open(shared: &Arc<Shared>, mut listen: Listen, ephemeral: (u16, u16)) -> io::Result<Self> {
        let wanted = listen.port;
        let bound = shared.act(|core, _| {
            core.check_open()?;
            if wanted != Some(0) {
                return core.listen(listen.clone());
            }
            for port in candidates(ephemeral) {
                listen.port = Some(port);
                match core.listen(listen.clone()) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                    done => return done,
                }
            }
            Err(error::address_in_use())
        });
        let address = listen.address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let local = SocketAddr::new(address, listen.port.unwrap_or(0));
        Ok(Self { shared: Arc::clone(shared), key: bound?, local })
    }

    /// The next connection, and who opened it. Cancel-safe: a connection that was not handed out stays in the queue.
    ///
    /// # Errors
    /// `ENETDOWN` once the network has stopped.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// [`accept`](Self::accept) for callers that poll.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let accepted = self.shared.act(|core, now| {
            core.check()?;
            match core.tcp().accept(now, self.key) {
                Some(key) => Ok(core.tcp().tuple(key).map(|tuple| (key, tuple))),
                None => {
                    core.listeners.slot(self.key.index()).register(cx);
                    Ok(None)
                }
            }
        });
        match accepted {
            Ok(None) => Poll::Pending,
            Ok(Some((key, tuple))) => {
                coop.made_progress();
                Poll::Ready(Ok((TcpStream::new(Arc::clone(&self.shared), key, tuple), tuple.remote)))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Where it listens; the address is unspecified where it is every one of ours.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// The IP time to live of what its connections send (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    /// `ENETDOWN` once the network has stopped.
    pub fn ttl(&self) -> io::Result<u8> {
        self.shared
            .look(|core, _| core.tcp().listener_options(self.key).map(|options| options.hop_limit))
            .ok_or_else(error::network_down)
    }

    /// Sets what [`ttl`](Self::ttl) returns, for handshakes from now on.
    ///
    /// # Errors
    /// `ENETDOWN` once the network has stopped; `EINVAL` for zero.
    pub fn set_ttl(&self, ttl: u8) -> io::Result<()> {
        if ttl == 0 {
            return Err(error::invalid());
        }
        self.shared.look(|core, _| {
            core.check()?;
            core.tcp().set_listener_options(self.key, |options| options.hop_limit = ttl);
            Ok(())
        })
    }

    /// What `ss -l` would show of it: its queues and their bounds.
    #[must_use]
    pub fn info(&self) -> Option<ListenerInfo> {
        self.shared.look(|core, now| core.tcp().listeners(now).into_iter().find(|info| info.key == self.key))
    }

    /// The keys that its peers' segments are signed with (`TCP_MD5SIG`); `None` once the network has stopped.
    #[must_use]
    pub fn keys(&self) -> Option<Keys> {
        self.shared.look(|core, _| core.tcp().listener_options(self.key).map(|options| options.keys.clone()))
    }

    /// Changes these keys, for handshakes from now on: connections that were accepted keep theirs.
    pub fn set_keys(&self, keys: Keys) {
        self.shared.look(|core, _| core.tcp().set_listener_options(self.key, |options| options.keys = keys));
    }

    /// Turns the listener into an active open from its own address and port (RFC 9293 3.10.1: LISTEN to SYN-SENT).
    ///
    /// # Errors
    /// `EINVAL` where it listens on any address or port, or `remote` is no destination; otherwise as connecting.
    pub async fn connect(self, remote: SocketAddr) -> io::Result<TcpStream> {
        if self.local.ip().is_unspecified() || self.local.port() == 0 {
            return Err(error::invalid());
        }
        let (key, tuple) = self.shared.act(|core, now| {
            core.check_open()?;
            let key = core.stack.tcp_connect_from(now, self.key, remote).map_err(error::connect)?;
            io::Result::Ok((key, core.tcp().tuple(key).unwrap_or(FourTuple::new(self.local, remote))))
        })?;
        let stream = TcpStream::new(Arc::clone(&self.shared), key, tuple);
        stream.connected().await?;
        Ok(stream)
    }
}

impl Core {
    /// Listens, on what is ours.
    pub(crate) fn listen(&mut self, listen: Listen) -> io::Result<ListenerKey> {
        if listen.address.is_some_and(|address| !self.stack.may_bind(address)) {
            return Err(error::address_not_available());
        }
        self.tcp().listen(listen).map_err(error::listen)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.local).finish_non_exhaustive()
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        close(&self.shared, self.key);
    }
}

/// Closes a listener and wakes nobody: whoever could wait on it has dropped it.
pub(crate) fn close(shared: &Shared, key: ListenerKey) {
    shared.act(|core, now| {
        if let Some(waiting) = core.listeners.get(key.index()) {
            *waiting = crate::waiters::Waiters::default();
        }
        core.tcp().close_listener(now, key);
    });
}

/// Every ephemeral port once, from a random one on.
fn candidates((low, high): (u16, u16)) -> impl Iterator<Item = u16> {
    let count = u64::from(high.saturating_sub(low)) + 1;
    let mut seed = [0; 8];
    // Without randomness the search begins at the lowest port, and is none the worse.
    let _ = getrandom::fill(&mut seed);
    let start = u64::from_ne_bytes(seed) % count;
    (0..count).map(move |step| low.saturating_add(((start + step) % count) as u16))
}
