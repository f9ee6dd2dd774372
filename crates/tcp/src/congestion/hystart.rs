//! HyStart++ (RFC 9406): leaving slow start where the round-trip time rises, before the queue overflows.
//!
//! It decides how fast slow start grows and when it is over. It sees round trips as counts of delivered bytes.

use core::time::Duration;

use super::AckSample;

/// The least rise of the round-trip time that counts: MIN_RTT_THRESH.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
/// The rise that counts in any case: MAX_RTT_THRESH.
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
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
        baseline: Duration,
        rounds: u8,
    },
    Done,
    /// Slow start as in RFC 5681, for the second and later ones.
    Off,
}

/// The state of the first slow start.
#[derive(Clone, Debug, Default)]
pub(super) struct HyStart {
    stage: Stage,
    /// Bytes still to be delivered until the round ends.
    left: u64,
    /// The smallest round-trip time of the last round, once it is known.
    last: Option<Duration>,
    current: Option<Duration>,
    samples: u8,
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

    /// Whether slow start is over.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// An ACK in slow start.
    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        if matches!(self.stage, Stage::Off | Stage::Done) {
            return;
        }
        if self.left == 0 {
            // RFC 9406 4.2: a round ends when what was in flight at its beginning is acknowledged.
            self.left = sample.in_flight_before.max(1);
            self.last = self.current.take();
            self.samples = 0;
        }
        if let Some(rtt) = sample.rtt {
            self.current = Some(self.current.map_or(rtt, |least| least.min(rtt)));
            self.samples = self.samples.saturating_add(1);
        }
        self.left = self.left.saturating_sub(sample.acked);
        if self.samples >= N_RTT_SAMPLE {
            self.judge();
        }
        if self.left == 0 {
            if let Stage::Conservative { rounds, .. } = &mut self.stage {
                *rounds = rounds.saturating_sub(1);
                if *rounds == 0 {
                    self.stage = Stage::Done;
                }
            }
        }
    }

    fn judge(&mut self) {
        let (Some(last), Some(current)) = (self.last, self.current) else { return };
        match self.stage {
            Stage::SlowStart => {
                let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if current >= last + threshold {
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
