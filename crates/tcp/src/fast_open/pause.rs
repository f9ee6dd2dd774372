//! When paths are so broken that active opens had better be ordinary ones for a while (RFC 7413 4.1.3.1, 7.1; as Linux): some
//! middleboxes swallow whatever belongs to a connection whose SYN had data or the option.
//!
//! It knows what was found, not how.

use core::time::Duration;

use bowline_base::Instant;

/// The pause doubles so often at most.
const MAX_DOUBLINGS: u32 = 6;

/// Whether opens are ordinary for now.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Pause {
    first: Duration,
    until: Option<Instant>,
    times: u32,
}

impl Pause {
    pub(crate) const fn new(first: Duration) -> Self {
        Self { first, until: None, times: 0 }
    }

    /// How long the first pause lasts from now on; zero: there is none, not even now.
    pub(crate) const fn set(&mut self, first: Duration) {
        *self = Self::new(first);
    }

    pub(crate) const fn first(&self) -> Duration {
        self.first
    }

    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// A connection was swallowed. Whether a pause begins.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        if self.first.is_zero() {
            return false;
        }
        self.until = Some(now + self.first * (1 << self.times.min(MAX_DOUBLINGS)));
        self.times = self.times.saturating_add(1);
        true
    }

    /// A connection after a pause was not swallowed: the next pause is a first one.
    pub(crate) const fn forgive(&mut self) {
        self.times = 0;
    }
}
