//! What `md5 valid` stands for: the MD5 signature (RFC 2385) of a packet, by the secret that a script has.
//!
//! Written down a second time, and not taken from the stack: it is what judges the stack.

use bowline_wire::{Protocol, ip, tcp};
use md5::{Digest, Md5};

use super::options::MD5;

/// The length of a digest, in bytes.
const LEN: usize = 16;

/// A TCP segment in its packet: where it begins, where its text does, and where its digest stands.
struct Places {
    segment: usize,
    text: usize,
    end: usize,
    digest: usize,
}

fn places(packet: &[u8]) -> Option<Places> {
    let header =
        ip::parse(packet).ok().filter(|header| header.protocol == Protocol::TCP && header.fragment.is_none())?;
    let (segment, end) = (header.header_len, header.header_len + header.payload_len);
    let text = segment + usize::from(packet.get(segment + 12)? >> 4) * 4;
    let mut at = segment + tcp::MIN_HEADER;
    while at < text.min(end) {
        match packet.get(at..end)? {
            [0, ..] => return None,
            [1, ..] => at += 1,
            [MD5, len, ..] => {
                let is_one = usize::from(*len) == LEN + 2 && at + LEN + 2 <= text;
                return is_one.then_some(Places { segment, text, end, digest: at + 2 });
            }
            [_, len, ..] => at += usize::from(*len).max(1),
            _ => return None,
        }
    }
    None
}

/// The digest that a packet should have, and where.
fn digest(packet: &[u8], secret: &[u8]) -> Option<(usize, [u8; LEN])> {
    let header = ip::parse(packet).ok()?;
    let Places { segment, text, end, digest } = places(packet)?;
    let mut fixed: [u8; tcp::MIN_HEADER] = packet.get(segment..)?.first_chunk().copied()?;
    fixed.iter_mut().skip(tcp::CHECKSUM_OFFSET).take(2).for_each(|byte| *byte = 0);
    let len = end - segment;
    let (addresses, rest) = match (header.src, header.dst) {
        (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) => {
            ([src.octets(), dst.octets()].concat(), [&[0, Protocol::TCP.0][..], &(len as u16).to_be_bytes()].concat())
        }
        (std::net::IpAddr::V6(src), std::net::IpAddr::V6(dst)) => {
            let rest = [&(len as u32).to_be_bytes()[..], &[0, 0, 0, Protocol::TCP.0]].concat();
            ([src.octets(), dst.octets()].concat(), rest)
        }
        _ => return None,
    };
    let text = packet.get(text..end)?;
    let hash = [&addresses[..], &rest, &fixed, text, secret].into_iter().fold(Md5::new(), Digest::chain_update);
    Some((digest, hash.finalize().into()))
}

/// Signs a packet that has room for it; false where it has none.
pub fn sign(packet: &mut [u8], secret: &[u8]) -> bool {
    let (Some((at, digest)), Ok(header)) = (digest(packet, secret), ip::parse(packet)) else { return false };
    let Some(place) = packet.get_mut(at..at + LEN) else { return false };
    place.copy_from_slice(&digest);
    if let Some(segment) = packet.get_mut(header.header_len..header.header_len + header.payload_len) {
        tcp::fill_checksum(header.src, header.dst, segment, &[]);
    }
    true
}

/// Whether a packet is signed with this secret.
#[must_use]
pub fn is_valid(packet: &[u8], secret: &[u8]) -> bool {
    digest(packet, secret).is_some_and(|(at, digest)| packet.get(at..at + LEN) == Some(&digest[..]))
}
