//! What has arrived: bytes in order that wait for the reader, and bytes out of order that wait for their hole to fill.
//!
//! It trims what it has already, bounds memory by what buffers really cost, and reports plain facts that the
//! acknowledgement policy (RFC 5681 4.2) and SACK (RFC 2018, RFC 2883) need. It knows nothing of windows, segments or
//! time. RFC 9293 3.10.7.4, seventh check; SHLD-31: out-of-order data is kept.
//!
//! Memory: the bound holds for in-order and out-of-order data together, and for the bookkeeping. When it is reached,
//! wasteful slices are copied together first; then in-order data pushes out the farthest out-of-order data, which the
//! peer must keep until it is acknowledged (RFC 2018 8); only then is anything refused.

use alloc::boxed::Box;
use core::ops::Range;

use arrayvec::ArrayVec;
use bowline_base::Position;
use bowline_wire::packet::Piece;
use bytes::Bytes;

use super::chunks::{COPY_BREAK, Chunk, Chunks, Hold, OVERHEAD};
use super::inserted::Inserted;
use super::ranges::OutOfOrder;

/// The receive queue of one connection. Empty, it owns no memory outside itself.
#[derive(Clone, Hash, Debug)]
pub struct ReceiveQueue {
    rcv_nxt: Position,
    /// Bytes in order that nobody has read.
    len: u32,
    /// What the chunks of both kinds cost.
    memory: u32,
    chunks: Chunks,
    pub(super) beyond: Option<Box<OutOfOrder>>,
}

impl ReceiveQueue {
    /// An empty queue that expects the byte at `rcv_nxt` next.
    #[must_use]
    pub fn new(rcv_nxt: Position) -> Self {
        Self { rcv_nxt, len: 0, memory: 0, chunks: Chunks::default(), beyond: None }
    }

    /// RCV.NXT: the next position expected.
    #[inline]
    #[must_use]
    pub fn rcv_nxt(&self) -> Position {
        self.rcv_nxt
    }

    /// How many bytes can be read.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing can be read. There may be data out of order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes wait behind a hole.
    #[must_use]
    pub fn out_of_order_len(&self) -> u64 {
        self.beyond.as_ref().map_or(0, |beyond| beyond.bytes())
    }

    /// How many holes there are below the highest byte received; at most 256, or one for 4 KiB of a larger memory.
    #[must_use]
    pub fn holes(&self) -> usize {
        self.beyond.as_ref().map_or(0, |beyond| beyond.len())
    }

    /// The position after the highest byte received.
    #[must_use]
    pub fn highest(&self) -> Position {
        self.beyond.as_ref().and_then(|beyond| beyond.end()).unwrap_or(self.rcv_nxt)
    }

    /// The bytes of memory that the data keeps allocated: whole buffers, not only the slices of them in use.
    #[inline]
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory as usize + self.beyond.as_ref().map_or(0, |beyond| beyond.memory())
    }

    /// Takes in `data` whose first byte is at `at`, a slice of a buffer of `pinned` bytes which it keeps alive, as long
    /// as the memory stays within `limit` (bytes, at most 2^31). What is here already is trimmed; the caller has trimmed
    /// what lies outside the window.
    #[inline]
    pub fn insert(&mut self, at: Position, data: &Bytes, pinned: usize, limit: usize) -> Inserted {
        let (len, limit) = (data.len(), limit.min(1 << 31));
        if at == self.rcv_nxt && self.beyond.is_none() {
            let stored = self.store_in_order(data, pinned, limit) as u64;
            return Inserted { advanced: stored, new: stored, refused: len as u64 - stored, ..Inserted::default() };
        }
        self.insert_around(at, data.clone(), pinned, limit)
    }

    /// Takes in the first `len` bytes of a text that lies in `pieces`, whose first byte is at `at`, like
    /// [`insert`](Self::insert). What follows a refused byte is refused too: it would leave a hole.
    #[inline]
    pub fn insert_pieces(&mut self, at: Position, (pieces, len): (&[Piece], usize), limit: usize) -> Inserted {
        match pieces {
            [piece] if piece.data.len() == len => self.insert(at, &piece.data, piece.pinned, limit),
            _ => self.insert_each(at, (pieces, len), limit),
        }
    }

    #[inline(never)]
    fn insert_each(&mut self, mut at: Position, (pieces, len): (&[Piece], usize), limit: usize) -> Inserted {
        if let Some(inserted) = self.copy_run(at, (pieces, len), limit) {
            return inserted;
        }
        let (mut all, mut left) = (Inserted::default(), len);
        for piece in pieces {
            let take = piece.data.len().min(left);
            left -= take;
            let part = if take == piece.data.len() { &piece.data } else { &piece.data.slice(..take) };
            all = all.then(self.insert(at, part, piece.pinned, limit));
            at += take as u64;
            if left == 0 || all.refused > 0 {
                break;
            }
        }
        all.refused += left as u64;
        all
    }

    /// Takes in a whole text that is in order, and of which each piece is to be copied: with one allocation for all of them.
    /// `None`: it is not so, or memory is short.
    fn copy_run(&mut self, at: Position, (pieces, len): (&[Piece], usize), limit: usize) -> Option<Inserted> {
        let (limit, held) = (limit.min(1 << 31), self.len());
        let copies = pieces.iter().all(|piece| piece.data.len() < COPY_BREAK);
        let whole = pieces.iter().map(|piece| piece.data.len()).sum::<usize>() == len;
        let fits = self.memory() + self.chunks.copy_cost(len, held) <= limit;
        if at != self.rcv_nxt || self.beyond.is_some() || !copies || !whole || !fits {
            return None;
        }
        self.memory += self.chunks.copy_all(pieces.iter().map(|piece| &piece.data[..]), len, held) as u32;
        self.len += len as u32;
        self.rcv_nxt += len as u64;
        Some(Inserted { advanced: len as u64, new: len as u64, ..Inserted::default() })
    }

    /// Counts a SYN or FIN, which takes one position and has no data. What was received beyond it is dropped: nothing
    /// can follow a FIN.
    pub fn skip_one(&mut self) {
        self.rcv_nxt += 1;
        while self.drop_farthest() {}
    }

    /// Copies what fits into `out`, in order, and drops it. Gives the number of bytes.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let (n, freed) = self.chunks.read(out);
        self.len -= n as u32;
        self.release(freed);
        n
    }

    /// Takes the next piece out, at most `max` bytes of it, usually without a copy. `None` if there is nothing, or `max`
    /// is zero.
    pub fn read_bytes(&mut self, max: usize) -> Option<Bytes> {
        if max == 0 {
            return None;
        }
        let (data, freed) = self.chunks.read_bytes(max)?;
        self.len -= data.len() as u32;
        self.release(freed);
        Some(data)
    }

    /// Copies bytes from `offset` on into `out`, and leaves them. Gives the number of bytes.
    #[must_use]
    pub fn peek(&self, offset: usize, out: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset, 0);
        for bytes in self.chunks() {
            let Some(bytes) = bytes.get(skip..) else {
                skip -= bytes.len();
                continue;
            };
            skip = 0;
            let n = bytes.len().min(out.len() - done);
            if let (Some(to), Some(from)) = (out.get_mut(done..done + n), bytes.get(..n)) {
                to.copy_from_slice(from);
            }
            done += n;
            if done == out.len() {
                break;
            }
        }
        done
    }

    /// What can be read, piece by piece.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(Chunk::bytes)
    }

    /// The SACK blocks to report, at most `max` (and 4): first `dsack`, if the segment was a duplicate in part
    /// (RFC 2883 4), then the range that changed last, then the others by how recently they changed (RFC 2018 4).
    #[must_use]
    // RFC 2018 4, RFC2018-4-2: what brought the acknowledgement about comes first.
    pub fn sack_blocks(&self, dsack: Option<Range<Position>>, max: usize) -> ArrayVec<Range<Position>, 4> {
        let mut blocks = ArrayVec::new();
        blocks.extend(dsack.filter(|_| max > 0));
        if let Some(beyond) = &self.beyond {
            beyond.newest(&mut blocks, max);
        }
        blocks
    }

    /// Drops everything, read or not, in order or not. RCV.NXT stays.
    pub fn clear(&mut self) {
        *self = Self::new(self.rcv_nxt);
    }

    /// Takes in data that may overlap what is here, or lie beyond a hole.
    #[inline(never)]
    fn insert_around(&mut self, at: Position, mut data: Bytes, pinned: usize, limit: usize) -> Inserted {
        let mut out = Inserted::default();
        let (before, had_hole) = (self.rcv_nxt, self.beyond.is_some());
        let (mut pos, end) = (at, at + data.len() as u64);
        while pos < end {
            let (here, until) = self.look(pos, end);
            let piece = data.split_to(until.since(pos) as usize);
            if here {
                self.note_duplicate(pos..until, &mut out);
            } else {
                // Each piece pays for the whole buffer, because any of them may be the last to keep it.
                let stored = self.store(pos, piece, pinned, limit, &mut out);
                out.new += stored;
                out.refused += until.since(pos) - stored;
            }
            pos = until;
        }
        out.advanced = self.rcv_nxt.since(before);
        out.filled_hole = had_hole && out.advanced > 0;
        out
    }

    /// Whether the byte at `pos` is here, and how far the same holds.
    fn look(&self, pos: Position, end: Position) -> (bool, Position) {
        if pos < self.rcv_nxt {
            return (true, self.rcv_nxt.min(end));
        }
        self.beyond.as_ref().map_or((false, end), |beyond| beyond.look(pos, end))
    }

    fn note_duplicate(&mut self, part: Range<Position>, out: &mut Inserted) {
        if let Some(beyond) = &mut self.beyond
            && part.start >= self.rcv_nxt
        {
            beyond.touch(part.start);
        }
        match &mut out.duplicate {
            Some(first) if first.end == part.start => first.end = part.end,
            Some(_) => {}
            none => *none = Some(part),
        }
    }

    /// Takes in a piece that overlaps nothing. Gives how many bytes of it were stored.
    fn store(&mut self, pos: Position, piece: Bytes, pinned: usize, limit: usize, out: &mut Inserted) -> u64 {
        if pos == self.rcv_nxt {
            let stored = self.store_in_order(&piece, pinned, limit) as u64;
            self.absorb();
            return stored;
        }
        out.out_of_order = true;
        let hold = self.hold(piece.len(), pinned, limit);
        for attempt in 0..2 {
            let budget = limit.saturating_sub(self.memory());
            let beyond = self.beyond.get_or_insert_default();
            if let Some(added) =
                beyond.insert(pos, &piece, if attempt == 0 { hold } else { Hold::Copy }, (budget, limit))
            {
                self.memory += added as u32;
                return piece.len() as u64;
            }
            self.compact();
        }
        self.tidy();
        0
    }

    /// Appends to what can be read. Gives how many bytes were stored.
    fn store_in_order(&mut self, data: &Bytes, pinned: usize, limit: usize) -> usize {
        let mut n = data.len();
        let hold = self.hold(n, pinned, limit);
        let added = if hold == Hold::Copy {
            let held = self.len();
            if self.memory() + self.chunks.copy_cost(n, held) <= limit {
                self.chunks.copy(data, held)
            } else {
                n = self.make_room(n, limit);
                self.chunks.copy_exact(data.get(..n).unwrap_or_default())
            }
        } else {
            self.chunks.take(data, hold, 0)
        };
        self.memory += added as u32;
        self.len += n as u32;
        self.rcv_nxt += n as u64;
        n
    }

    /// Copy-break. A slice that is small, or a small part of its buffer, is copied; the fuller the memory, the larger
    /// the part must be.
    fn hold(&self, len: usize, pinned: usize, limit: usize) -> Hold {
        let with = self.memory() + pinned + OVERHEAD;
        let part = if with <= limit / 2 { 8 } else { 2 };
        if len >= COPY_BREAK && len >= pinned / part && with <= limit { Hold::Keep(pinned) } else { Hold::Copy }
    }

    /// Frees memory for `want` bytes in order. Gives how many of them there is room for.
    fn make_room(&mut self, want: usize, limit: usize) -> usize {
        let room = |queue: &Self| {
            let spare = queue.chunks.spare();
            spare + limit.saturating_sub(queue.memory() + OVERHEAD)
        };
        if room(self) < want {
            self.compact();
        }
        while room(self) < want && self.drop_farthest() {}
        room(self).min(want)
    }

    /// Copies wasteful slices together, if a quarter of the memory is waste that this can free. Afterwards less is, so
    /// the work is paid for by what was received since.
    fn compact(&mut self) {
        let needed = self.len() + self.out_of_order_len() as usize + OVERHEAD * (self.holes() + 1);
        if (self.memory as usize).saturating_sub(needed) < (self.memory / 4) as usize {
            return;
        }
        let freed = self.chunks.compact() + self.beyond.as_mut().map_or(0, |beyond| beyond.compact());
        self.release(freed);
    }

    /// Moves data that is now in order to where it can be read.
    fn absorb(&mut self) {
        while let Some((chunks, len)) = self.beyond.as_mut().and_then(|beyond| beyond.take_at(self.rcv_nxt)) {
            self.chunks.append(chunks);
            self.len += len as u32;
            self.rcv_nxt += len;
        }
        self.tidy();
    }

    fn drop_farthest(&mut self) -> bool {
        let Some(freed) = self.beyond.as_mut().and_then(|beyond| beyond.drop_last()) else { return false };
        self.release(freed);
        self.tidy();
        true
    }

    fn tidy(&mut self) {
        if self.beyond.as_ref().is_some_and(|beyond| beyond.is_empty()) {
            self.beyond = None;
        }
    }

    fn release(&mut self, freed: usize) {
        debug_assert!(freed <= self.memory as usize, "more memory freed than charged");
        self.memory = self.memory.saturating_sub(freed as u32);
    }
}

#[cfg(test)]
mod tests;
