//! HyStart++ (RFC 9406): leaving slow start where the round-trip time rises, before the queue overflows.
//!
//! It decides how fast slow start grows and when it is over. It sees round trips as counts of delivered bytes.

use core::time::Duration;

use super::AckSample;

/// Whole microseconds, so that the state stays small; at most 71 minutes, and never the mark for "none".
fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_micros()).unwrap_or(u32::MAX).min(NONE - 1)
}

/// No round-trip time yet.
const NONE: u32 = u32::MAX;

/// The least rise of the round-trip time that counts, in microseconds: MIN_RTT_THRESH.
const MIN_RTT_THRESH: u32 = 4_000;
/// The rise that counts in any case, in microseconds: MAX_RTT_THRESH.
const MAX_RTT_THRESH: u32 = 16_000;
/// The part of the last round's smallest that counts in between: MIN_RTT_DIVISOR.
const MIN_RTT_DIVISOR: u32 = 8;
/// Samples that a round must have to say anything: N_RTT_SAMPLE.
const N_RTT_SAMPLE: u8 = 8;
/// How much slower conservative slow start grows: CSS_GROWTH_DIVISOR.
const CSS_GROWTH_DIVISOR: u64 = 4;
/// Rounds of it: CSS_ROUNDS.
const CSS_ROUNDS: u8 = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    #[default]
    SlowStart,
    /// Conservative slow start: the smallest round-trip time when it began, and the rounds left.
    Conservative {
        baseline: u32,
        rounds: u8,
    },
    Done,
    /// Slow start as in RFC 5681, for the second and later ones.
    Off,
}

/// The state of the first slow start.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    stage: Stage,
    /// Bytes still to be delivered until the round ends.
    left: u32,
    /// The smallest round-trip time of the last round, and of this one, in microseconds.
    last: u32,
    current: u32,
    samples: u8,
}

impl Default for HyStart {
    fn default() -> Self {
        Self { stage: Stage::SlowStart, left: 0, last: NONE, current: NONE, samples: 0 }
    }
}

impl HyStart {
    /// Without effect.
    pub(super) fn off() -> Self {
        Self { stage: Stage::Off, ..Self::default() }
    }

    /// By how much the growth of slow start is divided.
    pub(super) const fn divisor(&self) -> u64 {
        if matches!(self.stage, Stage::Conservative { .. }) { CSS_GROWTH_DIVISOR } else { 1 }
    }

    /// Whether slow start is over; said once. A later slow start, after a silence, is as in RFC 5681: that this one has
    /// ended says nothing about it.
    pub(super) fn ends(&mut self) -> bool {
        let ends = self.stage == Stage::Done;
        if ends {
            self.stage = Stage::Off;
        }
        ends
    }

    /// An ACK in slow start.
    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        if matches!(self.stage, Stage::Off | Stage::Done) {
            return;
        }
        if self.left == 0 {
            // RFC 9406 4.2: a round ends when what was in flight at its beginning is acknowledged.
            self.left = u32::try_from(sample.in_flight_before).unwrap_or(u32::MAX).max(1);
            self.last = core::mem::replace(&mut self.current, NONE);
            self.samples = 0;
        }
        if let Some(rtt) = sample.rtt {
            self.current = self.current.min(micros(rtt));
            self.samples = self.samples.saturating_add(1);
        }
        self.left = self.left.saturating_sub(u32::try_from(sample.acked).unwrap_or(u32::MAX));
        if self.samples >= N_RTT_SAMPLE {
            self.judge();
        }
        match &mut self.stage {
            Stage::Conservative { rounds, .. } if self.left == 0 => {
                *rounds = rounds.saturating_sub(1);
                if *rounds == 0 {
                    self.stage = Stage::Done;
                }
            }
            _ => {}
        }
    }

    fn judge(&mut self) {
        let (last, current) = (self.last, self.current);
        if last == NONE || current == NONE {
            return;
        }
        match self.stage {
            Stage::SlowStart => {
                let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if current >= last.saturating_add(threshold) {
                    self.stage = Stage::Conservative { baseline: current, rounds: CSS_ROUNDS };
                }
            }
            // The rise was jitter: on with slow start.
            Stage::Conservative { baseline, .. } if current < baseline => self.stage = Stage::SlowStart,
            Stage::Conservative { .. } | Stage::Done | Stage::Off => {}
        }
    }
}

#[cfg(test)]
mod tests;
