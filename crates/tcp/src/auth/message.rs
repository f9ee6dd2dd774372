//! A segment as what signs it sees it: pseudo-header, header with a checksum of zero, text (RFC 2385 2.0, RFC 5925 5.1).

use core::net::IpAddr;

use arrayvec::ArrayVec;
use bowline_wire::tcp::{CHECKSUM_OFFSET, MAX_HEADER, MIN_HEADER};

use crate::segment::Arrival;

/// The longest pseudo-header, that of IPv6, in bytes.
const PSEUDO: usize = 40;
/// TCP-AO's option, the length of what is before its MAC, and the two options of one byte.
const AO: u8 = 29;
const AO_HEAD: usize = 4;
const END: u8 = 0;
const NOP: u8 = 1;
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

/// A segment as the host hands it over.
impl<'h> Message<'h, ()> {
    pub(crate) fn arrived(arrival: &'h Arrival<'h>) -> Message<'h, impl Text<'h>> {
        let text = arrival.text.iter().map(|piece| &*piece.data);
        Message { from: arrival.tuple.remote.ip(), to: arrival.tuple.local.ip(), head: arrival.head, text }
    }
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

    /// The header as TCP-AO covers it (RFC 5925 5.1): its checksum is zero and so is the MAC, and where other options are not
    /// covered, they are left out.
    pub(crate) fn head_for_ao(&self, covers_options: bool) -> ArrayVec<u8, MAX_HEADER> {
        let options = self.head.get(MIN_HEADER..).unwrap_or_default();
        let mut covered: ArrayVec<u8, MAX_HEADER> = self.fixed().into_iter().collect();
        let mut at = 0;
        while let Some(kind) = options.get(at).copied() {
            let len = match (kind, options.get(at + 1)) {
                (END, _) => options.len() - at,
                (NOP, _) => 1,
                (_, Some(len)) => usize::from(*len).max(1),
                (_, None) => 1,
            };
            let option = options.get(at..(at + len).min(options.len())).unwrap_or_default();
            at += len;
            let shown = if kind == AO { AO_HEAD } else { option.len() };
            if kind == AO || covers_options {
                let zeros = core::iter::repeat_n(0, option.len().saturating_sub(shown));
                let bytes = option.iter().take(shown).copied().chain(zeros);
                bytes.take(covered.remaining_capacity()).for_each(|byte| covered.push(byte));
            }
        }
        covered
    }
}
