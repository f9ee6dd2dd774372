//! What most packets are: a TCP segment in one IPv4 packet, whole, behind a header without options.
//!
//! Decides only whether a packet is of this kind, and reads and writes such ones with nothing else in mind: addresses stay
//! numbers, and what is summed is what is at hand. Of others [`crate::ip`] and [`crate::tcp`] know everything; what is said
//! of a packet here, they say too.

use core::net::Ipv4Addr;

use crate::checksum::{self, Accumulator};
use crate::ip::{Ecn, Protocol, TrafficClass};
use crate::ipv4::{self, MIN_HEADER};
use crate::packet::{MAX_PACKET, total_len};
use crate::tcp::{self, MAX_HEADER, TcpHeader};

/// The length of the longest headers, in bytes.
pub const MAX_HEAD: usize = MIN_HEADER + MAX_HEADER;

/// A plain packet that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// The source, and the destination.
    pub ends: (Ipv4Addr, Ipv4Addr),
    /// DSCP and ECN.
    pub traffic_class: TrafficClass,
    /// The TCP segment, without the packet's padding.
    pub segment: &'a [u8],
}

impl<'a> Plain<'a> {
    /// Reads a packet, if it is plain and its IP header's checksum is correct. The segment has not been looked at.
    #[inline]
    #[must_use]
    pub fn read(packet: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<MIN_HEADER>()?;
        let whole = u16::from_be_bytes([fixed[6], fixed[7]]) & ipv4::FRAGMENT == 0;
        let plain = fixed[0] == 0x45 && fixed[9] == Protocol::TCP.0 && whole;
        if !plain || ipv4::sum(fixed) != u16::MAX {
            return None;
        }
        let len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]])).checked_sub(MIN_HEADER)?;
        Some(Self {
            ends: (
                Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
                Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
            ),
            traffic_class: TrafficClass(fixed[1]),
            segment: rest.get(..len)?,
        })
    }

    /// The congestion mark.
    #[inline]
    #[must_use]
    pub const fn ecn(&self) -> Ecn {
        self.traffic_class.ecn()
    }

    /// Whether the segment's checksum is correct (RFC 9293 3.1, MUST-3).
    #[inline]
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let (src, dst) = self.ends;
        let mut sum = Accumulator::pseudo_header(src.into(), dst.into(), Protocol::TCP, self.segment.len());
        sum.add(self.segment);
        sum.finish() == 0
    }
}

/// A plain packet to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The source, and the destination.
    pub ends: (Ipv4Addr, Ipv4Addr),
    /// DSCP and ECN.
    pub traffic_class: TrafficClass,
    /// Routers that it may pass.
    pub hop_limit: u8,
    /// The TCP header.
    pub header: &'a TcpHeader,
    /// What follows it.
    pub payload: &'a [&'a [u8]],
}

impl Outgoing<'_> {
    /// Writes both headers to the front of `out` and returns their length; `None` where the packet would be longer than IP
    /// allows. `partial`: the device finishes TCP's checksum (see [`PartialChecksum`](crate::PartialChecksum)).
    #[inline]
    pub fn write(&self, out: &mut [u8; MAX_HEAD], partial: bool) -> Option<usize> {
        let (ip, transport) = out.split_first_chunk_mut::<MIN_HEADER>()?;
        let (header_len, words) = self.header.emit_summed(transport);
        let len = header_len + total_len(self.payload);
        if MIN_HEADER + len > MAX_PACKET {
            return None;
        }
        ipv4::write(ip, self.ends, [self.traffic_class.0, self.hop_limit, Protocol::TCP.0], len);
        let checksum = if partial {
            pseudo_header(self.ends, len, 0).partial()
        } else {
            let mut sum = pseudo_header(self.ends, len, words);
            for part in self.payload {
                sum.add(part);
            }
            sum.finish()
        };
        tcp::set_checksum(transport, checksum);
        Some(MIN_HEADER + header_len)
    }
}

/// The sum of the pseudo-header, and of `words`.
#[inline]
fn pseudo_header((src, dst): (Ipv4Addr, Ipv4Addr), len: usize, words: u64) -> Accumulator {
    let ends = u64::from(src.to_bits()) + u64::from(dst.to_bits());
    checksum::of_words(ends + u64::from(Protocol::TCP.0) + len as u64 + words)
}

#[cfg(test)]
mod tests;
