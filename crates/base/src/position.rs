//! A place in a TCP byte stream, as 64 bits whose low 32 are the sequence number (RFC 9293 3.4).
//!
//! Sequence numbers wrap, and comparing them wrongly has crashed other stacks. A position does not wrap: order is
//! total, and only [`Position::nearest`] turns what a peer wrote into one.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, AddAssign, Sub};

/// A place in one direction of one connection. SYN and FIN take one place each (RFC 9293 3.4).
///
/// It is never zero, so that an `Option` of one takes no more room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(NonZeroU64);

impl Position {
    /// Positions begin at 2^32, so that there is room below the first one for the old segments a peer may send.
    const FLOOR: u64 = 1 << 32;
    /// The lowest position there is, below everything that can be on the wire.
    const MIN: Self = Self(NonZeroU64::MIN);

    const fn new(raw: u64) -> Self {
        match NonZeroU64::new(raw) {
            Some(raw) => Self(raw),
            None => Self::MIN,
        }
    }

    /// The position of an initial sequence number.
    #[must_use]
    pub const fn initial(isn: u32) -> Self {
        Self::new(Self::FLOOR + isn as u64)
    }

    /// The sequence number on the wire.
    #[must_use]
    pub const fn wire(self) -> u32 {
        self.0.get() as u32
    }

    /// The position with this sequence number that lies nearest to `self`: from 2^31 before it up to 2^31 - 1 after it.
    #[must_use]
    pub const fn nearest(self, wire: u32) -> Self {
        let forward = wire.wrapping_sub(self.wire()) as i32;
        Self::new(self.0.get().saturating_add_signed(forward as i64))
    }

    /// How far `self` is beyond `earlier`; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }

    /// The raw 64-bit value, for storage and display.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl Default for Position {
    /// The lowest position there is, below everything that can be on the wire.
    fn default() -> Self {
        Self::MIN
    }
}

impl Add<u64> for Position {
    type Output = Self;
    fn add(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl AddAssign<u64> for Position {
    fn add_assign(&mut self, n: u64) {
        *self = *self + n;
    }
}

impl Sub<u64> for Position {
    type Output = Self;
    fn sub(self, n: u64) -> Self {
        Self::new(self.0.get().saturating_sub(n))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wire())
    }
}

#[cfg(test)]
mod tests;
