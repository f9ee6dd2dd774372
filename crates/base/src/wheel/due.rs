//! The entries of a wheel that are due within the current slot: a binary heap in which each entry knows its place.

use alloc::vec::Vec;

use super::Node;
use crate::Instant;

/// Times and names, the earliest first. The place of each name is kept in its node's `prev`.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    heap: Vec<(Instant, u32)>,
}

impl Due {
    pub(super) fn memory(&self) -> usize {
        self.heap.capacity() * size_of::<(Instant, u32)>()
    }

    pub(super) fn first(&self) -> Option<Instant> {
        self.heap.first().map(|&(at, _)| at)
    }

    pub(super) fn push(&mut self, at: Instant, id: u32, nodes: &mut [Node]) {
        self.heap.push((at, id));
        self.rise(self.heap.len() - 1, nodes);
    }

    pub(super) fn pop(&mut self, nodes: &mut [Node]) -> Option<u32> {
        let (_, id) = *self.heap.first()?;
        self.remove(0, nodes);
        Some(id)
    }

    /// Brings an entry forward to `at`; does nothing if it comes up before that anyway.
    pub(super) fn hasten(&mut self, place: u32, at: Instant, nodes: &mut [Node]) {
        if let Some(entry) = self.heap.get_mut(place as usize).filter(|entry| at < entry.0) {
            entry.0 = at;
            self.rise(place as usize, nodes);
        }
    }

    pub(super) fn remove(&mut self, place: u32, nodes: &mut [Node]) {
        let place = place as usize;
        if place >= self.heap.len() {
            return;
        }
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            let place = self.rise(place, nodes);
            self.sink(place, nodes);
        }
        // A flood of timers in one slot does not keep its memory.
        if self.heap.is_empty() && self.heap.capacity() > 1024 {
            self.heap = Vec::new();
        }
    }

    /// Moves an entry up until its parent is not later, and gives its place.
    fn rise(&mut self, mut place: usize, nodes: &mut [Node]) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.at(parent) <= self.at(place) {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place, nodes);
            place = parent;
        }
        self.note(place, nodes);
        place
    }

    /// Moves an entry down until no child is earlier.
    fn sink(&mut self, mut place: usize, nodes: &mut [Node]) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let child = if self.at(right) < self.at(left) { right } else { left };
            if child >= self.heap.len() || self.at(place) <= self.at(child) {
                break;
            }
            self.heap.swap(place, child);
            self.note(place, nodes);
            place = child;
        }
        self.note(place, nodes);
    }

    fn at(&self, place: usize) -> Instant {
        self.heap.get(place).map_or(Instant::MAX, |&(at, _)| at)
    }

    fn note(&self, place: usize, nodes: &mut [Node]) {
        if let Some(node) = self.heap.get(place).and_then(|&(_, id)| nodes.get_mut(id as usize)) {
            node.prev = place as u32;
        }
    }
}
