//! What passes between a device and a host: one IP packet, or one super-segment that stands for many.
//!
//! A super-segment is a TCP packet (or a train of UDP datagrams) of up to 64 KiB with one header and the size at which
//! it is, or was, cut into wire segments. It stays whole through receive, send and retransmission.

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

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

/// A range of a buffer that somebody else shares. Unlike a [`Piece`] it knows the buffer that it is a part of, so that
/// ranges which lie side by side can become one again.
#[derive(Clone, Debug)]
pub struct Stretch {
    owner: Bytes,
    start: usize,
    end: usize,
    pinned: usize,
}

impl Stretch {
    /// All of `owner`, which keeps `pinned` bytes of memory alive, at least its own length.
    #[inline]
    #[must_use]
    pub const fn new(owner: Bytes, pinned: usize) -> Self {
        Self { start: 0, end: owner.len(), owner, pinned }
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.owner.get(self.start..self.end).unwrap_or_default()
    }

    /// How many bytes it has.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it has no bytes.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size in bytes of the buffer that it keeps alive.
    #[inline]
    #[must_use]
    pub const fn pinned(&self) -> usize {
        self.pinned
    }

    /// Takes in `next`, if that follows it in the same buffer, and says whether it does.
    #[inline]
    pub fn append(&mut self, next: &Self) -> bool {
        // Both keep their buffers: what begins at one place and has one length is one buffer.
        let follows = next.owner.as_ptr() == self.owner.as_ptr()
            && next.owner.len() == self.owner.len()
            && next.start == self.end;
        if follows {
            self.end = next.end;
        }
        follows
    }
}

impl From<Stretch> for Piece {
    fn from(stretch: Stretch) -> Self {
        let mut data = stretch.owner;
        data.truncate(stretch.end);
        data.advance(stretch.start);
        Self { data, pinned: stretch.pinned }
    }
}

/// The rest of a packet. One stretch, as usual, takes no allocation.
pub type Stretches = SmallVec<[Stretch; 1]>;

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
    pub more: Stretches,
}

impl RxPacket {
    /// The length of the whole packet in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() + self.more.iter().map(Stretch::len).sum::<usize>()
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
        for stretch in self.more.drain(..) {
            whole.extend_from_slice(stretch.bytes());
        }
        self.pinned = whole.capacity();
        self.data = whole.freeze();
    }
}

/// The bytes of all parts together. Mostly there is one at most, and no loop is needed to count.
#[inline]
#[must_use]
pub fn total_len(parts: &[&[u8]]) -> usize {
    match parts {
        [] => 0,
        [only] => only.len(),
        many => len_of_many(many),
    }
}

#[inline(never)]
fn len_of_many(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
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
        self.head.len() + total_len(self.payload)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A part of the payload without a copy; `None` where the part has no owner.
    #[must_use]
    pub fn shared(&self, part: usize) -> Option<Stretch> {
        let (bytes, owner) = (*self.payload.get(part)?, (*self.owners.get(part)?)?);
        let start = bytes.as_ptr().addr().checked_sub(owner.as_ptr().addr())?;
        let end = start.checked_add(bytes.len()).filter(|end| *end <= owner.len())?;
        Some(Stretch { owner: owner.clone(), start, end, pinned: owner.len() })
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
