//! Receiving datagrams: into a slice or a buffer as tokio has it, or a [`Datagram`] that tells everything.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bowline_stack::Datagram;
use bytes::BufMut;
use tokio::io::ReadBuf;

use super::{Direction, UdpSocket};

impl UdpSocket {
    /// Receives a datagram and who sent it. What does not fit in `buf` is lost. Cancel-safe.
    ///
    /// # Errors
    /// What ICMP said of the peer of a connected socket; `ENETDOWN`.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.recv_datagram().await?;
        Ok((copy(&datagram, buf), datagram.source))
    }

    /// Receives a datagram. What does not fit in `buf` is lost. Cancel-safe.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(copy(&self.recv_datagram().await?, buf))
    }

    /// [`recv_from`](Self::recv_from) to the end of `buf`, a `Vec` or a `BytesMut`, which grows as far as it must.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.recv_datagram().await?;
        Ok((put(&datagram, buf), datagram.source))
    }

    /// [`recv`](Self::recv) to the end of `buf`, a `Vec` or a `BytesMut`, which grows as far as it must.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        Ok(put(&self.recv_datagram().await?, buf))
    }

    /// [`recv_from`](Self::recv_from) for callers that poll.
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_recv_datagram(cx).map_ok(|datagram| fill(&datagram, buf))
    }

    /// [`recv`](Self::recv) for callers that poll.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, buf).map_ok(drop)
    }

    /// [`recv_from`](Self::recv_from) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; otherwise as [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.try_recv_datagram()?;
        Ok((copy(&datagram, buf), datagram.source))
    }

    /// [`recv`](Self::recv) without waiting.
    ///
    /// # Errors
    /// As [`try_recv_from`](Self::try_recv_from).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(copy(&self.try_recv_datagram()?, buf))
    }

    /// Looks at the datagram that [`recv_from`](Self::recv_from) would take, and leaves it.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from): an ICMP error is taken by that.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let source = poll_fn(|cx| self.poll_peek_from(cx, &mut buf)).await?;
        Ok((buf.filled().len(), source))
    }

    /// Looks at the datagram that [`recv`](Self::recv) would take, and leaves it.
    ///
    /// # Errors
    /// As [`peek_from`](Self::peek_from).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.peek_from(buf).await?.0)
    }

    /// [`peek_from`](Self::peek_from) for callers that poll.
    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_call(cx, Direction::Read, |core, _| core.stack.udp_peek(self.key))
            .map_ok(|datagram| fill(&datagram, buf))
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
}

/// As much of it as fits, to the front of `buf`.
fn copy(datagram: &Datagram, mut buf: &mut [u8]) -> usize {
    put(datagram, &mut buf)
}

/// As much of it as fits, to the end of `buf`.
fn put(datagram: &Datagram, buf: &mut impl BufMut) -> usize {
    let length = datagram.payload.len().min(buf.remaining_mut());
    buf.put_slice(&datagram.payload[..length]);
    length
}

/// As much of it as fits; who sent it.
fn fill(datagram: &Datagram, buf: &mut ReadBuf<'_>) -> SocketAddr {
    let length = datagram.payload.len().min(buf.remaining());
    buf.put_slice(&datagram.payload[..length]);
    datagram.source
}
