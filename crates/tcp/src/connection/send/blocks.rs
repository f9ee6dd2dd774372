//! How much a super-segment may carry, and how much may be queued, where a system's choices depend on its buffers
//! (`least_burst`, `send_blocks` of [`Options`](crate::Options)).

use bowline_wire::packet::MAX_PACKET;

use crate::congestion::Controller;
use crate::connection::tcb::Tcb;

/// Room for the largest IP and TCP headers in a super-segment.
const HEADERS: u64 = 120;
/// What is left for text.
pub(super) const MAX_TEXT: u64 = MAX_PACKET as u64 - HEADERS;
/// What a block of the queue costs beside its text, in bytes, on Linux.
const BLOCK_COST: u64 = 1_280;
/// A peer whose window never was larger than this may fill it with one block (RFC 9293 3.7.1: the default MSS).
const SMALL_WINDOW: u32 = 536;

impl Tcb {
    /// The most text of the next super-segment. With `least_burst` it is what the connection sends in a millisecond, so that
    /// its segments do not leave in larger bursts than they need to, and at most half of what may be in flight, so that the next
    /// can be prepared while it is on its way.
    pub(super) fn super_segment(&self) -> u64 {
        let least = u64::from(self.options.least_burst);
        if least == 0 {
            return MAX_TEXT;
        }
        let most = if self.options.send_blocks { self.block() } else { MAX_TEXT };
        let (mss, cwnd) = (u64::from(self.snd.mss), self.congestion.cwnd());
        let rate = match self.recovery.rtt().srtt() {
            None => u64::MAX,
            Some(srtt) => {
                // twice the window a round trip in slow start, so that it can double, and then 1.2 times
                let percent = if self.congestion.ssthresh().is_none_or(|limit| cwnd < limit / 2) { 200 } else { 120 };
                let micros = u64::try_from(srtt.as_micros()).unwrap_or(u64::MAX).max(1);
                cwnd.max(self.snd.nxt.since(self.snd.una)).saturating_mul(percent * 10) / micros
            }
        };
        let most = (most / mss).min(cwnd / 2 / mss).max(1);
        let segments = (rate / mss).max(least).min(most);
        (segments * mss).min(MAX_TEXT)
    }

    /// The text of a block of the queue: a super-segment, but no more than half of the largest window the peer has offered.
    fn block(&self) -> u64 {
        let (mss, most) = (u64::from(self.snd.mss), self.snd.max_wnd);
        let half = u64::from(if most > SMALL_WINDOW { most / 2 } else { most });
        let bound = if half == 0 { MAX_TEXT } else { MAX_TEXT.min(half) };
        (bound / mss * mss).max(mss)
    }

    /// What the queue has cost: its text, and with `send_blocks` its blocks.
    fn queue_cost(&self) -> u64 {
        let len = self.snd.buffer.len();
        if !self.options.send_blocks || len == 0 {
            return len;
        }
        len + BLOCK_COST * len.div_ceil(self.block())
    }

    /// How much text the queue takes now.
    pub(in crate::connection) fn room(&self) -> u64 {
        let (limit, cost) = (u64::from(self.options.send_buffer), self.queue_cost());
        if !self.options.send_blocks {
            return limit.saturating_sub(cost);
        }
        if cost >= limit {
            return 0;
        }
        let (block, burst) = (self.block(), self.super_segment());
        let quota = self.recovery.quota(self.congestion.cwnd()).min(self.snd.usable());
        let (mut unsent, mut quota, mut cost, mut room) = (self.snd.unsent(), quota, cost, 0);
        loop {
            let begun = unsent % block;
            if begun == 0 {
                if cost >= limit {
                    return room;
                }
                cost += BLOCK_COST;
            }
            let rest = block - begun;
            (room, cost, unsent) = (room + rest, cost + rest, unsent + rest);
            // The first block leaves as soon as it is full, as far as it may, and makes room.
            if unsent == block && quota >= u64::from(self.snd.mss) {
                let leaves = burst.min(quota).min(unsent);
                (unsent, quota) = (unsent - leaves, quota - leaves);
            }
        }
    }

    /// Whether new text up to `end` is pushed because so much has gone without it: half of the largest window the peer has had, in
    /// which it may wait for the reader to be woken.
    pub(super) fn is_push_due(&self, text: &core::ops::Range<bowline_base::Position>) -> bool {
        let half = u64::from(self.snd.max_wnd / 2).max(1);
        let steps = |at: bowline_base::Position| at.since(self.snd.iss + 1) / half;
        self.options.send_blocks && steps(text.end) > steps(text.start)
    }

    /// Whether a third of the queue is free.
    pub(in crate::connection) fn has_room_again(&self) -> bool {
        self.queue_cost() * 3 <= u64::from(self.options.send_buffer) * 2
    }
}
