//! The IPv4 header (RFC 791 3.1). Options are skipped by the header length and never looked at: none of them is safe to
//! obey (RFC 7126), and a packet that carries them is otherwise a packet like any other.

use crate::checksum;
use crate::ip::{Fragment, IpError, IpHeader, Protocol, TrafficClass};
use core::net::{IpAddr, Ipv4Addr};

/// The length of a header without options, in bytes.
pub const MIN_HEADER: usize = 20;

/// What is set in the flags and the offset of a fragment alone.
pub(crate) const FRAGMENT: u16 = MORE_FRAGMENTS | OFFSET;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Parses a header and checks it against the packet.
///
/// # Errors
/// Bytes missing, a length out of range, or a wrong header checksum (RFC 1122 3.2.1.1 and 3.2.1.2).
#[inline]
pub fn parse(packet: &[u8]) -> Result<IpHeader, IpError> {
    let header = read(packet)?;
    let total = header.header_len + header.payload_len;
    if total > packet.len() {
        return Err(IpError::Truncated);
    }
    // A header without options has a length that is known here: its sum is a few additions.
    let checksum = match packet.first_chunk::<MIN_HEADER>().filter(|_| header.header_len == MIN_HEADER) {
        Some(fixed) => !sum(fixed),
        None => checksum::checksum(packet.get(..header.header_len).ok_or(IpError::Truncated)?),
    };
    if checksum != 0 {
        return Err(IpError::Checksum);
    }
    Ok(header)
}

/// The folded sum of a header without options.
#[inline]
pub(crate) fn sum(fixed: &[u8; MIN_HEADER]) -> u16 {
    checksum::fold(fixed.as_chunks::<4>().0.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum())
}

/// Parses the header that an ICMP error quotes: the length may go beyond the quotation, and the checksum is not verified.
#[must_use]
pub fn parse_quoted(packet: &[u8]) -> Option<IpHeader> {
    read(packet).ok()
}

#[inline]
fn read(packet: &[u8]) -> Result<IpHeader, IpError> {
    let fixed: &[u8; MIN_HEADER] = packet.first_chunk().ok_or(IpError::Truncated)?;
    if fixed[0] >> 4 != 4 {
        return Err(IpError::Version);
    }
    // RFC 9293 3.9.2, MUST-50: options are skipped, whatever they say.
    let header_len = usize::from(fixed[0] & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if header_len < MIN_HEADER || header_len > total {
        return Err(IpError::HeaderLength);
    }
    let ident = u16::from_be_bytes([fixed[4], fixed[5]]);
    let flags = u16::from_be_bytes([fixed[6], fixed[7]]);
    let (offset, more) = ((flags & OFFSET) << 3, flags & MORE_FRAGMENTS != 0);
    let is_fragment = offset != 0 || more;
    Ok(IpHeader {
        src: IpAddr::V4(Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15])),
        dst: IpAddr::V4(Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19])),
        protocol: Protocol(fixed[9]),
        hop_limit: fixed[8],
        traffic_class: TrafficClass(fixed[1]),
        ident: if is_fragment { 0 } else { ident },
        flow_label: 0,
        header_len,
        payload_len: total - header_len,
        fragment: is_fragment.then_some(Fragment { id: u32::from(ident), offset, more }),
        dont_fragment: flags & DONT_FRAGMENT != 0,
    })
}

/// Writes a header without options, checksum included, to the front of `out`; returns its length, zero where it does not fit.
#[inline]
pub fn emit(header: &IpHeader, src: Ipv4Addr, dst: Ipv4Addr, out: &mut [u8]) -> usize {
    let Some(bytes) = out.first_chunk_mut::<MIN_HEADER>() else { return 0 };
    let mut flags = if header.dont_fragment { DONT_FRAGMENT } else { 0 };
    let mut ident = header.ident;
    if let Some(fragment) = header.fragment {
        ident = fragment.id as u16;
        flags |= fragment.offset >> 3 | if fragment.more { MORE_FRAGMENTS } else { 0 };
    }
    let fields = [header.traffic_class.0, header.hop_limit, header.protocol.0];
    put_fields(bytes, (src, dst), fields, u32::from(ident) << 16 | u32::from(flags), header.payload_len);
    MIN_HEADER
}

/// Writes the header of a packet that is whole and must not be fragmented. The `fields` are traffic class, time to live and protocol.
#[inline]
pub(crate) fn write(bytes: &mut [u8; MIN_HEADER], ends: (Ipv4Addr, Ipv4Addr), fields: [u8; 3], payload_len: usize) {
    put_fields(bytes, ends, fields, u32::from(DONT_FRAGMENT), payload_len);
}

#[inline(always)]
fn put_fields(
    bytes: &mut [u8; MIN_HEADER],
    (src, dst): (Ipv4Addr, Ipv4Addr),
    [class, hop_limit, protocol]: [u8; 3],
    ident_and_flags: u32,
    payload_len: usize,
) {
    let total = (MIN_HEADER + payload_len).min(crate::packet::MAX_PACKET) as u16;
    let halves = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
    let words = [
        halves(u16::from_be_bytes([0x45, class]), total),
        ident_and_flags,
        halves(u16::from_be_bytes([hop_limit, protocol]), 0),
        src.to_bits(),
        dst.to_bits(),
    ];
    // The sum of words as numbers is that of the bytes in the network's order.
    let checksum = !checksum::fold(words.iter().map(|word| u64::from(*word)).sum());
    let [first, second, third, src, dst] = words;
    crate::put_words(bytes, &[first, second, third | u32::from(checksum), src, dst]);
}

/// Sets the total length and the identification of a header in place, and its checksum to match; `others` is the sum of its
/// other fields.
///
/// Does nothing where `packet` is too short to be one.
#[inline]
pub(crate) fn set_length_and_ident(packet: &mut [u8], total: u16, ident: u16, others: u64) {
    let ([t0, t1], [i0, i1]) = (total.to_be_bytes(), ident.to_be_bytes());
    let new = [t0, t1, i0, i1];
    let sum = checksum::fold(others + u64::from(u32::from_ne_bytes(new)));
    crate::put(packet, 2, &new);
    crate::put(packet, 10, &(!sum).to_ne_bytes());
}

#[cfg(test)]
mod tests;
