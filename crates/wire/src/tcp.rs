//! The TCP header (RFC 9293 3.1). What its options say is in [`options`]; what any of it means is TCP's business.

use crate::checksum;
use crate::ip::Protocol;
use crate::packet::total_len;
use crate::seq::SeqNumber;
use core::fmt;
use core::net::IpAddr;

pub mod options;

pub use options::{
    AccEcnOption, AccEcnOrder, Cookie, FastOpen, Layout, MAX_SACK_BLOCKS, Mac, SackBlock, Signature, TcpOptions,
    Timestamps,
};

/// The length of a header without options, in bytes.
pub const MIN_HEADER: usize = 20;
/// The length of the longest header, in bytes: the data offset has four bits.
pub const MAX_HEADER: usize = 60;
/// Where the checksum stands in the header, in bytes.
pub const CHECKSUM_OFFSET: usize = 16;

bitflags::bitflags! {
    /// The control bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct TcpFlags: u16 {
        /// No more data from the sender.
        const FIN = 0x001;
        /// Synchronize sequence numbers.
        const SYN = 0x002;
        /// Reset the connection.
        const RST = 0x004;
        /// Push.
        const PSH = 0x008;
        /// The acknowledgement field counts.
        const ACK = 0x010;
        /// The urgent pointer counts.
        const URG = 0x020;
        /// ECN echo (RFC 3168).
        const ECE = 0x040;
        /// Congestion window reduced (RFC 3168).
        const CWR = 0x080;
        /// Accurate ECN (RFC 9768), once the nonce sum.
        const AE = 0x100;
    }
}

impl fmt::Display for TcpFlags {
    /// In the order of their bits, as tcpdump's long names: `SYN,ACK`; `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (number, (name, _)) in self.iter_names().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// A TCP header. The reserved bits are not kept: they are sent as zero and ignored on receipt (RFC 9293 3.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TcpHeader {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// The number of the first byte, or of the SYN.
    pub seq: SeqNumber,
    /// The next byte that the sender expects; meaningful with ACK.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: TcpFlags,
    /// The window, not scaled.
    pub window: u16,
    /// The urgent pointer; meaningful with URG.
    pub urgent: u16,
    /// The options.
    pub options: TcpOptions,
}

/// Why bytes are not a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpError {
    /// They end before the header does.
    Truncated,
    /// The data offset is below five words.
    DataOffset,
}

impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "segment shorter than its header",
            Self::DataOffset => "TCP data offset below five words",
        })
    }
}

impl core::error::Error for TcpError {}

impl TcpHeader {
    /// Parses a segment's header; returns it with its length, where the data begins. The checksum is not looked at: see
    /// [`checksum::is_valid`].
    ///
    /// Malformed options hide neither the header nor the options before them.
    ///
    /// # Errors
    /// The bytes end before the header does, or the data offset is too small.
    #[inline]
    pub fn parse(segment: &[u8]) -> Result<(Self, usize), TcpError> {
        let mut header = Self::default();
        let len = header.read(segment)?;
        Ok((header, len))
    }

    /// Like [`parse`](Self::parse), into a header that is there, of which nothing remains; returns its length. (A header is
    /// large to move.)
    ///
    /// # Errors
    /// As [`parse`](Self::parse); the header is as it was then.
    #[inline(always)]
    pub fn read(&mut self, segment: &[u8]) -> Result<usize, TcpError> {
        let fixed: &[u8; MIN_HEADER] = segment.first_chunk().ok_or(TcpError::Truncated)?;
        let offset_and_flags = u16::from_be_bytes([fixed[12], fixed[13]]);
        let len = usize::from(offset_and_flags >> 12) * 4;
        if len < MIN_HEADER {
            return Err(TcpError::DataOffset);
        }
        let options = segment.get(MIN_HEADER..len).ok_or(TcpError::Truncated)?;
        *self = Self {
            src_port: u16::from_be_bytes([fixed[0], fixed[1]]),
            dst_port: u16::from_be_bytes([fixed[2], fixed[3]]),
            seq: SeqNumber(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ack: SeqNumber(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
            flags: TcpFlags::from_bits_truncate(offset_and_flags),
            window: u16::from_be_bytes([fixed[14], fixed[15]]),
            urgent: u16::from_be_bytes([fixed[18], fixed[19]]),
            options: TcpOptions::default(),
        };
        self.options.read_all(options);
        Ok(len)
    }

    /// The bytes that [`emit`](Self::emit) writes, a multiple of four.
    #[inline]
    #[must_use]
    pub fn emit_len(&self) -> usize {
        MIN_HEADER + self.options.emit_len()
    }

    /// Writes the header to the front of `out` with a zero checksum; returns its length, zero where it does not fit.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        self.emit_summed(out).0
    }

    /// The same; returns also the sum of the 32-bit words that were written, as numbers: to read them back would cost more.
    #[inline(always)]
    pub(crate) fn emit_summed(&self, out: &mut [u8]) -> (usize, u64) {
        let len = self.emit_len();
        let Some((fixed, options)) = out.get_mut(..len).and_then(<[u8]>::split_first_chunk_mut::<MIN_HEADER>) else {
            return (0, 0);
        };
        let both = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        let offset_and_flags = (len as u16 / 4) << 12 | self.flags.bits() & 0x1ff;
        let words = [
            both(self.src_port, self.dst_port),
            self.seq.0,
            self.ack.0,
            both(offset_and_flags, self.window),
            both(0, self.urgent),
        ];
        crate::put_words(fixed, &words);
        let sum: u64 = words.iter().map(|word| u64::from(*word)).sum();
        (len, sum + self.options.emit(options))
    }
}

/// Writes the checksum field of a segment; does nothing where it is too short to have one.
#[inline]
pub fn set_checksum(segment: &mut [u8], checksum: u16) {
    crate::put(segment, CHECKSUM_OFFSET, &checksum.to_be_bytes());
}

/// Completes the checksum of a header that [`TcpHeader::emit`] wrote, over the payload that will follow it
/// (RFC 9293 3.1, MUST-2).
pub fn fill_checksum(src: IpAddr, dst: IpAddr, header: &mut [u8], payload: &[&[u8]]) {
    let len = header.len() + total_len(payload);
    let mut sum = checksum::Accumulator::pseudo_header(src, dst, Protocol::TCP, len);
    set_checksum(header, 0);
    sum.add(header);
    for part in payload {
        sum.add(part);
    }
    set_checksum(header, sum.finish());
}

#[cfg(test)]
mod tests;
