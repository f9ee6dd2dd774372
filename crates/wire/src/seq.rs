//! A sequence number as it stands on the wire (RFC 9293 3.4: all arithmetic is modulo 2^32).
//!
//! It has no order on purpose: whether one number is "after" another depends on where the connection is, and comparing
//! them as integers has crashed other stacks. A connection turns it into a [`bowline_base::Position`], which has one.

use core::fmt;
use core::ops::Add;

/// A 32-bit sequence number. Addition wraps; there is no subtraction and no comparison but equality.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNumber(pub u32);

impl Add<u32> for SeqNumber {
    type Output = Self;
    fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

impl From<bowline_base::Position> for SeqNumber {
    fn from(position: bowline_base::Position) -> Self {
        Self(position.wire())
    }
}

impl fmt::Debug for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
