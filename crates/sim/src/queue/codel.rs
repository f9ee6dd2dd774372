//! Controlled delay (RFC 8289): whom to drop or mark when the queue has stood for too long.
//!
//! [`CoDel`] is the control law alone, for one queue or for each of many; it takes packets from whoever has them.

use std::time::Duration;

use bowline_base::Instant;
use bytes::Bytes;

use super::drop_tail::DropTail;
use super::{Queue, Waiting, ecn};

/// A queue shorter than this is never too long: one packet must be able to wait (RFC 8289 4.2).
const ONE_PACKET: usize = 1514;

/// The control law and its state (the pseudocode of RFC 8289 5).
#[derive(Clone, Debug)]
pub(super) struct CoDel {
    target: Duration,
    interval: Duration,
    /// When the delay will have been above target for an interval.
    first_above: Option<Instant>,
    dropping: bool,
    drop_next: Instant,
    count: u32,
    last_count: u32,
}

/// What became of the packets that were looked at.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) next: Option<Waiting>,
    pub(super) dropped: Vec<Bytes>,
    pub(super) marked: u64,
}

impl CoDel {
    pub(super) fn new(target: Duration, interval: Duration) -> Self {
        Self { target, interval, first_above: None, dropping: false, drop_next: Instant::ZERO, count: 0, last_count: 0 }
    }

    /// The packet to send, of those that `take` gives in their order with the bytes that then still wait.
    pub(super) fn dequeue(&mut self, now: Instant, mut take: impl FnMut() -> Option<(Waiting, usize)>) -> Verdict {
        let mut verdict = Verdict::default();
        let (mut packet, mut too_long) = self.look(now, &mut take);
        if self.dropping {
            if !too_long {
                self.dropping = false;
            }
            while self.dropping && now >= self.drop_next {
                self.count += 1;
                if !self.punish(packet.take(), &mut verdict) {
                    (packet, too_long) = self.look(now, &mut take);
                    self.dropping = too_long;
                }
                if self.dropping {
                    self.drop_next = self.control_law(self.drop_next);
                }
                if verdict.next.is_some() {
                    return verdict;
                }
            }
        } else if too_long {
            let marked = self.punish(packet.take(), &mut verdict);
            if !marked {
                (packet, _) = self.look(now, &mut take);
            }
            self.dropping = true;
            // RFC 8289 4.5: if the last dropping was not long ago, its rate is a good one to begin with.
            let recent = now.since(self.drop_next) < 16 * self.interval;
            let delta = self.count.saturating_sub(self.last_count);
            self.count = if recent && delta > 1 { delta } else { 1 };
            self.last_count = self.count;
            self.drop_next = self.control_law(now);
            if marked {
                return verdict;
            }
        }
        verdict.next = packet;
        verdict
    }

    /// The next packet, and whether the delay has been too long for an interval.
    fn look(&mut self, now: Instant, take: &mut impl FnMut() -> Option<(Waiting, usize)>) -> (Option<Waiting>, bool) {
        let Some((packet, left)) = take() else {
            self.first_above = None;
            return (None, false);
        };
        if now.since(packet.since) < self.target || left <= ONE_PACKET {
            self.first_above = None;
            return (Some(packet), false);
        }
        let due = *self.first_above.get_or_insert(now + self.interval);
        (Some(packet), now >= due)
    }

    /// Marks the packet, which then is the next one, or drops it; whether it was marked.
    fn punish(&mut self, packet: Option<Waiting>, verdict: &mut Verdict) -> bool {
        let Some(waiting) = packet else { return false };
        match ecn::marked(&waiting.packet) {
            Some(packet) => {
                verdict.marked += 1;
                verdict.next = Some(Waiting { packet, ..waiting });
                true
            }
            None => {
                verdict.dropped.push(waiting.packet);
                false
            }
        }
    }

    fn control_law(&self, from: Instant) -> Instant {
        from + self.interval.div_f64(f64::from(self.count).sqrt())
    }
}

/// One queue under the control law.
#[derive(Debug)]
pub(super) struct CoDelQueue {
    law: CoDel,
    queue: DropTail,
    marked: u64,
}

impl CoDelQueue {
    pub(super) fn new(target: Duration, interval: Duration, bytes: usize) -> Self {
        let queue = DropTail::new(bytes, usize::MAX);
        Self { law: CoDel::new(target, interval), queue, marked: 0 }
    }
}

impl Queue for CoDelQueue {
    fn enqueue(&mut self, now: Instant, packet: Bytes, dropped: &mut Vec<Bytes>) {
        self.queue.enqueue(now, packet, dropped);
    }

    fn dequeue(&mut self, now: Instant, dropped: &mut Vec<Bytes>) -> Option<Waiting> {
        let queue = &mut self.queue;
        let verdict = self.law.dequeue(now, || {
            let next = queue.dequeue(now, dropped)?;
            Some((next, queue.bytes()))
        });
        dropped.extend(verdict.dropped);
        self.marked += verdict.marked;
        verdict.next
    }

    fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    fn marked(&self) -> u64 {
        self.marked
    }
}
