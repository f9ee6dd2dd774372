//! How much a super-segment may carry, and how much may be queued, where a system's choices depend on its buffers
//! (`least_burst`, `send_blocks` of [`Options`](crate::Options)).

use bowline_base::Position;
use bowline_wire::packet::MAX_PACKET;

use crate::congestion::{Controller, MAX_CWND};
use crate::connection::tcb::Tcb;

/// Room for the largest IP and TCP headers in a super-segment.
const HEADERS: u64 = 120;
/// What is left for text.
pub(super) const MAX_TEXT: u64 = MAX_PACKET as u64 - HEADERS;
/// What a block of the queue costs beside its text, in bytes, on Linux.
const BLOCK_COST: u64 = 1_280;
/// What a segment of the congestion window costs beside its text, on Linux, which rounds up to a power of two, and beside that.
const SEGMENT_HEAD: u64 = 640;
const SEGMENT_COST: u64 = 256;
/// Segments that a queue which grows has room for from the beginning: the initial window.
const FIRST_SEGMENTS: u16 = 10;
/// A peer whose window never was larger than this may fill it with one block (RFC 9293 3.7.1: the default MSS).
const SMALL_WINDOW: u32 = 536;

impl Tcb {
    /// The most text of the next super-segment. With `least_burst` it is what the connection sends in a millisecond, so that
    /// its segments do not leave in larger bursts than they need to, and at most half of what may be in flight, so that the next
    /// can be prepared while it is on its way.
    #[inline]
    pub(super) fn super_segment(&self) -> u64 {
        match self.options.least_burst {
            0 => MAX_TEXT,
            least => self.least_burst(least.into()),
        }
    }

    #[inline(never)]
    fn least_burst(&self, least: u64) -> u64 {
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

    /// The queue's bound now.
    fn limit(&self) -> u64 {
        let (first, most) = (self.options.send_buffer_first, self.options.send_buffer);
        if first >= most {
            return u64::from(most);
        }
        let segment = (u64::from(self.snd.mss) + SEGMENT_HEAD).next_power_of_two() + SEGMENT_COST;
        let grown = 2 * segment * u64::from(self.snd.grown.max(FIRST_SEGMENTS));
        grown.max(u64::from(first)).min(u64::from(most))
    }

    /// Somebody waits for room: the queue grows with the congestion window, to hold what is in flight twice over. Where there
    /// is none, because the device loses nothing, what is in flight is what the peer's window has let out.
    pub(in crate::connection) fn grow_queue(&mut self) {
        let window = match self.congestion.cwnd() {
            MAX_CWND => u64::from(self.snd.max_wnd),
            cwnd => cwnd,
        };
        let segments = window / u64::from(self.snd.mss.max(1));
        self.snd.grown = self.snd.grown.max(u16::try_from(segments).unwrap_or(u16::MAX));
    }

    /// How much text the queue takes now.
    pub(in crate::connection) fn room(&self) -> u64 {
        if self.options.send_blocks {
            return self.fill(u64::MAX).0;
        }
        self.limit().saturating_sub(self.queue_cost())
    }

    /// So much text is about to be queued, which there is room for: it fills blocks.
    pub(in crate::connection) fn begin_blocks(&mut self, len: u64) {
        if self.options.send_blocks {
            self.snd.last_block = self.fill(len).1;
        }
    }

    /// How much of `wanted` more bytes the blocks of the queue take, and how much the last of these holds then, sent or not.
    fn fill(&self, wanted: u64) -> (u64, u16) {
        let (limit, lowat) = (self.limit(), u64::from(self.options.notsent_lowat));
        let (block, burst, mss) = (self.block(), self.super_segment(), u64::from(self.snd.mss));
        let mut quota = self.recovery.quota(self.congestion.cwnd()).min(self.snd.usable());
        let (mut cost, mut taken, mut last) = (self.queue_cost(), 0, u64::from(self.snd.last_block));
        let mut unsent = self.snd.unsent();
        while taken < wanted {
            // A block leaves as soon as it is full, as far as it may, and makes room.
            while unsent >= block && quota >= mss {
                let leaves = burst.min(quota).min(unsent);
                (unsent, quota) = (unsent - leaves, quota - leaves);
            }
            // What has left is no part of the last block any more.
            last = last.min(unsent);
            if last == 0 || last >= block {
                if cost >= limit || (unsent > 0 && unsent >= lowat) {
                    break;
                }
                (cost, last) = (cost + BLOCK_COST, 0);
            }
            let rest = (block - last).min(wanted - taken);
            (taken, cost, unsent, last) = (taken + rest, cost + rest, unsent + rest, last + rest);
        }
        (taken, u16::try_from(last).unwrap_or(u16::MAX))
    }

    /// Whether new text up to `end` is pushed because so much has gone without it: half of the largest window the peer has had, in
    /// which it may wait for the reader to be woken.
    pub(super) fn is_push_due(&self, text: &core::ops::Range<Position>) -> bool {
        let half = u64::from(self.snd.max_wnd / 2).max(1);
        let steps = |at: Position| at.since(self.snd.iss + 1) / half;
        self.options.send_blocks && steps(text.end) > steps(text.start)
    }

    /// Whether a third of the queue is free.
    pub(in crate::connection) fn has_room_again(&self) -> bool {
        self.queue_cost() * 3 <= self.limit() * 2
    }
}
