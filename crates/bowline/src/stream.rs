//! TCP connections as tokio sockets. Sending, receiving and closing are here; options, halves, readiness and how a call waits
//! in the files beside.
//!
//! It decides what a task waits for and which error it sees. It must not know how segments are made.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_tcp::{CallError, ConnectionKey, FourTuple, Info, Readiness, State};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::shared::Shared;
use crate::{Net, error};

mod calls;
mod options;
mod ready;
mod split;

use calls::Direction;

pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

/// A TCP connection.
///
/// It reads and writes as tokio's own `TcpStream` does. Dropping it closes both directions, and what was written is
/// delivered in the background; where received data has not been read, the peer sees a reset (RFC 9293 3.10.4, and
/// Linux). [`shutdown`](tokio::io::AsyncWriteExt::shutdown) sends a FIN and leaves the other direction open.
///
/// It does not keep its [`Net`] alive: whoever hands a stream on keeps a clone of the network as well.
///
/// # Example
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, server) = bowline::memory::pair()?;
/// let listener = server.listen("10.0.0.2:80".parse().unwrap()).await?;
/// let mut stream = client.connect("10.0.0.2:80".parse().unwrap()).await?;
/// let (mut accepted, _peer) = listener.accept().await?;
/// stream.write_all(b"hello").await?;
/// stream.shutdown().await?;
/// let mut text = String::new();
/// accepted.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    shared: Arc<Shared>,
    key: ConnectionKey,
    tuple: FourTuple,
    /// Whether the handle has been given back already.
    given_back: bool,
}

impl TcpStream {
    pub(crate) fn new(shared: Arc<Shared>, key: ConnectionKey, tuple: FourTuple) -> Self {
        Self { shared, key, tuple, given_back: false }
    }

    /// Connects to `remote` from an address and a port that the network chooses.
    ///
    /// Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// `ECONNREFUSED`, `ETIMEDOUT` after [`Options::syn_retries`](crate::Options::syn_retries), what ICMP reports (`ENETUNREACH`, `EHOSTUNREACH`),
    /// `ENETUNREACH` without a route, `EADDRNOTAVAIL` without a free port, `EINVAL` for no unicast destination.
    pub async fn connect(net: &Net, remote: SocketAddr) -> io::Result<Self> {
        net.connect(remote).await
    }

    /// Waits until the handshake is complete; at once where it is.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connected(&self) -> io::Result<()> {
        poll_fn(|cx| {
            self.poll_state(cx, Direction::Write, |core, key| match core.tcp().state(key) {
                Some(State::SynSent | State::SynReceived) => None,
                Some(_) if !core.tcp().readiness(key).contains(Readiness::CLOSED) => Some(Ok(())),
                _ => Some(match core.tcp().error(key) {
                    Some(why) => Err(CallError::Ended(why)),
                    None if core.tcp().state(key).is_some() => Ok(()),
                    None => Err(CallError::NoConnection),
                }),
            })
        })
        .await
    }

    /// Our address and port.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.tuple.local)
    }

    /// The peer's address and port.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.tuple.remote)
    }

    /// Both addresses and ports.
    #[must_use]
    pub fn four_tuple(&self) -> FourTuple {
        self.tuple
    }

    /// What `ss -i` would show of it, or `None` once nothing is left of it.
    #[must_use]
    pub fn info(&self) -> Option<Info> {
        self.shared.look(|core, now| core.tcp().info(now, self.key))
    }

    /// Its state, or `None` once nothing is left of it.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.shared.look(|core, _| core.tcp().state(self.key))
    }

    /// Why it ended early, if it did (`SO_ERROR`; looking does not clear it).
    #[must_use]
    pub fn error(&self) -> Option<io::Error> {
        let why = self.shared.look(|core, _| core.tcp().error(self.key))?;
        Some(error::connection_error(why, self.tuple.is_ipv6()))
    }

    /// [`error`](Self::error) by the name and the type that tokio has for it. Other than there, the error stays.
    ///
    /// # Errors
    /// Never; `io::Result` as tokio's has it.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.error())
    }

    /// Receives up to `max` bytes without copying large ones: the slice keeps the device's buffer alive until it is
    /// dropped. Empty at the end of the stream.
    ///
    /// # Errors
    /// As reading.
    pub async fn recv_bytes(&self, max: usize) -> io::Result<Bytes> {
        poll_fn(|cx| self.poll_recv_bytes(cx, max)).await
    }

    /// [`recv_bytes`](Self::recv_bytes) for callers that poll.
    pub fn poll_recv_bytes(&self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Bytes>> {
        self.poll_call(cx, Direction::Read, |core, key, now| core.tcp().receive_bytes(now, key, max))
    }

    /// Sends all of `data` without copying it: the send queue keeps a reference until the peer has acknowledged it.
    ///
    /// Dropping the future leaves unsent what did not fit yet.
    ///
    /// # Errors
    /// As writing.
    pub async fn send_bytes(&self, mut data: Bytes) -> io::Result<()> {
        while !data.is_empty() {
            poll_fn(|cx| self.poll_send_bytes(cx, &mut data)).await?;
        }
        Ok(())
    }

    /// Queues as much of `data` as fits and advances it by as much; ready with how much that was, at least one byte.
    pub fn poll_send_bytes(&self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_queue(cx, |core, key, now| core.tcp().send_bytes(now, key, data))
    }

    /// How many bytes from the next one to be read on the peer has sent as urgent data, here already or still to come.
    #[must_use]
    pub fn urgent_left(&self) -> u64 {
        self.shared.look(|core, _| core.tcp().urgent_left(self.key))
    }

    /// Sends one byte or more as urgent data (RFC 6093): the peer is told where it ends, and gets it in the stream. That
    /// RFC advises new protocols against it: stacks and middleboxes disagree about it.
    ///
    /// # Errors
    /// As writing.
    pub async fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_call(cx, Direction::Write, |core, key, now| core.tcp().send_urgent(now, key, data)))
            .await
    }

    /// Waits until the peer has acknowledged all that was written, and the FIN if one was sent.
    ///
    /// # Errors
    /// Why the connection ended before that.
    pub async fn flushed(&self) -> io::Result<()> {
        poll_fn(|cx| {
            self.poll_state(cx, Direction::Write, |core, key| {
                let readiness = core.tcp().readiness(key);
                match core.tcp().error(key) {
                    Some(why) => Some(Err(CallError::Ended(why))),
                    None if core.tcp().state(key).is_none() => Some(Err(CallError::NoConnection)),
                    None => readiness.intersects(Readiness::FLUSHED | Readiness::CLOSED).then_some(Ok(())),
                }
            })
        })
        .await
    }

    /// Waits until the connection is over: closed in both directions, or ended early. For who has nothing to read or to write, and
    /// would not hear of it otherwise; what had arrived can still be read.
    ///
    /// # Errors
    /// Why it ended early; `ENETDOWN` where the network is gone.
    pub async fn closed(&self) -> io::Result<()> {
        poll_fn(|cx| {
            self.poll_state(cx, Direction::Read, |core, key| {
                let over = core.tcp().state(key).is_none() || core.tcp().readiness(key).contains(Readiness::CLOSED);
                over.then(|| core.tcp().error(key).map_or(Ok(()), |why| Err(CallError::Ended(why))))
            })
        })
        .await
    }

    /// Closes our direction: FIN after all that was written. Reading goes on.
    ///
    /// # Errors
    /// `ENOTCONN` where there is no connection.
    pub fn close_write(&self) -> io::Result<()> {
        self.now_or_error(Direction::Write, |core, key, now| match core.tcp().shutdown(now, key) {
            // Closed already: nothing to do, as with the kernel's sockets.
            Err(CallError::Closing) => Ok(()),
            done => done,
        })
    }

    /// Ends the connection at once: the peer gets a RST, and what was not delivered is lost.
    pub fn abort(mut self) {
        self.given_back = true;
        let key = self.key;
        self.shared.act(|core, now| {
            core.forget(key);
            core.tcp().abort(now, key);
        });
    }

    /// Splits into two halves that borrow it.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrowed(self)
    }

    /// Splits into two halves for two tasks. Dropping the write half closes our direction.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.tuple.local)
            .field("peer", &self.tuple.remote)
            .finish_non_exhaustive()
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        if !self.given_back {
            let key = self.key;
            self.shared.act(|core, now| {
                core.forget(key);
                core.tcp().close(now, key);
            });
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// At once: what was written is on its way. [`TcpStream::flushed`] waits for the peer to have it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.close_write())
    }
}
