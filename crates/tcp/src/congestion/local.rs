//! No congestion control, for devices that lose nothing but what overflows their own queue: a TUN, a cable in memory.
//!
//! It decides that the peer's window is the limit until something was lost, and after that gets out of the way again
//! within a few round trips. It must not be used on a shared path: it yields to nobody.

use core::time::Duration;

use bowline_base::Instant;

use super::{AckSample, Congestion, Controller, MAX_CWND};

/// The window after a reduction is no less than so many segments: one super-segment.
const FLOOR_SEGMENTS: u64 = 16;

/// The controller of lossless devices.
#[derive(Clone, Debug)]
pub struct Local {
    mss: u64,
    cwnd: u64,
    ssthresh: u64,
    saved: Option<(u64, u64)>,
}

impl Local {
    /// A controller without a limit.
    #[must_use]
    pub fn new(mss: u32) -> Self {
        Self { mss: u64::from(mss.max(1)), cwnd: MAX_CWND, ssthresh: u64::MAX, saved: None }
    }

    /// Whether the window has no limit, so that no ACK widens it.
    pub(super) const fn is_open(&self) -> bool {
        self.cwnd == MAX_CWND
    }

    fn reduced(&self, in_flight: u64) -> u64 {
        // What was in flight overflowed the queue; half of it will not.
        (in_flight.min(self.cwnd) / 2).max(FLOOR_SEGMENTS * self.mss)
    }
}

impl Controller for Local {
    fn on_ack(&mut self, _now: Instant, sample: &AckSample) {
        if self.is_open() || !sample.advances || sample.in_recovery || !sample.cwnd_limited {
            return;
        }
        // A quarter of what is acknowledged: the window doubles in about three round trips.
        let grown = if self.cwnd < self.ssthresh { sample.acked } else { sample.acked / 4 };
        self.cwnd = self.cwnd.saturating_add(grown).min(MAX_CWND);
    }

    fn on_congestion_event(&mut self, _now: Instant, in_flight: u64, _kind: Congestion) {
        self.saved = Some((self.cwnd, self.ssthresh));
        self.ssthresh = self.reduced(in_flight);
        self.cwnd = self.ssthresh;
    }

    fn on_timeout(&mut self, _now: Instant, in_flight: u64, first: bool) {
        if first {
            self.saved = Some((self.cwnd, self.ssthresh));
            self.ssthresh = self.reduced(in_flight);
        }
        // Nobody else is on the path: a super-segment asks for no more room than a segment.
        self.cwnd = FLOOR_SEGMENTS * self.mss;
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.saved = None;
    }

    fn undo(&mut self) {
        if let Some((cwnd, ssthresh)) = self.saved.take() {
            self.cwnd = self.cwnd.max(cwnd);
            self.ssthresh = self.ssthresh.max(ssthresh);
        }
    }

    fn on_idle_restart(&mut self, _now: Instant, _idle: Duration, _rto: Duration) {
        // The queue has drained: nothing is left of what overflowed it.
        self.cwnd = MAX_CWND;
        self.ssthresh = u64::MAX;
    }

    fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss.max(1));
        self.cwnd = self.cwnd.max(FLOOR_SEGMENTS * self.mss);
    }

    fn cwnd(&self) -> u64 {
        self.cwnd
    }

    fn ssthresh(&self) -> Option<u64> {
        (self.ssthresh != u64::MAX).then_some(self.ssthresh)
    }

    fn name(&self) -> &'static str {
        "local"
    }
}

#[cfg(test)]
mod tests;
