//! Text that was overtaken: what the peer's clock said when holes opened tells it from text of the sequence space before.
//!
//! A copy that fills the first hole brings a newer TS.Recent, and PAWS would drop all originals that are still on their way, as
//! RFC 7323 5.3 says itself; where a path reorders, one loss makes others so for ever. What they were sent after is remembered as
//! long as there are holes. It knows nothing of segments or of the peer's clock but that it never goes back.

use bowline_base::Position;

use super::ReceiveQueue;

/// How far RCV.NXT may go on, in bytes, before what is remembered is replaced.
///
/// Whatever was sent after the segment that TS.Recent is of lies no more than a window, 2^30 bytes, before that one; for it to pass
/// for something in the window now, RCV.NXT would have to be 2^31 bytes and more beyond it. So no rate can make an old duplicate look
/// late, with a clock that ticks as RFC 7323 5.4 wants it.
const RENEWED: u64 = 1 << 28;

/// What TS.Recent was where RCV.NXT was there.
#[derive(Clone, Copy, Hash, Debug)]
pub(super) struct Opened {
    recent: u32,
    at: Position,
}

impl ReceiveQueue {
    /// Text came, and TS.Recent is this. To be called for all text.
    #[inline]
    pub fn note_recent(&mut self, recent: u32) {
        let at = self.rcv_nxt();
        if let Some(beyond) = &mut self.beyond
            && beyond.opened.is_none_or(|opened| at.since(opened.at) >= RENEWED)
        {
            beyond.opened = Some(Opened { recent, at });
        }
    }

    /// Whether text that was sent when the peer's clock said `time`, and ends at `end`, fills holes (in whole or in part) and was
    /// sent since these opened, so that it cannot be of the sequence space before.
    #[must_use]
    pub fn is_late(&self, end: Position, time: u32) -> bool {
        let Some(opened) = self.beyond.as_ref().and_then(|beyond| beyond.opened) else { return false };
        self.rcv_nxt() < end && end <= self.highest() && time.wrapping_sub(opened.recent) as i32 >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn take(queue: &mut ReceiveQueue, from: Position, len: usize, recent: u32) {
        let data = Bytes::from(alloc::vec![7; len]);
        queue.insert(from, &data, len, 1 << 30);
        queue.note_recent(recent);
    }

    #[test]
    fn what_fills_a_hole_is_late_if_it_was_sent_since_that_opened() {
        let start = Position::initial(u32::MAX - 100);
        let mut queue = ReceiveQueue::new(start);
        take(&mut queue, start, 100, 10);
        assert!(!queue.is_late(start + 200, 10), "there is no hole");
        take(&mut queue, start + 300, 100, 10);
        // A copy fills the first hole, in part; the clock may wrap.
        take(&mut queue, start + 100, 100, u32::MAX / 2);
        assert_eq!([9, 10, 11].map(|time| queue.is_late(start + 300, time)), [false, true, true]);
        assert!(!queue.is_late(start + 200, 10), "that has come");
        assert!(!queue.is_late(start + 500, 10), "beyond all that has come it overtook nothing");
        take(&mut queue, start + 200, 100, 20);
        assert!(!queue.is_late(start + 400, 20), "the hole is filled");
    }

    #[test]
    fn what_is_remembered_is_renewed_long_before_numbers_come_again() {
        let start = Position::initial(0);
        let mut queue = ReceiveQueue::new(start);
        let (mut at, len) = (start, 1 << 20);
        take(&mut queue, at + len as u64, 10, 5);
        while queue.rcv_nxt().since(start) < RENEWED {
            assert!(queue.is_late(at + 1, 5));
            // The next hole opens before the last one is filled.
            let next = queue.highest();
            take(&mut queue, next + len as u64, 10, 5);
            take(&mut queue, at, len, 6);
            at = next;
            while queue.read_bytes(usize::MAX).is_some() {}
        }
        assert_eq!([5, 6].map(|time| queue.is_late(at + 1, time)), [false, true]);
    }
}
