//! Packets for tests, made from the wire crate's own parts.

use std::net::IpAddr;

use bowline_wire::checksum::{Accumulator, is_valid};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::packet::{PartialChecksum, SegmentKind, TxPacket};

/// A transport packet in the form a host hands it over: headers with a partial checksum.
pub(crate) struct Sample {
    pub(crate) head: Vec<u8>,
    pub(crate) kind: SegmentKind,
    pub(crate) checksum: PartialChecksum,
}

impl Sample {
    /// A TCP segment (ACK, PSH; timestamps) with `len` bytes of payload at sequence number `seq`.
    pub(crate) fn tcp(version: u8, seq: u32, len: usize) -> Self {
        let mut transport = vec![0; 32];
        transport[..4].copy_from_slice(&[0x9c, 0x40, 0, 80]);
        transport[4..8].copy_from_slice(&seq.to_be_bytes());
        transport[12..16].copy_from_slice(&[0x80, 0x18, 1, 0]);
        transport[20..24].copy_from_slice(&[1, 1, 8, 10]);
        let kind = if version == 4 { SegmentKind::Tcp4 } else { SegmentKind::Tcp6 };
        Self::new(version, kind, transport, 16, len, true)
    }

    /// A UDP datagram with `len` bytes of payload.
    pub(crate) fn udp(version: u8, len: usize, dont_fragment: bool) -> Self {
        let mut transport = vec![0x9c, 0x40, 0, 9, 0, 0, 0, 0];
        transport[4..6].copy_from_slice(&(8 + len as u16).to_be_bytes());
        Self::new(version, SegmentKind::Udp, transport, 6, len, dont_fragment)
    }

    fn new(version: u8, kind: SegmentKind, mut transport: Vec<u8>, offset: u16, len: usize, df: bool) -> Self {
        let (src, dst): (IpAddr, IpAddr) = match version {
            4 => ([10, 0, 2, 100].into(), [10, 0, 2, 2].into()),
            _ => ("fd00::100".parse().unwrap(), "fd00::2".parse().unwrap()),
        };
        let protocol = if kind == SegmentKind::Udp { Protocol::UDP } else { Protocol::TCP };
        let payload_len = transport.len() + len;
        let header = IpHeader { dont_fragment: df, ident: 77, ..IpHeader::new(src, dst, protocol, payload_len) };
        let pseudo = Accumulator::pseudo_header(src, dst, protocol, payload_len).partial();
        let at = usize::from(offset);
        transport[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
        let mut head = vec![0; header.emit_len()];
        let start = ip::emit(&header, &mut head);
        head.extend(transport);
        Self { head, kind, checksum: PartialChecksum { start: start as u16, offset } }
    }

    /// The packet, or with a segment size the super-segment.
    pub(crate) fn packet<'a>(&'a self, payload: &'a [&'a [u8]], size: Option<u16>) -> TxPacket<'a> {
        TxPacket {
            head: &self.head,
            payload,
            owners: &[],
            checksum: Some(self.checksum),
            segment: size.map(|size| (self.kind, size)),
        }
    }
}

/// Whether a wire packet's IP header parses and all its checksums are right.
pub(crate) fn is_intact(packet: &[u8]) -> bool {
    ip::parse(packet).is_ok_and(|header| {
        header.header_len + header.payload_len == packet.len()
            && is_valid(header.src, header.dst, header.protocol, header.payload(packet))
    })
}

/// Sequence number and payload of a sample TCP packet on the wire.
pub(crate) fn tcp_of(packet: &[u8]) -> (u32, &[u8]) {
    let header = ip::parse(packet).unwrap();
    let transport = header.payload(packet);
    (u32::from_be_bytes(transport[4..8].try_into().unwrap()), &transport[32..])
}

/// Bytes that differ from their neighbours.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
