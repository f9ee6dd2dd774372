//! What waits in front of a link, and who gives way when it is too much.
//!
//! It decides the vocabulary that all disciplines share. Each discipline has a file of its own and knows wire packets,
//! their lengths and their ECN bits, and nothing of rates: the shaper asks for the next packet when the link is free.

use std::fmt;
use std::time::Duration;

use bowline_base::Instant;
use bytes::Bytes;

mod codel;
mod drop_tail;
mod ecn;
mod fq_codel;
mod step;

use codel::CoDelQueue;
use drop_tail::DropTail;
use fq_codel::FqCoDel;
use step::StepMark;

/// A queue discipline and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// The newest packet gives way when there is no room.
    DropTail {
        /// Bytes that may wait; one packet always may.
        bytes: usize,
        /// Packets that may wait.
        packets: usize,
    },
    /// Controlled delay (RFC 8289): packets that waited too long for too long are dropped, or marked where they permit it.
    CoDel {
        /// The delay it aims at; RFC 8289 has 5 ms.
        target: Duration,
        /// How long the delay may exceed it; RFC 8289 has 100 ms.
        interval: Duration,
        /// Bytes that may wait at most.
        bytes: usize,
    },
    /// CoDel for each flow, with fair turns (RFC 8290): 1,024 queues by a hash of the flow, 1,514 bytes a turn, 10,240
    /// packets in all.
    FqCoDel {
        /// As for CoDel.
        target: Duration,
        /// As for CoDel.
        interval: Duration,
    },
    /// Drop tail, and a mark on every packet that permits it and has waited longer than `threshold` (as RFC 8257 has switches do).
    StepMark {
        /// The wait that gets a mark.
        threshold: Duration,
        /// Bytes that may wait.
        bytes: usize,
    },
}

impl Discipline {
    /// Drop tail with a bound in bytes.
    #[must_use]
    pub const fn drop_tail(bytes: usize) -> Self {
        Self::DropTail { bytes, packets: usize::MAX }
    }

    /// CoDel as RFC 8289 has it.
    #[must_use]
    pub const fn codel() -> Self {
        Self::CoDel { target: Duration::from_millis(5), interval: Duration::from_millis(100), bytes: 16 << 20 }
    }

    /// FQ-CoDel as RFC 8290 has it.
    #[must_use]
    pub const fn fq_codel() -> Self {
        Self::FqCoDel { target: Duration::from_millis(5), interval: Duration::from_millis(100) }
    }

    /// A queue of this kind; `seed` keeps anybody from choosing flows that share a queue.
    pub(crate) fn queue(self, seed: u64) -> Box<dyn Queue> {
        match self {
            Self::DropTail { bytes, packets } => Box::new(DropTail::new(bytes, packets)),
            Self::CoDel { target, interval, bytes } => Box::new(CoDelQueue::new(target, interval, bytes)),
            Self::FqCoDel { target, interval } => Box::new(FqCoDel::new(target, interval, seed)),
            Self::StepMark { threshold, bytes } => Box::new(StepMark::new(threshold, bytes)),
        }
    }
}

/// A packet that waits, and since when.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) since: Instant,
    pub(crate) packet: Bytes,
}

/// What a queue has done to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Dropped: no room, or too long a wait.
    pub dropped: u64,
    /// Marked with congestion experienced (RFC 3168 5).
    pub marked: u64,
}

/// A queue in front of a link. What it drops, it leaves in `dropped`.
pub(crate) trait Queue: fmt::Debug + Send {
    /// Takes a packet, or drops it or another one.
    fn enqueue(&mut self, now: Instant, packet: Bytes, dropped: &mut Vec<Bytes>);

    /// The packet whose turn it is.
    fn dequeue(&mut self, now: Instant, dropped: &mut Vec<Bytes>) -> Option<Waiting>;

    /// Bytes that wait.
    fn bytes(&self) -> usize;

    /// Packets that it has marked; a queue that never does has marked none.
    fn marked(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;
