//! The share of data that is lost whatever we do, by chance on a bad link: it is to losses what the shortest round trip is to delays.
//!
//! A full queue or a policer loses less when we send slower, and nothing when we send slower than it lets through, as each cycle
//! does while it drains, and each pause for the round trip. Chance does not care. So what even the best stretch of late has lost,
//! in rounds that found no queue, is none of our doing, and only what is lost beyond it tells of too much in flight. The draft knows
//! no such floor and takes all losses for ours; where a stretch of late lost nothing, this does, too.

use core::time::Duration;

use bowline_base::Instant;

use super::model::share;
use super::probe_rtt::PROBE_RTT_INTERVAL;

/// Segments that make a stretch: so many that their losses say something of what is due.
const STRETCH_SEGMENTS: u64 = 1_000;
/// Rounds that make one where fewer segments are in flight.
const STRETCH_ROUNDS: u32 = 32;
/// Segments without which a pause is none. It is a stretch of its own, since we send least in it, and all who share the path with us
/// and do as we do.
const PAUSE_SEGMENTS: u64 = 32;
/// How long a stretch is remembered at least, and twice as long at most: between two of these lies a pause for the round trip.
const SPAN: Duration = PROBE_RTT_INTERVAL;
/// The most that is believed. Where a fifth is lost by chance, probing at five quarters finds nothing any more.
const MOST: u64 = WHOLE / 5;
/// Shares are in millionths.
const WHOLE: u64 = 1_000_000;
/// Standard deviations within which a count of losses counts as chance.
const DEVIATIONS: u64 = 2;
/// What a round trip may take longer than the shortest, as a part of that, where there is no queue.
const NO_QUEUE: u32 = 16;

/// What a round was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Asking for more than there was.
    Probe,
    /// As much as there was, or less; or the beginning.
    Quiet,
    /// Half as much in flight.
    Pause,
}

/// What arrived and what was lost, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    delivered: u64,
    lost: u64,
}

impl Count {
    const fn sent(self) -> u64 {
        self.delivered.saturating_add(self.lost)
    }
}

/// The least share of late.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossFloor {
    /// The round that is under way, and the shortest round trip in it.
    round: Count,
    rtt: Option<Duration>,
    /// The stretch that is under way, its rounds, and whether it is a pause.
    stretch: Count,
    rounds: u32,
    pausing: bool,
    /// The least of the last span, and of this one, which began then.
    least: [Option<u64>; 2],
    since: Option<Instant>,
    /// Before the first stretch is over, the least that its beginning allows to believe.
    early: u64,
}

impl LossFloor {
    /// Nothing is known.
    pub(super) const fn new() -> Self {
        let none = Count { delivered: 0, lost: 0 };
        Self {
            round: none,
            rtt: None,
            stretch: none,
            rounds: 0,
            pausing: false,
            least: [None; 2],
            since: None,
            early: MOST,
        }
    }

    /// So much arrived, after such a round trip.
    pub(super) fn on_delivered(&mut self, bytes: u64, rtt: Option<Duration>) {
        self.round.delivered = self.round.delivered.saturating_add(bytes);
        self.rtt = self.rtt.into_iter().chain(rtt).min();
    }

    /// So much was lost.
    pub(super) fn on_lost(&mut self, bytes: u64) {
        self.round.lost = self.round.lost.saturating_add(bytes);
    }

    /// What seemed lost was not: what was counted says nothing.
    pub(super) fn forget(&mut self) {
        (self.round, self.stretch, self.rounds) = (Count::default(), Count::default(), 0);
    }

    /// A round trip is over. It counts if it asked for no more than there was, and found no queue. Returns whether it found none.
    pub(super) fn on_round(&mut self, now: Instant, kind: Kind, mss: u64, min_rtt: Option<Duration>) -> bool {
        self.expire(now);
        if self.pausing != (kind == Kind::Pause) {
            self.begin_stretch(mss);
            self.pausing = !self.pausing;
        }
        let (round, rtt) = (core::mem::take(&mut self.round), self.rtt.take());
        let no_queue = rtt.zip(min_rtt).is_some_and(|(rtt, least)| rtt <= least + least / NO_QUEUE);
        if kind != Kind::Probe && no_queue {
            self.count(round, mss);
        }
        no_queue
    }

    /// What arrives of so much that is sent, as far as the share that is lost whatever we do has been seen.
    pub(super) fn arriving(&self, sent: u64) -> u64 {
        let millionths = self.least.iter().flatten().min().copied().unwrap_or(0);
        sent * (WHOLE - millionths.min(MOST)) / WHOLE
    }

    /// A pause begins, or is over.
    fn begin_stretch(&mut self, mss: u64) {
        if self.pausing && self.stretch.sent() >= PAUSE_SEGMENTS * mss {
            self.conclude_stretch(mss);
        }
        (self.stretch, self.rounds) = (Count::default(), 0);
    }

    fn count(&mut self, round: Count, mss: u64) {
        self.rounds += 1;
        self.stretch.delivered = self.stretch.delivered.saturating_add(round.delivered);
        self.stretch.lost = self.stretch.lost.saturating_add(round.lost);
        let (sent, lost) = (self.stretch.sent(), self.stretch.lost);
        if sent >= STRETCH_SEGMENTS * mss || self.rounds >= STRETCH_ROUNDS {
            self.conclude_stretch(mss);
        } else {
            // So early, nothing lost may be chance, too.
            self.early = self.early.min(ratio(lost.saturating_add(deviation(lost + mss, mss)), sent));
        }
    }

    fn conclude_stretch(&mut self, mss: u64) {
        // Of many stretches the luckiest counts, which lost less than was due; but where nothing is lost, nothing is due.
        let Count { lost, .. } = self.stretch;
        let share = ratio(lost.saturating_add(deviation(lost, mss)), self.stretch.sent());
        self.least[1] = Some(self.least[1].map_or(share, |least| least.min(share)));
        self.early = 0;
        (self.stretch, self.rounds) = (Count::default(), 0);
    }

    /// What is older than its time is forgotten.
    fn expire(&mut self, now: Instant) {
        let age = now.since(*self.since.get_or_insert(now));
        if age > SPAN {
            self.least = [self.least[1].filter(|_| age <= 2 * SPAN), None];
            self.since = Some(now);
        }
    }

    /// How much of so many bytes in flight may be lost without that having to do with us.
    pub(super) fn of(&self, in_flight: u64, mss: u64) -> u64 {
        let millionths = self.least.iter().flatten().min().copied().unwrap_or(self.early);
        let due = share(in_flight, millionths) / (WHOLE / 100);
        due.saturating_add(deviation(due, mss))
    }
}

/// The share of one in the other, in millionths.
fn ratio(part: u64, of: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(WHOLE) / u128::from(of.max(1))).unwrap_or(MOST).min(MOST)
}

/// How far chance takes the loss of so many bytes from what was due: in segments, the root of their number.
fn deviation(bytes: u64, mss: u64) -> u64 {
    DEVIATIONS * bytes.saturating_mul(mss).isqrt()
}

#[cfg(test)]
mod tests;
