//! Ephemeral ports (RFC 6056): which local port an active open takes when the caller names none.
//!
//! Algorithm 4, the double hash, with small random steps: a keyed hash of the destination gives the place to begin, a
//! second one the counter to use, so that ports towards one destination are reused as late as possible (which spares
//! TIME-WAIT) and tell nothing about those towards another. What ports are taken is the caller's knowledge.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher24;

use crate::FourTuple;
use crate::isn::hash;

#[cfg(test)]
mod tests;

/// Counters, each shared by the destinations that hash to it. RFC 6056 3.3.4 finds 10 enough; they take 1 KiB.
const COUNTERS: usize = 256;
/// The largest random step between two ports to one destination, so that an observer cannot count our connections.
const MAX_STEP: u32 = 8;

/// Picks ephemeral ports.
#[derive(Clone)]
pub struct PortAllocator {
    place: SipHasher24,
    counter: SipHasher24,
    counters: [u32; COUNTERS],
    picked: u64,
}

impl PortAllocator {
    /// An allocator with these two secrets.
    #[must_use]
    pub fn new(place_key: &[u8; 16], counter_key: &[u8; 16]) -> Self {
        Self {
            place: SipHasher24::new_with_key(place_key),
            counter: SipHasher24::new_with_key(counter_key),
            counters: [0; COUNTERS],
            picked: 0,
        }
    }

    /// A port from `range` (inclusive) for a connection from `local` to `remote`, for which `is_free` holds; `None` if
    /// there is none. Asks about each port at most once, and mostly about the first only.
    pub fn pick(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        range: (u16, u16),
        mut is_free: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let (low, high) = (range.0.max(1), range.1);
        let ports = u32::from(high.checked_sub(low)?) + 1;
        let destination = FourTuple::new(SocketAddr::new(local, 0), remote);
        let place = hash(&self.place, &destination) as u32;
        let selector = hash(&self.counter, &destination);
        let counter = self.counters.get_mut(selector as usize % COUNTERS)?;

        let first = place.wrapping_add(*counter);
        let (tries, port) =
            (0..ports).map(|n| (n, low + (first.wrapping_add(n) % ports) as u16)).find(|&(_, port)| is_free(port))?;
        self.picked = self.picked.wrapping_add(1);
        let step = 1 + (self.counter.hash(&self.picked.to_be_bytes()) as u32) % MAX_STEP;
        *counter = counter.wrapping_add(tries).wrapping_add(step);
        Some(port)
    }
}

impl fmt::Debug for PortAllocator {
    /// Shows nothing of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortAllocator").finish_non_exhaustive()
    }
}
