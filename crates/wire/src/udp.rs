//! The UDP header (RFC 768; over IPv6 RFC 8200 8.1).

use crate::checksum::{self, Accumulator};
use crate::ip::Protocol;
use crate::packet::{RxChecksum, total_len};
use core::fmt;
use core::net::IpAddr;

/// The length of the header, in bytes.
pub const HEADER: usize = 8;
/// Where the checksum stands in the header, in bytes.
pub const CHECKSUM_OFFSET: usize = 6;

/// A UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UdpHeader {
    /// The sender's port; zero where it wants no answer.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// Bytes of payload.
    pub payload_len: usize,
}

/// Why bytes are not an acceptable UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpError {
    /// They end before the header does, or before the length that it promises.
    Truncated,
    /// The length field is below that of the header.
    Length,
    /// The checksum is wrong, or zero where it must not be (RFC 8200 8.1).
    Checksum,
}

impl fmt::Display for UdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "datagram shorter than its length",
            Self::Length => "UDP length below that of the header",
            Self::Checksum => "wrong UDP checksum",
        })
    }
}

impl core::error::Error for UdpError {}

impl UdpHeader {
    /// Parses a datagram, the payload of an IP packet; bytes after its length are padding.
    ///
    /// The checksum is looked at where `check` says [`RxChecksum::Unverified`]. Zero means none in IPv4 and is refused
    /// in IPv6.
    ///
    /// # Errors
    /// See [`UdpError`].
    #[inline]
    pub fn parse(src: IpAddr, dst: IpAddr, datagram: &[u8], check: RxChecksum) -> Result<Self, UdpError> {
        let [s0, s1, d0, d1, l0, l1, c0, c1] = *datagram.first_chunk::<HEADER>().ok_or(UdpError::Truncated)?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let payload_len = len.checked_sub(HEADER).ok_or(UdpError::Length)?;
        let datagram = datagram.get(..len).ok_or(UdpError::Truncated)?;
        if check == RxChecksum::Unverified {
            let has_none = [c0, c1] == [0, 0];
            let is_valid = if has_none { src.is_ipv4() } else { checksum::is_valid(src, dst, Protocol::UDP, datagram) };
            if !is_valid {
                return Err(UdpError::Checksum);
            }
        }
        Ok(Self { src_port: u16::from_be_bytes([s0, s1]), dst_port: u16::from_be_bytes([d0, d1]), payload_len })
    }

    /// The bytes that [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn emit_len(&self) -> usize {
        HEADER
    }

    /// Writes the header with a zero checksum to the front of `out`; returns its length, zero where it does not fit.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let Some(bytes) = out.first_chunk_mut::<HEADER>() else { return 0 };
        let ([s0, s1], [d0, d1]) = (self.src_port.to_be_bytes(), self.dst_port.to_be_bytes());
        let [l0, l1] = ((HEADER + self.payload_len).min(usize::from(u16::MAX)) as u16).to_be_bytes();
        *bytes = [s0, s1, d0, d1, l0, l1, 0, 0];
        HEADER
    }
}

/// Writes the checksum field of a datagram; zero, which would mean that there is none, as its equal 0xffff.
///
/// Does nothing where the datagram is too short to have one.
#[inline]
pub fn set_checksum(datagram: &mut [u8], checksum: u16) {
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    crate::put(datagram, CHECKSUM_OFFSET, &checksum.to_be_bytes());
}

/// Completes the checksum of a header that [`UdpHeader::emit`] wrote, over the payload that will follow it.
pub fn fill_checksum(src: IpAddr, dst: IpAddr, header: &mut [u8], payload: &[&[u8]]) {
    let len = header.len() + total_len(payload);
    let mut sum = Accumulator::pseudo_header(src, dst, Protocol::UDP, len);
    crate::put(header, CHECKSUM_OFFSET, &[0, 0]);
    sum.add(header);
    for part in payload {
        sum.add(part);
    }
    set_checksum(header, sum.finish());
}

#[cfg(test)]
mod tests;
