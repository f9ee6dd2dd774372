//! The IPv6 header and its extension headers (RFC 8200 3 and 4).
//!
//! Extension headers are walked by their lengths, a bounded number of them. Decided here: which of them stop a packet (an
//! unknown option that says so, a routing header with segments left, RFC 5095). Nothing in them is ever obeyed.
//! Not supported: jumbograms (RFC 2675), which no device of ours carries.

use crate::bytes_at;
use crate::ip::{Fragment, IpError, IpHeader, IpReport, Protocol, TrafficClass};
use core::net::{IpAddr, Ipv6Addr};

/// The length of the fixed header, in bytes.
pub const HEADER: usize = 40;
/// The length of a fragment header, in bytes.
pub const FRAGMENT_HEADER: usize = 8;
/// Extension headers in one packet. RFC 8200 4.1 recommends at most seven; RFC 8504 5.3 allows a limit.
pub const MAX_EXTENSIONS: usize = 8;
/// Options in one extension header, padding not counted: Linux's default limit.
const MAX_OPTIONS: usize = 8;

/// Parses the header and walks the extension headers.
///
/// A packet that is a fragment ends the walk: `protocol` is then what the fragment header says. An atomic fragment (the
/// whole datagram in one, RFC 6946) is treated as the datagram that it is.
///
/// # Errors
/// See [`IpError`].
#[inline]
pub fn parse(packet: &[u8]) -> Result<IpHeader, IpError> {
    let mut header = read(packet)?;
    let packet = packet.get(..HEADER + header.payload_len).ok_or(IpError::Truncated)?;
    if has_extension(header.protocol) {
        walk(&mut header, packet)?;
    }
    Ok(header)
}

/// Parses the header that an ICMP error quotes, which may end anywhere after the fixed part.
#[must_use]
pub fn parse_quoted(packet: &[u8]) -> Option<IpHeader> {
    let mut header = read(packet).ok()?;
    if has_extension(header.protocol) {
        walk(&mut header, packet).ok()?;
    }
    Some(header)
}

/// Parses the fixed header alone: for answering a packet whose extension headers stopped it.
#[must_use]
pub fn parse_fixed(packet: &[u8]) -> Option<IpHeader> {
    read(packet).ok()
}

/// Where the field stands that says what the payload is, in bytes from the start of a packet whose headers `header` was
/// parsed from: what an ICMPv6 parameter problem of code 1 points to (RFC 4443 3.4).
#[must_use]
pub fn next_header_offset(header: &IpHeader, packet: &[u8]) -> usize {
    const IN_FIXED: usize = 6;
    let (mut field, mut at) = (IN_FIXED, HEADER);
    for _ in 0..MAX_EXTENSIONS {
        if at >= header.header_len {
            break;
        }
        let kind = Protocol(packet.get(field).copied().unwrap_or_default());
        let length = packet.get(at + 1).copied().unwrap_or_default();
        field = at;
        at += extension_len(kind, length);
    }
    field
}

/// The length of an extension header in bytes, from its length field.
const fn extension_len(kind: Protocol, length: u8) -> usize {
    match kind {
        Protocol::FRAGMENT => FRAGMENT_HEADER,
        Protocol::AUTHENTICATION => (length as usize + 2) * 4, // RFC 4302 2.2
        _ => (length as usize + 1) * 8,
    }
}

#[inline]
fn read(packet: &[u8]) -> Result<IpHeader, IpError> {
    let fixed: &[u8; HEADER] = packet.first_chunk().ok_or(IpError::Truncated)?;
    let word = u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
    if word >> 28 != 6 {
        return Err(IpError::Version);
    }
    let address = |at: usize| Ipv6Addr::from(bytes_at::<16>(fixed, at).unwrap_or_default());
    Ok(IpHeader {
        src: IpAddr::V6(address(8)),
        dst: IpAddr::V6(address(24)),
        protocol: Protocol(fixed[6]),
        hop_limit: fixed[7],
        traffic_class: TrafficClass((word >> 20) as u8),
        ident: 0,
        flow_label: word & 0xf_ffff,
        header_len: HEADER,
        payload_len: usize::from(u16::from_be_bytes([fixed[4], fixed[5]])),
        fragment: None,
        dont_fragment: true,
    })
}

#[inline]
const fn has_extension(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::HOP_BY_HOP
            | Protocol::ROUTING
            | Protocol::FRAGMENT
            | Protocol::AUTHENTICATION
            | Protocol::DESTINATION
    )
}

#[cold]
fn walk(header: &mut IpHeader, packet: &[u8]) -> Result<(), IpError> {
    for number in 0..MAX_EXTENSIONS {
        let kind = header.protocol;
        if !has_extension(kind) {
            return Ok(());
        }
        if kind == Protocol::HOP_BY_HOP && number > 0 {
            return Err(IpError::Extension); // RFC 8200 4.1: only directly after the fixed header
        }
        let at = header.header_len;
        let [next, length] = bytes_at::<2>(packet, at).ok_or(IpError::Extension)?;
        let len = extension_len(kind, length);
        let extension = packet.get(at..at + len).ok_or(IpError::Extension)?;
        header.protocol = Protocol(next);
        header.header_len += len;
        header.payload_len = header.payload_len.checked_sub(len).ok_or(IpError::Extension)?;
        match kind {
            Protocol::HOP_BY_HOP | Protocol::DESTINATION => check_options(extension, at)?,
            Protocol::ROUTING if extension.get(3) != Some(&0) => {
                return Err(IpError::Routing { pointer: (at + 2) as u16 });
            }
            Protocol::FRAGMENT => {
                header.fragment = read_fragment(extension);
                if header.fragment.is_some() {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    if has_extension(header.protocol) { Err(IpError::Extension) } else { Ok(()) }
}

/// The fragment that a fragment header describes, or `None` if it describes all of its datagram (RFC 6946).
fn read_fragment(extension: &[u8]) -> Option<Fragment> {
    let [_, _, high, low, id @ ..] = *extension.first_chunk::<FRAGMENT_HEADER>()?;
    let place = u16::from_be_bytes([high, low]);
    let fragment = Fragment { id: u32::from_be_bytes(id), offset: place & !7, more: place & 1 != 0 };
    (fragment.offset != 0 || fragment.more).then_some(fragment)
}

/// Walks the options of a hop-by-hop or destination options header that stands `at` bytes into the packet. We know none
/// but padding, so the two upper bits of the type decide (RFC 8200 4.2).
fn check_options(extension: &[u8], at: usize) -> Result<(), IpError> {
    const PAD1: u8 = 0;
    const PADN: u8 = 1;
    let (mut here, mut options) = (2, 0);
    while let Some(&kind) = extension.get(here) {
        if kind == PAD1 {
            here += 1;
            continue;
        }
        let len = usize::from(*extension.get(here + 1).ok_or(IpError::Extension)?);
        if here + 2 + len > extension.len() {
            return Err(IpError::Extension);
        }
        options += usize::from(kind != PADN);
        if options > MAX_OPTIONS {
            return Err(IpError::Extension);
        }
        let report = match kind >> 6 {
            0 => None,
            1 => Some(IpReport::Never),
            2 => Some(IpReport::Always),
            _ => Some(IpReport::Unicast),
        };
        if let Some(report) = report {
            return Err(IpError::Option { pointer: (at + here) as u16, report });
        }
        here += 2 + len;
    }
    Ok(())
}

/// Writes the header, and a fragment header where there is a fragment, to the front of `out`; returns the length, zero
/// where it does not fit.
#[inline]
pub fn emit(header: &IpHeader, src: Ipv6Addr, dst: Ipv6Addr, out: &mut [u8]) -> usize {
    let len = header.emit_len();
    let Some(bytes) = out.get_mut(..len) else { return 0 };
    let Some((fixed, rest)) = bytes.split_first_chunk_mut::<HEADER>() else { return 0 };
    let word = 6 << 28 | u32::from(header.traffic_class.0) << 20 | header.flow_label & 0xf_ffff;
    let payload = (header.payload_len + rest.len()).min(usize::from(u16::MAX)) as u16;
    let next = if header.fragment.is_some() { Protocol::FRAGMENT } else { header.protocol };
    crate::put(fixed, 0, &word.to_be_bytes());
    crate::put(fixed, 4, &payload.to_be_bytes());
    (fixed[6], fixed[7]) = (next.0, header.hop_limit);
    crate::put(fixed, 8, &src.octets());
    crate::put(fixed, 24, &dst.octets());
    if let Some(fragment) = header.fragment {
        let place = fragment.offset & !7 | u16::from(fragment.more);
        crate::put(rest, 0, &[header.protocol.0, 0]);
        crate::put(rest, 2, &place.to_be_bytes());
        crate::put(rest, 4, &fragment.id.to_be_bytes());
    }
    len
}

#[cfg(test)]
mod tests;
