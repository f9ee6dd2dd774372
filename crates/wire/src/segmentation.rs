//! Cuts a super-segment into the wire packets that it stands for, where the device does not.
//!
//! Decides what of the head each packet keeps: sequence number, identification, lengths, flags, checksums. It does as
//! Linux does in `tcp_gso_segment` and `__udp_gso_segment`. Payload is borrowed, or copied once and summed on the way.
//! It must not know why a super-segment was built, and it never asks for a bigger one than it was given.

use arrayvec::ArrayVec;

use crate::checksum::{self, Accumulator};
use crate::ip::{self, IpHeader, Protocol};
use crate::packet::{MAX_PACKET, PartialChecksum, SegmentKind, TxPacket, total_len};
use crate::tcp::{self, TcpFlags};
use crate::{ipv4, put, u16_at, u32_at, udp};

/// The most parts of a super-segment's payload that one wire packet can borrow.
pub const MAX_PARTS: usize = 16;

/// An iterator over the wire packets of one packet, which writes each into a buffer of the caller, or only its head.
///
/// A packet that is no super-segment comes out as one, with its checksum completed. A super-segment whose head does not
/// fit its kind comes out as nothing.
#[derive(Clone, Debug)]
pub struct Segmenter<'a> {
    head: &'a [u8],
    payload: Payload<'a>,
    /// Payload bytes and packets that came out already.
    sent: usize,
    packets: u16,
    total: usize,
    shape: Shape,
    done: bool,
}

/// Where the payload lies.
#[derive(Clone, Copy, Debug)]
enum Payload<'a> {
    Whole(&'a [u8]),
    Parts { parts: &'a [&'a [u8]], index: usize, offset: usize },
}

/// What is done to the head of each packet.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One packet, as it is.
    Plain(Option<PartialChecksum>),
    /// Cut into packets of `size` payload bytes.
    Cut { kind: SegmentKind, size: usize, ip: IpHeader, fixed: Fixed },
}

/// The sums over those parts of a super-segment's headers that all its packets have in common.
#[derive(Clone, Copy, Debug, Default)]
struct Fixed {
    /// An IPv4 header but for total length, identification and checksum.
    ip: u64,
    /// Pseudo-header and TCP header but for length, sequence number, data offset, flags and checksum.
    tcp: Accumulator,
}

impl Fixed {
    fn of(head: &[u8], ip: &IpHeader, kind: SegmentKind) -> Self {
        let part = |range: core::ops::Range<usize>| head.get(range).unwrap_or_default();
        let mut fixed = Self::default();
        if ip.src.is_ipv4() {
            fixed.ip = [0..2, 6..10, 12..ip.header_len].into_iter().map(|range| checksum::sum(part(range))).sum();
        }
        if kind != SegmentKind::Udp {
            fixed.tcp = Accumulator::pseudo_header(ip.src, ip.dst, Protocol::TCP, 0);
            let at = ip.header_len;
            for range in [at..at + 4, at + 8..at + 12, at + 14..at + 16, at + 18..head.len()] {
                fixed.tcp.add(part(range));
            }
        }
        fixed
    }
}

impl<'a> Payload<'a> {
    /// The rest of the current part, after which the caller calls [`advance`](Self::advance).
    fn current(&self) -> &'a [u8] {
        match *self {
            Self::Whole(rest) => rest,
            Self::Parts { parts, index, offset } => parts.get(index).and_then(|part| part.get(offset..)).unwrap_or(&[]),
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Whole(rest) => *rest = rest.get(n..).unwrap_or(&[]),
            Self::Parts { parts, index, offset } => {
                *offset += n;
                while parts.get(*index).is_some_and(|part| *offset >= part.len()) {
                    (*index, *offset) = (*index + 1, 0);
                }
            }
        }
    }

    /// Copies the next `out.len()` bytes and returns their sum.
    fn copy(&mut self, out: &mut [u8]) -> Accumulator {
        let mut sum = Accumulator::new();
        let mut rest = out;
        while !rest.is_empty() {
            let part = self.current();
            let len = part.len().min(rest.len());
            let (Some(part), true) = (part.get(..len), len > 0) else { break };
            sum.copy(rest, part);
            rest = rest.get_mut(len..).unwrap_or_default();
            self.advance(len);
        }
        sum
    }
}

impl<'a> Payload<'a> {
    /// Borrows the next `len` bytes and returns their sum; `None` where they lie in too many parts.
    fn borrow(&mut self, mut len: usize, parts: &mut ArrayVec<&'a [u8], MAX_PARTS>) -> Option<Accumulator> {
        let mut sum = Accumulator::new();
        while len > 0 {
            let rest = self.current();
            let part = rest.get(..len.min(rest.len())).filter(|part| !part.is_empty())?;
            sum.add(part);
            parts.try_push(part).ok()?;
            len -= part.len();
            self.advance(part.len());
        }
        Some(sum)
    }
}

impl<'a> Segmenter<'a> {
    /// The wire packets of `packet`.
    #[must_use]
    pub fn new(packet: &TxPacket<'a>) -> Self {
        let mut payload = Payload::Parts { parts: packet.payload, index: 0, offset: 0 };
        payload.advance(0); // an empty first part
        let total = total_len(packet.payload);
        Self::build(packet.head, payload, total, packet.segment, packet.checksum)
    }

    /// The wire packets of a super-segment that lies in one piece: all headers, then the payload. `segment` and
    /// `checksum` are as in a [`TxPacket`].
    ///
    /// Where the headers cannot be read, nothing comes out.
    #[must_use]
    pub fn contiguous(
        packet: &'a [u8],
        segment: Option<(SegmentKind, u16)>,
        checksum: Option<PartialChecksum>,
    ) -> Self {
        let head_len = match segment {
            None => packet.len(),
            Some((kind, _)) => head_len(packet, kind).unwrap_or(0),
        };
        let (head, payload) = packet.split_at_checked(head_len).unwrap_or((packet, &[]));
        Self::build(head, Payload::Whole(payload), payload.len(), segment, checksum)
    }

    fn build(
        head: &'a [u8],
        payload: Payload<'a>,
        total: usize,
        segment: Option<(SegmentKind, u16)>,
        checksum: Option<PartialChecksum>,
    ) -> Self {
        let shape = match segment {
            None => Some(Shape::Plain(checksum)),
            Some((kind, size)) => {
                let size = usize::from(size.max(1));
                readable(head, kind).map(|ip| Shape::Cut { kind, size, ip, fixed: Fixed::of(head, &ip, kind) })
            }
        };
        let (shape, done) = shape.map_or((Shape::Plain(None), true), |shape| (shape, false));
        Self { head, payload, sent: 0, packets: 0, total, shape, done }
    }

    /// Writes the next packet to the front of `out` and returns its length; `None` where there are no more, or where it
    /// does not fit: a buffer of the device's MTU fits every packet of a super-segment whose size was made for that.
    pub fn next(&mut self, out: &mut [u8]) -> Option<usize> {
        let take = self.take()?;
        let len = self.head.len() + take;
        let packet = out.get_mut(..len).filter(|_| len <= MAX_PACKET)?;
        let (head, body) = packet.split_at_mut_checked(self.head.len())?;
        head.copy_from_slice(self.head);
        let sum = self.payload.copy(body);
        self.finish(head, sum, take);
        Some(len)
    }

    /// Writes the head of the next packet to the front of `out` and returns its length, and puts the payload that follows
    /// it, borrowed, in `parts`. `None` where there are no more packets, where the head does not fit, or where the payload
    /// of this packet lies in more than [`MAX_PARTS`] parts: nothing more comes out then.
    pub fn next_borrowed(&mut self, out: &mut [u8], parts: &mut ArrayVec<&'a [u8], MAX_PARTS>) -> Option<usize> {
        let take = self.take()?;
        let len = self.head.len();
        let head = out.get_mut(..len).filter(|_| len + take <= MAX_PACKET)?;
        head.copy_from_slice(self.head);
        parts.clear();
        let Some(sum) = self.payload.borrow(take, parts) else {
            self.done = true;
            return None;
        };
        self.finish(head, sum, take);
        Some(len)
    }

    /// The part of the payload in which the next packet's begins.
    #[inline]
    #[must_use]
    pub const fn part(&self) -> usize {
        match self.payload {
            Payload::Whole(_) => 0,
            Payload::Parts { index, .. } => index,
        }
    }

    /// The payload bytes of the next packet; `None` where there is none.
    fn take(&self) -> Option<usize> {
        let left = self.total - self.sent;
        match self.shape {
            _ if self.done => None,
            Shape::Plain(_) => Some(left),
            Shape::Cut { size, .. } => Some(left.min(size)),
        }
    }

    /// Makes the head fit its payload, of `take` bytes with this sum, and goes on to the next packet.
    fn finish(&mut self, head: &mut [u8], sum: Accumulator, take: usize) {
        match self.shape {
            Shape::Plain(None) => {}
            Shape::Plain(Some(partial)) => finish(head, partial, sum),
            Shape::Cut { kind, ref ip, ref fixed, .. } => {
                self.fix_ip(head, ip, fixed, take);
                if kind == SegmentKind::Udp {
                    finish_udp(head, ip, sum, take);
                } else {
                    self.finish_tcp(head, ip, fixed, (sum, take));
                }
            }
        }
        self.sent += take;
        self.packets = self.packets.wrapping_add(1);
        self.done = self.sent >= self.total;
    }

    /// Sets the lengths, and in IPv4 an identification of its own for each packet.
    #[inline]
    fn fix_ip(&self, head: &mut [u8], ip: &IpHeader, fixed: &Fixed, take: usize) {
        let total = (self.head.len() + take).min(MAX_PACKET);
        if ip.src.is_ipv4() {
            ipv4::set_length_and_ident(head, total as u16, ip.ident.wrapping_add(self.packets), fixed.ip);
        } else {
            put(head, 4, &(total.saturating_sub(crate::ipv6::HEADER) as u16).to_be_bytes());
        }
    }

    #[inline]
    fn finish_tcp(&self, head: &mut [u8], ip: &IpHeader, fixed: &Fixed, (payload, take): (Accumulator, usize)) {
        let Some(header) = head.get_mut(ip.header_len..) else { return };
        let seq = u32_at(header, 4).unwrap_or_default().wrapping_add(self.sent as u32);
        put(header, 4, &seq.to_be_bytes());
        let mut flags = TcpFlags::from_bits_truncate(u16_at(header, 12).unwrap_or_default());
        if self.sent > 0 {
            flags -= TcpFlags::CWR; // RFC 3168 6.1.2: the first packet after the reduction carries it
        }
        if self.sent + take < self.total {
            flags -= TcpFlags::FIN | TcpFlags::PSH;
        }
        put(header, 13, &[flags.bits() as u8]);
        let mut sum = fixed.tcp;
        sum.add_length(header.len() + take);
        sum.add(header.get(4..8).unwrap_or_default());
        sum.add(header.get(12..14).unwrap_or_default());
        sum.join(payload);
        tcp::set_checksum(header, sum.finish());
    }

    /// How many packets there are in all.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.shape {
            Shape::Cut { size, .. } => self.total.div_ceil(size).max(1),
            Shape::Plain(_) => usize::from(!self.done || self.sent > 0),
        }
    }
}

fn finish_udp(head: &mut [u8], ip: &IpHeader, sum: Accumulator, take: usize) {
    let Some(header) = head.get_mut(ip.header_len..) else { return };
    put(header, 4, &((udp::HEADER + take) as u16).to_be_bytes());
    put(header, udp::CHECKSUM_OFFSET, &[0, 0]);
    let mut all = Accumulator::pseudo_header(ip.src, ip.dst, Protocol::UDP, header.len() + take);
    all.add(header);
    all.join(sum);
    udp::set_checksum(header, all.finish());
}

/// Completes a partial checksum as a device does.
fn finish(head: &mut [u8], partial: PartialChecksum, payload: Accumulator) {
    let Some(header) = head.get_mut(usize::from(partial.start)..) else { return };
    let mut sum = Accumulator::new();
    sum.add(header);
    sum.join(payload);
    let checksum = sum.finish();
    // A UDP checksum of zero would say that there is none; for TCP the two values are the same.
    let checksum = if checksum == 0 && usize::from(partial.offset) == udp::CHECKSUM_OFFSET { 0xffff } else { checksum };
    put(header, usize::from(partial.offset), &checksum.to_be_bytes());
}

/// The length of all headers of a super-segment of this kind.
fn head_len(packet: &[u8], kind: SegmentKind) -> Option<usize> {
    let header = ip::parse_quoted(packet)?;
    let transport = match kind {
        SegmentKind::Udp => udp::HEADER,
        SegmentKind::Tcp4 | SegmentKind::Tcp6 => usize::from(*packet.get(header.header_len + 12)? >> 4) * 4,
    };
    Some(header.header_len + transport)
}

/// The IP header of a head that fits its kind, and that ends where its transport header ends.
fn readable(head: &[u8], kind: SegmentKind) -> Option<IpHeader> {
    let header = ip::parse_quoted(head)?;
    let protocol = if kind == SegmentKind::Udp { Protocol::UDP } else { Protocol::TCP };
    let version_fits = match kind {
        SegmentKind::Tcp4 => header.src.is_ipv4(),
        SegmentKind::Tcp6 => header.src.is_ipv6(),
        SegmentKind::Udp => true,
    };
    let shortest = if kind == SegmentKind::Udp { udp::HEADER } else { tcp::MIN_HEADER };
    let transport = head.len().checked_sub(header.header_len)?;
    let fits = version_fits
        && header.protocol == protocol
        && header.fragment.is_none()
        && transport >= shortest
        && head_len(head, kind) == Some(head.len());
    fits.then_some(header)
}

/// Copies `packet` to the front of `out` with its checksum completed, and returns its length; `None` where it does not
/// fit, or where it is a super-segment of more than one wire packet.
pub fn copy_complete(packet: &TxPacket<'_>, out: &mut [u8]) -> Option<usize> {
    let mut segmenter = Segmenter::new(packet);
    if segmenter.count() > 1 { None } else { segmenter.next(out) }
}

#[cfg(test)]
mod tests;
