//! A slab whose entries also stand in one of a few first-in-first-out lists, linked by index.
//!
//! With a constant time-out per list, a list is sorted by deadline without a heap or a wheel; leaving it, or moving to
//! another one, costs the same however long it is. Which list an entry stands in is the caller's knowledge: it follows
//! from the entry, and is not stored twice.

use core::hash::Hasher;

use bowline_base::Slab;

#[cfg(test)]
mod tests;

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node<T> {
    value: T,
    prev: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    tail: u32,
}

/// The slab, with `LISTS` lists. An entry's name is its index and its generation.
#[derive(Clone, Debug)]
pub(crate) struct LinkedSlab<T, const LISTS: usize> {
    nodes: Slab<Node<T>>,
    lists: [Ends; LISTS],
}

impl<T, const LISTS: usize> LinkedSlab<T, LISTS> {
    /// An empty slab for at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { nodes: Slab::new(capacity), lists: [Ends { head: NONE, tail: NONE }; LISTS] }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.nodes.is_full()
    }

    /// The bytes it has allocated.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.memory()
    }

    /// Adds an entry at the end of a list; `None` if the slab is full.
    pub(crate) fn insert(&mut self, list: usize, value: T) -> Option<(u32, u32)> {
        let ends = self.lists.get_mut(list)?;
        let tail = ends.tail;
        let (index, generation) = self.nodes.insert(Node { value, prev: tail, next: NONE }).ok()?;
        ends.tail = index;
        match self.nodes.at_mut(tail) {
            Some((_, before)) => before.next = index,
            None => ends.head = index,
        }
        Some((index, generation))
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.nodes.at(index).map(|(_, node)| &node.value)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.nodes.at_mut(index).map(|(_, node)| &mut node.value)
    }

    /// Whether this very entry is still there.
    pub(crate) fn contains(&self, index: u32, generation: u32) -> bool {
        self.nodes.get(index, generation).is_some()
    }

    /// Takes out an entry, which stands in `list`.
    pub(crate) fn remove(&mut self, index: u32, list: usize) -> Option<T> {
        let (generation, _) = self.nodes.at(index)?;
        self.unlink(index, list);
        self.nodes.remove(index, generation).map(|node| node.value)
    }

    /// Takes out a copy of an entry, which stands in `list`, and drops the entry where it is: less than
    /// [`remove`](Self::remove) for what is small and plain, which is not handed from one hand to the next.
    pub(crate) fn remove_copy(&mut self, index: u32, list: usize) -> Option<T>
    where
        T: Copy,
    {
        let (generation, &Node { value, .. }) = self.nodes.at(index)?;
        self.unlink(index, list);
        self.nodes.discard(index, generation);
        Some(value)
    }

    /// Takes an entry out of the list `from` and puts it at the end of `to`, which may be the same.
    pub(crate) fn move_to(&mut self, index: u32, from: usize, to: usize) {
        if self.nodes.at(index).is_some() {
            self.unlink(index, from);
            self.link(index, to);
        }
    }

    /// The first of a list.
    pub(crate) fn first(&self, list: usize) -> Option<(u32, &T)> {
        let head = self.lists.get(list)?.head;
        Some((head, self.get(head)?))
    }

    /// Every entry with its name, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ((u32, u32), &T)> {
        self.nodes.iter().map(|(name, node)| (name, &node.value))
    }

    /// See [`Slab::hash_handles`].
    pub(crate) fn hash_handles<H: Hasher>(&self, state: &mut H) {
        self.nodes.hash_handles(state);
    }

    fn link(&mut self, index: u32, list: usize) {
        let Some(ends) = self.lists.get_mut(list) else { return };
        let tail = core::mem::replace(&mut ends.tail, index);
        if tail == NONE {
            ends.head = index;
        }
        if let Some((_, before)) = self.nodes.at_mut(tail) {
            before.next = index;
        }
        if let Some((_, node)) = self.nodes.at_mut(index) {
            (node.prev, node.next) = (tail, NONE);
        }
    }

    fn unlink(&mut self, index: u32, list: usize) {
        let Some((_, &Node { prev, next, .. })) = self.nodes.at(index) else { return };
        let Some(ends) = self.lists.get_mut(list) else { return };
        match self.nodes.at_mut(prev) {
            Some((_, before)) => before.next = next,
            None => ends.head = next,
        }
        match self.nodes.at_mut(next) {
            Some((_, after)) => after.prev = prev,
            None => ends.tail = prev,
        }
    }
}
