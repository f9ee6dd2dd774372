//! The retransmissions that may still be in the network, in the order in which they went out.
//!
//! What was sent once went out in the order of the stream; this list is for the rest, so that RACK finds the oldest
//! without looking at all that flies (RFC 8985 6.2). It remembers, and decides nothing: whether an entry still flies,
//! the ring knows.

use alloc::collections::VecDeque;
use core::ops::Range;

use bowline_base::{Instant, Position};

/// Copies remembered: 512 KiB. The loss of one that was forgotten is left to the retransmission timer.
const MAX_COPIES: usize = 16_384;

/// A stretch that was sent again, when, and in which run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Copy {
    pub(super) range: Range<Position>,
    pub(super) sent_at: Instant,
    pub(super) run: u32,
}

impl Copy {
    /// Whether it went out then.
    pub(super) fn is(&self, sent_at: Instant, run: u32) -> bool {
        (self.sent_at, self.run) == (sent_at, run)
    }
}

/// The list.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct Copies(VecDeque<Copy>);

impl Copies {
    /// `range` was sent again.
    pub(super) fn push(&mut self, now: Instant, run: u32, range: Range<Position>) {
        match self.0.back_mut() {
            Some(last) if last.is(now, run) && last.range.end == range.start => last.range.end = range.end,
            _ => {
                if self.0.len() >= MAX_COPIES {
                    self.0.pop_front();
                }
                self.0.push_back(Copy { range, sent_at: now, run });
            }
        }
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&Copy> {
        self.0.front()
    }

    /// When the oldest went out that has not been forgotten.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.0.front().map(|copy| copy.sent_at)
    }

    /// Forgets the oldest.
    pub(super) fn pop(&mut self) {
        self.0.pop_front();
    }

    /// SEG.ACK covers everything before `una`: forgets the oldest as far as that is so.
    pub(super) fn acknowledge(&mut self, una: Position) {
        while self.0.front().is_some_and(|copy| copy.range.end <= una) {
            self.0.pop_front();
        }
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Copy>()
    }
}
