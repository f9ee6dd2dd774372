//! How much the peer may send: the right edge of the receive window, and the size of the buffer behind it.
//!
//! Three rules. The right edge never moves left (RFC 9293 3.8.6: do not shrink). It moves right only by steps worth
//! sending (3.8.6.2.2: receiver's silly-window avoidance, MUST-39). The buffer grows with what the application reads in
//! a round trip, so that neither a slow reader nor an idle connection gets a large one ("dynamic right-sizing"; as
//! Linux does it since 2025, unread bytes subtracted). Window scaling as in RFC 7323 2.
//!
//! The buffer counts bytes of data; the memory behind them may be up to twice that ([`ReceiveWindow::memory_limit`]),
//! because small segments pin more than they hold. Linux doubles `SO_RCVBUF` for the same reason.

use core::time::Duration;

use bowline_base::{Instant, Position};

use super::queue::ReceiveQueue;
use super::rtt::ReceiveRtt;
use crate::{Options, WindowPolicy};

/// The largest shift (RFC 7323 2.3).
pub const MAX_SHIFT: u8 = 14;
/// The largest window that a SYN, which is never scaled, can offer.
const MAX_UNSCALED: u32 = 65_535;
/// The round-trip time that is assumed until one is measured.
const ASSUMED_RTT: Duration = Duration::from_millis(10);

/// The receive window of one connection.
#[derive(Clone, Hash, Debug)]
pub struct ReceiveWindow {
    /// RCV.NXT + RCV.WND, as last offered.
    right: Position,
    /// RCV.NXT when it was.
    offered_at: Position,
    buffer: u32,
    buffer_max: u32,
    /// The data that may come to wait, by what was offered: more than `buffer` after that was made smaller.
    committed: u32,
    mss: u16,
    shift: u8,
    policy: WindowPolicy,
    rtt: ReceiveRtt,
    /// When the round of reading that is being measured began, and what was read in it.
    round: Instant,
    read: u64,
    /// The most that was read in one round, and what that was when this one began.
    best: u32,
    base: u32,
    /// What that is taken to be at least: ten of the largest segments, if the first buffer has room for them, for the peer begins
    /// with no more (RFC 6928).
    first: u32,
    /// Whether the last round was [steep](Self::is_steep).
    steep: bool,
    /// Whether no window has been offered but that of our SYN or SYN-ACK.
    is_syns: bool,
}

impl ReceiveWindow {
    /// The window after the handshake: `shift` is our own scale, zero if scaling was not agreed; `rcv_nxt` and `offered`
    /// are what our SYN or SYN-ACK acknowledged and offered; `mss` is the largest segment that we announced.
    #[must_use]
    pub fn new(options: &Options, shift: u8, rcv_nxt: Position, offered: u16, mss: u16) -> Self {
        let buffer = match options.window_policy {
            WindowPolicy::Steps => options.receive_buffer,
            WindowPolicy::Everything => whole_segments(options.receive_buffer, mss),
        };
        Self {
            right: rcv_nxt + u64::from(offered),
            offered_at: rcv_nxt,
            buffer,
            buffer_max: options.receive_buffer_max.max(buffer),
            policy: options.window_policy,
            committed: u32::from(offered),
            mss: mss.max(1),
            shift: shift.min(MAX_SHIFT),
            rtt: ReceiveRtt::new(),
            round: Instant::ZERO,
            read: 0,
            best: 0,
            base: 0,
            first: buffer.min(10 * u32::from(mss)),
            steep: false,
            is_syns: true,
        }
    }

    /// How many bytes of data may wait for the reader.
    #[must_use]
    pub fn buffer(&self) -> usize {
        self.buffer as usize
    }

    /// How much memory the receive queue may use: the `limit` of [`ReceiveQueue::insert`]. All that was offered fits.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        (self.buffer.max(self.committed) as usize).saturating_mul(2).saturating_add(4096)
    }

    /// The most that was read within one round trip, in bytes: what the buffer's size goes by. At least as much as ten
    /// of the largest segments, if the buffer had room for them at first.
    #[must_use]
    pub const fn reading_rate(&self) -> u64 {
        let rate = if self.best > self.first { self.best } else { self.first };
        rate as u64
    }

    /// Sets the buffer's size in bytes, at least two units of the scale, and ends its tuning. What was offered stays offered.
    pub fn set_buffer(&mut self, bytes: u32) {
        // Of less than a unit nothing could be said but that the window is closed: see `negotiate::window_shift`.
        self.buffer = bytes.max(2 << self.shift);
        self.buffer_max = self.buffer;
    }

    /// The window field of the next segment. The new right edge counts as offered: call it for what is really sent. RFC 9293
    /// 3.8.6, SHLD-14: it never moves left; MAY-8: it may stay where it is for as long as nobody reads.
    pub fn advertise(&mut self, queue: &ReceiveQueue) -> u16 {
        let rcv_nxt = queue.rcv_nxt();
        let target = self.target(queue);
        if self.worth_offering(target) || (self.policy == WindowPolicy::Everything && target > self.right) {
            self.right = target;
        }
        let most = u64::from(MAX_UNSCALED);
        let exact = self.right.since(rcv_nxt);
        // RFC 7323 2.4: rounding down would take back up to 2^shift - 1 bytes. Rounding up gives these away, until that
        // adds up to a quarter of the buffer: else a peer who sends single bytes would never see the window close.
        let up = ((exact + (1 << self.shift) - 1) >> self.shift).min(most);
        let most_data = u64::from(self.buffer) + u64::from(self.buffer / 4);
        let data = queue.len() as u64 + (up << self.shift);
        let field = if data <= most_data { up } else { (exact >> self.shift).min(most) };
        self.right = self.right.max(rcv_nxt + (field << self.shift));
        self.committed = (queue.len() as u64 + self.right.since(rcv_nxt)).min(u64::from(u32::MAX)) as u32;
        self.offered_at = rcv_nxt;
        self.is_syns = false;
        field as u16
    }

    /// The position after the last that the peer may send, as last offered.
    #[must_use]
    pub fn right_edge(&self) -> Position {
        self.right
    }

    /// The position after the last that is taken. More than was offered, with a policy that offers all that is free, where
    /// the field was too small for it.
    #[must_use]
    pub fn acceptable_edge(&self, queue: &ReceiveQueue) -> Position {
        match self.policy {
            WindowPolicy::Steps => self.right,
            WindowPolicy::Everything => {
                self.right.max(queue.rcv_nxt() + self.buffer().saturating_sub(queue.len()) as u64)
            }
        }
    }

    /// RCV.WND: what is left of the window last offered, beyond `rcv_nxt`.
    #[must_use]
    pub fn rcv_wnd(&self, rcv_nxt: Position) -> u64 {
        self.right.since(rcv_nxt)
    }

    /// RCV.NXT when the window was last offered: up to there, everything is acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> Position {
        self.offered_at
    }

    /// Whether a segment should go out only to open the window. It should when the reader has freed two segments and
    /// the peer has at most half a buffer left to send, or when half a buffer has been freed.
    #[must_use]
    pub fn would_update(&self, queue: &ReceiveQueue) -> bool {
        let target = self.target(queue);
        if !self.worth_offering(target) {
            return false;
        }
        // A SYN's window is not scaled (RFC 7323 2.2): that there is more room any acknowledgement will tell.
        if self.is_syns && self.rcv_wnd(queue.rcv_nxt()) >= u64::from(MAX_UNSCALED / 2) {
            return false;
        }
        let (opens, half) = (target.since(self.right), u64::from(self.buffer / 2));
        opens >= half || (opens >= 2 * u64::from(self.mss) && self.rcv_wnd(queue.rcv_nxt()) <= half)
    }

    /// Data arrived in order, and perhaps the echo of a timestamp that we sent `echo` ago.
    pub fn on_data(&mut self, now: Instant, rcv_nxt: Position, echo: Option<Duration>) {
        self.rtt.on_advance(now, rcv_nxt, self.right);
        if let Some(sample) = echo {
            self.rtt.on_echo(sample);
        }
    }

    /// Data arrived out of order for somebody who will read it: while a hole is open nothing is read, so the buffer must hold
    /// another round besides what waits behind the hole.
    pub fn on_out_of_order(&mut self, queue: &ReceiveQueue) {
        self.grow(queue);
    }

    /// The application read `n` bytes. The buffer grows to twice what is read in a round trip, less what still waits, plus the span
    /// of what is out of order; to four times as much where the rounds are steep. `srtt` serves while the receive side has
    /// measured nothing.
    ///
    /// What came at once may be read in several calls: the round is over when nothing waits any more, or when the reader has
    /// had a second round trip for it.
    pub fn on_app_read(&mut self, now: Instant, n: usize, srtt: Option<Duration>, queue: &ReceiveQueue) {
        let rtt = self.rtt().or(srtt).unwrap_or(ASSUMED_RTT);
        if self.read == 0 {
            // A pause before the first read is no part of the round.
            self.round = self.round.max(now - rtt);
        }
        self.read += n as u64;
        let read = u32::try_from(self.read.saturating_sub(queue.len() as u64)).unwrap_or(u32::MAX);
        if read > self.best {
            // Also before the round is over: the rest of it only adds to this.
            self.best = read;
            self.grow(queue);
        }
        let elapsed = now.since(self.round);
        if elapsed >= 2 * rtt || (elapsed >= rtt && queue.is_empty()) {
            self.steep = self.is_steep();
            self.base = self.best;
            (self.round, self.read) = (now, 0);
        }
    }

    /// The round-trip time as the receive side measured it, if it has.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt.estimate()
    }

    /// Whether this round reads a quarter more than any before it, of which there were some.
    const fn is_steep(&self) -> bool {
        self.base > 0 && self.best / 5 >= self.base / 4
    }

    /// Twice the best round, because what is in flight when the window says so may be twice that; plus what waits out of order.
    /// In slow start it doubles once more until the next round is read: there four times as much keeps the window out of the
    /// sender's way. (Linux gives six times as much.)
    fn grow(&mut self, queue: &ReceiveQueue) {
        let span = queue.highest().since(queue.rcv_nxt());
        let rounds = if self.steep && self.is_steep() { 4 } else { 2 };
        let wanted = (rounds * self.reading_rate()).saturating_add(span).min(u64::from(self.buffer_max));
        self.buffer = self.buffer.max(wanted as u32);
    }

    /// The right edge that the free space allows.
    fn target(&self, queue: &ReceiveQueue) -> Position {
        let data = self.buffer().saturating_sub(queue.len());
        let memory = self.memory_limit().saturating_sub(queue.memory());
        let window = (data.min(memory) as u64).min(u64::from(MAX_UNSCALED) << self.shift);
        // Everything: what rounding down leaves out, the field rounds up again.
        let whole = if self.policy == WindowPolicy::Everything { window } else { window >> self.shift << self.shift };
        queue.rcv_nxt() + whole
    }

    /// RFC 9293 3.8.6.2.2, MUST-39: the right edge moves by a full segment or half the buffer, whichever is less, or
    /// not at all.
    fn worth_offering(&self, target: Position) -> bool {
        let step = u64::from(self.buffer / 2).min(u64::from(self.mss)).max(1);
        target.since(self.right) >= step
    }
}

/// So many bytes, rounded up to whole segments where that is a number.
fn whole_segments(bytes: u32, mss: u16) -> u32 {
    bytes.checked_next_multiple_of(u32::from(mss.max(1))).unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
