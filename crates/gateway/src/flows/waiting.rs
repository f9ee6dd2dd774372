//! What waits for a program that reads more slowly than the host delivers, over all of its connections.
//!
//! Each connection's queue is bounded, and grows only with what the program's window lets out. This bounds their sum, as
//! `tcp_mem` does in a kernel: beyond it a connection gets a little ahead of its program and no more, so that the memory of a
//! gateway depends on a number that the user knows, and nobody stands still.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bowline_device::buffer::{Buffer, BufferPool};

use super::READ_SIZE;

/// Unused read buffers kept for later: 4 MiB of them.
const KEEP: usize = 64;

/// What a connection may have unsent under pressure, in bytes: half of it is room for the next read.
pub(crate) const FRUGAL: u32 = READ_SIZE as u32;

/// The buffers that hold what was read for the program.
#[derive(Debug)]
pub(crate) struct Waiting {
    buffers: BufferPool,
    limit: usize,
    pressed: AtomicBool,
    most: AtomicUsize,
}

impl Waiting {
    /// Buffers of [`READ_SIZE`], of which there is enough when together they hold `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            buffers: BufferPool::new(READ_SIZE, KEEP),
            limit: (bytes / READ_SIZE).max(1),
            pressed: AtomicBool::new(false),
            most: AtomicUsize::new(0),
        }
    }

    /// A buffer, whether or not there is enough.
    pub(crate) fn take(&self) -> Buffer {
        let buffer = self.buffers.take();
        self.most.fetch_max(self.buffers.outstanding(), Ordering::Relaxed);
        buffer
    }

    /// Whether there is enough. It is over once a quarter has gone, so that one buffer does not make it change.
    pub(crate) fn is_pressed(&self) -> bool {
        let held = self.buffers.outstanding();
        if held >= self.limit {
            self.pressed.store(true, Ordering::Relaxed);
        } else if held <= self.limit * 3 / 4 {
            self.pressed.store(false, Ordering::Relaxed);
        }
        self.pressed.load(Ordering::Relaxed)
    }

    /// The most that was held at once, in bytes; `None` unless it was as much as there may be.
    pub(crate) fn overflow(&self) -> Option<u64> {
        let most = self.most.load(Ordering::Relaxed);
        (most >= self.limit).then_some(most as u64 * READ_SIZE as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_at_the_limit_and_ends_a_quarter_below_it() {
        let waiting = Waiting::new(4 * READ_SIZE);
        let mut held: Vec<_> = (0..3).map(|_| waiting.take()).collect();
        assert!(!waiting.is_pressed() && waiting.overflow().is_none());
        held.push(waiting.take());
        assert!(waiting.is_pressed());
        // more is given nevertheless: who asks has its reason
        held.push(waiting.take());
        held.truncate(4);
        assert!(waiting.is_pressed());
        held.truncate(3);
        assert!(!waiting.is_pressed());
        assert_eq!(waiting.overflow(), Some(5 * READ_SIZE as u64));
    }
}
