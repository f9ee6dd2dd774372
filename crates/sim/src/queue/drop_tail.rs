//! The plainest queue: first in, first out, and the newest packet gives way.

use std::collections::VecDeque;

use bowline_base::Instant;
use bytes::Bytes;

use super::{Queue, QueueCounters, Waiting};

#[derive(Debug)]
pub(super) struct DropTail {
    most_bytes: usize,
    most_packets: usize,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    counters: QueueCounters,
}

impl DropTail {
    pub(super) fn new(most_bytes: usize, most_packets: usize) -> Self {
        Self { most_bytes, most_packets, waiting: VecDeque::new(), bytes: 0, counters: QueueCounters::default() }
    }
}

impl Queue for DropTail {
    fn enqueue(&mut self, now: Instant, packet: Bytes) {
        let full = self.bytes + packet.len() > self.most_bytes || self.waiting.len() >= self.most_packets;
        if full && !self.waiting.is_empty() {
            self.counters.dropped += 1;
            return;
        }
        self.bytes += packet.len();
        self.waiting.push_back(Waiting { since: now, packet });
    }

    fn dequeue(&mut self, _now: Instant) -> Option<Waiting> {
        let next = self.waiting.pop_front()?;
        self.bytes -= next.packet.len();
        Some(next)
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn counters(&self) -> QueueCounters {
        self.counters
    }
}
