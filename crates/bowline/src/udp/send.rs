//! Sending datagrams: a copied slice as tokio has it, or a [`UdpSend`] that says everything.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bowline_stack::UdpSend;
use bytes::Bytes;

use super::{Direction, UdpSocket};

impl UdpSocket {
    /// Sends a datagram to `destination`; waits for room.
    ///
    /// # Errors
    /// `EMSGSIZE` for one that no packet can hold; `ENETUNREACH`; `EINVAL` for no destination; what ICMP said of the peer.
    pub async fn send_to(&self, data: &[u8], destination: SocketAddr) -> io::Result<usize> {
        self.send_datagram(self.plain(data, Some(destination))).await
    }

    /// Sends a datagram to the peer that it is connected to; waits for room.
    ///
    /// # Errors
    /// `EDESTADDRREQ` where it is not connected; otherwise as [`send_to`](Self::send_to).
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_datagram(self.plain(data, None)).await
    }

    /// [`send_to`](Self::send_to) for callers that poll.
    pub fn poll_send_to(&self, cx: &mut Context<'_>, data: &[u8], destination: SocketAddr) -> Poll<io::Result<usize>> {
        self.poll_send_datagram(cx, &self.plain(data, Some(destination)))
    }

    /// [`send`](Self::send) for callers that poll.
    pub fn poll_send(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send_datagram(cx, &self.plain(data, None))
    }

    /// [`send_to`](Self::send_to) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room; otherwise as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, data: &[u8], destination: SocketAddr) -> io::Result<usize> {
        self.try_send_datagram(self.plain(data, Some(destination)))
    }

    /// [`send`](Self::send) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room; otherwise as [`send`](Self::send).
    pub fn try_send(&self, data: &[u8]) -> io::Result<usize> {
        self.try_send_datagram(self.plain(data, None))
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

    /// What the calls send that name no more than bytes and an address.
    fn plain(&self, data: &[u8], destination: Option<SocketAddr>) -> UdpSend {
        UdpSend {
            destination,
            traffic_class: self.traffic_class.load(Relaxed),
            hop_limit: self.hop_limit.load(Relaxed),
            ..UdpSend::connected(Bytes::copy_from_slice(data))
        }
    }
}
