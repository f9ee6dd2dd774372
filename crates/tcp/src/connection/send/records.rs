//! Where records end in the send queue: a segment ends there too, and what follows begins another (`MSG_EOR` on Linux).
//!
//! Decides nothing about when text leaves. RFC 9293 3.9.1.2 leaves it to the sender how SENDs become segments.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::ops::Range;

use bowline_base::Position;

/// The most ends that are remembered: beyond it, records may share segments.
const MOST: usize = 4_096;

/// The ends of records that are queued or in flight; most connections have none, and then there is nothing here.
#[expect(clippy::box_collection, reason = "every connection pays for this field, and few have records")]
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Records(Option<Box<VecDeque<Position>>>);

impl Records {
    /// No record ends.
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// A record ends at `end`, behind all that ended before.
    pub(crate) fn end_at(&mut self, end: Position) {
        let ends = self.0.get_or_insert_default();
        if ends.len() < MOST && ends.back().is_none_or(|last| *last < end) {
            ends.push_back(end);
        }
    }

    /// Forgets what lies before `una`.
    #[inline]
    pub(crate) fn acknowledge(&mut self, una: Position) {
        let Some(ends) = &mut self.0 else { return };
        while ends.front().is_some_and(|end| *end <= una) {
            ends.pop_front();
        }
        if ends.is_empty() {
            self.0 = None;
        }
    }

    /// The first end behind `at`.
    #[inline]
    pub(crate) fn next(&self, at: Position) -> Option<Position> {
        let ends = self.0.as_deref()?;
        ends.get(ends.partition_point(|end| *end <= at)).copied()
    }

    /// The part of `range` that lies in one record.
    #[inline]
    pub(crate) fn first_of(&self, range: Range<Position>) -> Range<Position> {
        match self.next(range.start) {
            Some(end) => range.start..range.end.min(end),
            None => range,
        }
    }

    /// The part of `range` behind the last end in it.
    #[inline]
    pub(crate) fn last_of(&self, range: Range<Position>) -> Range<Position> {
        let Some(ends) = self.0.as_deref() else { return range };
        let before = ends.partition_point(|end| *end < range.end);
        let last = before.checked_sub(1).and_then(|index| ends.get(index)).copied();
        last.map_or(range.start, |last| last.max(range.start))..range.end
    }

    /// Whether a record ends at `at`.
    #[inline]
    pub(crate) fn ends_at(&self, at: Position) -> bool {
        self.0.as_deref().is_some_and(|ends| ends.binary_search(&at).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_the_first_end_in_it_and_acknowledged_ends_are_gone() {
        let at = |n: u64| Position::initial(1) + n;
        let mut records = Records::new();
        assert_eq!(records.first_of(at(0)..at(9)), at(0)..at(9));
        records.end_at(at(3));
        records.end_at(at(5));
        records.end_at(at(5));
        assert_eq!(records.first_of(at(0)..at(9)), at(0)..at(3));
        assert_eq!(records.first_of(at(3)..at(9)), at(3)..at(5));
        assert_eq!(records.first_of(at(5)..at(9)), at(5)..at(9));
        assert_eq!(records.last_of(at(0)..at(9)), at(5)..at(9));
        assert_eq!(records.last_of(at(1)..at(5)), at(3)..at(5));
        assert_eq!(records.last_of(at(4)..at(5)), at(4)..at(5));
        assert!(records.ends_at(at(5)) && !records.ends_at(at(4)));
        records.acknowledge(at(4));
        assert!(!records.ends_at(at(3)) && records.ends_at(at(5)));
        records.acknowledge(at(5));
        assert!(records.0.is_none());
    }
}
