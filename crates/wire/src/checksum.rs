//! The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words.
//!
//! Sums are kept in the machine's byte order and turned to the network's at the end, which RFC 1071 section 2 (B) allows.
//! The inner loop adds 32-bit words as they are and their upper halves beside them, which is three vector instructions for
//! 16 bytes and needs no wider lanes: the sum of the lower halves is what is left of the wrapped sum without the upper.
//! It is written as two plain sums, of which the compiler makes lanes that stay in vector registers.
//!
//! This module knows where bytes stand in the sum, not what they mean.

use crate::ip::Protocol;
use core::net::IpAddr;

/// Below so many bytes the machine words are added one by one: that is over before a loop of vectors has begun.
const LONG: usize = 64;
/// The most bytes of which the halves cannot overflow: 2^16 words.
const BLOCK: usize = 4 << 16;

/// Bytes that are copied and then summed, while they are at hand.
const PIECE: usize = 4096;

/// The sum of the words of a short slice, in 34 bits; an odd last byte is padded with zero. Each carry goes round, which the
/// compiler takes for no loop of vectors: there would be more code of it than work.
#[inline]
fn short_sum(data: &[u8]) -> u64 {
    let (words, mut rest) = data.as_chunks::<8>();
    let mut sum = 0_u64;
    for word in words {
        let (next, carry) = sum.overflowing_add(u64::from_ne_bytes(*word));
        sum = next + u64::from(carry);
    }
    sum = (sum >> 32) + (sum & 0xffff_ffff);
    if let Some((word, after)) = rest.split_first_chunk::<4>() {
        (sum, rest) = (sum + u64::from(u32::from_ne_bytes(*word)), after);
    }
    if let Some((word, after)) = rest.split_first_chunk::<2>() {
        (sum, rest) = (sum + u64::from(u16::from_ne_bytes(*word)), after);
    }
    match *rest {
        [last] => sum + u64::from(u16::from_ne_bytes([last, 0])),
        _ => sum,
    }
}

/// The unfolded sum of `data` in machine byte order; an odd last byte is padded with zero.
// Not inlined: whoever has a packet sums several of its parts.
#[inline(never)]
#[must_use]
pub fn sum(data: &[u8]) -> u64 {
    if data.len() < LONG { short_sum(data) } else { data.chunks(BLOCK).map(block_sum).sum() }
}

/// The same for no more than [`BLOCK`] bytes.
fn block_sum(block: &[u8]) -> u64 {
    let (words, rest) = block.as_chunks::<4>();
    let (mut sum, mut upper) = (0_u32, 0_u32);
    for word in words {
        let word = u32::from_ne_bytes(*word);
        sum = sum.wrapping_add(word);
        upper = upper.wrapping_add(word >> 16);
    }
    u64::from(upper) + u64::from(sum.wrapping_sub(upper << 16)) + short_sum(rest)
}

/// Copies `src` to the front of `dst` and returns the sum of what was copied.
///
/// Goes by pieces that stay in the first-level cache, so that memory is read once. Copies no more than `dst` holds.
#[inline]
pub fn copy_and_sum(dst: &mut [u8], src: &[u8]) -> u64 {
    let len = src.len().min(dst.len());
    let (Some(dst), Some(src)) = (dst.get_mut(..len), src.get(..len)) else { return 0 };
    let mut total = 0;
    for (to, from) in dst.chunks_mut(PIECE).zip(src.chunks(PIECE)) {
        to.copy_from_slice(from);
        total += sum(from);
    }
    total
}

/// Folds a sum to 16 bits with end-around carry. It keeps the byte order of its argument.
#[inline]
#[must_use]
pub const fn fold(sum: u64) -> u16 {
    let (half, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
    let half = half + carry as u32;
    let (word, carry) = (half as u16).overflowing_add((half >> 16) as u16);
    word + carry as u16
}

/// Begins with the sum of 32-bit words of which each was read as a number, most significant byte first.
#[inline]
#[must_use]
pub const fn of_words(sum: u64) -> Accumulator {
    Accumulator { sum: fold(sum).to_be() as u64, odd: false }
}

/// A checksum under way, over slices of any length: the second of two odd slices continues where the first one ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accumulator {
    sum: u64,
    odd: bool,
}

impl Accumulator {
    /// The empty sum.
    #[must_use]
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// The sum of a pseudo-header: `len` is that of the transport header and its payload, in bytes
    /// (RFC 9293 3.1, MUST-2 and MUST-3; RFC 8200 8.1).
    #[inline]
    #[must_use]
    pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: Protocol, len: usize) -> Self {
        let of = |address| match address {
            IpAddr::V4(v4) => u64::from(u32::from_ne_bytes(v4.octets())),
            IpAddr::V6(v6) => short_sum(&v6.octets()),
        };
        let mut pseudo = Self { sum: u64::from(u16::from(protocol.0).to_be()) + of(src) + of(dst), odd: false };
        pseudo.add_length(len);
        pseudo
    }

    /// Adds the length to the sum of a pseudo-header that was made with a length of zero.
    #[inline]
    pub const fn add_length(&mut self, len: usize) {
        // One above 16 bits is two words of the sum; to_be of both halves at once has the same effect.
        self.sum += (len as u32).to_be() as u64;
    }

    /// Adds `data`.
    #[inline]
    pub fn add(&mut self, data: &[u8]) {
        self.append(sum(data), data.len());
    }

    /// Copies `src` to the front of `dst` and adds what was copied. Copies no more than `dst` holds.
    #[inline]
    pub fn copy(&mut self, dst: &mut [u8], src: &[u8]) {
        let len = src.len().min(dst.len());
        self.append(copy_and_sum(dst, src), len);
    }

    /// Adds what another sum covers, which follows what this one covers.
    #[inline]
    pub fn join(&mut self, next: Self) {
        self.append(next.sum, usize::from(next.odd));
    }

    #[inline]
    fn append(&mut self, sum: u64, len: usize) {
        // RFC 1071 2 (B): at an odd place the bytes of every word change sides. Folded to 33 bits at most, so that sums of slices
        // cannot overflow together.
        let swapped = || u64::from(fold(sum).swap_bytes());
        self.sum += if self.odd { swapped() } else { (sum >> 32) + (sum & 0xffff_ffff) };
        self.odd ^= len % 2 == 1;
    }

    /// The folded sum, not inverted: what stands in the checksum field where a device finishes it.
    #[inline]
    #[must_use]
    pub const fn partial(self) -> u16 {
        u16::from_be(fold(self.sum))
    }

    /// The checksum: the inverted folded sum. Zero over data that contains its own correct checksum.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.partial()
    }
}

/// The checksum of one slice.
#[inline]
#[must_use]
pub fn checksum(data: &[u8]) -> u16 {
    !u16::from_be(fold(sum(data)))
}

/// Whether a transport packet's checksum, which it contains, is correct.
#[inline]
#[must_use]
pub fn is_valid(src: IpAddr, dst: IpAddr, protocol: Protocol, packet: &[u8]) -> bool {
    let mut sum = Accumulator::pseudo_header(src, dst, protocol, packet.len());
    sum.add(packet);
    sum.finish() == 0
}

#[cfg(test)]
mod tests;
