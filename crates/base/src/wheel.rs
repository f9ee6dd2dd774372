//! Deadlines of very many things, each with a small number for a name: a hierarchical timer wheel.
//!
//! One entry per name. Filing and cancelling are O(1); an entry moves down at most once per level before it is due.
//! Slots are about a millisecond wide, but nothing is rounded: what falls into the current slot waits in a small heap
//! for its exact time. A deadline that moves later, as a retransmission timer's does with every acknowledgement, leaves
//! its entry where it is: the entry is filed again when its old slot comes up, and nobody is told.
//!
//! (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987.)

use alloc::vec::Vec;

use crate::Instant;

mod due;
use due::Due;

const SLOTS: usize = 64;
const LEVEL_BITS: u32 = 6;
/// Eight levels of six bits, and slots of 2^20 ns: enough for every instant, so none needs clamping.
const LEVELS: usize = 8;
/// The narrowest slots (2^16 ns) with which eight levels still reach every instant.
const MIN_SHIFT: u32 = 16;
const NONE: u32 = u32::MAX;
const UNFILED: u16 = u16::MAX;
const IN_HEAP: u16 = u16::MAX - 1;
/// As many entries of a slot are looked at to find the exact time to wake up; in fuller slots the slot's start serves.
const LOOK: usize = 8;

/// A set of names, each with a deadline. Names should be small and dense, as slab indices are: memory goes with the largest.
#[derive(Clone, Debug)]
pub struct Wheel {
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    nodes: Vec<Node>,
    /// What was filed at or before the current tick, by time.
    due: Due,
    /// The current tick: every filed slot begins after it.
    elapsed: u64,
    /// Before it no slot comes up and nothing is due: who asks often is told so by one comparison.
    quiet_until: Instant,
    shift: u32,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    deadline: Instant,
    /// In a slot: the entry before it. In the heap: its place there.
    prev: u32,
    next: u32,
    slot: u16,
}

const VACANT: Node = Node { deadline: Instant::MAX, prev: NONE, next: NONE, slot: UNFILED };

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl Wheel {
    /// An empty wheel with slots of 2^20 ns, which is 1.05 ms.
    #[must_use]
    pub fn new() -> Self {
        Self::with_slot_bits(20)
    }

    /// An empty wheel with slots of 2^`bits` nanoseconds; `bits` is taken into 16..=40. The width changes the cost, not
    /// the times at which names are reported.
    #[must_use]
    pub fn with_slot_bits(bits: u32) -> Self {
        Self {
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            nodes: Vec::new(),
            due: Due::default(),
            elapsed: 0,
            quiet_until: Instant::MAX,
            shift: bits.clamp(MIN_SHIFT, 40),
            len: 0,
        }
    }

    /// How many names have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no name has a deadline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that it has allocated.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.due.memory()
    }

    /// The deadline of a name.
    #[must_use]
    pub fn deadline(&self, id: u32) -> Option<Instant> {
        self.nodes.get(id as usize).filter(|node| node.slot != UNFILED).map(|node| node.deadline)
    }

    /// Gives a name a deadline, or another one. [`Instant::MAX`] is "never", and cancels.
    pub fn schedule(&mut self, id: u32, deadline: Instant) {
        if deadline == Instant::MAX {
            return self.cancel(id);
        }
        if id as usize >= self.nodes.len() {
            self.nodes.resize(id as usize + 1, VACANT);
        }
        let Some(node) = self.nodes.get_mut(id as usize) else { return };
        node.deadline = deadline;
        match node.slot {
            UNFILED => {
                self.len += 1;
                self.file(id, deadline);
            }
            IN_HEAP => {
                self.quiet_until = self.quiet_until.min(deadline);
                self.due.hasten(node.prev, deadline, &mut self.nodes);
            }
            slot => {
                // Later than its slot begins: it stays, and is looked at when the slot comes up.
                if self.tick(deadline) < self.slot_start(slot) {
                    self.unlink(id);
                    self.file(id, deadline);
                }
            }
        }
    }

    /// Takes a name's deadline away, if it has one.
    pub fn cancel(&mut self, id: u32) {
        let Some(node) = self.nodes.get(id as usize) else { return };
        match node.slot {
            UNFILED => return,
            IN_HEAP => self.due.remove(node.prev, &mut self.nodes),
            _ => self.unlink(id),
        }
        self.vacate(id);
    }

    /// When to call [`pop_expired`](Self::pop_expired) next: never after the first deadline. It may be before it, but
    /// then the call makes progress, and the next answer is later.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if let Some(first) = self.due.first() {
            return Some(first);
        }
        let slot = self.next_slot()?;
        let start = self.instant(self.slot_start(slot));
        let end = self.instant(self.slot_end(slot));
        // What was filed here may be due only after the slot's end; other slots are due from there on.
        let (mut first, mut id) = (end, self.head(slot));
        for _ in 0..LOOK {
            let Some(node) = self.nodes.get(id as usize) else { return Some(first) };
            first = first.min(node.deadline);
            id = node.next;
        }
        Some(if id == NONE { first } else { start })
    }

    /// Takes out one name whose deadline is at or before `now`, and gives it. Call until it gives none.
    #[inline]
    pub fn pop_expired(&mut self, now: Instant) -> Option<u32> {
        if now < self.quiet_until { None } else { self.pop_due(now) }
    }

    #[inline(never)]
    fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let target = self.tick(now);
        loop {
            while self.due.first().is_some_and(|first| first <= now) {
                let id = self.due.pop(&mut self.nodes)?;
                let deadline = self.nodes.get(id as usize)?.deadline;
                if deadline <= now {
                    self.vacate(id);
                    return Some(id);
                }
                self.file(id, deadline);
            }
            match self.next_slot() {
                Some(slot) if self.slot_start(slot) <= target => self.enter(slot),
                _ => {
                    self.elapsed = self.elapsed.max(target);
                    let slot = self.next_slot().map(|slot| self.instant(self.slot_start(slot)));
                    self.quiet_until = [slot, self.due.first()].into_iter().flatten().min().unwrap_or(Instant::MAX);
                    return None;
                }
            }
        }
    }

    /// Reports each name whose deadline is at or before `now`, once, and takes it out.
    pub fn expire(&mut self, now: Instant, report: &mut impl FnMut(u32)) {
        while let Some(id) = self.pop_expired(now) {
            report(id);
        }
    }

    /// Moves the clock to the start of a slot, and what was filed there to where it belongs now.
    fn enter(&mut self, slot: u16) {
        self.elapsed = self.slot_start(slot);
        let (level, place) = split(slot);
        let mut id = NONE;
        if let Some(head) = self.heads.get_mut(level).and_then(|slots| slots.get_mut(place)) {
            id = core::mem::replace(head, NONE);
        }
        if let Some(bits) = self.occupied.get_mut(level) {
            *bits &= !(1 << place);
        }
        while let Some(node) = self.nodes.get(id as usize) {
            let (deadline, next) = (node.deadline, node.next);
            self.file(id, deadline);
            id = next;
        }
    }

    /// Puts a name into the heap, or at the head of the slot for its deadline.
    fn file(&mut self, id: u32, deadline: Instant) {
        let tick = self.tick(deadline);
        if tick <= self.elapsed {
            self.quiet_until = self.quiet_until.min(deadline);
            if let Some(node) = self.nodes.get_mut(id as usize) {
                node.slot = IN_HEAP;
            }
            return self.due.push(deadline, id, &mut self.nodes);
        }
        // The level is that of the highest six bits in which the tick differs from the current one.
        let level = ((63 - (tick ^ self.elapsed).leading_zeros()) / LEVEL_BITS) as usize;
        let bits = level as u32 * LEVEL_BITS;
        let place = (tick >> bits) as usize % SLOTS;
        self.quiet_until = self.quiet_until.min(self.instant(tick >> bits << bits));
        let Some(head) = self.heads.get_mut(level).and_then(|slots| slots.get_mut(place)) else { return };
        let next = core::mem::replace(head, id);
        if let Some(bits) = self.occupied.get_mut(level) {
            *bits |= 1 << place;
        }
        if let Some(node) = self.nodes.get_mut(id as usize) {
            *node = Node { deadline, prev: NONE, next, slot: (level * SLOTS + place) as u16 };
        }
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.prev = id;
        }
    }

    /// Takes a name out of the list of its slot.
    fn unlink(&mut self, id: u32) {
        let Some(&Node { prev, next, slot, .. }) = self.nodes.get(id as usize) else { return };
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.prev = prev;
        }
        if let Some(node) = self.nodes.get_mut(prev as usize) {
            node.next = next;
            return;
        }
        let (level, place) = split(slot);
        if let Some(head) = self.heads.get_mut(level).and_then(|slots| slots.get_mut(place)) {
            *head = next;
        }
        if let Some(bits) = self.occupied.get_mut(level).filter(|_| next == NONE) {
            *bits &= !(1 << place);
        }
    }

    fn vacate(&mut self, id: u32) {
        if let Some(node) = self.nodes.get_mut(id as usize) {
            *node = VACANT;
            self.len -= 1;
        }
    }

    /// The occupied slot that comes up first. Lower levels hold nearer ticks, and lower places too.
    fn next_slot(&self) -> Option<u16> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let place = self.occupied.get(level)?.trailing_zeros() as usize;
        Some((level * SLOTS + place) as u16)
    }

    fn head(&self, slot: u16) -> u32 {
        let (level, place) = split(slot);
        self.heads.get(level).and_then(|slots| slots.get(place)).copied().unwrap_or(NONE)
    }

    /// The first tick of an occupied slot.
    fn slot_start(&self, slot: u16) -> u64 {
        let (level, place) = split(slot);
        let bits = level as u32 * LEVEL_BITS;
        let above = bits + LEVEL_BITS;
        (self.elapsed >> above << above) | (place as u64) << bits
    }

    /// The first tick after an occupied slot.
    fn slot_end(&self, slot: u16) -> u64 {
        self.slot_start(slot) + (1 << (split(slot).0 as u32 * LEVEL_BITS))
    }

    fn tick(&self, at: Instant) -> u64 {
        at.as_nanos() >> self.shift
    }

    fn instant(&self, tick: u64) -> Instant {
        Instant::from_nanos(tick.saturating_mul(1 << self.shift))
    }
}

fn split(slot: u16) -> (usize, usize) {
    (usize::from(slot) / SLOTS, usize::from(slot) % SLOTS)
}

#[cfg(test)]
mod tests;
