//! The deadlines of one connection that nothing else keeps: a small table with one minimum.
//!
//! The retransmission timer lives with `recovery`, the delayed acknowledgement's with the receiver's ACK policy.

use bowline_base::Instant;

/// A timer of this table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Timer {
    /// The zero-window probe.
    Persist,
    /// The keepalive probe.
    Keepalive,
    /// The end of an orphan's FIN-WAIT-2.
    FinWait2,
    /// The end of a cork's patience.
    Cork,
}

const COUNT: usize = 4;

/// A deadline for each timer; never is [`Instant::MAX`].
#[derive(Clone, Hash, Debug)]
pub(crate) struct Timers([Instant; COUNT]);

impl Timers {
    /// No timer runs.
    pub(crate) const fn new() -> Self {
        Self([Instant::MAX; COUNT])
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, Instant::MAX);
    }

    pub(crate) fn stop_all(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn deadline(&self, timer: Timer) -> Instant {
        self.0[timer as usize]
    }

    pub(crate) fn is_running(&self, timer: Timer) -> bool {
        self.deadline(timer) != Instant::MAX
    }

    /// Whether `timer` has run out; it stops then.
    pub(crate) fn fire(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.deadline(timer) <= now;
        if due {
            self.stop(timer);
        }
        due
    }

    /// The first deadline.
    pub(crate) fn next(&self) -> Instant {
        self.0.iter().copied().min().unwrap_or(Instant::MAX)
    }
}
