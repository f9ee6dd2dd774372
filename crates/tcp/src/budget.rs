//! A token bucket: how often something may be done that others can provoke (RFC 5961 7, ACK throttling; RST for nobody).
//!
//! It counts in whole nanoseconds and holds the time at which it would be full again, so it needs no refilling.

use core::time::Duration;

use bowline_base::Instant;

#[cfg(test)]
mod tests;

/// A budget in 16 bytes: so many at once, then one each interval.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Budget {
    full_at: Instant,
    interval: u32,
    burst: u32,
}

impl Budget {
    /// `rate` each second, up to `burst` at once. With a rate or a burst of zero nothing is ever allowed.
    #[must_use]
    pub const fn per_second(rate: u32, burst: u32) -> Self {
        if rate == 0 {
            return Self { full_at: Instant::ZERO, interval: u32::MAX, burst: 0 };
        }
        Self { full_at: Instant::ZERO, interval: 1_000_000_000 / rate, burst }
    }

    /// One each `interval` (at most 4.29 s, longer ones are shortened to that), up to `burst` at once.
    #[must_use]
    pub const fn every(interval: Duration, burst: u32) -> Self {
        let nanos = interval.as_nanos();
        let interval = if nanos > u32::MAX as u128 { u32::MAX } else { nanos as u32 };
        Self { full_at: Instant::ZERO, interval, burst }
    }

    /// Takes one, if there is one to take.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        take(&mut self.full_at, now, self.interval, self.burst)
    }
}

/// A budget in 8 bytes, its numbers in its type: `BURST` at once, then one each `MILLIS` milliseconds (at most 4,294).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FixedBudget<const MILLIS: u32, const BURST: u32> {
    full_at: Instant,
}

impl<const MILLIS: u32, const BURST: u32> FixedBudget<MILLIS, BURST> {
    /// A full budget.
    #[must_use]
    pub const fn full() -> Self {
        Self { full_at: Instant::ZERO }
    }

    /// Takes one, if there is one to take.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        take(&mut self.full_at, now, MILLIS.saturating_mul(1_000_000), BURST)
    }
}

fn take(full_at: &mut Instant, now: Instant, interval: u32, burst: u32) -> bool {
    let Some(others) = burst.checked_sub(1) else { return false };
    let interval = Duration::from_nanos(u64::from(interval));
    if full_at.since(now) > interval.saturating_mul(others) {
        return false;
    }
    *full_at = (*full_at).max(now) + interval;
    true
}
