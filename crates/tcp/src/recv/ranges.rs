//! Data that came out of order: disjoint ranges above what is expected next, each contiguous in itself.
//!
//! The number of ranges is bounded by what may be held, and so is what a lookup costs. Ranges remember how recently they
//! changed, because RFC 2018 4 wants the newest reported first; which four these are is known without a search, since each
//! ACK of a path that loses reports them.

use alloc::collections::VecDeque;
use core::ops::Range;

use arrayvec::ArrayVec;
use bowline_base::Position;
use bytes::Bytes;

use super::chunks::{Chunks, Hold, OVERHEAD};
use super::late::Opened;

/// The most ranges at once in a small memory. Beyond the bound a new range is refused rather than an old one dropped: the old
/// one has been reported to the peer, who may have forgotten the data.
const FEW_RANGES: usize = 256;
/// In a larger memory there may be a range for each so many bytes: what a window lost in a long fat path leaves.
const RANGE_SHARE: usize = 4 << 10;
/// The most in any memory.
const MAX_RANGES: usize = 32_768;
/// How many SACK blocks an ACK can have.
const BLOCKS: usize = 4;
/// What a range costs besides its chunks.
const RANGE_OVERHEAD: usize = 2 * size_of::<Span>();

/// The ranges, in order, with a hole before each.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct OutOfOrder {
    spans: VecDeque<Span>,
    bytes: u64,
    /// Counts changes.
    clock: u64,
    /// Where the ranges begin that changed last, the last first.
    newest: ArrayVec<Position, BLOCKS>,
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
        self.spans.back().map(|span| span.end)
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
        self.note_change(self.first_beyond(at));
    }

    /// How many ranges there may be where all that is received may take `limit` bytes.
    const fn most(limit: usize) -> usize {
        let most = limit / RANGE_SHARE;
        if most < FEW_RANGES {
            FEW_RANGES
        } else if most > MAX_RANGES {
            MAX_RANGES
        } else {
            most
        }
    }

    /// Takes in a piece that overlaps nothing, if that adds no more than `budget` to the memory, of `limit` in all. Gives what
    /// its chunks add; [`memory`](Self::memory) has the rest.
    pub(super) fn insert(
        &mut self,
        at: Position,
        data: &Bytes,
        hold: Hold,
        (budget, limit): (usize, usize),
    ) -> Option<usize> {
        let end = at + data.len() as u64;
        let index = self.spans.partition_point(|span| span.end < at);
        let place = match self.spans.get(index) {
            Some(span) if span.end == at => Place::Behind,
            Some(span) if span.start == end => Place::Before,
            _ if self.spans.len() >= Self::most(limit) => return None,
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
        if place == Place::Alone {
            self.spans.insert(index, Span { start: at, end: at, touched: 0, chunks: Chunks::default() });
        }
        let span = self.spans.get_mut(index)?;
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
        self.note_change(index);
        Some(cost)
    }

    /// Takes the first range out if it begins at `at`: its chunks and its length.
    pub(super) fn take_at(&mut self, at: Position) -> Option<(Chunks, u64)> {
        if self.spans.front()?.start != at {
            return None;
        }
        let span = self.spans.pop_front()?;
        self.forget(&span);
        let len = span.end.since(span.start);
        self.bytes -= len;
        Some((span.chunks, len))
    }

    /// Drops the range farthest away. Gives the memory that its chunks had.
    pub(super) fn drop_last(&mut self) -> Option<usize> {
        let span = self.spans.pop_back()?;
        self.forget(&span);
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
    pub(super) fn newest(&self, blocks: &mut ArrayVec<Range<Position>, BLOCKS>, max: usize) {
        let room = max.min(BLOCKS).saturating_sub(blocks.len());
        let spans = self.newest.iter().filter_map(|&start| self.spans.get(self.first_beyond(start)));
        blocks.extend(spans.take(room).map(|span| span.start..span.end));
    }

    /// The range at `index` changed: it is the newest.
    fn note_change(&mut self, index: usize) {
        self.clock += 1;
        let Some(span) = self.spans.get_mut(index) else { return };
        span.touched = self.clock;
        let (start, end) = (span.start, span.end);
        // What has grown into it is no range of its own any more.
        self.newest.retain(|&mut newest| newest < start || newest >= end);
        if self.newest.is_full() {
            self.newest.pop();
        }
        self.newest.insert(0, start);
        self.look_for_newest();
    }

    /// A range that is no more is not the newest either.
    fn forget(&mut self, span: &Span) {
        self.newest.retain(|&mut newest| newest != span.start);
        self.look_for_newest();
    }

    /// Searches for the ranges that changed last, where fewer are known than could be reported: two of those have joined, or one
    /// was taken out.
    fn look_for_newest(&mut self) {
        while self.newest.len() < self.spans.len().min(BLOCKS) {
            let unknown = self.spans.iter().filter(|span| !self.newest.contains(&span.start));
            let Some(span) = unknown.max_by_key(|span| span.touched) else { return };
            self.newest.push(span.start);
        }
    }

    /// Joins a range with the next one if they touch.
    fn join(&mut self, index: usize) {
        let Some(end) = self.spans.get(index).map(|span| span.end) else { return };
        if self.spans.get(index + 1).is_none_or(|next| next.start != end) {
            return;
        }
        let Some(next) = self.spans.remove(index + 1) else { return };
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
