//! Accepting for any address and any port, with the answer to the SYN deferred until the caller has decided.
//!
//! It is what a gateway, a proxy or a sandbox needs: the caller sees who wants to go where, opens the way there, and then
//! accepts, refuses, or stays silent, so that the other side sees the truth. The stack keeps duplicates of a SYN from
//! being seen twice, bounds how many wait for a decision, and how many of one source.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bowline_tcp::{FourTuple, IcmpError, ListenerInfo, ListenerKey, Options, Pending};
use bowline_wire::tcp::TcpHeader;

use crate::shared::Shared;
use crate::{TcpStream, error, listener};

/// How a connection is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// With a RST: the peer sees `ECONNREFUSED`.
    Reset,
    /// With an ICMP error, within the stack's rate limit: the peer sees `ENETUNREACH`, `EHOSTUNREACH` and so on.
    Icmp(IcmpError),
    /// Not at all: the peer tries again, and sees `ETIMEDOUT` in the end.
    Silence,
}

/// Connections for every address and port that no listener has. From [`Net::forwarder`](crate::Net::forwarder).
///
/// # Example
/// ```
/// use bowline::{Refusal, memory};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (client, gateway) = memory::any_ip_pair()?;
/// let mut forwarder = gateway.forwarder()?;
/// tokio::spawn(async move {
///     while let Ok(incoming) = forwarder.next().await {
///         // Here a gateway would connect to incoming.destination().
///         match incoming.destination().port() {
///             443 => drop(incoming.accept(None).await),
///             _ => incoming.refuse(Refusal::Reset),
///         }
///     }
/// });
/// client.connect("192.0.2.7:443".parse().unwrap()).await?;
/// let refused = client.connect("192.0.2.7:444".parse().unwrap()).await.unwrap_err();
/// assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    key: ListenerKey,
}

impl Forwarder {
    pub(crate) fn new(shared: Arc<Shared>, key: ListenerKey) -> Self {
        Self { shared, key }
    }

    /// The next connection that somebody wants. Cancel-safe.
    ///
    /// Nothing waits for its decision: other connections go on, and come out of here, meanwhile.
    ///
    /// # Errors
    /// `ENETDOWN` once the network has stopped.
    pub async fn next(&mut self) -> io::Result<Incoming> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for callers that poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let pending = self.shared.act(|core, _| {
            core.check()?;
            let pending = core.tcp().pending(self.key);
            if pending.is_none() {
                core.listeners.slot(self.key.index()).register(cx);
            }
            io::Result::Ok(pending)
        })?;
        let Some(pending) = pending else { return Poll::Pending };
        coop.made_progress();
        Poll::Ready(Ok(Incoming { shared: Arc::clone(&self.shared), pending, decided: false }))
    }

    /// How many wait for a decision ([`ListenerInfo::undecided`]), and how many for the end of their handshake. The bounds on
    /// the former are `max_pending` and `max_pending_per_source` of [`Config::tcp`](crate::Config::tcp).
    #[must_use]
    pub fn info(&self) -> Option<ListenerInfo> {
        self.shared.look(|core, now| core.tcp().listeners(now).into_iter().find(|info| info.key == self.key))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        listener::close(&self.shared, self.key);
    }
}

/// Somebody's wish to connect. Dropping it refuses with a RST.
#[derive(Debug)]
#[must_use = "dropping it refuses the connection"]
pub struct Incoming {
    shared: Arc<Shared>,
    pending: Pending,
    decided: bool,
}

impl Incoming {
    /// Who wants to connect.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.pending.tuple.remote
    }

    /// Where to.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.pending.tuple.local
    }

    /// Both: `local` is the destination.
    #[must_use]
    pub fn four_tuple(&self) -> FourTuple {
        self.pending.tuple
    }

    /// The header of the SYN, with its options.
    #[must_use]
    pub fn syn(&self) -> &TcpHeader {
        &self.pending.header
    }

    /// Answers the SYN and waits until the connection is open. `options`: what it starts with, by default the network's.
    ///
    /// # Errors
    /// `ECONNABORTED` where the peer has given up, or the SYN is too old; why the handshake failed.
    pub async fn accept(self, options: Option<Options>) -> io::Result<TcpStream> {
        let stream = self.accept_now(options)?;
        stream.connected().await?;
        Ok(stream)
    }

    /// Answers the SYN and returns the connection at once, in SYN-RECEIVED: what is written to it leaves when it is open.
    ///
    /// # Errors
    /// `ECONNABORTED` where the peer has given up, or the SYN is too old.
    pub fn accept_now(mut self, options: Option<Options>) -> io::Result<TcpStream> {
        self.decided = true;
        let (pending, tuple) = (self.pending.key, self.pending.tuple);
        let key = self.shared.act(|core, now| {
            core.check()?;
            io::Result::Ok(core.tcp().admit(now, pending, options))
        })?;
        let key = key.ok_or_else(|| error::connection_error(bowline_tcp::ConnectionError::Aborted, tuple.is_ipv6()))?;
        Ok(TcpStream::new(Arc::clone(&self.shared), key, tuple))
    }

    /// Turns the connection away.
    pub fn refuse(mut self, refusal: Refusal) {
        self.decide(refusal);
    }

    fn decide(&mut self, refusal: Refusal) {
        self.decided = true;
        let pending = &self.pending;
        self.shared.act(|core, now| match refusal {
            Refusal::Reset => core.tcp().refuse(now, pending.key, bowline_tcp::Refusal::Reset),
            Refusal::Silence => core.tcp().refuse(now, pending.key, bowline_tcp::Refusal::Silent),
            Refusal::Icmp(error) => core.stack.tcp_refuse_unreachable(now, pending, error),
        });
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.decided {
            self.decide(Refusal::Reset);
        }
    }
}
