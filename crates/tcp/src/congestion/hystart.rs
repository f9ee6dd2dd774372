//! HyStart++ (RFC 9406): leaving slow start where the round-trip time rises, before the queue overflows.
//!
//! It decides how fast slow start grows and when it is over. It sees round trips as counts of delivered bytes.
//!
//! The RFC compares the least round-trip time of a round with that of the round before. That is the first of the round, from before
//! its own queue: so the rise is seen a round later, when twice as much is in flight, and a queue that holds less than two or three
//! times what the path does has overflowed. A paced sender therefore looks at the queue while it forms, too: sending at twice
//! the rate of its window, it makes one only once half of the path is filled, and slow start is over when the round-trip time
//! has risen by an eighth for an eighth of a window. (Linux ends it by the length of a train of ACKs, for the same reason. What is
//! not paced makes queues in every round, and has the RFC's criterion alone.) By then a queue of half of what the path holds is
//! full. So it grows as in conservative slow start as soon as eight round-trip times in a row are longer than any of the last
//! round (jitter has made those as long before, and a queue that begins has not), and until a whole round has passed without such
//! eight: a queue that began at the end of a round is gone when the next begins, and comes back in it, twice as long.

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

/// Steps of 64 µs, which need half the room; at most 4 s.
fn steps(micros: u32) -> u16 {
    u16::try_from(micros / 64).unwrap_or(u16::MAX)
}

/// Rounds in which it grows as slowly where a queue begins: the one in which that is seen, and the next.
const CAREFUL_ROUNDS: u8 = 2;

/// What share of a window must be late, and how much later than without a queue: an eighth.
const STANDING: u32 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    #[default]
    SlowStart,
    /// Conservative slow start, for so many rounds more.
    Conservative {
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
    /// The smallest round-trip time of the last round, and of this one, in microseconds. In conservative slow start that of the
    /// round in which it began: cssBaselineMinRtt.
    last: u32,
    current: u32,
    samples: u8,
    /// The largest of the last round and of this one, in [`steps`].
    slowest: [u16; 2],
    /// Samples in a row that were larger than all of the last round.
    slower: u8,
    /// Rounds in which a queue that began is thought of, this one included.
    careful: u8,
    /// Samples in a row that had to wait in a queue, and the bytes acknowledged with them.
    late: u8,
    late_bytes: u32,
}

impl Default for HyStart {
    fn default() -> Self {
        Self {
            stage: Stage::SlowStart,
            left: 0,
            last: NONE,
            current: NONE,
            samples: 0,
            slowest: [0; 2],
            slower: 0,
            careful: 0,
            late: 0,
            late_bytes: 0,
        }
    }
}

impl HyStart {
    /// Without effect.
    pub(super) fn off() -> Self {
        Self { stage: Stage::Off, ..Self::default() }
    }

    /// By how much the window grows for so many bytes acknowledged.
    pub(super) const fn growth(&self, acked: u64) -> u64 {
        acked / self.divisor()
    }

    /// By how much the growth of slow start is divided.
    const fn divisor(&self) -> u64 {
        let careful = matches!(self.stage, Stage::Conservative { .. }) || self.careful > 0;
        if careful { CSS_GROWTH_DIVISOR } else { 1 }
    }

    /// Whether slow start is over; said once. A later slow start, after a silence, is as in RFC 5681: that this one has
    /// ended says nothing about it.
    pub(super) fn ends(&mut self) -> bool {
        let ends = self.stage == Stage::Done;
        if ends {
            *self = Self::off();
        }
        ends
    }

    /// An ACK in slow start.
    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        if matches!(self.stage, Stage::Off | Stage::Done) {
            return;
        }
        if sample.paced {
            self.look_for_a_rise(sample);
            if self.is_queue_standing(sample) {
                self.stage = Stage::Done;
                return;
            }
        }
        if self.left == 0 {
            // RFC 9406 4.2: a round ends when what was in flight at its beginning is acknowledged.
            self.left = u32::try_from(sample.in_flight_before).unwrap_or(u32::MAX).max(1);
            let least = core::mem::replace(&mut self.current, NONE);
            if self.stage == Stage::SlowStart {
                self.last = least;
            }
            self.slowest = [self.slowest[1], 0];
            self.samples = 0;
            self.careful = self.careful.saturating_sub(1);
        }
        if let Some(rtt) = sample.rtt {
            self.current = self.current.min(micros(rtt));
            self.slowest[1] = self.slowest[1].max(steps(micros(rtt)));
            self.samples = self.samples.saturating_add(1);
        }
        self.left = self.left.saturating_sub(u32::try_from(sample.acked).unwrap_or(u32::MAX));
        if self.samples >= N_RTT_SAMPLE {
            self.judge();
        }
        match &mut self.stage {
            Stage::Conservative { rounds } if self.left == 0 => {
                *rounds = rounds.saturating_sub(1);
                if *rounds == 0 {
                    self.stage = Stage::Done;
                }
            }
            _ => {}
        }
    }

    /// Whether a queue begins: counts the round-trip times in a row that are longer than any of the last round, and longer than the
    /// shortest of all by what counts at least. One that is not ends the suspicion.
    fn look_for_a_rise(&mut self, sample: &AckSample) {
        let Some((rtt, least)) = sample.rtt.zip(sample.min_rtt).filter(|_| sample.cwnd_limited) else { return };
        let rtt = micros(rtt);
        let slower = (1..steps(rtt)).contains(&self.slowest[0]) && rtt >= micros(least).saturating_add(MIN_RTT_THRESH);
        self.slower = if slower { self.slower.saturating_add(1) } else { 0 };
        if self.slower >= N_RTT_SAMPLE {
            self.careful = CAREFUL_ROUNDS;
        }
    }

    /// Whether a queue stands in a path that the window fills: all round-trip times of at least eight samples in a row and an eighth
    /// of a window show it.
    fn is_queue_standing(&mut self, sample: &AckSample) -> bool {
        let Some((rtt, least)) = sample.rtt.zip(sample.min_rtt).filter(|_| sample.cwnd_limited) else { return false };
        let least = micros(least);
        if micros(rtt) < least.saturating_add((least / STANDING).max(MIN_RTT_THRESH)) {
            (self.late, self.late_bytes) = (0, 0);
            return false;
        }
        self.late = self.late.saturating_add(1);
        self.late_bytes = self.late_bytes.saturating_add(u32::try_from(sample.acked).unwrap_or(u32::MAX));
        self.late >= N_RTT_SAMPLE && u64::from(self.late_bytes) >= sample.in_flight_before / u64::from(STANDING)
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
                    self.stage = Stage::Conservative { rounds: CSS_ROUNDS };
                    self.last = current;
                }
            }
            // The rise was jitter: on with slow start.
            Stage::Conservative { .. } if current < last => self.stage = Stage::SlowStart,
            Stage::Conservative { .. } | Stage::Done | Stage::Off => {}
        }
    }
}

#[cfg(test)]
mod tests;
