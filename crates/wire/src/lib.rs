//! Bowline's packet formats: what a packet says, and nothing about what to do with it.
//!
//! | module | what | RFC |
//! |---|---|---|
//! | [`packet`] | what passes between a device and a host, super-segments and offloads included | |
//! | [`ip`] | one header for both versions; [`ipv4`] and [`ipv6`] below it | 791, 8200 |
//! | [`tcp`] | the TCP header and its options | 9293, 7323, 2018 |
//! | [`udp`], [`icmp`] | UDP, ICMPv4 and ICMPv6 with the packet an error quotes | 768, 792, 4443 |
//! | [`checksum`] | the Internet checksum: whole, partial, fused with a copy, updated in place | 1071, 1624 |
//! | [`cidr`] | an address with the length of its network's prefix | 4632 |
//! | [`seq`] | sequence numbers, which have no order | 9293 3.4 |
//! | [`segmentation`] | a super-segment cut into wire packets, where a device cannot | |
//! | [`coalescing`] | wire packets joined into a super-segment, where a device has not | |
//!
//! Each header is a plain value with `parse` and `emit`, and `parse(emit(h)) == h`. Parsing takes untrusted bytes and
//! returns a value or an error; it never panics, never allocates and copies no payload. Emitting writes to the front of a
//! caller's buffer and returns the length, or zero where the buffer is too short.
//!
//! ```
//! use bowline_wire::{TcpFlags, TcpHeader, SeqNumber};
//!
//! let syn = TcpHeader { src_port: 40_000, dst_port: 80, seq: SeqNumber(7), flags: TcpFlags::SYN, ..TcpHeader::default() };
//! let mut bytes = [0; 60];
//! let len = syn.emit(&mut bytes);
//! assert_eq!(TcpHeader::parse(&bytes[..len]), Ok((syn, len)));
//! ```
//!
//! What is not here: Ethernet, ARP and neighbour discovery (Bowline's devices carry IP packets), IPv6 jumbograms, IPsec.
#![no_std]
extern crate alloc;

pub mod checksum;
pub mod cidr;
pub mod coalescing;
pub mod icmp;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod packet;
pub mod plain;
pub mod segmentation;
pub mod seq;
pub mod tcp;
pub mod udp;

pub use cidr::{Cidr, CidrParseError};
pub use ip::{Ecn, Fragment, IpError, IpHeader, Protocol, TrafficClass};
pub use packet::{
    Capabilities, PartialChecksum, Piece, RxChecksum, RxPacket, SegmentKind, Stretch, Stretches, TxPacket,
};
pub use segmentation::Segmenter;
pub use seq::SeqNumber;
pub use tcp::{
    AccEcnOption, AccEcnOrder, FastOpen, Layout, SackBlock, Signature, TcpError, TcpFlags, TcpHeader, TcpOptions,
    Timestamps,
};
pub use udp::{UdpError, UdpHeader};

/// `N` bytes of `data` from `at`, or `None` where it is shorter.
pub(crate) fn bytes_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk::<N>().copied()
}

/// The 16-bit big-endian field of `data` at `at`.
pub(crate) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    bytes_at(data, at).map(u16::from_be_bytes)
}

/// The 32-bit big-endian field of `data` at `at`.
pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    bytes_at(data, at).map(u32::from_be_bytes)
}

/// Writes 32-bit words, big-endian, to the front of `data`; those that do not fit are left out.
#[inline]
pub(crate) fn put_words(data: &mut [u8], words: &[u32]) {
    for (place, word) in data.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
}

/// Writes `bytes` into `data` at `at`; does nothing where they do not fit.
pub(crate) fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = data.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        field.copy_from_slice(bytes);
    }
}
