//! Drop tail that marks what has waited longer than a threshold: a step in the marking probability, from 0 to 1.

use std::time::Duration;

use bowline_base::Instant;
use bytes::Bytes;

use super::drop_tail::DropTail;
use super::{Queue, Waiting, ecn};

#[derive(Debug)]
pub(super) struct StepMark {
    threshold: Duration,
    queue: DropTail,
    marked: u64,
}

impl StepMark {
    pub(super) fn new(threshold: Duration, bytes: usize) -> Self {
        Self { threshold, queue: DropTail::new(bytes, usize::MAX), marked: 0 }
    }
}

impl Queue for StepMark {
    fn enqueue(&mut self, now: Instant, packet: Bytes, dropped: &mut Vec<Bytes>) {
        self.queue.enqueue(now, packet, dropped);
    }

    fn dequeue(&mut self, now: Instant, dropped: &mut Vec<Bytes>) -> Option<Waiting> {
        let next = self.queue.dequeue(now, dropped)?;
        if now.since(next.since) <= self.threshold {
            return Some(next);
        }
        match ecn::marked(&next.packet) {
            Some(packet) => {
                self.marked += 1;
                Some(Waiting { packet, ..next })
            }
            None => Some(next),
        }
    }

    fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    fn marked(&self) -> u64 {
        self.marked
    }
}
