//! The beginning of a way: a policer, a queue, and the rate at which packets enter the wire.
//!
//! It decides when a packet is through, and which ones never will be. What happens on the wire is not its business.

use std::time::Duration;

use bowline_base::Instant;
use bowline_device::units::Rate;
use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::queue::{Discipline, Queue, QueueCounters};

/// A token bucket that drops what exceeds it, and delays nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    /// The rate at which tokens come.
    pub rate: Rate,
    /// How many bytes of tokens the bucket holds.
    pub burst: usize,
}

#[derive(Debug)]
struct Bucket {
    policer: Policer,
    /// When the bucket was, or will be, empty of debts: a packet passes while that is not further ahead than the burst.
    full_at: Instant,
}

impl Bucket {
    fn admits(&mut self, now: Instant, len: usize) -> bool {
        let begin = self.full_at.max(now);
        let ahead = begin.since(now) + self.policer.rate.time_for(len);
        if ahead > self.policer.rate.time_for(self.policer.burst.max(len)) {
            return false;
        }
        self.full_at = now + ahead;
        true
    }
}

/// What a queue looked like at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSample {
    /// When.
    pub at: Instant,
    /// Bytes that waited.
    pub bytes: usize,
}

/// Samples of a queue kept at most; beyond, every second one goes.
const SAMPLES: usize = 4096;

/// In microseconds.
const HOUR: u64 = 3_600_000_000;

#[derive(Debug)]
pub(crate) struct Shaper {
    rate: Option<Rate>,
    queue: Box<dyn Queue>,
    /// Packets that queues here have dropped, and those that the ones before this one have marked.
    counters: QueueCounters,
    bucket: Option<Bucket>,
    policed: u64,
    /// What the queue has dropped, until somebody asks.
    dropped: Vec<Bytes>,
    /// The packet that is entering the wire, and when it is through.
    entering: Option<(Instant, Bytes)>,
    waits: Histogram<u64>,
    samples: Vec<QueueSample>,
    sample_every: Duration,
}

impl Shaper {
    /// No limit; where one is set, drop tail with a usual router's buffer until told otherwise.
    pub(crate) fn new() -> Self {
        Self {
            rate: None,
            queue: Discipline::drop_tail(256 << 10).queue(0),
            counters: QueueCounters::default(),
            bucket: None,
            policed: 0,
            dropped: Vec::new(),
            entering: None,
            // Microseconds, to three digits; more than an hour counts as one.
            waits: Histogram::new_with_max(HOUR, 3)
                .unwrap_or_else(|_| unreachable!("three digits are within its bounds")),
            samples: Vec::new(),
            sample_every: Duration::ZERO,
        }
    }

    pub(crate) fn set_rate(&mut self, rate: Option<Rate>) {
        self.rate = rate;
    }

    pub(crate) fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Sets another queue; what waits moves into it, and has waited since it came.
    pub(crate) fn set_queue(&mut self, now: Instant, mut queue: Box<dyn Queue>) {
        while let Some(waiting) = self.queue.dequeue(now, &mut self.dropped) {
            queue.enqueue(waiting.since, waiting.packet, &mut self.dropped);
        }
        self.counters.marked += self.queue.marked();
        self.queue = queue;
    }

    pub(crate) fn set_policer(&mut self, policer: Option<Policer>) {
        self.bucket = policer.map(|policer| Bucket { policer, full_at: Instant::ZERO });
    }

    /// Takes a packet; what the policer drops comes back.
    pub(crate) fn offer(&mut self, now: Instant, packet: Bytes) -> Result<(), Bytes> {
        if self.bucket.as_mut().is_some_and(|bucket| !bucket.admits(now, packet.len())) {
            self.policed += 1;
            return Err(packet);
        }
        self.queue.enqueue(now, packet, &mut self.dropped);
        self.sample(now);
        Ok(())
    }

    /// What the queue has dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> impl Iterator<Item = Bytes> {
        self.counters.dropped += self.dropped.len() as u64;
        self.dropped.drain(..)
    }

    /// The next packet that has entered the wire by `now`, and when it had.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(Instant, Bytes)> {
        if self.entering.as_ref().is_some_and(|(through, _)| *through > now) {
            return None;
        }
        let through = self.entering.take();
        // The wire has been free since the last packet was through.
        let free = through.as_ref().map_or(now, |(at, _)| *at);
        if let Some(waiting) = self.queue.dequeue(free, &mut self.dropped) {
            let begin = free.max(waiting.since);
            let wait = begin.since(waiting.since);
            self.waits.saturating_record(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
            let takes = self.rate.map_or(Duration::ZERO, |rate| rate.time_for(waiting.packet.len()));
            self.entering = Some((begin + takes, waiting.packet));
            self.sample(begin);
        }
        through.or_else(|| self.entering.take_if(|(at, _)| *at <= now))
    }

    /// When [`next`](Self::next) has something, if nothing more is offered.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.entering {
            Some((through, _)) => Some(*through),
            None if self.queue.bytes() > 0 => Some(Instant::ZERO),
            None => None,
        }
    }

    /// Bytes that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.bytes()
    }

    pub(crate) fn queue_counters(&self) -> QueueCounters {
        QueueCounters {
            dropped: self.counters.dropped + self.dropped.len() as u64,
            marked: self.counters.marked + self.queue.marked(),
        }
    }

    pub(crate) fn policed(&self) -> u64 {
        self.policed
    }

    /// How long packets waited, in microseconds.
    pub(crate) fn waits(&self) -> &Histogram<u64> {
        &self.waits
    }

    /// How the queue went, for a plot.
    pub(crate) fn samples(&self) -> &[QueueSample] {
        &self.samples
    }

    fn sample(&mut self, at: Instant) {
        if self.samples.last().is_some_and(|last| at.since(last.at) < self.sample_every) {
            return;
        }
        self.samples.push(QueueSample { at, bytes: self.queue.bytes() });
        if self.samples.len() > SAMPLES {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            let span = at.since(self.samples.first().map_or(at, |first| first.at));
            self.sample_every = span * 2 / SAMPLES as u32;
        }
    }
}

#[cfg(test)]
mod tests;
