//! The send queue: a chain of chunks from SND.UNA on, with a tail that small writes coalesce in.
//!
//! Writing a `Bytes` of some size keeps a reference, sending and retransmitting borrow slices of it, and its
//! acknowledgement drops it. An empty queue owns no memory. It knows positions and bytes, nothing of segments.

use alloc::vec::Vec;
use core::ops::Range;

use arrayvec::ArrayVec;
use bowline_base::Position;
use bytes::Bytes;

use crate::short_deque::ShortDeque;

/// The most pieces that one segment's text is gathered from.
pub(crate) const MAX_PIECES: usize = 16;
/// A written `Bytes` below this is copied: the reference would cost more than the bytes.
const COPY_BREAK: usize = 2048;
/// A tail of this size is complete: the next small write begins another.
const TAIL: usize = 64 << 10;
/// The first allocation of a tail, at least.
const MIN_TAIL: usize = 512;

#[derive(Clone, Hash, Debug)]
enum Data {
    Shared(Bytes),
    Tail(Vec<u8>),
}

impl Data {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Tail(vec) => vec,
        }
    }

    fn owner(&self) -> Option<&Bytes> {
        match self {
            Self::Shared(bytes) => Some(bytes),
            Self::Tail(_) => None,
        }
    }
}

/// Pieces of text, and the shared buffers in which they lie.
#[derive(Default)]
pub(crate) struct Gathered<'a> {
    pub(crate) pieces: ArrayVec<&'a [u8], MAX_PIECES>,
    pub(crate) owners: ArrayVec<Option<&'a Bytes>, MAX_PIECES>,
}

#[derive(Clone, Hash, Debug)]
struct Chunk {
    start: Position,
    data: Data,
}

impl Chunk {
    fn end(&self) -> Position {
        self.start + self.data.as_slice().len() as u64
    }
}

/// Text written by the user and not acknowledged yet.
#[derive(Clone, Hash, Debug)]
pub(crate) struct SendBuffer {
    chunks: ShortDeque<Chunk>,
    front: Position,
    end: Position,
}

impl SendBuffer {
    /// An empty queue whose first byte will have this position.
    pub(crate) const fn new(first: Position) -> Self {
        Self { chunks: ShortDeque::new(), front: first, end: first }
    }

    /// The position after the last byte written.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }

    /// Bytes written and not acknowledged.
    pub(crate) const fn len(&self) -> u64 {
        self.end.since(self.front)
    }

    /// Appends a copy of `data`.
    pub(crate) fn push_slice(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let taken = self.fill_tail(data);
            data = &data[taken..];
        }
    }

    /// Copies what fits into the last tail, or begins a new one; returns how much.
    fn fill_tail(&mut self, data: &[u8]) -> usize {
        if let Some(Chunk { data: Data::Tail(tail), .. }) = self.chunks.back_mut()
            && tail.len() < TAIL
        {
            let n = data.len().min(TAIL - tail.len());
            tail.extend_from_slice(&data[..n]);
            self.end += n as u64;
            return n;
        }
        let n = data.len().min(TAIL);
        let mut tail = Vec::with_capacity(n.max(MIN_TAIL));
        tail.extend_from_slice(&data[..n]);
        self.chunks.push_back(Chunk { start: self.end, data: Data::Tail(tail) });
        self.end += n as u64;
        n
    }

    /// Appends `data` by reference, or a copy of it where it is small.
    pub(crate) fn push_bytes(&mut self, data: Bytes) {
        if data.len() < COPY_BREAK {
            return self.push_slice(&data);
        }
        let start = self.end;
        self.end += data.len() as u64;
        self.chunks.push_back(Chunk { start, data: Data::Shared(data) });
    }

    /// Drops all that lies before `una`.
    #[inline]
    pub(crate) fn acknowledge(&mut self, una: Position) {
        self.front = self.front.max(una.min(self.end));
        if !self.chunks.is_empty() {
            self.drop_acknowledged();
        }
    }

    #[inline(never)]
    fn drop_acknowledged(&mut self) {
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= self.front) {
            self.chunks.pop_front();
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.acknowledge(self.end);
    }

    /// Borrows the text of `range`, or its beginning where it lies in more than [`MAX_PIECES`] pieces; and for each piece
    /// the written buffer that it is part of, if it was not copied. (`out` is filled in where it is: it is large to move.)
    #[inline]
    pub(crate) fn gather<'a>(&'a self, range: Range<Position>, out: &mut Gathered<'a>) {
        if range.start < range.end {
            self.gather_text(range, out);
        }
    }

    fn gather_text<'a>(&'a self, range: Range<Position>, out: &mut Gathered<'a>) {
        let end = range.end.min(self.end);
        let mut at = range.start.max(self.front);
        if at >= end {
            return;
        }
        if let Some(only) = self.chunks.only() {
            let slice = only.data.as_slice().get(at.since(only.start) as usize..end.since(only.start) as usize);
            out.pieces.push(slice.unwrap_or_default());
            out.owners.push(only.data.owner());
            return;
        }
        let first = self.chunks.partition_point(|chunk| chunk.end() <= at);
        for chunk in self.chunks.iter_from(first) {
            if at >= end || out.pieces.is_full() {
                break;
            }
            let upto = end.min(chunk.end());
            let slice = chunk.data.as_slice().get(at.since(chunk.start) as usize..upto.since(chunk.start) as usize);
            out.pieces.push(slice.unwrap_or_default());
            out.owners.push(chunk.data.owner());
            at = upto;
        }
    }

    /// How many bytes from `at` on [`MAX_PIECES`] pieces hold, at most `len`.
    #[inline]
    pub(crate) fn gatherable(&self, at: Position, len: u64) -> u64 {
        if self.chunks.len() <= MAX_PIECES { len } else { self.gatherable_of_many(at, len) }
    }

    #[inline(never)]
    fn gatherable_of_many(&self, at: Position, len: u64) -> u64 {
        let first = self.chunks.partition_point(|chunk| chunk.end() <= at);
        let last = (first + MAX_PIECES).min(self.chunks.len());
        match last.checked_sub(1).and_then(|i| self.chunks.get(i)) {
            Some(chunk) => len.min(chunk.end().since(at)),
            None => 0,
        }
    }

    /// Memory the queue pins, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let data = |chunk: &Chunk| match &chunk.data {
            Data::Shared(bytes) => bytes.len(),
            Data::Tail(vec) => vec.capacity(),
        };
        self.chunks.memory() + self.chunks.iter().map(data).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
