//! TIME-WAIT (RFC 9293 3.6.1): connections that both sides have closed, until no old segment of theirs can be about.
//!
//! A table of its own, because there may be many and each is small. Its bound is kept by giving up the oldest, as the
//! constant 2MSL keeps the table sorted by age. It must not know what becomes of a SYN that it lets pass.

use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::tcp::TcpHeader;

use crate::linked::LinkedSlab;
use crate::reason::DropReason;

pub mod entry;
#[cfg(test)]
mod tests;

pub use entry::{Remains, TimeWaitEntry, TimeWaitOutcome};

/// An entry that left the table, and the connection's number in the trace.
#[derive(Clone, Copy)]
pub struct Gone {
    /// The connection's number in the trace.
    pub id: u64,
    /// The entry.
    pub entry: TimeWaitEntry,
}

/// Connections in TIME-WAIT by place. A place is small and dense and names an entry until that is removed.
#[derive(Clone)]
pub struct TimeWaitTable {
    entries: LinkedSlab<Gone, 1>,
    time_wait: Duration,
}

impl TimeWaitTable {
    /// An empty table for at most `max` connections, each for `time_wait`, which is 2MSL.
    #[must_use]
    pub fn new(max: usize, time_wait: Duration) -> Self {
        Self { entries: LinkedSlab::new(max), time_wait }
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

    /// The bytes that the table has allocated.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.entries.memory()
    }

    /// Adds a connection and returns its place (`None` only if the table is for none), and the oldest entry where that had
    /// to give way.
    // RFC 9293 3.6.1, MUST-13: 2MSL from now.
    pub fn insert(&mut self, now: Instant, remains: &Remains) -> (Option<u32>, Option<(u32, Gone)>) {
        let oldest = self.entries.first(0).map(|(place, _)| place);
        let evicted = oldest.filter(|_| self.entries.is_full()).and_then(|place| Some((place, self.remove(place)?)));
        let entry = TimeWaitEntry::new(remains, now + self.time_wait);
        let place = self.entries.insert(0, Gone { id: remains.id, entry });
        (place.map(|(index, _)| index), evicted)
    }

    /// The entry in this place.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<&TimeWaitEntry> {
        self.entries.get(place).map(|gone| &gone.entry)
    }

    /// The number in the trace of the connection in this place.
    #[must_use]
    pub fn id(&self, place: u32) -> Option<u64> {
        self.entries.get(place).map(|gone| gone.id)
    }

    /// Takes an entry out: a new connection takes over its four-tuple, or a RST has closed it.
    pub fn remove(&mut self, place: u32) -> Option<Gone> {
        self.entries.remove_copy(place, 0)
    }

    /// What a segment with `len` bytes of text means for the entry in this place. `timestamps`: whether a connection
    /// that it might begin would use them; `None`: nobody listens.
    pub fn on_segment(
        &mut self,
        now: Instant,
        place: u32,
        header: &TcpHeader,
        len: u32,
        timestamps: Option<bool>,
    ) -> TimeWaitOutcome {
        let Some(gone) = self.entries.get_mut(place) else {
            return TimeWaitOutcome::Drop(DropReason::NoConnection);
        };
        let outcome = gone.entry.on_segment(now, header, len, timestamps);
        if outcome == TimeWaitOutcome::AckFin {
            gone.entry.set_expires(now + self.time_wait);
            self.entries.move_to(place, 0, 0);
        }
        outcome
    }

    /// Whether an active open may take over the four-tuple of the entry in this place; the entry is removed then.
    /// `timestamps`: whether the new connection will offer them; `delay`: how long ago the last use must be, if that matters.
    #[must_use]
    pub fn may_connect(&self, now: Instant, place: u32, delay: Option<Duration>, timestamps: bool) -> bool {
        self.get(place).is_some_and(|entry| entry.may_connect(now, self.time_wait, delay, timestamps))
    }

    /// When 2MSL of the next one are over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.entries.first(0).map(|(_, gone)| gone.entry.expires())
    }

    /// Takes out the next one whose 2MSL are over at `now`, as often as there is one.
    pub fn poll_expired(&mut self, now: Instant) -> Option<(u32, Gone)> {
        let (place, gone) = self.entries.first(0)?;
        if gone.entry.expires() > now { None } else { Some((place, self.remove(place)?)) }
    }

    /// Every connection in TIME-WAIT with its number in the trace. For people, not for the data path.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &TimeWaitEntry)> {
        self.entries.iter().map(|(_, gone)| (gone.id, &gone.entry))
    }
}
