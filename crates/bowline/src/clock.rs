//! The one clock: tokio's, counted from when the network was made, so that tests may stop it.

use std::time::SystemTime;

use bowline_base::Instant;

/// Turns the runtime's time into the stack's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: tokio::time::Instant,
    wall: SystemTime,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: tokio::time::Instant::now(), wall: SystemTime::now() }
    }

    /// Now, as the stack counts it.
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The stack's `at` as the runtime counts it.
    pub(crate) fn at(&self, at: Instant) -> tokio::time::Instant {
        // A deadline that means "never" is as good a year away.
        let far = std::time::Duration::from_secs(365 * 24 * 3600);
        self.origin + at.since(Instant::ZERO).min(self.origin.elapsed() + far)
    }

    /// The wall-clock time of the stack's origin, for captures.
    pub(crate) fn wall(&self) -> SystemTime {
        self.wall
    }
}
