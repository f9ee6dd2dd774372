//! How many connections that took data from a SYN may be in their handshake at once, for each listener.
//!
//! Whoever has a cookie may claim an address that it has lost since, or share one with others (RFC 7413 5.1): so the number is
//! bounded, and one that was reset before its handshake was complete goes on counting for a minute, as on Linux: a flood
//! from borrowed addresses provokes just such resets.

use alloc::collections::VecDeque;
use core::time::Duration;

use bowline_base::Instant;

/// How long a connection that was reset counts.
const RESET_COUNTS: Duration = Duration::from_secs(60);

/// The connections of one listener.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct FastOpenQueue {
    pending: u32,
    /// When those that were reset cease to count.
    reset: VecDeque<Instant>,
}

impl FastOpenQueue {
    /// Whether there is room for another one. One that was reset long enough ago makes room.
    pub(crate) fn has_room(&mut self, now: Instant, max: u32) -> bool {
        while self.reset.front().is_some_and(|until| *until <= now) {
            self.reset.pop_front();
        }
        self.pending as usize + self.reset.len() < max as usize
    }

    /// A connection begins.
    pub(crate) fn enter(&mut self) {
        self.pending += 1;
    }

    /// A connection's handshake is over; `reset`: when it was reset, if that was its end.
    pub(crate) fn leave(&mut self, reset: Option<Instant>) {
        self.pending = self.pending.saturating_sub(1);
        self.reset.extend(reset.map(|at| at + RESET_COUNTS));
    }

    /// How many there are now.
    pub(crate) const fn pending(&self) -> u32 {
        self.pending
    }
}
