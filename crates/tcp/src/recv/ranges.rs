//! Data that came out of order: disjoint ranges above what is expected next, each contiguous in itself.
//!
//! The number of ranges is bounded, and so is what a lookup costs. Ranges remember how recently they changed, because
//! RFC 2018 4 wants the newest reported first.

use alloc::vec::Vec;
use core::ops::Range;

use arrayvec::ArrayVec;
use bowline_base::Position;
use bytes::Bytes;

use super::chunks::{Chunks, Hold, OVERHEAD};
use super::late::Opened;

/// The most ranges at once. Beyond it a new range is refused rather than an old one dropped: the old one has been
/// reported to the peer, who may have forgotten the data.
const MAX_RANGES: usize = 256;
/// What a range costs besides its chunks.
const RANGE_OVERHEAD: usize = 2 * size_of::<Span>();

/// The ranges, in order, with a hole before each.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct OutOfOrder {
    spans: Vec<Span>,
    bytes: u64,
    /// Counts changes.
    clock: u64,
    /// What the peer's clock said when the holes opened.
    pub(super) opened: Option<Opened>,
}

#[derive(Clone, Hash, Debug)]
struct Span {
    start: Position,
    end: Position,
    /// The clock when it last changed or was hit again.
    touched: u64,
    chunks: Chunks,
}

/// Where a new piece belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind a range.
    Behind,
    /// Before a range.
    Before,
    /// On its own.
    Alone,
}

impl OutOfOrder {
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn end(&self) -> Option<Position> {
        self.spans.last().map(|span| span.end)
    }

    /// Whether the byte at `at` is here, and how far (at most to `end`) the same holds for the bytes after it.
    pub(super) fn look(&self, at: Position, end: Position) -> (bool, Position) {
        match self.spans.get(self.first_beyond(at)) {
            Some(span) if span.start <= at => (true, span.end.min(end)),
            Some(span) => (false, span.start.min(end)),
            None => (false, end),
        }
    }

    /// Notes that the range with the byte at `at` was received again.
    pub(super) fn touch(&mut self, at: Position) {
        self.clock += 1;
        let (clock, index) = (self.clock, self.first_beyond(at));
        if let Some(span) = self.spans.get_mut(index) {
            span.touched = clock;
        }
    }

    /// Takes in a piece that overlaps nothing, if that adds no more than `budget` to the memory. Gives what its chunks
    /// add; [`memory`](Self::memory) has the rest.
    pub(super) fn insert(&mut self, at: Position, data: &Bytes, hold: Hold, budget: usize) -> Option<usize> {
        let end = at + data.len() as u64;
        let index = self.spans.partition_point(|span| span.end < at);
        let place = match self.spans.get(index) {
            Some(span) if span.end == at => Place::Behind,
            Some(span) if span.start == end => Place::Before,
            _ if self.spans.len() >= MAX_RANGES => return None,
            _ => Place::Alone,
        };
        let own = if place == Place::Alone { RANGE_OVERHEAD } else { 0 };
        let cost = match (place, hold) {
            (_, Hold::Keep(pinned)) => pinned + OVERHEAD,
            (Place::Behind, Hold::Copy) => {
                self.spans.get(index).map_or(0, |span| span.chunks.copy_cost(data.len(), span.len()))
            }
            (Place::Before | Place::Alone, Hold::Copy) => data.len() + OVERHEAD,
        };
        if cost + own > budget {
            return None;
        }
        self.bytes += data.len() as u64;
        self.clock += 1;
        let touched = self.clock;
        if place == Place::Alone {
            self.spans.insert(index, Span { start: at, end: at, touched, chunks: Chunks::default() });
        }
        let span = self.spans.get_mut(index)?;
        span.touched = touched;
        let held = span.len();
        if place == Place::Before {
            let after = core::mem::take(&mut span.chunks);
            span.start = at;
            span.chunks.take(data, hold, 0);
            span.chunks.append(after);
        } else {
            span.end = end;
            span.chunks.take(data, hold, held);
            self.join(index);
        }
        Some(cost)
    }

    /// Takes the first range out if it begins at `at`: its chunks and its length.
    pub(super) fn take_at(&mut self, at: Position) -> Option<(Chunks, u64)> {
        if self.spans.first()?.start != at {
            return None;
        }
        let span = self.spans.remove(0);
        let len = span.end.since(span.start);
        self.bytes -= len;
        Some((span.chunks, len))
    }

    /// Drops the range farthest away. Gives the memory that its chunks had.
    pub(super) fn drop_last(&mut self) -> Option<usize> {
        let span = self.spans.pop()?;
        self.bytes -= span.end.since(span.start);
        Some(span.chunks.memory())
    }

    /// What the ranges cost besides their chunks.
    pub(super) fn memory(&self) -> usize {
        self.spans.len() * RANGE_OVERHEAD
    }

    /// Gives wasted memory back, and says how much.
    pub(super) fn compact(&mut self) -> usize {
        self.spans.iter_mut().map(|span| span.chunks.compact()).sum()
    }

    /// Appends the ranges to a list of SACK blocks, the last changed first, until it holds `max`.
    pub(super) fn newest(&self, blocks: &mut ArrayVec<Range<Position>, 4>, max: usize) {
        let mut before = u64::MAX;
        while blocks.len() < max.min(4) {
            let older = self.spans.iter().filter(|span| span.touched < before);
            let Some(span) = older.max_by_key(|span| span.touched) else { return };
            before = span.touched;
            blocks.push(span.start..span.end);
        }
    }

    /// Joins a range with the next one if they touch.
    fn join(&mut self, index: usize) {
        let Some(end) = self.spans.get(index).map(|span| span.end) else { return };
        if self.spans.get(index + 1).is_none_or(|next| next.start != end) {
            return;
        }
        let next = self.spans.remove(index + 1);
        if let Some(span) = self.spans.get_mut(index) {
            span.end = next.end;
            span.chunks.append(next.chunks);
        }
    }

    /// The place of the first range that ends beyond `at`.
    fn first_beyond(&self, at: Position) -> usize {
        self.spans.partition_point(|span| span.end <= at)
    }
}

impl Span {
    fn len(&self) -> usize {
        self.end.since(self.start) as usize
    }
}
