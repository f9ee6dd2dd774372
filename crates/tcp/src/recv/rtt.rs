//! The round-trip time as a receiver sees it, for a connection that sends nothing and so measures nothing.
//!
//! Two sources: the echo of our timestamps on arriving data, and the time in which one whole window arrives, which
//! takes a round trip or more. Only the receive buffer's tuning uses it; retransmission never does.

use core::time::Duration;

use bowline_base::{Instant, Position, Span};

/// Echoed timestamps tick in milliseconds, so a measurement below this says nothing.
const FINEST_ECHO: Duration = Duration::from_millis(2);

/// The receiver's estimate of the round-trip time.
#[derive(Clone, Copy, Hash, Debug)]
pub(super) struct ReceiveRtt {
    /// Smoothed; zero while unknown.
    estimate: Span,
    /// When the window now being filled was first offered, and its right edge. `MAX` once timestamps are echoed: windows are
    /// no longer looked at then.
    since: Instant,
    until: Option<Position>,
}

impl ReceiveRtt {
    pub(super) fn new() -> Self {
        Self { estimate: Span::ZERO, since: Instant::ZERO, until: None }
    }

    fn is_echoed(&self) -> bool {
        self.since == Instant::MAX
    }

    pub(super) fn estimate(&self) -> Option<Duration> {
        (!self.estimate.is_zero()).then_some(self.estimate.get())
    }

    /// RCV.NXT moved, and `right` is the right edge offered now. When the edge of before is reached, that took a round
    /// trip at least: the shortest of these is the best guess.
    pub(super) fn on_advance(&mut self, now: Instant, rcv_nxt: Position, right: Position) {
        match self.until {
            _ if self.is_echoed() => return,
            Some(until) if rcv_nxt < until => return,
            Some(_) => {
                let sample = now.since(self.since).max(Duration::from_nanos(1));
                let sample = Span::from(sample);
                self.estimate = if self.estimate.is_zero() { sample } else { self.estimate.min(sample) };
            }
            None => {}
        }
        self.since = now;
        self.until = Some(right.max(rcv_nxt + 1));
    }

    /// Data came that echoes a timestamp sent `sample` ago. Smoothed over eight of them; from the first one on, windows
    /// are no longer looked at.
    pub(super) fn on_echo(&mut self, sample: Duration) {
        if sample < FINEST_ECHO {
            return;
        }
        self.estimate = if self.is_echoed() { (self.estimate.get() * 7 + sample) / 8 } else { sample }.into();
        self.since = Instant::MAX;
    }
}
