//! A run of received bytes, held in as little memory as the peer lets us: slices of device buffers, or copies.
//!
//! A small slice would keep its whole buffer alive, so it is copied to the end of the run, where small segments collect
//! (copy-break); a large one is kept as it is. Every byte of memory is charged, the bookkeeping included, because the
//! peer chooses how its data is cut.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};

/// Slices shorter than this are copied: the copy costs less than a buffer that is kept.
pub(super) const COPY_BREAK: usize = 2048;
/// What a piece costs besides its buffer: its entry in a run that may be half empty, and what the allocator adds.
pub(super) const OVERHEAD: usize = 96;
/// The smallest and largest buffers for copies; between them, a new one is as large as what the run holds.
const MIN_COPY: usize = 256;
const MAX_COPY: usize = 16 << 10;

/// How a piece is to be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    /// As a slice, which pins this much memory.
    Keep(usize),
    /// As a copy.
    Copy,
}

/// One contiguous piece of received data.
#[derive(Clone, Hash, Debug)]
pub(super) enum Chunk {
    /// A slice of the buffer that the device filled.
    Kept { data: Bytes, charge: u32 },
    /// Our own copy, with room behind it.
    Copied { data: BytesMut, charge: u32 },
}

impl Chunk {
    pub(super) fn kept(data: Bytes, pinned: usize) -> Self {
        Self::Kept { data, charge: charge(pinned) }
    }

    /// An empty copy buffer with room for `capacity` bytes.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self::Copied { data: BytesMut::with_capacity(capacity), charge: charge(capacity) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Kept { data, .. } => data,
            Self::Copied { data, .. } => data,
        }
    }

    /// The memory that goes when this chunk goes.
    pub(super) fn charge(&self) -> usize {
        match self {
            Self::Kept { charge, .. } | Self::Copied { charge, .. } => *charge as usize,
        }
    }

    /// How many bytes can be appended without allocating.
    fn spare(&self) -> usize {
        match self {
            Self::Kept { .. } => 0,
            Self::Copied { data, .. } => data.capacity() - data.len(),
        }
    }

    /// Appends what fits, and gives how much that was.
    pub(super) fn append(&mut self, more: &[u8]) -> usize {
        let n = self.spare().min(more.len());
        if let (Self::Copied { data, .. }, Some(more)) = (self, more.get(..n)) {
            data.extend_from_slice(more);
        }
        n
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Kept { data, .. } => data.advance(n),
            Self::Copied { data, .. } => data.advance(n),
        }
    }

    /// The first `n` bytes, without a copy unless they are few in a large buffer.
    fn split_to(&mut self, n: usize) -> Bytes {
        match self {
            Self::Kept { data, .. } => data.split_to(n),
            Self::Copied { data, charge } if n < *charge as usize / 8 => {
                let out = Bytes::copy_from_slice(data.get(..n).unwrap_or_default());
                data.advance(n);
                out
            }
            Self::Copied { data, .. } => data.split_to(n).freeze(),
        }
    }
}

/// A charge fits in 32 bits because the queue's bound does.
fn charge(capacity: usize) -> u32 {
    u32::try_from(capacity.saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
}

/// Chunks one after another. The first one lies inline, so that a run of one piece allocates nothing for itself; the list
/// of the others is boxed, because most connections have none most of the time.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct Chunks {
    front: Option<Chunk>,
    #[allow(clippy::box_collection, reason = "24 bytes less in every connection")]
    more: Option<Box<VecDeque<Chunk>>>,
}

impl Chunks {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.front.iter().chain(self.more.iter().flat_map(|more| more.iter()))
    }

    /// How many bytes the last chunk takes without allocating.
    pub(super) fn spare(&self) -> usize {
        self.last().map_or(0, Chunk::spare)
    }

    fn last(&self) -> Option<&Chunk> {
        self.more.as_ref().and_then(|more| more.back()).or(self.front.as_ref())
    }

    fn others(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.len())
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        if self.front.is_none() {
            self.front = Some(chunk);
        } else {
            self.more.get_or_insert_default().push_back(chunk);
        }
    }

    /// Puts a piece at the end of a run that holds `held` bytes. Gives the memory that this added.
    pub(super) fn take(&mut self, data: &Bytes, hold: Hold, held: usize) -> usize {
        match hold {
            Hold::Copy if held == 0 => self.copy_exact(data),
            Hold::Copy => self.copy(data, held),
            Hold::Keep(pinned) => {
                let chunk = Chunk::kept(data.clone(), pinned);
                let charge = chunk.charge();
                self.push(chunk);
                charge
            }
        }
    }

    /// All that the chunks are charged.
    pub(super) fn memory(&self) -> usize {
        self.iter().map(Chunk::charge).sum()
    }

    fn pop(&mut self) -> Option<Chunk> {
        let first = self.front.take();
        self.front = self.more.as_mut().and_then(|more| more.pop_front());
        self.more.take_if(|more| more.is_empty());
        first
    }

    fn push_front(&mut self, chunk: Chunk) {
        if let Some(second) = self.front.replace(chunk) {
            self.more.get_or_insert_default().push_front(second);
        }
    }

    /// Copies `data` to the end; `held` is how many bytes the run holds, which sets the size of a new buffer. Gives the
    /// memory that this added.
    pub(super) fn copy(&mut self, data: &[u8], held: usize) -> usize {
        let capacity = copy_capacity(data.len().saturating_sub(self.spare()), held);
        self.copy_into(data, capacity)
    }

    /// Copies `pieces`, which have `len` bytes together, like [`copy`](Self::copy) would do with all of them at once.
    pub(super) fn copy_all<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>, len: usize, held: usize) -> usize {
        let mut left = len.saturating_sub(self.spare());
        let mut added = 0;
        for piece in pieces {
            let charge = self.copy_into(piece, copy_capacity(left, held));
            if charge > 0 {
                (added, left) = (added + charge, 0);
            }
        }
        added
    }

    /// Copies to the end, into a buffer that leaves no room behind the data. Gives the memory that this added.
    pub(super) fn copy_exact(&mut self, data: &[u8]) -> usize {
        self.copy_into(data, 0)
    }

    /// Copies to the end; what the last chunk cannot take goes into a new one of at least `capacity`.
    fn copy_into(&mut self, data: &[u8], capacity: usize) -> usize {
        let last = self.more.as_mut().and_then(|more| more.back_mut()).or(self.front.as_mut());
        let done = match last {
            Some(last) => last.append(data),
            None => 0,
        };
        let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) else { return 0 };
        let mut chunk = Chunk::with_capacity(capacity.max(rest.len()));
        chunk.append(rest);
        let charge = chunk.charge();
        self.push(chunk);
        charge
    }

    /// What [`copy`](Self::copy) of `len` bytes would add.
    pub(super) fn copy_cost(&self, len: usize, held: usize) -> usize {
        match len.saturating_sub(self.spare()) {
            0 => 0,
            rest => copy_capacity(rest, held) + OVERHEAD,
        }
    }

    /// Takes all chunks of `after` behind our own; moves the fewer ones.
    pub(super) fn append(&mut self, mut after: Self) {
        if self.others() <= after.others() {
            core::mem::swap(self, &mut after);
            let Self { front, more } = after;
            let mut more = more.map_or_else(VecDeque::new, |more| *more);
            while let Some(chunk) = more.pop_back() {
                self.push_front(chunk);
            }
            if let Some(chunk) = front {
                self.push_front(chunk);
            }
        } else {
            let Self { front, more } = after;
            let ours = self.more.get_or_insert_default();
            ours.extend(front);
            ours.extend(more.into_iter().flat_map(|more| *more));
        }
    }

    /// Copies from the front into `out` and drops what was copied. Gives the bytes copied and the memory freed.
    pub(super) fn read(&mut self, out: &mut [u8]) -> (usize, usize) {
        let (mut done, mut freed) = (0, 0);
        while let Some(chunk) = &mut self.front {
            let bytes = chunk.bytes();
            let n = bytes.len().min(out.len() - done);
            if let (Some(to), Some(from)) = (out.get_mut(done..done + n), bytes.get(..n)) {
                to.copy_from_slice(from);
            }
            done += n;
            if n < bytes.len() {
                chunk.advance(n);
                break;
            }
            freed += chunk.charge();
            self.pop();
        }
        (done, freed)
    }

    /// The front chunk, or its first `max` bytes. Gives it and the memory freed.
    pub(super) fn read_bytes(&mut self, max: usize) -> Option<(Bytes, usize)> {
        let chunk = self.front.as_mut()?;
        let len = chunk.bytes().len();
        if max < len {
            return Some((chunk.split_to(max), 0));
        }
        let freed = chunk.charge();
        let data = chunk.split_to(len);
        self.pop();
        Some((data, freed))
    }

    /// Copies the chunks that waste memory together, into buffers that waste none. Gives the memory freed.
    pub(super) fn compact(&mut self) -> usize {
        let Self { front, more } = core::mem::take(self);
        let (mut run, mut freed) = (Run::default(), 0);
        for chunk in front.into_iter().chain(more.into_iter().flat_map(|more| *more)) {
            if chunk.charge() > chunk.bytes().len() + chunk.bytes().len() / 8 + OVERHEAD
                || chunk.bytes().len() < COPY_BREAK
            {
                run.add(chunk);
                if run.len >= MAX_COPY {
                    freed += run.flush(self);
                }
            } else {
                freed += run.flush(self);
                self.push(chunk);
            }
        }
        freed + run.flush(self)
    }
}

/// Neighbouring chunks that are about to become one.
#[derive(Default)]
struct Run {
    chunks: Vec<Chunk>,
    len: usize,
    charge: usize,
}

impl Run {
    fn add(&mut self, chunk: Chunk) {
        self.len += chunk.bytes().len();
        self.charge += chunk.charge();
        self.chunks.push(chunk);
    }

    /// Moves them to the end of `to` as one chunk, if that saves anything. Gives the memory freed.
    fn flush(&mut self, to: &mut Chunks) -> usize {
        let Self { chunks, len, charge } = core::mem::take(self);
        if charge <= len + OVERHEAD {
            chunks.into_iter().for_each(|chunk| to.push(chunk));
            return 0;
        }
        let mut whole = Chunk::with_capacity(len);
        for chunk in chunks {
            whole.append(chunk.bytes());
        }
        let freed = charge.saturating_sub(whole.charge());
        to.push(whole);
        freed
    }
}

/// The size of a new buffer for `len` bytes, in a run that holds `held`.
fn copy_capacity(len: usize, held: usize) -> usize {
    if len >= MAX_COPY { len } else { len.max(held.min(MAX_COPY)).max(MIN_COPY).next_power_of_two() }
}
