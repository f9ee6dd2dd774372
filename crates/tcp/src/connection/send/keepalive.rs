//! Keepalive (RFC 9293 3.8.4, MAY-5), off unless the user asks; and the patience of TCP_CORK.

use bowline_base::Instant;

use crate::connection::tcb::Tcb;
use crate::connection::timers::Timer;

impl Tcb {
    /// Starts the timer where keepalive is on (MUST-24, MUST-25, MUST-26: only when the line has been idle).
    pub(crate) fn arm_keepalive(&mut self, now: Instant) {
        match self.options.keepalive {
            Some(keepalive) if self.state.is_synchronized() => {
                self.timers.set(Timer::Keepalive, (self.stats.last_heard + keepalive.silence()).max(now));
            }
            _ => self.timers.stop(Timer::Keepalive),
        }
    }

    /// Starts the patience of a corked segment, unless it runs: an RTO, as on Linux.
    #[inline(never)]
    pub(super) fn arm_cork(&mut self, now: Instant) {
        if !self.timers.is_running(Timer::Cork) {
            self.timers.set(Timer::Cork, now + self.recovery.rtt().base_rto());
        }
    }
}
