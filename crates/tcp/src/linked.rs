//! A slab whose entries also stand in one of a few first-in-first-out lists, linked by index.
//!
//! With a constant time-out per list, a list is sorted by deadline without a heap or a wheel; leaving it, or moving to
//! another one, costs the same however long it is. A generation tells a place's later entries from earlier ones.

use alloc::vec::Vec;

#[cfg(test)]
mod tests;

const NONE: u32 = u32::MAX;
/// An empty slab of more places than this gives its memory back.
const KEEP: usize = 1024;

/// An entry's place and its generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    /// Neighbours in the list; of a vacant node, `next` is the next vacant one.
    prev: u32,
    next: u32,
    generation: u32,
    list: u8,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    tail: u32,
}

/// The slab, with `LISTS` lists.
#[derive(Debug)]
pub(crate) struct LinkedSlab<T, const LISTS: usize> {
    nodes: Vec<Node<T>>,
    vacant: u32,
    len: usize,
    generation: u32,
    lists: [Ends; LISTS],
}

impl<T, const LISTS: usize> LinkedSlab<T, LISTS> {
    pub(crate) const fn new() -> Self {
        let empty = Ends { head: NONE, tail: NONE };
        Self { nodes: Vec::new(), vacant: NONE, len: 0, generation: 0, lists: [empty; LISTS] }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The bytes that a place takes, for those who count memory.
    #[cfg(test)]
    pub(crate) const fn place_size() -> usize {
        size_of::<Node<T>>()
    }

    /// Adds an entry at the end of a list. The caller keeps the number of entries below 2^32 - 1.
    pub(crate) fn insert(&mut self, list: u8, value: T) -> Place {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let node = Node { value: Some(value), prev: NONE, next: NONE, generation, list };
        let index = self.vacant;
        if let Some(place) = self.nodes.get_mut(index as usize) {
            self.vacant = place.next;
            *place = node;
            self.len += 1;
            self.link(index, list);
            return Place { index, generation };
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        self.len += 1;
        self.link(index, list);
        Place { index, generation }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.nodes.get(index as usize)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.nodes.get_mut(index as usize)?.value.as_mut()
    }

    /// Whether this very entry is still there.
    pub(crate) fn is(&self, place: Place) -> bool {
        self.nodes.get(place.index as usize).is_some_and(|n| n.value.is_some() && n.generation == place.generation)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        self.get(index)?;
        self.unlink(index);
        let node = self.nodes.get_mut(index as usize)?;
        let value = node.value.take();
        node.next = self.vacant;
        self.vacant = index;
        self.len -= 1;
        if self.len == 0 && self.nodes.len() > KEEP {
            self.nodes = Vec::new();
            self.vacant = NONE;
        }
        value
    }

    /// Takes an entry out of its list and puts it at the end of another one, or of the same.
    pub(crate) fn move_to(&mut self, index: u32, list: u8) {
        if self.get(index).is_some() {
            self.unlink(index);
            self.link(index, list);
        }
    }

    /// The first of a list.
    pub(crate) fn first(&self, list: u8) -> Option<(u32, &T)> {
        let head = self.lists.get(usize::from(list))?.head;
        Some((head, self.get(head)?))
    }

    /// Every entry with its place, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| {
            let place = Place { index: index as u32, generation: node.generation };
            Some((place, node.value.as_ref()?))
        })
    }

    fn link(&mut self, index: u32, list: u8) {
        let Some(ends) = self.lists.get_mut(usize::from(list)) else { return };
        let tail = core::mem::replace(&mut ends.tail, index);
        if tail == NONE {
            ends.head = index;
        }
        if let Some(before) = self.nodes.get_mut(tail as usize) {
            before.next = index;
        }
        if let Some(node) = self.nodes.get_mut(index as usize) {
            (node.prev, node.next, node.list) = (tail, NONE, list);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(&Node { prev, next, list, .. }) = self.nodes.get(index as usize) else { return };
        match self.nodes.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => self.set_end(list, |ends| ends.head = next),
        }
        match self.nodes.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => self.set_end(list, |ends| ends.tail = prev),
        }
    }

    fn set_end(&mut self, list: u8, set: impl FnOnce(&mut Ends)) {
        if let Some(ends) = self.lists.get_mut(usize::from(list)) {
            set(ends);
        }
    }
}
