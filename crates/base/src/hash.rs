//! A keyed hash for tables whose keys a peer chooses: SipHash-1-3 over whole 64-bit words.
//!
//! With a secret key nobody outside can make many four-tuples fall into one bucket. SipHash-1-3 is what the standard
//! library's own tables use; this one takes words instead of bytes, so that a four-tuple costs no buffering.

use core::fmt;

/// The hash under one key. Two of them with the same key agree.
#[derive(Clone, Copy)]
pub struct KeyedHash {
    v: [u64; 4],
}

impl KeyedHash {
    /// The hash under `key`, which should come from [`Randomness::secret_key`](crate::Randomness::secret_key).
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(key);
        let (k0, k1) = (both as u64, (both >> 64) as u64);
        Self {
            v: [
                k0 ^ 0x736f_6d65_7073_6575,
                k1 ^ 0x646f_7261_6e64_6f6d,
                k0 ^ 0x6c79_6765_6e65_7261,
                k1 ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    /// The hash of these words, equal to SipHash-1-3 of their little-endian bytes.
    #[inline]
    #[must_use]
    pub fn hash(&self, words: &[u64]) -> u64 {
        let mut v = self.v;
        for &word in words {
            v[3] ^= word;
            round(&mut v);
            v[0] ^= word;
        }
        // SipHash ends with the length in bytes, modulo 256, in the top byte of a last word.
        let last = (words.len() as u64) << 59;
        v[3] ^= last;
        round(&mut v);
        v[0] ^= last;
        v[2] ^= 0xff;
        round(&mut v);
        round(&mut v);
        round(&mut v);
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

impl fmt::Debug for KeyedHash {
    /// Shows nothing of the key, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedHash").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
