//! Which table holds a four-tuple, and where: one hash table for connections, half-open ones, SYNs that wait, and
//! TIME-WAIT. Keyed, so that a peer cannot choose collisions.

use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use bowline_base::hash::KeyedHash;
use hashbrown::HashTable;

use crate::FourTuple;
use crate::packed::PackedTuple;

/// Where a four-tuple lives: a table, and a place in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// In the slab of connections.
    Connection(u32),
    /// In the SYN queue.
    HalfOpen(u32),
    /// Among the SYNs that wait for the caller.
    Pending(u32),
    /// In the TIME-WAIT table.
    TimeWait(u32),
}

const PLACE: u32 = (1 << 30) - 1;

impl Slot {
    const fn pack(self) -> u32 {
        match self {
            Self::Connection(place) => place & PLACE,
            Self::HalfOpen(place) => 1 << 30 | place & PLACE,
            Self::Pending(place) => 2 << 30 | place & PLACE,
            Self::TimeWait(place) => 3 << 30 | place & PLACE,
        }
    }

    const fn unpack(packed: u32) -> Self {
        let place = packed & PLACE;
        match packed >> 30 {
            0 => Self::Connection(place),
            1 => Self::HalfOpen(place),
            2 => Self::Pending(place),
            _ => Self::TimeWait(place),
        }
    }
}

/// The hash table: four bytes an entry. What a slot's tuple is, its table knows.
#[derive(Clone)]
pub(super) struct Demux {
    table: HashTable<u32>,
    hash: KeyedHash,
    /// The four-tuple that was hashed last: what was looked up is often what is inserted, moved or removed next.
    last: Cell<(PackedTuple, u64)>,
}

impl Demux {
    pub(super) fn new(key: [u8; 16]) -> Self {
        let (hash, nobody) = (KeyedHash::new(key), SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        let nobody = FourTuple::new(nobody, nobody);
        let last = Cell::new((PackedTuple::new(&nobody), hash_tuple(&hash, &nobody)));
        Self { table: HashTable::new(), hash, last }
    }

    /// Whether no tuple has a slot.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The slot of `tuple`; `is` tells whether a slot has it.
    pub(super) fn find(&self, tuple: &FourTuple, is: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = self.hash_of(tuple);
        self.table.find(hash, |&packed| is(Slot::unpack(packed))).copied().map(Slot::unpack)
    }

    /// The hash of a four-tuple, to [`guess`](Self::guess) with.
    pub(super) fn hash(&self, tuple: &FourTuple) -> u64 {
        hash_tuple(&self.hash, tuple)
    }

    /// The slot that the four-tuple with this hash probably has: nobody looks whether it does.
    pub(super) fn guess(&self, hash: u64) -> Option<Slot> {
        self.table.find(hash, |_| true).copied().map(Slot::unpack)
    }

    /// Adds a slot; `tuple_of` tells the tuple of those that are there already, for growing.
    pub(super) fn insert(&mut self, tuple: &FourTuple, slot: Slot, tuple_of: impl Fn(Slot) -> Option<FourTuple>) {
        let hash = self.hash_of(tuple);
        let keyed = self.hash;
        let rehash = |&packed: &u32| tuple_of(Slot::unpack(packed)).map_or(0, |tuple| hash_tuple(&keyed, &tuple));
        self.table.insert_unique(hash, slot.pack(), rehash);
    }

    /// A four-tuple has moved from one place to another.
    pub(super) fn reseat(&mut self, tuple: &FourTuple, from: Slot, to: Slot) {
        let hash = self.hash_of(tuple);
        if let Some(packed) = self.table.find_mut(hash, |&packed| packed == from.pack()) {
            *packed = to.pack();
        }
    }

    /// Removes a slot.
    pub(super) fn remove(&mut self, tuple: &FourTuple, slot: Slot) {
        let hash = self.hash_of(tuple);
        if let Ok(entry) = self.table.find_entry(hash, |&packed| packed == slot.pack()) {
            entry.remove();
        }
    }

    #[inline]
    fn hash_of(&self, tuple: &FourTuple) -> u64 {
        let (known, hash) = self.last.get();
        if known.is(tuple) { hash } else { self.hash_anew(tuple) }
    }

    #[inline(never)]
    fn hash_anew(&self, tuple: &FourTuple) -> u64 {
        let hash = hash_tuple(&self.hash, tuple);
        self.last.set((PackedTuple::new(tuple), hash));
        hash
    }
}

fn hash_tuple(hash: &KeyedHash, tuple: &FourTuple) -> u64 {
    let ports = u64::from(tuple.local.port()) << 16 | u64::from(tuple.remote.port());
    match (tuple.local, tuple.remote) {
        (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
            hash.hash(&[u64::from(local.ip().to_bits()) << 32 | u64::from(remote.ip().to_bits()), ports])
        }
        (local, remote) => {
            let ((a, b), (c, d)) = (halves(local.ip()), halves(remote.ip()));
            hash.hash(&[a, b, c, d, ports])
        }
    }
}

fn halves(address: IpAddr) -> (u64, u64) {
    let bits = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    ((bits >> 64) as u64, bits as u64)
}

#[cfg(test)]
mod tests;
