//! All randomness of an endpoint, from one 32-byte seed that the caller brings.
//!
//! There are two streams. The secret one makes keys (initial sequence numbers of RFC 6528, SYN cookies, hash tables) and
//! nothing else, so that no output of it is ever seen on the wire. The public one makes what peers do see: ports
//! (RFC 6056), identifiers, jitter. The same seed and the same calls give the same values, on every machine.

use core::fmt;
use core::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// The source of randomness of one endpoint or host.
#[derive(Clone)]
pub struct Randomness {
    secret: ChaCha12Rng,
    public: ChaCha12Rng,
}

impl Randomness {
    /// Both streams, from a seed. Take the seed from the operating system, except where a run must be repeated.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let secret = ChaCha12Rng::from_seed(seed);
        let mut public = secret.clone();
        // Streams of one ChaCha key are independent: knowing one tells nothing of the other.
        public.set_stream(1);
        Self { secret, public }
    }

    /// A new key that nobody outside can know: 128 bits of the secret stream.
    pub fn secret_key(&mut self) -> [u8; 16] {
        let mut key = [0; 16];
        self.secret.fill_bytes(&mut key);
        key
    }

    /// A 32-bit value of the public stream.
    pub fn next_u32(&mut self) -> u32 {
        self.public.next_u32()
    }

    /// A 64-bit value of the public stream.
    pub fn next_u64(&mut self) -> u64 {
        self.public.next_u64()
    }

    /// A value from zero up to, but not including, `n`; zero if `n` is. Every value is equally likely to within 2^-64.
    pub fn below(&mut self, n: u64) -> u64 {
        let product = u128::from(self.public.next_u64()) * u128::from(n);
        (product >> 64) as u64
    }

    /// A duration from zero up to, but not including, `most`, in nanoseconds; zero if `most` is.
    pub fn jitter(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Randomness {
    /// Shows nothing of the state, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Randomness").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
