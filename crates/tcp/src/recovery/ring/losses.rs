//! Which records are believed lost from now on, among those that a rule names: all in a range, the older, the longer.
//!
//! It must not know when a rule holds: RACK, duplicate ACKs and time-outs decide that. RFC 8985 6.2, RFC 6675 4.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::super::copies::Copy;
use super::{Fate, Record, Ring, Transmission};

/// Data that was found lost.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::recovery) struct Losses {
    /// How many bytes.
    pub(in crate::recovery) bytes: u64,
    /// The first stretch of them.
    pub(in crate::recovery) first: Option<Range<Position>>,
    /// How many stretches that do not touch.
    pub(in crate::recovery) stretches: u32,
    /// When the last of them had been sent, and in which run.
    pub(in crate::recovery) last_sent: Option<(Instant, u32)>,
    /// Where it ends.
    end: Position,
}

impl Losses {
    fn add(&mut self, record: &Record, part: Range<Position>) {
        self.bytes += part.end.since(part.start);
        self.stretches += u32::from(self.first.is_none() || self.end != part.start);
        self.last_sent = self.last_sent.max(Some((record.sent_at, record.run)));
        self.end = part.end;
        match &mut self.first {
            None => self.first = Some(part),
            Some(first) if first.end == part.start => first.end = part.end,
            Some(_) => {}
        }
    }

    /// These, too.
    pub(in crate::recovery) fn join(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.stretches += other.stretches;
        self.last_sent = self.last_sent.max(other.last_sent);
    }
}

impl Ring {
    /// Believes lost what flies in `range` and is `doomed`.
    fn lose_if(&mut self, range: Range<Position>, doomed: impl Fn(&Record, Range<Position>) -> bool) -> Losses {
        let (start, end) = (range.start.max(self.una), range.end.min(self.nxt));
        let mut losses = Losses::default();
        if start >= end {
            return losses;
        }
        let first = self.cut(start);
        self.cut(end);
        let (mut index, mut from) = (first, self.start_of(first));
        while let Some(record) = self.records.get_mut(index).filter(|_| from < end) {
            if record.fate == Fate::Flying && doomed(record, from..record.end) {
                record.fate = Fate::Lost;
                losses.add(record, from..record.end);
            }
            from = record.end;
            index += 1;
        }
        self.lost += losses.bytes;
        if losses.bytes > 0 {
            self.join(first.saturating_sub(1)..index + 1);
        }
        losses
    }

    /// Believes lost what flies in `range` and was sent once.
    pub(in crate::recovery) fn lose_originals(&mut self, range: Range<Position>) -> Losses {
        self.lose_if(range, |record, _| !record.resent)
    }

    /// Believes lost this copy, as far as it still flies and was sent before `newest`.
    pub(in crate::recovery) fn lose_copy(&mut self, copy: &Copy, newest: Transmission) -> Losses {
        self.lose_if(copy.range.clone(), |record, part| {
            copy.is(record.sent_at, record.run) && record.resent && (copy.sent_at, copy.run, part.end) < newest
        })
    }

    /// Believes lost the first `head` bytes, and all that was sent at `cutoff` or before.
    pub(in crate::recovery) fn lose_older(&mut self, head: u64, cutoff: Instant) -> Losses {
        let (una, nxt) = (self.una, self.nxt);
        self.cut((una + head).min(nxt));
        self.lose_if(una..nxt, |record, part| part.start < una + head || record.sent_at <= cutoff)
    }

    /// Believes lost what went out in one piece of more than `len` bytes.
    pub(in crate::recovery) fn lose_longer(&mut self, len: u64) -> Losses {
        self.lose_if(self.una..self.nxt, |_, part| part.end.since(part.start) > len)
    }

    /// Believes lost what was sent once, at `cutoff` or before and not after `newest`, beginning the search at `from`.
    /// Returns where it ended, and when the data there was sent if it was sent before `newest`.
    ///
    /// What was sent once was sent in the order of the stream, so the search ends at the first that is too young.
    pub(in crate::recovery) fn lose_originals_before(
        &mut self,
        from: Position,
        newest: Transmission,
        cutoff: Instant,
    ) -> (Losses, Position, Option<Instant>) {
        let begin = from.max(self.una);
        let (mut index, mut until, mut waits) = (self.index_of(begin), begin, None);
        while let Some(record) = self.records.get(index) {
            if record.fate == Fate::Flying && !record.resent {
                let before = (record.sent_at, record.run, record.end) < newest;
                if !before || record.sent_at > cutoff {
                    waits = before.then_some(record.sent_at);
                    break;
                }
            }
            until = record.end;
            index += 1;
        }
        (self.lose_originals(begin..until), until, waits)
    }
}
