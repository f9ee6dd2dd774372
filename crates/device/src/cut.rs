//! Wire packets out of whatever a device or a host has in its hands.
//!
//! It decides what metadata means for a packet's bytes: partial checksums are completed and super-segments cut, so that
//! every packet that comes out could stand on any network. How a super-segment is cut is [`bowline_wire::segmentation`]'s.

use bowline_wire::ip::{self, Protocol};
use bowline_wire::packet::{MAX_PACKET, PartialChecksum, RxChecksum, RxPacket, SegmentKind, TxPacket};
use bowline_wire::segmentation::Segmenter;

/// Makes complete wire packets, in one buffer of its own.
#[derive(Debug)]
pub struct Cutter {
    scratch: Box<[u8]>,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new()
    }
}

impl Cutter {
    /// A cutter; it holds 64 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self { scratch: vec![0; MAX_PACKET].into_boxed_slice() }
    }

    /// Calls `each` with every wire packet of a packet to send, in order, and returns how many there were: none where
    /// the headers do not fit what is asked.
    pub fn sent(&mut self, packet: &TxPacket<'_>, each: impl FnMut(&[u8])) -> usize {
        if let (None, None, []) = (packet.checksum, packet.segment, packet.payload) {
            return whole(packet.head, each);
        }
        self.run(Segmenter::new(packet), each)
    }

    /// Calls `each` with every wire packet of a received packet that lies in one piece ([`RxPacket::gather`]), in order, and
    /// returns how many there were: none where the headers cannot be read.
    pub fn received(&mut self, packet: &RxPacket, each: impl FnMut(&[u8])) -> usize {
        if packet.checksum != RxChecksum::Partial && packet.segment_size.is_none() {
            return whole(&packet.data, each);
        }
        let Some((kind, checksum)) = transport(&packet.data) else { return 0 };
        let segment = packet.segment_size.map(|size| (kind, size));
        // A checksum that was verified over a coalesced packet is complete for none of the packets cut from it; the
        // segmenter computes those anew in any case.
        self.run(Segmenter::contiguous(&packet.data, segment, Some(checksum)), each)
    }

    fn run(&mut self, mut segments: Segmenter<'_>, mut each: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        while let Some(packet) = segments.next(&mut self.scratch).and_then(|len| self.scratch.get(..len)) {
            each(packet);
            count += 1;
        }
        count
    }
}

fn whole(packet: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    each(packet);
    1
}

/// What a partial checksum or a super-segment of this packet must be: the kernel's flags say that there is one, the
/// headers say where.
fn transport(packet: &[u8]) -> Option<(SegmentKind, PartialChecksum)> {
    let header = ip::parse_quoted(packet)?;
    let (kind, offset) = match header.protocol {
        Protocol::TCP if header.src.is_ipv4() => (SegmentKind::Tcp4, 16),
        Protocol::TCP => (SegmentKind::Tcp6, 16),
        Protocol::UDP => (SegmentKind::Udp, 6),
        // RFC 4443 2.3: the checksum follows type and code. The kernel leaves it partial for local pings.
        Protocol::ICMPV6 => (SegmentKind::Udp, 2),
        _ => return None,
    };
    Some((kind, PartialChecksum { start: u16::try_from(header.header_len).ok()?, offset }))
}

#[cfg(test)]
mod tests;
