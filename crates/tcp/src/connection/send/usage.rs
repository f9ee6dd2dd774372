//! Whether the sender makes use of its congestion window: one that nobody fills does not grow (RFC 5681 4.1, RFC 7661 4.3).
//!
//! Judged once a round trip, by the most that was in flight in it. As Linux does, slow start may go on up to twice of that.

use bowline_base::Position;

use crate::connection::tcb::Tcb;

impl Tcb {
    /// The most that can be in flight, in bytes: what the peer takes, or our queue holds, no congestion window makes more.
    pub(in crate::connection) fn most_in_flight(&self) -> u64 {
        u64::from(self.snd.max_wnd.min(self.options.send_buffer))
    }
}

/// How much of the window was in use of late.
#[derive(Clone, Copy, Hash, Debug)]
pub(crate) struct Usage {
    /// The round trip that is judged ends with the acknowledgement of this.
    until: Position,
    /// The most that was outstanding in it, in bytes.
    most: u32,
    /// Whether the window held the sender back in it.
    limited: bool,
}

impl Usage {
    pub(crate) const fn new(at: Position) -> Self {
        Self { until: at, most: 0, limited: false }
    }

    /// Something left, or the window (`limited`) did not let it: SND.UNA and SND.NXT are now these.
    #[inline]
    pub(crate) fn note(&mut self, una: Position, nxt: Position, limited: bool) {
        let outstanding = u32::try_from(nxt.since(una)).unwrap_or(u32::MAX);
        if una >= self.until || limited || (!self.limited && outstanding > self.most) {
            *self = Self { until: nxt, most: outstanding, limited };
        }
    }

    /// Whether an acknowledgement may enlarge the window.
    #[inline]
    pub(crate) const fn lets_grow(&self, cwnd: u64, slow_start: bool) -> bool {
        self.limited || (slow_start && cwnd < 2 * self.most as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_goes_on_up_to_twice_of_what_was_in_flight() {
        let at = |n: u64| Position::initial(1) + n;
        let mut usage = Usage::new(at(0));
        usage.note(at(0), at(9_000), false);
        assert!(usage.lets_grow(17_999, true) && !usage.lets_grow(18_000, true) && !usage.lets_grow(10_000, false));
        // less in flight within the round trip changes nothing, and after it everything
        usage.note(at(4_000), at(9_000), false);
        assert!(usage.lets_grow(17_999, true));
        usage.note(at(9_000), at(9_100), false);
        assert!(!usage.lets_grow(200, true));
        usage.note(at(9_000), at(9_100), true);
        assert!(usage.lets_grow(1 << 30, false));
    }
}
