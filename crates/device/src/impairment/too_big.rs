//! What the router in the middle does with a packet larger than the next link's MTU.
//!
//! It decides between fragmenting (RFC 791 2.3), telling the sender (RFC 1191 3, RFC 4443 3.2) and silence. It builds
//! packets and sends none.

use bowline_wire::icmp::{Icmp, IcmpError};
use bowline_wire::ip::{self, Fragment, IpHeader, Protocol};

use super::config::TooBig;

/// What is to be sent in place of the packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These, onwards.
    Fragments(Vec<Vec<u8>>),
    /// This, back.
    Error(Vec<u8>),
    /// Nothing.
    Silence,
}

/// The most that an error quotes: RFC 1812 4.3.2.3 and RFC 4443 2.4 (c).
const ERROR_V4: usize = 576;
const ERROR_V6: usize = 1280;

/// What becomes of `packet`, which exceeds `mtu`.
pub(super) fn answer(packet: &[u8], mtu: u16, policy: TooBig) -> Answer {
    if policy == TooBig::BlackHole {
        return Answer::Silence;
    }
    // A packet that was corrupted on the way may not be readable any more.
    let Ok(header) = ip::parse(packet) else { return Answer::Silence };
    let fragments = if header.dont_fragment { None } else { fragments(packet, &header, mtu) };
    match fragments {
        Some(fragments) => Answer::Fragments(fragments),
        None => error(packet, &header, mtu).map_or(Answer::Silence, Answer::Error),
    }
}

/// The fragments of an IPv4 packet that permits them; `None` if the MTU leaves no room for any.
fn fragments(packet: &[u8], header: &IpHeader, mtu: u16) -> Option<Vec<Vec<u8>>> {
    let (start, last_more, id) = match header.fragment {
        Some(part) => (part.offset, part.more, part.id),
        None => (0, false, u32::from(header.ident)),
    };
    let payload = header.payload(packet);
    // Options are not copied: none of those that must be (RFC 791 3.1) concerns a router of our making.
    let room = usize::from(mtu).checked_sub(header.emit_len())? / 8 * 8;
    if room == 0 || header.src.is_ipv6() {
        return None;
    }
    let count = payload.len().div_ceil(room);
    let fragment = |(index, part): (usize, &[u8])| {
        let offset = start.checked_add(u16::try_from(index * room).ok()?)?;
        let more = last_more || index + 1 < count;
        let header = IpHeader { payload_len: part.len(), fragment: Some(Fragment { id, offset, more }), ..*header };
        let mut bytes = vec![0; header.emit_len() + part.len()];
        let len = ip::emit(&header, &mut bytes);
        bytes.get_mut(len..)?.copy_from_slice(part);
        Some(bytes)
    };
    payload.chunks(room).enumerate().map(fragment).collect()
}

/// The ICMP error to the sender, which comes from the packet's destination: this network has no router of its own.
fn error(packet: &[u8], header: &IpHeader, mtu: u16) -> Option<Vec<u8>> {
    let first = header.fragment.is_none_or(|part| part.offset == 0);
    // RFC 1122 3.2.2, RFC 4443 2.4 (e): no error about an error, a later fragment or a multicast.
    let about_error = [Protocol::ICMP, Protocol::ICMPV6].contains(&header.protocol)
        && header.payload(packet).first().is_none_or(|&kind| Icmp::is_error_type(header.src.is_ipv4(), kind));
    if !first || about_error || header.dst.is_multicast() || header.src.is_multicast() || header.src.is_unspecified() {
        return None;
    }
    let (protocol, most) = if header.src.is_ipv4() { (Protocol::ICMP, ERROR_V4) } else { (Protocol::ICMPV6, ERROR_V6) };
    let back = IpHeader::new(header.dst, header.src, protocol, 0);
    let most = most - back.emit_len() - bowline_wire::icmp::HEADER;
    let quoted = packet.get(..packet.len().min(most))?;
    let message = Icmp::Error { error: IcmpError::PacketTooBig { mtu: u32::from(mtu) }, quoted };
    let back = IpHeader { payload_len: message.emit_len(), ..back };
    let mut bytes = vec![0; back.emit_len() + back.payload_len];
    let len = ip::emit(&back, &mut bytes);
    message.emit(back.src, back.dst, bytes.get_mut(len..)?);
    Some(bytes)
}
