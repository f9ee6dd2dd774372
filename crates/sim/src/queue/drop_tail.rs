//! The plainest queue: first in, first out, and the newest packet gives way.

use std::collections::VecDeque;

use bowline_base::Instant;
use bytes::Bytes;

use super::{Queue, Waiting};

#[derive(Debug)]
pub(super) struct DropTail {
    most_bytes: usize,
    most_packets: usize,
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl DropTail {
    pub(super) fn new(most_bytes: usize, most_packets: usize) -> Self {
        Self { most_bytes, most_packets, waiting: VecDeque::new(), bytes: 0 }
    }
}

impl Queue for DropTail {
    fn enqueue(&mut self, now: Instant, packet: Bytes, dropped: &mut Vec<Bytes>) {
        let full = self.bytes + packet.len() > self.most_bytes || self.waiting.len() >= self.most_packets;
        if full && !self.waiting.is_empty() {
            dropped.push(packet);
            return;
        }
        self.bytes += packet.len();
        self.waiting.push_back(Waiting { since: now, packet });
    }

    fn dequeue(&mut self, _now: Instant, _dropped: &mut Vec<Bytes>) -> Option<Waiting> {
        let next = self.waiting.pop_front()?;
        self.bytes -= next.packet.len();
        Some(next)
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}
