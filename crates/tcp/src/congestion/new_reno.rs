//! NewReno: slow start, congestion avoidance and halving (RFC 5681 3.1, RFC 6582), by counted bytes (RFC 3465).
//!
//! It decides the window of a connection whose only sign of congestion is loss or a mark.

use core::time::Duration;

use bowline_base::Instant;

use super::{AckSample, Congestion, Controller, MAX_CWND, initial_window};

/// The window and the threshold at one time, kept for undo.
#[derive(Clone, Copy, Debug)]
struct Saved {
    cwnd: u64,
    ssthresh: u64,
}

/// NewReno.
#[derive(Clone, Debug)]
pub struct NewReno {
    mss: u64,
    cwnd: u64,
    /// `u64::MAX` before the first loss: RFC 5681 3.1 wants it arbitrarily high.
    ssthresh: u64,
    /// Bytes acknowledged in congestion avoidance since the window last grew.
    counted: u64,
    saved: Option<Saved>,
}

impl NewReno {
    /// A controller with the initial window of RFC 6928.
    #[must_use]
    pub fn new(mss: u32) -> Self {
        let mss = mss.max(1);
        Self { mss: mss.into(), cwnd: initial_window(mss), ssthresh: u64::MAX, counted: 0, saved: None }
    }

    fn reduced(&self, in_flight: u64) -> u64 {
        // RFC 5681 3.1, equation 4, RFC5681-3.1-4: half of what was in flight, not of the window, which may not have been in use.
        (in_flight.min(self.cwnd) / 2).max(2 * self.mss)
    }

    fn save(&mut self) {
        self.saved = Some(Saved { cwnd: self.cwnd, ssthresh: self.ssthresh });
    }
}

impl Controller for NewReno {
    fn on_ack(&mut self, _now: Instant, sample: &AckSample) {
        if sample.acked == 0 || !sample.advances || sample.in_recovery || !sample.cwnd_limited {
            return;
        }
        let mut acked = sample.acked;
        if self.cwnd < self.ssthresh {
            // RFC 5681 3.1, equation 2, RFC5681-3.1-2, by counted bytes. No limit L per ACK: a super-segment is acknowledged by one
            // ACK, and a peer that divides ACKs gains nothing (RFC 3465 2.3 fears bursts, which the device absorbs).
            let room = self.ssthresh - self.cwnd;
            let grow = acked.min(room);
            self.cwnd = (self.cwnd + grow).min(MAX_CWND);
            acked -= grow;
        }
        // RFC 5681 3.1, RFC5681-3.1-3: one segment per window of acknowledged bytes, as RFC 3465 2.1 counts them.
        self.counted = self.counted.saturating_add(acked);
        if self.counted >= self.cwnd {
            let windows = self.counted / self.cwnd;
            self.counted %= self.cwnd;
            self.cwnd = self.cwnd.saturating_add(windows.saturating_mul(self.mss)).min(MAX_CWND);
        }
    }

    fn on_congestion_event(&mut self, _now: Instant, in_flight: u64, _kind: Congestion) {
        self.save();
        self.ssthresh = self.reduced(in_flight);
        self.cwnd = self.ssthresh;
        self.counted = 0;
    }

    fn on_timeout(&mut self, _now: Instant, in_flight: u64, first: bool) {
        // RFC 5681 3.1, RFC5681-3.1-5.
        if first {
            self.save();
            self.ssthresh = self.reduced(in_flight);
        }
        // RFC 5681 3.1, RFC5681-3.1-6: the loss window is one segment.
        self.cwnd = self.mss;
        self.counted = 0;
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.saved = None;
    }

    fn undo(&mut self) {
        if let Some(saved) = self.saved.take() {
            // RFC 4015 3.2: never less than what was reached meanwhile.
            self.cwnd = self.cwnd.max(saved.cwnd);
            self.ssthresh = self.ssthresh.max(saved.ssthresh);
        }
    }

    fn on_idle_restart(&mut self, _now: Instant, idle: Duration, rto: Duration) {
        if idle > rto {
            // RFC 5681 4.1: the restart window is min(IW, cwnd).
            self.cwnd = self.cwnd.min(initial_window(u32::try_from(self.mss).unwrap_or(u32::MAX)));
            self.counted = 0;
        }
    }

    fn on_unvalidated(&mut self, cwnd: u64, ssthresh: u64) {
        (self.cwnd, self.ssthresh) = (cwnd.max(self.mss), ssthresh);
        self.counted = 0;
    }

    fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss.max(1));
        self.cwnd = self.cwnd.max(self.mss);
    }

    fn cwnd(&self) -> u64 {
        self.cwnd
    }

    fn ssthresh(&self) -> Option<u64> {
        (self.ssthresh != u64::MAX).then_some(self.ssthresh)
    }

    fn name(&self) -> &'static str {
        "reno"
    }
}

#[cfg(test)]
mod tests;
