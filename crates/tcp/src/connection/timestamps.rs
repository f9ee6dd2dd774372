//! The timestamps option (RFC 7323 3 to 5): our clock, the peer's last value, PAWS, and the RTT that an echo shows.

use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::tcp::Timestamps;

/// A peer's timestamp older than this says nothing any more (RFC 7323 5.5, RFC7323-5.5-1: 24 days).
const STALE_SECONDS: u32 = 24 * 24 * 3600;

/// The state of the option on one connection.
#[derive(Clone, Copy, Hash, Debug)]
pub(crate) struct TimestampClock {
    /// Added to our clock, so that it says nothing about other connections or our uptime (RFC 7323 7.1).
    offset: u32,
    /// TS.Recent.
    recent: u32,
    /// When `recent` was taken, in whole seconds.
    recent_at: u32,
}

impl TimestampClock {
    /// The option as agreed with a peer whose SYN carried `recent`.
    pub(crate) const fn new(now: Instant, offset: u32, recent: u32) -> Self {
        Self { offset, recent, recent_at: seconds(now) }
    }

    /// Our clock: one tick a millisecond.
    pub(crate) const fn value(&self, now: Instant) -> u32 {
        (now.as_millis() as u32).wrapping_add(self.offset)
    }

    /// The option for a segment that leaves now.
    pub(crate) const fn option(&self, now: Instant) -> Timestamps {
        Timestamps { value: self.value(now), echo: self.recent }
    }

    /// TS.Recent.
    pub(crate) const fn recent(&self) -> u32 {
        self.recent
    }

    /// The offset that hides our clock.
    pub(crate) const fn offset(&self) -> u32 {
        self.offset
    }

    /// PAWS (RFC 7323 5.3 R1): whether `value` is older than what the peer has sent before.
    pub(crate) fn is_old(&self, now: Instant, value: u32) -> bool {
        (value.wrapping_sub(self.recent) as i32) < 0 && seconds(now).wrapping_sub(self.recent_at) < STALE_SECONDS
    }

    /// Takes the timestamp of a segment at the left edge of what was last acknowledged (RFC 7323 4.3, RFC7323-4.3-1).
    pub(crate) fn take(&mut self, now: Instant, value: u32) {
        if !self.is_old(now, value) {
            self.recent = value;
            self.recent_at = seconds(now);
        }
    }

    /// The time since we sent what `echo` answers; `None` if we cannot have sent it.
    pub(crate) fn elapsed(&self, now: Instant, echo: u32) -> Option<Duration> {
        let ticks = self.value(now).wrapping_sub(echo);
        (echo != 0 && ticks < 1 << 30).then(|| Duration::from_millis(u64::from(ticks)))
    }
}

const fn seconds(now: Instant) -> u32 {
    (now.as_nanos() / 1_000_000_000) as u32
}
