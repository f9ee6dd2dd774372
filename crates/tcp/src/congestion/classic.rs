//! HyStart as it was first (Ha and Rhee, 2008), and as Linux has it: slow start ends at once where the round-trip time rises, or where
//! a train of ACKs is as long as half of the path.
//!
//! It decides whether slow start is over. It sees round trips as counts of delivered bytes, and knows no window but in segments.
//!
//! The first word on a round trip is that of its first eight samples: if the least of them is longer than the shortest of all by an
//! eighth (4 to 16 ms), a queue has formed. The train is what the RFC's successor has not: ACKs that follow each other by no more than 2 ms
//! come of segments that left back to back; if they go on for half of the shortest round trip, the path is filled to half, and
//! one more doubling fills it. A paced sender spreads its segments over half a round trip itself, so that its train has to be as long as
//! the whole.

use core::time::Duration;

use bowline_base::Instant;

use super::AckSample;

/// Windows below it, in segments, are not judged: `hystart_low_window`.
const LOW_WINDOW: u64 = 16;
/// ACKs further apart than this, in microseconds, are of two trains: `hystart_ack_delta_us`.
const ACK_DELTA: u32 = 2_000;
/// Samples of a round that say what its round-trip time is.
const MIN_SAMPLES: u8 = 8;
/// The least and the largest rise that counts, in microseconds, and the part of the shortest round trip that counts in between.
const RISE: (u32, u32) = (4_000, 16_000);
const RISE_DIVISOR: u32 = 8;
/// What a device that joins segments may hold ACKs back for, at most, in microseconds: the time of four super-segments.
const MAX_HELD: u64 = 1_000;
const HELD_BYTES: u64 = 4 << 16;

/// Microseconds of a step in which the round's time is kept, so that the state stays small: at most 4 s.
const STEP: u32 = 64;
/// Instead of a number of samples: slow start was said to be over.
const FOUND: u8 = u8::MAX;

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

/// An instant as 32 bits of microseconds: differences of less than half an hour are told.
fn clock(now: Instant) -> u32 {
    now.as_micros() as u32
}

/// One slow start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Classic {
    /// Bytes still to be delivered before the next ACK begins a round.
    left: u32,
    /// When the round began, and when the last ACK of the train came.
    began: u32,
    last: u32,
    /// The shortest round-trip time of all, in microseconds; zero: none yet.
    least: u32,
    /// The shortest of this round, in steps of [`STEP`].
    current: u16,
    /// Samples in this round, or [`FOUND`].
    samples: u8,
}

impl Classic {
    /// An ACK in slow start. Returns whether it is the one with which it is over.
    pub(super) fn on_ack(&mut self, now: Instant, sample: &AckSample, segments: u64) -> bool {
        self.count(now, sample);
        let Some(rtt) = sample.rtt.map(|rtt| micros(rtt).max(1)) else { return false };
        if self.least == 0 || rtt < self.least {
            self.least = rtt;
        }
        if self.samples == FOUND || segments < LOW_WINDOW {
            return false;
        }
        let found = self.is_train_long(now, sample, segments) || self.has_risen(rtt);
        if found {
            self.samples = FOUND;
        }
        found
    }

    /// A round ends with what was in flight when it began.
    fn count(&mut self, now: Instant, sample: &AckSample) {
        let acked = u32::try_from(sample.acked).unwrap_or(u32::MAX);
        if acked > self.left {
            let now = clock(now);
            let left = u32::try_from(sample.in_flight).unwrap_or(u32::MAX);
            let samples = if self.samples == FOUND { FOUND } else { 0 };
            *self = Self { left, began: now, last: now, current: u16::MAX, samples, ..*self };
        } else {
            self.left -= acked;
        }
    }

    fn is_train_long(&mut self, now: Instant, sample: &AckSample, segments: u64) -> bool {
        let now = clock(now);
        if now.wrapping_sub(self.last) > ACK_DELTA {
            return false;
        }
        self.last = now;
        // What the device holds back, by the rate that a window twice the present one would have.
        let bytes = segments.saturating_mul(sample.mss.into()).saturating_mul(2).max(1);
        let srtt = u64::from(sample.srtt.map_or(0, micros));
        let held = (HELD_BYTES.saturating_mul(srtt) / bytes).min(MAX_HELD) as u32;
        let whole = self.least.saturating_add(held);
        let long = if sample.paced { whole } else { whole / 2 };
        now.wrapping_sub(self.began) > long
    }

    fn has_risen(&mut self, rtt: u32) -> bool {
        self.current = self.current.min(u16::try_from(rtt / STEP).unwrap_or(u16::MAX));
        if self.samples < MIN_SAMPLES {
            self.samples += 1;
            return false;
        }
        u32::from(self.current) * STEP > self.least.saturating_add((self.least / RISE_DIVISOR).clamp(RISE.0, RISE.1))
    }
}

#[cfg(test)]
mod tests;
