//! A segment as what signs it sees it: pseudo-header, header with a checksum of zero, text (RFC 2385 2.0, RFC 5925 5.1).

use core::net::IpAddr;

use arrayvec::ArrayVec;
use bowline_wire::tcp::{CHECKSUM_OFFSET, MIN_HEADER};

/// The longest pseudo-header, that of IPv6, in bytes.
const PSEUDO: usize = 40;
/// TCP's number.
const TCP: u8 = 6;

/// The text of a segment, piece by piece.
pub(crate) trait Text<'t>: Iterator<Item = &'t [u8]> + Clone {}

impl<'t, T: Iterator<Item = &'t [u8]> + Clone> Text<'t> for T {}

/// A segment, and who sends it to whom.
#[derive(Clone, Debug)]
pub(crate) struct Message<'h, T> {
    /// The sender's address.
    pub(crate) from: IpAddr,
    /// The receiver's.
    pub(crate) to: IpAddr,
    /// The header as on the wire, options included.
    pub(crate) head: &'h [u8],
    /// The text, in pieces.
    pub(crate) text: T,
}

impl<T> Message<'_, T> {
    fn len<'t>(&self) -> usize
    where
        T: Text<'t>,
    {
        self.head.len() + self.text.clone().map(<[u8]>::len).sum::<usize>()
    }

    /// Addresses, protocol and length, as for the checksum (RFC 9293 3.1; RFC 8200 8.1).
    pub(crate) fn pseudo_header<'t>(&self) -> ArrayVec<u8, PSEUDO>
    where
        T: Text<'t>,
    {
        let mut bytes = ArrayVec::new();
        for address in [self.from, self.to] {
            match address {
                IpAddr::V4(v4) => bytes.extend(v4.octets()),
                IpAddr::V6(v6) => bytes.extend(v6.octets()),
            }
        }
        if self.from.is_ipv4() {
            bytes.extend([0, TCP]);
            bytes.extend((self.len() as u16).to_be_bytes());
        } else {
            bytes.extend((self.len() as u32).to_be_bytes());
            bytes.extend([0, 0, 0, TCP]);
        }
        bytes
    }

    /// The header without options and without its checksum; zero where there is none.
    pub(crate) fn fixed(&self) -> [u8; MIN_HEADER] {
        let mut fixed = self.head.first_chunk::<MIN_HEADER>().copied().unwrap_or_default();
        fixed.iter_mut().skip(CHECKSUM_OFFSET).take(2).for_each(|byte| *byte = 0);
        fixed
    }
}
