//! What the host hands to TCP and takes from it: segments as IP delivers and carries them.

use bowline_wire::Ecn;
use bowline_wire::packet::{Piece, total_len};
use bowline_wire::tcp::TcpHeader;
use bytes::Bytes;

use crate::{FourTuple, Options};

/// What the host knows about the way to a peer when a connection begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// The largest IP packet on the way, in bytes.
    pub mtu: u16,
    /// The largest that the first link carries: what a SYN announces, whatever the way out may have narrower (RFC 8201 5.4).
    pub link_mtu: u16,
    /// Whether the device loses packets only where its queue overflows: the `Local` controller is used then.
    pub lossless: bool,
}

impl Path {
    /// An ordinary path with this MTU.
    #[must_use]
    pub const fn new(mtu: u16) -> Self {
        Self { mtu, link_mtu: mtu, lossless: false }
    }

    /// The MTU that SYNs tell of.
    pub(crate) fn announced(&self, options: &Options) -> u16 {
        if options.announce_path { self.mtu.min(self.link_mtu) } else { self.link_mtu }
    }
}

/// A segment that arrived, its checksum verified.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Our side is the destination.
    pub tuple: FourTuple,
    /// Its header.
    pub header: &'a TcpHeader,
    /// Its header as it came, options included, for what is signed. May be empty where it has no signature.
    pub head: &'a [u8],
    /// Its text, in the pieces in which it lies in memory; no piece, or an empty one, where it has none.
    pub text: &'a [Piece],
    /// Text bytes per wire segment where this is a super-segment; its last one may be shorter.
    pub segment_size: Option<u16>,
    /// Its ECN field in the IP header (RFC 3168 5).
    pub mark: Ecn,
    /// The way back.
    pub path: Path,
}

impl Arrival<'_> {
    /// The length of its text in bytes.
    #[inline]
    #[must_use]
    pub fn text_len(&self) -> usize {
        match self.text {
            [piece] => piece.data.len(),
            pieces => pieces.iter().map(|piece| piece.data.len()).sum(),
        }
    }

    /// How many wire segments it stands for.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.segment_size {
            Some(size) if size > 0 => (self.text_len() as u64).div_ceil(u64::from(size)).max(1),
            _ => 1,
        }
    }
}

/// A segment to send. The host adds the IP header and the checksum.
#[derive(Clone, Debug)]
pub struct Departure<'a> {
    /// Our side is the source.
    pub tuple: FourTuple,
    /// Its header.
    pub header: TcpHeader,
    /// Its text, borrowed from the send queue.
    pub payload: &'a [&'a [u8]],
    /// For each part of the text the buffer that the user wrote, where it was not copied.
    pub owners: &'a [Option<&'a Bytes>],
    /// Payload bytes per wire segment where this is a super-segment.
    pub segment_size: Option<u16>,
    /// The IP traffic class, ECN bits included.
    pub traffic_class: u8,
    /// The IP time to live.
    pub hop_limit: u8,
    /// Whether routers must not cut it (IPv4).
    pub dont_fragment: bool,
}

impl Departure<'_> {
    /// The length of the text in bytes.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        total_len(self.payload)
    }
}

/// An ICMP error about a segment of ours (RFC 9293 3.9.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpError {
    /// No route to the network.
    NetworkUnreachable,
    /// No route to the host, or its address does not answer.
    HostUnreachable,
    /// The host does not speak TCP.
    ProtocolUnreachable,
    /// Nothing listens on the port.
    PortUnreachable,
    /// A filter forbids it.
    AdministrativelyProhibited,
    /// The packet was too big, for a link with this MTU in bytes (0: an old router that does not say).
    PacketTooBig(u32),
    /// Its time to live ran out on the way: a soft error.
    TimeExceeded,
    /// Not all of its fragments arrived in time: a soft error.
    NotReassembled,
    /// Something in its header was not understood: a soft error.
    ParameterProblem,
}

impl IcmpError {
    /// Whether it says nothing of the next attempt (RFC 1122 4.2.3.9; RFC 9293 3.9.2.2).
    pub(crate) const fn is_soft(self) -> bool {
        matches!(self, Self::TimeExceeded | Self::NotReassembled | Self::ParameterProblem)
    }
}

/// How a deferred SYN is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// With a RST, as a closed port does.
    Reset,
    /// Without an answer from TCP: the caller sends an ICMP error, or nothing.
    Silent,
}
