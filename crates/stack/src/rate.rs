//! How often we may answer strangers with ICMP errors (RFC 1812 4.3.2.8, RFC 4443 2.4 f): one token bucket for all, and one
//! for each destination in a table of fixed size, where two destinations in one place share it.

use alloc::boxed::Box;
use core::net::IpAddr;
use core::time::Duration;

use bowline_base::{Instant, KeyedHash};

use crate::config::IcmpConfig;

/// Places in the table of destinations.
const PLACES: usize = 256;

/// A token bucket that counts in time: `credit` is how much time is saved up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    credit: Duration,
    last: Instant,
}

impl Bucket {
    const fn full(capacity: Duration, now: Instant) -> Self {
        Self { credit: capacity, last: now }
    }

    /// Takes one token, if there is one.
    fn take(&mut self, now: Instant, price: Duration, capacity: Duration) -> bool {
        self.refill(now, capacity);
        let Some(rest) = self.credit.checked_sub(price) else { return false };
        self.credit = rest;
        true
    }

    fn refill(&mut self, now: Instant, capacity: Duration) {
        self.credit = self.credit.saturating_add(now.since(self.last)).min(capacity);
        self.last = self.last.max(now);
    }
}

/// What became of a request to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allowance {
    Granted,
    RefusedForAll,
    RefusedForDestination,
}

/// The limits on ICMP errors.
#[derive(Debug)]
pub(crate) struct ErrorRate {
    all: Bucket,
    destinations: Box<[Bucket]>,
    hash: KeyedHash,
    price_of_all: Duration,
    capacity_of_all: Duration,
    price: Duration,
    capacity: Duration,
}

impl ErrorRate {
    pub(crate) fn new(config: &IcmpConfig, hash: KeyedHash, now: Instant) -> Self {
        let price_of_all = Duration::from_secs(1) / config.errors_per_second.max(1);
        let capacity_of_all = if config.errors_per_second == 0 { Duration::ZERO } else { price_of_all * config.burst };
        let capacity = config.interval.saturating_mul(config.burst_per_destination);
        Self {
            all: Bucket::full(capacity_of_all, now),
            destinations: core::iter::repeat_n(Bucket::full(capacity, now), PLACES).collect(),
            hash,
            price_of_all,
            capacity_of_all,
            price: config.interval,
            capacity,
        }
    }

    /// Whether an error may be sent whose number for its destination is bounded elsewhere; counts it if so.
    pub(crate) fn take_for_all(&mut self, now: Instant) -> Allowance {
        let granted = self.all.take(now, self.price_of_all, self.capacity_of_all);
        if granted { Allowance::Granted } else { Allowance::RefusedForAll }
    }

    /// Whether an error may go to `destination` now; counts it if so.
    pub(crate) fn take(&mut self, now: Instant, destination: IpAddr) -> Allowance {
        let bits = match destination {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let place = self.hash.hash(&[bits as u64, (bits >> 64) as u64]) as usize % PLACES;
        let Some(bucket) = self.destinations.get_mut(place) else { return Allowance::RefusedForDestination };
        bucket.refill(now, self.capacity);
        if bucket.credit < self.price {
            return Allowance::RefusedForDestination;
        }
        if self.all.take(now, self.price_of_all, self.capacity_of_all) {
            bucket.take(now, self.price, self.capacity);
            return Allowance::Granted;
        }
        Allowance::RefusedForAll
    }
}

#[cfg(test)]
mod tests;
