//! Bytes as decisions: what a program of calls, segments and waits is read from. When they run out, every answer is zero.
//!
//! An input means the same when what can be drawn grows. A remainder of the byte by the number of choices would not do: one
//! choice more, and each byte means another one, so that a corpus that took hours to find is but noise. `index` gives a new
//! choice half of the bytes of a single former one, and leaves all others with theirs: choices may be appended anywhere.

/// The rest of an input.
#[derive(Clone, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of it.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// The next two bytes.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next four bytes.
    pub fn long(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    /// One of several; takes a byte even where there is none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(index(self.byte(), from.len())).copied()
    }

    /// One of several, of which there is one at least.
    pub fn one_of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        const { assert!(N > 0, "nothing to pick from") };
        from[index(self.byte(), N)]
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u8) -> bool {
        self.byte().is_multiple_of(n)
    }

    /// Up to `n` bytes as they are.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Which of `n` choices a byte means: linear hashing. The remainder is taken by the power of two that has room for all of them,
/// and what names a choice that does not exist yet means the one that will be split for it.
const fn index(byte: u8, n: usize) -> usize {
    let room = n.next_power_of_two();
    let index = byte as usize % room;
    if index < n { index } else { index - room / 2 }
}

#[cfg(test)]
mod tests;
