//! Values with small numbers for names, which do not move and whose names are not mistaken for older ones.
//!
//! Every operation is O(1). Slots lie in chunks that are allocated when first needed and given back when empty, so a
//! table of a million connections never copies itself to grow, and a flood leaves no memory behind.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// Slots in one chunk. A power of two.
const CHUNK: usize = 256;
const NONE: u32 = u32::MAX;

/// A table of at most `capacity` values. A handle is an index, which is reused, and a generation, which is not (until
/// 2^32 values later), so a handle to a removed value finds nothing.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// The first of the chunks with room, linked by `next`.
    roomy: u32,
    /// Chunks that hold memory and no value; all but one give their memory back.
    idle: u32,
    len: usize,
    capacity: usize,
    generation: u32,
}

#[derive(Clone, Debug)]
struct Chunk<T> {
    /// At most `CHUNK` of them; the allocation is made once and never moved.
    slots: Vec<Slot<T>>,
    free: u32,
    live: u32,
    next: u32,
}

#[derive(Clone, Hash, Debug)]
enum Slot<T> {
    Vacant { next: u32 },
    Occupied { generation: u32, value: T },
}

impl<T> Slab<T> {
    /// An empty table for at most `capacity` values (and never more than 2^32 - 256). Allocates nothing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let most = (NONE as usize) - (CHUNK - 1);
        Self { chunks: Vec::new(), roomy: NONE, idle: 0, len: 0, capacity: capacity.min(most), generation: 0 }
    }

    /// How many values are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it refuses the next value.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= self.capacity
    }

    /// How many values may be in it.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The bytes that it has allocated, used or not; what the values own elsewhere is not counted.
    #[must_use]
    pub fn memory(&self) -> usize {
        let slots: usize = self.chunks.iter().map(|chunk| chunk.slots.capacity()).sum();
        slots * size_of::<Slot<T>>() + self.chunks.capacity() * size_of::<Chunk<T>>()
    }

    /// Takes a value in and gives its index and generation.
    ///
    /// # Errors
    /// The value comes back if the table is full.
    pub fn insert(&mut self, value: T) -> Result<(u32, u32), T> {
        let Some(index) = self.take_slot() else { return Err(value) };
        Ok(self.occupy(index, |_| value))
    }

    /// Takes in a value that knows its own index and generation; `None`, without making it, if the table is full.
    pub fn insert_with(&mut self, make: impl FnOnce(u32, u32) -> T) -> Option<(u32, u32)> {
        let index = self.take_slot()?;
        Some(self.occupy(index, |generation| make(index, generation)))
    }

    /// The value with this handle, if it is still there.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32, generation: u32) -> Option<&T> {
        match self.slot(index)? {
            Slot::Occupied { generation: ours, value } if *ours == generation => Some(value),
            _ => None,
        }
    }

    /// The value with this handle, to change, if it is still there.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        match self.slot_mut(index)? {
            Slot::Occupied { generation: ours, value } if *ours == generation => Some(value),
            _ => None,
        }
    }

    /// Whatever value has this index now, with its generation. For tables that drop an index together with its value.
    #[inline]
    #[must_use]
    pub fn at(&self, index: u32) -> Option<(u32, &T)> {
        match self.slot(index)? {
            Slot::Occupied { generation, value } => Some((*generation, value)),
            Slot::Vacant { .. } => None,
        }
    }

    /// Whatever value has this index now, to change, with its generation.
    #[inline]
    #[must_use]
    pub fn at_mut(&mut self, index: u32) -> Option<(u32, &mut T)> {
        match self.slot_mut(index)? {
            Slot::Occupied { generation, value } => Some((*generation, value)),
            Slot::Vacant { .. } => None,
        }
    }

    /// Takes the value with this handle out. Its index is the next to be used again.
    pub fn remove(&mut self, index: u32, generation: u32) -> Option<T> {
        match self.vacate(index, generation, core::mem::replace)? {
            Slot::Occupied { value, .. } => Some(value),
            Slot::Vacant { .. } => None,
        }
    }

    /// Drops the value with this handle where it is, and says whether there was one: cheaper than
    /// [`remove`](Self::remove) for large values.
    pub fn discard(&mut self, index: u32, generation: u32) -> bool {
        self.vacate(index, generation, |slot, vacant| *slot = vacant).is_some()
    }

    fn vacate<R>(
        &mut self,
        index: u32,
        generation: u32,
        replace: impl FnOnce(&mut Slot<T>, Slot<T>) -> R,
    ) -> Option<R> {
        self.get(index, generation)?;
        let number = index / CHUNK as u32;
        let chunk = self.chunks.get_mut(number as usize)?;
        let slot = chunk.slots.get_mut(index as usize % CHUNK)?;
        let old = replace(slot, Slot::Vacant { next: chunk.free });
        chunk.free = index % CHUNK as u32;
        self.len -= 1;
        if chunk.live as usize == CHUNK {
            chunk.next = core::mem::replace(&mut self.roomy, number);
        }
        chunk.live -= 1;
        if chunk.live == 0 {
            // One idle chunk is kept, so that a single value that comes and goes does not allocate each time.
            if self.idle == 0 {
                self.idle = 1;
            } else {
                chunk.slots = Vec::new();
                chunk.free = NONE;
            }
        }
        Some(old)
    }

    /// All values with their handles, in the order of their indices. Takes time for each slot in use or once used.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, u32), &T)> {
        self.chunks.iter().enumerate().flat_map(|(number, chunk)| {
            chunk.slots.iter().enumerate().filter_map(move |(slot, entry)| match entry {
                Slot::Occupied { generation, value } => Some((((number * CHUNK + slot) as u32, *generation), value)),
                Slot::Vacant { .. } => None,
            })
        })
    }

    /// All values, to change, with their handles, in the order of their indices.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = ((u32, u32), &mut T)> {
        self.chunks.iter_mut().enumerate().flat_map(|(number, chunk)| {
            chunk.slots.iter_mut().enumerate().filter_map(move |(slot, entry)| match entry {
                Slot::Occupied { generation, value } => Some((((number * CHUNK + slot) as u32, *generation), value)),
                Slot::Vacant { .. } => None,
            })
        })
    }

    /// Feeds what decides the handles of values to come to `state`: tables with the same values and the same of this name
    /// what comes next alike. Takes time for each slot in use or once used.
    pub fn hash_handles<H: Hasher>(&self, state: &mut H) {
        let Self { chunks, roomy, idle: _, len: _, capacity: _, generation } = self;
        (roomy, generation).hash(state);
        for Chunk { slots, free, live: _, next } in chunks {
            (free, next).hash(state);
            for slot in slots {
                if let Slot::Vacant { next } = slot {
                    next.hash(state);
                }
            }
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.chunks.get(index as usize / CHUNK)?.slots.get(index as usize % CHUNK)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut(index as usize / CHUNK)?.slots.get_mut(index as usize % CHUNK)
    }

    /// Finds a vacant slot and takes it off its list; the caller must occupy it.
    fn take_slot(&mut self) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        if self.roomy == NONE {
            self.roomy = self.chunks.len() as u32;
            self.chunks.push(Chunk { slots: Vec::new(), free: NONE, live: 0, next: NONE });
        }
        let number = self.roomy;
        let chunk = self.chunks.get_mut(number as usize)?;
        if chunk.live == 0 {
            if chunk.slots.capacity() == 0 {
                chunk.slots.reserve_exact(CHUNK);
            } else {
                self.idle = 0;
            }
        }
        if chunk.free == NONE {
            chunk.free = chunk.slots.len() as u32;
            chunk.slots.push(Slot::Vacant { next: NONE });
        }
        let slot = chunk.free;
        if let Some(Slot::Vacant { next }) = chunk.slots.get(slot as usize) {
            chunk.free = *next;
        }
        chunk.live += 1;
        if chunk.live as usize == CHUNK {
            self.roomy = core::mem::replace(&mut chunk.next, NONE);
        }
        Some(number * CHUNK as u32 + slot)
    }

    /// Puts a value into a slot that was taken. The slot is known to be vacant before the value is made: so the compiler can
    /// make it in its place.
    #[inline]
    fn occupy(&mut self, index: u32, make: impl FnOnce(u32) -> T) -> (u32, u32) {
        let generation = self.generation;
        self.generation = generation.wrapping_add(1);
        self.len += 1;
        if let Some(slot @ Slot::Vacant { .. }) = self.slot_mut(index) {
            *slot = Slot::Occupied { generation, value: make(generation) };
        }
        (index, generation)
    }
}

#[cfg(test)]
mod tests;
