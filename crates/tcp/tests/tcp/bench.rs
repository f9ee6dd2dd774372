//! The test bench: a scripted peer, and a pair of endpoints over a bad network. Both live in virtual time.

pub(crate) mod md5;
pub(crate) mod net;
pub(crate) mod pair;
pub(crate) mod peer;
pub(crate) mod recorder;
pub(crate) mod script;
pub(crate) mod sender;

/// The byte at this place of every stream: a place that is delivered wrongly shows.
pub(crate) fn byte_at(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// A piece of the stream.
pub(crate) fn stream(from: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| byte_at(from.wrapping_add(n))).collect()
}
