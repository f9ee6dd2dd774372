//! The mark that a queue leaves instead of dropping: congestion experienced (RFC 3168 5).

use bytes::{Bytes, BytesMut};

/// The two ECN bits of the traffic class: not capable, and congestion experienced.
const NOT_ECT: u8 = 0b00;
const CE: u8 = 0b11;

/// A copy of an IP packet with the mark, with its IPv4 header checksum made good; `None` where its sender does not
/// understand marks.
pub(super) fn marked(packet: &[u8]) -> Option<Bytes> {
    let mut copy = BytesMut::from(packet);
    match packet.first()? >> 4 {
        4 => mark_v4(&mut copy)?,
        6 => mark_v6(&mut copy)?,
        _ => return None,
    }
    Some(copy.freeze())
}

fn mark_v4(packet: &mut [u8]) -> Option<()> {
    let before = u16::from_be_bytes([*packet.first()?, *packet.get(1)?]);
    if before as u8 & CE == NOT_ECT {
        return None;
    }
    let after = before | u16::from(CE);
    // RFC 1624 3: HC' = ~(~HC + ~m + m').
    let sum = u16::from_be_bytes([*packet.get(10)?, *packet.get(11)?]);
    let total = u32::from(!sum) + u32::from(!before) + u32::from(after);
    let folded = (total & 0xffff) + (total >> 16);
    let sum = !((folded & 0xffff) + (folded >> 16)) as u16;
    *packet.get_mut(1)? = after as u8;
    packet.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// The traffic class lies across the second half of the first byte and the first half of the second (RFC 8200 3).
fn mark_v6(packet: &mut [u8]) -> Option<()> {
    let second = packet.get_mut(1)?;
    if *second >> 4 & CE == NOT_ECT {
        return None;
    }
    *second |= CE << 4;
    Some(())
}
