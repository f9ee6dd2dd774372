//! Joins consecutive TCP segments of a flow into the super-segment that they could have been cut from: the inverse of
//! [`crate::segmentation`].
//!
//! Decides by their bytes which packets go together, as Linux does in `tcp_gro_receive`: what they say about the flow
//! (acknowledgement, window, options, congestion marks) is the same, their text is consecutive, and all but the last are of
//! one size. So the super-segment tells TCP all that they told. It must not know how long anybody waits for more.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::ops::Range;

use arrayvec::ArrayVec;

use crate::checksum::{self, Accumulator};
use crate::ip::{IpHeader, Protocol};
use crate::packet::{MAX_PACKET, RxChecksum, Stretch};
use crate::seq::SeqNumber;
use crate::tcp::{self, TcpFlags, TcpHeader};
use crate::{bytes_at, ipv4, ipv6, u16_at, u32_at};

/// Room for the longest headers: IPv6 and TCP with all options.
const MAX_HEAD: usize = ipv6::HEADER + tcp::MAX_HEADER;
/// The flags that a segment may have and be followed by another. AE, CWR and ECE are AccECN's counter, or say of ECN what
/// they say of it twice.
const PLAIN: TcpFlags = TcpFlags::ACK.union(TcpFlags::ECE).union(TcpFlags::CWR).union(TcpFlags::AE);
/// The flags that end a run. They belong to its last byte.
const AT_END: TcpFlags = TcpFlags::PSH.union(TcpFlags::FIN);
/// The data offset and the flags.
const OFFSET_AND_FLAGS: usize = 12;

/// The flow that a packet belongs to, as far as it can be told at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// A TCP segment, whole and behind a plain IP header, with these addresses and ports.
    Tcp(FlowKey),
    /// A packet that says nothing about any TCP flow.
    Foreign,
    /// Any other: a fragment, an ICMP error, what has IP options.
    Unknown,
}

/// Addresses and ports, as they stand in a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowKey {
    addresses: [u64; 4],
    ports: u32,
}

impl Flow {
    /// The flow of a packet, of which nothing has been checked.
    #[inline]
    #[must_use]
    pub fn of(packet: &[u8]) -> Self {
        let read = |at| bytes_at(packet, at).map(u64::from_ne_bytes);
        let (protocol, found) = match packet.first() {
            Some(0x45) if u16_at(packet, 6).is_some_and(|fragment| fragment & 0x3fff == 0) => {
                (packet.get(9), read(12).map(|both| ([both, 0, 0, 0], ipv4::MIN_HEADER)))
            }
            Some(first) if first >> 4 == 6 => {
                let all = [read(8), read(16), read(24), read(32)];
                let both = if let [Some(a), Some(b), Some(c), Some(d)] = all { Some([a, b, c, d]) } else { None };
                (packet.get(6), both.map(|both| (both, ipv6::HEADER)))
            }
            _ => return Self::Unknown,
        };
        match (protocol.map(|number| Protocol(*number)), found) {
            (Some(Protocol::UDP), _) => Self::Foreign,
            (Some(Protocol::TCP), Some((addresses, at))) => match bytes_at(packet, at).map(u32::from_ne_bytes) {
                Some(ports) => Self::Tcp(FlowKey { addresses, ports }),
                None => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }
}

impl FlowKey {
    /// Source and destination; `ipv6`: whether it is a flow of that version.
    #[inline]
    #[must_use]
    pub fn ends(&self, ipv6: bool) -> (SocketAddr, SocketAddr) {
        let [[a, b, c, d, e, f, g, h], addresses @ ..] = self.addresses.map(u64::to_ne_bytes);
        let [s0, s1, d0, d1] = self.ports.to_ne_bytes();
        let (src, dst) = if ipv6 {
            let [second, third, fourth] = addresses;
            let address = |high: [u8; 8], low: [u8; 8]| {
                let bits = u128::from(u64::from_be_bytes(high)) << 64 | u128::from(u64::from_be_bytes(low));
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            };
            (address([a, b, c, d, e, f, g, h], second), address(third, fourth))
        } else {
            (IpAddr::from([a, b, c, d]), IpAddr::from([e, f, g, h]))
        };
        (SocketAddr::new(src, u16::from_be_bytes([s0, s1])), SocketAddr::new(dst, u16::from_be_bytes([d0, d1])))
    }
}

/// Consecutive segments of one flow.
#[derive(Clone, Debug)]
pub struct Run {
    flow: FlowKey,
    /// The headers of the first one.
    head: ArrayVec<u8, MAX_HEAD>,
    ip_len: usize,
    /// The sum of the flow's pseudo-header, without a length.
    pseudo: Accumulator,
    /// The sequence number after its text.
    next: SeqNumber,
    /// Bytes of text of the first segment, and in all.
    size: usize,
    len: usize,
    flags: TcpFlags,
    ended: bool,
}

/// Whether a segment with these flags may be followed by another of its run.
#[inline]
#[must_use]
pub const fn may_go_on(flags: TcpFlags) -> bool {
    PLAIN.contains(flags) && flags.contains(TcpFlags::ACK)
}

impl Run {
    /// Begins with a segment that is whole, whose headers these are, and whose checksums are correct. `None` where no
    /// segment can follow it.
    #[must_use]
    pub fn begin(packet: &[u8], ip: &IpHeader, header: &TcpHeader, header_len: usize) -> Option<Self> {
        let ip_len = if ip.src.is_ipv4() { ipv4::MIN_HEADER } else { ipv6::HEADER };
        let len = ip.payload_len.checked_sub(header_len).filter(|len| *len > 0)?;
        let can_go_on = ip.header_len == ip_len && may_go_on(header.flags);
        let (Flow::Tcp(flow), true) = (Flow::of(packet), can_go_on) else { return None };
        Some(Self {
            flow,
            head: packet.get(..ip_len + header_len)?.try_into().ok()?,
            ip_len,
            pseudo: Accumulator::pseudo_header(ip.src, ip.dst, Protocol::TCP, 0),
            next: header.seq + len as u32,
            size: len,
            len,
            flags: header.flags,
            ended: false,
        })
    }

    /// The flow.
    #[inline]
    #[must_use]
    pub const fn flow(&self) -> &FlowKey {
        &self.flow
    }

    /// Joins a packet of the same flow to the run, if it continues it, and returns where its text lies. Its checksums are
    /// verified where `checksum` does not say that this is needless. `None`: the run ends before this packet.
    #[inline]
    pub fn join(&mut self, packet: &[u8], checksum: RxChecksum) -> Option<Range<usize>> {
        self.join_scattered(packet, &[], checksum)
    }

    /// Like [`join`](Self::join) for a packet that does not lie in one piece: `rest` follows what is in `packet`, which has
    /// all headers, and belongs to the text.
    #[inline]
    pub fn join_scattered(&mut self, packet: &[u8], rest: &[Stretch], checksum: RxChecksum) -> Option<Range<usize>> {
        let beyond = rest.iter().map(Stretch::len).sum::<usize>();
        let total = self.total_length(packet)?.checked_sub(beyond)?;
        // What follows the end of a packet is padding, but not in the middle of one.
        let here = packet.get(..total).filter(|_| rest.is_empty() || total == packet.len())?;
        let (ip, segment) = here.split_at_checked(self.ip_len)?;
        let (ours, tcp) = self.head.split_at_checked(self.ip_len)?;
        let len = segment.len().checked_sub(tcp.len())? + beyond;
        if len == 0 || len > self.size {
            return None;
        }
        let flags = follows(tcp, segment, self.next)?;
        let fits = !self.ended && self.head.len() + self.len + len <= MAX_PACKET;
        if !fits || !same_treatment(ours, ip) || !self.is_intact(ip, (segment, rest), checksum) {
            return None;
        }
        self.next = self.next + len as u32;
        self.len += len;
        self.flags |= flags & AT_END;
        // As Linux does: a smaller segment is the last one, since all but the last are of one size.
        self.ended = len < self.size || flags.intersects(AT_END);
        Some(self.head.len()..total)
    }

    /// The flags of all segments together.
    #[must_use]
    pub const fn flags(&self) -> TcpFlags {
        self.flags
    }

    /// Bytes of text for each segment but the last, which may have fewer.
    #[must_use]
    pub const fn segment_size(&self) -> u16 {
        self.size as u16
    }

    /// Bytes of text in all.
    #[must_use]
    pub const fn text_len(&self) -> usize {
        self.len
    }

    /// How many segments it consists of.
    #[must_use]
    pub const fn segments(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// The packet's length, as its IP header tells it.
    #[inline]
    fn total_length(&self, packet: &[u8]) -> Option<usize> {
        if self.ip_len == ipv4::MIN_HEADER {
            u16_at(packet, 2).map(usize::from)
        } else {
            u16_at(packet, 4).map(|len| ipv6::HEADER + usize::from(len))
        }
    }

    #[inline]
    fn is_intact(&self, ip: &[u8], (segment, rest): (&[u8], &[Stretch]), known: RxChecksum) -> bool {
        if self.ip_len == ipv4::MIN_HEADER && checksum::checksum(ip) != 0 {
            return false;
        }
        if known != RxChecksum::Unverified {
            return true;
        }
        let mut sum = self.pseudo;
        sum.add_length(segment.len() + rest.iter().map(Stretch::len).sum::<usize>());
        sum.add(segment);
        rest.iter().for_each(|stretch| sum.add(stretch.bytes()));
        sum.finish() == 0
    }
}

/// Whether a segment's header continues a flow whose last header is `ours`; its flags.
#[inline]
fn follows(ours: &[u8], theirs: &[u8], next: SeqNumber) -> Option<TcpFlags> {
    let flags_of = |segment| u16_at(segment, OFFSET_AND_FLAGS);
    let (before, after) = (flags_of(ours)?, flags_of(theirs)?);
    let same = SeqNumber(u32_at(theirs, 4)?) == next
        && u32_at(ours, 8)? == u32_at(theirs, 8)?
        && (before ^ after) & !AT_END.bits() == 0
        && u16_at(ours, 14)? == u16_at(theirs, 14)?
        && ours.get(tcp::MIN_HEADER..)? == theirs.get(tcp::MIN_HEADER..ours.len())?;
    same.then(|| TcpFlags::from_bits_truncate(after))
}

/// Whether two IP headers of one flow differ in nothing but length, identification and checksum: version, marks, time to
/// live, fragmentation, flow label.
#[inline]
fn same_treatment(ours: &[u8], theirs: &[u8]) -> bool {
    let same = |at| bytes_at::<2>(ours, at) == bytes_at::<2>(theirs, at);
    if ours.len() == ipv4::MIN_HEADER { same(0) && same(6) && same(8) } else { same(0) && same(2) && same(6) }
}

#[cfg(test)]
mod tests;
