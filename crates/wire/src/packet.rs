//! What passes between a device and a host: one IP packet, or one super-segment that stands for many.
//!
//! A super-segment is a TCP packet (or a train of UDP datagrams) of up to 64 KiB with one header and the size at which
//! it is, or was, cut into wire segments. It stays whole through receive, send and retransmission.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

/// The largest IP packet, and so the largest super-segment, in bytes.
pub const MAX_PACKET: usize = 65_535;

/// What is known about the transport checksum of a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RxChecksum {
    /// Nothing: the host must verify it.
    #[default]
    Unverified,
    /// The device has verified it.
    Verified,
    /// The packet never left this machine, and its checksum was never completed: there is nothing to verify.
    Partial,
}

/// A stretch of a received packet in a buffer of its own.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its bytes.
    pub data: Bytes,
    /// The size in bytes of the buffer that `data` keeps alive, at least `data.len()`.
    pub pinned: usize,
}

impl From<Bytes> for Piece {
    /// Bytes that fill their buffer.
    fn from(data: Bytes) -> Self {
        Self { pinned: data.len(), data }
    }
}

/// A received IP packet.
#[derive(Clone, Debug, Default)]
pub struct RxPacket {
    /// The packet, from the first byte of its IP header. Slices of it may be kept: they keep the whole buffer alive.
    pub data: Bytes,
    /// The size in bytes of the device buffer that `data` keeps alive, at least `data.len()`.
    pub pinned: usize,
    /// What is known about the transport checksum.
    pub checksum: RxChecksum,
    /// Payload bytes per wire segment, where this is a super-segment.
    pub segment_size: Option<u16>,
    /// The rest of the packet after `data`, where it does not lie in one piece; usually empty. Devices in memory hand over
    /// what a sender shares in this way; see [`gather`](Self::gather).
    pub more: Vec<Piece>,
}

impl RxPacket {
    /// The length of the whole packet in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() + self.more.iter().map(|piece| piece.data.len()).sum::<usize>()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts all of the packet into `data`: copies it once where it lies in pieces, and does nothing where it does not.
    pub fn gather(&mut self) {
        if self.more.is_empty() {
            return;
        }
        let mut whole = BytesMut::with_capacity(self.len());
        whole.extend_from_slice(&self.data);
        for piece in self.more.drain(..) {
            whole.extend_from_slice(&piece.data);
        }
        self.pinned = whole.capacity();
        self.data = whole.freeze();
    }
}

/// The transport of a packet that a device shall cut into wire segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either.
    Udp,
}

/// How a device shall finish a packet's transport checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// Where the sum begins: the length of the IP headers, in bytes.
    pub start: u16,
    /// Where the checksum field lies, in bytes from `start`. It holds the folded, not inverted pseudo-header sum.
    pub offset: u16,
}

/// A packet to send: borrowed, so that nothing is copied on its way to the device.
#[derive(Clone, Copy, Debug)]
pub struct TxPacket<'a> {
    /// IP and transport headers.
    pub head: &'a [u8],
    /// The payload, in order.
    pub payload: &'a [&'a [u8]],
    /// For each part of the payload the buffer in which it lies, where that is shared; empty where nothing is known. A
    /// device that keeps packets may keep such parts without a copy: see [`shared`](Self::shared).
    pub owners: &'a [Option<&'a Bytes>],
    /// Present where the device finishes the checksum; absent where it is complete.
    pub checksum: Option<PartialChecksum>,
    /// Present on a super-segment: what it is, and payload bytes per wire segment.
    pub segment: Option<(SegmentKind, u16)>,
}

impl TxPacket<'_> {
    /// The length of the whole packet in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.iter().map(|p| p.len()).sum::<usize>()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A part of the payload without a copy, and the size in bytes of what that keeps alive; `None` where the part has no
    /// owner.
    #[must_use]
    pub fn shared(&self, part: usize) -> Option<Piece> {
        let (bytes, owner) = (*self.payload.get(part)?, (*self.owners.get(part)?)?);
        let start = bytes.as_ptr().addr().checked_sub(owner.as_ptr().addr())?;
        let end = start.checked_add(bytes.len()).filter(|end| *end <= owner.len())?;
        Some(Piece { data: owner.slice(start..end), pinned: owner.len() })
    }

    /// Copies the packet to the front of `out` and returns its length, or `None` if it does not fit.
    pub fn copy_to(&self, out: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        for part in core::iter::once(&self.head).chain(self.payload) {
            out.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        Some(at)
    }
}

/// What a device does for its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The largest wire packet in bytes, IP header included.
    pub mtu: u16,
    /// Whether it finishes partial checksums.
    pub checksum: bool,
    /// Whether it takes TCP super-segments.
    pub tcp_segmentation: bool,
    /// Whether it takes UDP trains.
    pub udp_segmentation: bool,
    /// Whether it loses packets only when its queue overflows, so that no congestion control is needed.
    pub lossless: bool,
}

impl Capabilities {
    /// A plain device: no offloads, may lose packets.
    #[must_use]
    pub const fn plain(mtu: u16) -> Self {
        Self { mtu, checksum: false, tcp_segmentation: false, udp_segmentation: false, lossless: false }
    }
}

#[cfg(test)]
mod tests;
