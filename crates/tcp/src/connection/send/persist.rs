//! The zero-window probe (RFC 9293 3.8.6.1, MUST-36): a peer whose window is closed is asked, at growing intervals and without
//! end while it answers, whether it has opened.
//!
//! As Linux does, the probe is an empty segment one position before SND.UNA: the peer must answer it, and need not
//! find room for anything.

use core::time::Duration;

use bowline_base::Instant;

use crate::connection::tcb::Tcb;
use crate::connection::timers::Timer;

impl Tcb {
    /// Starts the timer if text waits, the window does not let it go, and nothing in flight will bring an ACK. So a window
    /// that shrank to nothing is probed too (RFC 9293 3.8.6, MUST-35), by retransmissions while something is in flight.
    pub(super) fn update_persist(&mut self, now: Instant) {
        let waits = self.snd.unsent() > 0 && self.recovery.is_idle();
        if waits && !self.timers.is_running(Timer::Persist) && self.snd.probe.is_none() {
            self.timers.set(Timer::Persist, now + self.persist_interval());
        }
    }

    /// SHLD-29, SHLD-30: the first after the RTO, then at exponentially growing intervals, answered or not.
    fn persist_interval(&self) -> Duration {
        let rto = self.recovery.rtt().base_rto();
        rto.saturating_mul(1 << self.snd.probe_backoff.min(16)).min(self.options.max_rto.max(rto))
    }

    /// The window is open, or there is nothing to wait for.
    pub(crate) fn stop_persist(&mut self) {
        self.timers.stop(Timer::Persist);
    }
}
