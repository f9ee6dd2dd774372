//! The header that a TUN with `IFF_VNET_HDR` puts before each packet, in both directions (`struct virtio_net_hdr`, ten
//! bytes, in the machine's byte order).
//!
//! It decides how the header's fields and the packet's metadata translate into each other, and which headers are
//! malformed. It does no IO.

use bowline_wire::packet::{RxChecksum, SegmentKind, TxPacket};

/// The length of the header in bytes.
pub const LEN: usize = 10;

const F_NEEDS_CSUM: u8 = 1;
const F_DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// The byte of a TCP header that holds the flags, and CWR in it (RFC 9293 3.1, RFC 3168 6.1.2).
const TCP_FLAGS: usize = 13;
const TCP_CWR: u8 = 0x80;

/// What the kernel says about a packet it hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// What is known about its transport checksum.
    pub checksum: RxChecksum,
    /// Payload bytes per wire segment of a super-segment.
    pub segment_size: Option<u16>,
}

/// Why a header makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The packet is shorter than the header.
    Truncated,
    /// A kind of super-segment that this device never asked for, or that does not exist.
    Kind,
    /// A super-segment without a segment size, or one whose checksum is not partial.
    Segment,
    /// A checksum field beyond the end of the packet.
    Checksum,
}

/// Reads the header at the front of `packet`, which also holds the packet that follows.
///
/// # Errors
/// Says what is wrong with the header; the packet should be counted and dropped.
pub fn parse(packet: &[u8]) -> Result<Received, Malformed> {
    let Some((header, body)) = packet.split_first_chunk::<LEN>() else { return Err(Malformed::Truncated) };
    let [flags, kind, _, _, g0, g1, s0, s1, o0, o1] = *header;
    let [gso_size, csum_start, csum_offset] = [[g0, g1], [s0, s1], [o0, o1]].map(u16::from_ne_bytes);
    let checksum = if flags & F_NEEDS_CSUM != 0 {
        let field_end = usize::from(csum_start) + usize::from(csum_offset) + 2;
        if field_end > body.len() {
            return Err(Malformed::Checksum);
        }
        RxChecksum::Partial
    } else if flags & F_DATA_VALID != 0 {
        RxChecksum::Verified
    } else {
        RxChecksum::Unverified
    };
    let segment_size = match kind & !GSO_ECN {
        GSO_NONE => None,
        GSO_TCPV4 | GSO_TCPV6 | GSO_UDP_L4 => {
            // A checksum over the whole super-segment exists nowhere: it must have been left to the last device.
            if gso_size == 0 || checksum == RxChecksum::Unverified {
                return Err(Malformed::Segment);
            }
            Some(gso_size)
        }
        _ => return Err(Malformed::Kind),
    };
    Ok(Received { checksum, segment_size })
}

/// The header for a packet to send.
#[must_use]
pub fn emit(packet: &TxPacket<'_>) -> [u8; LEN] {
    let mut flags = 0;
    let (mut csum_start, mut csum_offset) = (0, 0);
    if let Some(partial) = packet.checksum {
        flags = F_NEEDS_CSUM;
        (csum_start, csum_offset) = (partial.start, partial.offset);
    }
    let (kind, gso_size, hdr_len) = match packet.segment {
        None => (GSO_NONE, 0, 0),
        Some((kind, size)) => {
            let kind = match kind {
                SegmentKind::Tcp4 => GSO_TCPV4 | ecn(packet),
                SegmentKind::Tcp6 => GSO_TCPV6 | ecn(packet),
                SegmentKind::Udp => GSO_UDP_L4,
            };
            // `head` holds all headers and nothing else; the kernel reads this many bytes into linear memory.
            (kind, size, u16::try_from(packet.head.len()).unwrap_or(u16::MAX))
        }
    };
    let mut header = [0; LEN];
    header[0] = flags;
    header[1] = kind;
    for (at, value) in [(2, hdr_len), (4, gso_size), (6, csum_start), (8, csum_offset)] {
        header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }
    header
}

/// CWR belongs on the first wire segment only: the kernel must know before it cuts.
fn ecn(packet: &TxPacket<'_>) -> u8 {
    let start = packet.checksum.map_or(0, |partial| usize::from(partial.start));
    let flags = packet.head.get(start + TCP_FLAGS).copied().unwrap_or(0);
    if flags & TCP_CWR != 0 && packet.checksum.is_some() { GSO_ECN } else { 0 }
}

#[cfg(test)]
mod tests;
