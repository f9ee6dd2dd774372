//! Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323 7.1): where a connection's two counters begin.
//!
//! Both are a keyed hash of the four-tuple, so that nobody off the path can guess them from other connections, while
//! for one four-tuple they go on from incarnation to incarnation: the initial sequence number with a clock of 4 µs, the
//! timestamps with the clock they tell. TIME-WAIT is cut short safely because of that (RFC 6191 2).

use core::fmt;
use core::net::IpAddr;

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use siphasher::sip::SipHasher24;

use crate::FourTuple;

#[cfg(test)]
mod tests;

/// The secret of an endpoint behind both counters.
#[derive(Clone)]
pub struct IsnGenerator {
    secret: SipHasher24,
}

/// Where the two counters of a connection begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beginning {
    /// The initial sequence number.
    pub isn: SeqNumber,
    /// What to add to the millisecond clock for its timestamps; see [`timestamp`].
    pub timestamp_offset: u32,
}

impl IsnGenerator {
    /// A generator with this secret. It must come from a source that a peer cannot guess, and stay the same for as long as
    /// the endpoint lives.
    // RFC 6528 3, RFC6528-3-2: the caller's seed gives it, by a stream of its own; nothing shows it.
    #[must_use]
    pub fn new(secret: &[u8; 16]) -> Self {
        Self { secret: SipHasher24::new_with_key(secret) }
    }

    /// For a connection that begins now. Each counter has a half of one hash: who sees one of them learns nothing of the other.
    // RFC 9293 3.4.1, MUST-8: driven by a clock that ticks every 4 µs. SHLD-1: plus a keyed hash of the four-tuple, which
    // nobody without the key can compute (MUST-9). RFC 6528 3, RFC6528-3-1.
    #[must_use]
    pub fn begin(&self, now: Instant, tuple: &FourTuple) -> Beginning {
        let (clock, hash) = ((now.as_micros() / 4) as u32, hash(&self.secret, tuple));
        Beginning { isn: SeqNumber(clock.wrapping_add(hash as u32)), timestamp_offset: (hash >> 32) as u32 }
    }

    /// For a connection that takes over a four-tuple from TIME-WAIT: as [`begin`](Self::begin), but its sequence numbers
    /// lie at least 65,537 beyond `snd_nxt`, the end of the former incarnation, as Linux does.
    // RFC 9293 3.6.1, MAY-2: larger than the largest sequence number of the former incarnation.
    #[must_use]
    pub fn begin_above(&self, now: Instant, tuple: &FourTuple, snd_nxt: SeqNumber) -> Beginning {
        let beginning = self.begin(now, tuple);
        let least = snd_nxt + 65_537;
        let is_beyond = (beginning.isn.0.wrapping_sub(least.0) as i32) >= 0;
        Beginning { isn: if is_beyond { beginning.isn } else { least }, ..beginning }
    }
}

impl fmt::Debug for IsnGenerator {
    /// Shows nothing of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsnGenerator").finish_non_exhaustive()
    }
}

/// The value of our timestamps option at `now`: milliseconds (RFC 7323 5.4, RFC7323-5.4-1), from where the connection's offset puts it.
#[must_use]
pub fn timestamp(now: Instant, offset: u32) -> u32 {
    (now.as_millis() as u32).wrapping_add(offset)
}

/// A keyed hash of a four-tuple: over 12 bytes for IPv4 and 36 for IPv6.
pub(crate) fn hash(key: &SipHasher24, tuple: &FourTuple) -> u64 {
    let mut bytes = [0; 36];
    let len = tuple_bytes(tuple, &mut bytes);
    key.hash(bytes.get(..len).unwrap_or_default())
}

/// Writes a four-tuple to the front of `out` and returns how many bytes it took.
pub(crate) fn tuple_bytes(tuple: &FourTuple, out: &mut [u8; 36]) -> usize {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = out.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
            at += bytes.len();
        }
    };
    for address in [tuple.local.ip(), tuple.remote.ip()] {
        match address {
            IpAddr::V4(v4) => put(&v4.octets()),
            IpAddr::V6(v6) => put(&v6.octets()),
        }
    }
    put(&tuple.local.port().to_be_bytes());
    put(&tuple.remote.port().to_be_bytes());
    at
}
