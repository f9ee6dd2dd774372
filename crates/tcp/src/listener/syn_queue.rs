//! The SYN queue: all half-open connections of an endpoint, and when their SYN-ACKs are sent again.
//!
//! It decides how many there may be and when each is due; what a segment means for one is
//! [`HalfOpen`]'s business. One first-in-first-out list per number of retransmissions keeps
//! the deadlines sorted (RFC 9293 3.8.1; RFC 6298 5.5 doubles the time-out each time).

use alloc::vec::Vec;
use core::time::Duration;

use bowline_base::Instant;

use super::half_open::HalfOpen;
use crate::ListenerKey;
use crate::linked::LinkedSlab;

#[cfg(test)]
mod tests;

/// The first time-out of a SYN-ACK (RFC 6298 2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);
/// Lists: one for each of the first retransmissions, the last one for all further ones, 64 s apart.
const LISTS: usize = 7;
/// Retransmissions while the queue is more than half full (Linux prunes likewise): old entries make room for new ones.
const RETRIES_UNDER_PRESSURE: u8 = 3;

/// What the clock demands of a half-open connection.
pub enum Due {
    /// Send the SYN-ACK of the entry in this place again.
    Retransmit(u32),
    /// It has been given up, and taken out of the queue: this was its place, and it.
    Expired(u32, HalfOpen),
}

/// Half-open connections by place. A place is small and dense and names an entry until that is removed.
#[derive(Clone)]
pub struct SynQueue {
    entries: LinkedSlab<HalfOpen, LISTS>,
    max: usize,
}

impl SynQueue {
    /// An empty queue for at most `max` half-open connections of all listeners together.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { entries: LinkedSlab::new(max), max }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.is_full()
    }

    /// The bytes that the queue has allocated. After a flood they are given back.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.entries.memory()
    }

    /// Adds one, whose SYN-ACK is sent now, and returns its place; `None` if the queue is full.
    pub fn insert(&mut self, now: Instant, mut entry: HalfOpen) -> Option<u32> {
        let (list, timeout) = schedule(0);
        entry.schedule(0, now + timeout);
        self.entries.insert(list, entry).map(|(place, _)| place)
    }

    /// The one in this place.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<&HalfOpen> {
        self.entries.get(place)
    }

    /// The one in this place, to give it a segment.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut HalfOpen> {
        self.entries.get_mut(place)
    }

    /// Takes one out: it has completed, or was reset.
    pub fn remove(&mut self, place: u32) -> Option<HalfOpen> {
        let list = list_of(self.entries.get(place)?);
        self.entries.remove_copy(place, list)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        (0..LISTS).filter_map(|list| self.entries.first(list)).map(|(_, entry)| entry.deadline()).min()
    }

    /// The next thing due at `now`, as often as there is one. `retries` tells how often a listener's SYN-ACKs are sent
    /// again (`Options::synack_retries`); for a listener that is gone, zero.
    pub fn poll_due(&mut self, now: Instant, retries: impl Fn(ListenerKey) -> u8) -> Option<Due> {
        if self.is_empty() {
            return None;
        }
        loop {
            let is_due = |list| self.entries.first(list).filter(|(_, entry)| entry.deadline() <= now);
            let (place, entry) = (0..LISTS).find_map(is_due)?;
            let mut limit = retries(entry.listener());
            if self.len() > self.max / 2 && !entry.is_acknowledged() {
                limit = limit.min(RETRIES_UNDER_PRESSURE);
            }
            if entry.retries() >= limit && !entry.is_deferred() {
                return self.remove(place).map(|entry| Due::Expired(place, entry));
            }
            let (from, retries, repeats) = (list_of(entry), entry.retries() + 1, entry.repeats_syn_ack());
            let (to, timeout) = schedule(retries);
            self.entries.get_mut(place)?.schedule(retries, now + timeout);
            self.entries.move_to(place, from, to);
            if repeats {
                return Some(Due::Retransmit(place));
            }
        }
    }

    /// Takes out all of a listener that is being closed.
    pub fn remove_all_of(&mut self, listener: ListenerKey) -> Vec<(u32, HalfOpen)> {
        let of_it = |((place, _), entry): ((u32, u32), &HalfOpen)| (entry.listener() == listener).then_some(place);
        let places: Vec<u32> = self.entries.iter().filter_map(of_it).collect();
        places.into_iter().filter_map(|place| Some((place, self.remove(place)?))).collect()
    }

    /// Every half-open connection. For people, not for the data path.
    pub fn iter(&self) -> impl Iterator<Item = &HalfOpen> {
        self.entries.iter().map(|(_, entry)| entry)
    }
}

/// The list for an entry that was retransmitted so often, and how long it stays there.
fn schedule(retries: u8) -> (usize, Duration) {
    let list = usize::from(retries).min(LISTS - 1);
    (list, INITIAL_RTO * (1 << list))
}

fn list_of(entry: &HalfOpen) -> usize {
    schedule(entry.retries()).0
}
