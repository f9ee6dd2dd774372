//! What was sent and is not acknowledged yet: one record per transmission, in the order of the stream.
//!
//! It remembers, and decides nothing. Records are as large as what went out at one time (super-segments, bursts), and are
//! cut only where acknowledgements, retransmissions or losses cut them; neighbours of equal fate become one again. A
//! SACKing peer chooses the cuts, so their number is bounded: at [`MAX_RECORDS`] a SACK block is believed only as far as
//! it covers whole records (SACK is advisory, RFC 2018 4), new data joins the last record, and a loss is taken to the
//! record's end.

use core::ops::Range;

use bowline_base::{Instant, Position};

use crate::short_deque::ShortDeque;

/// Records beyond which no cut is made: 96 KiB of memory.
pub(super) const MAX_RECORDS: usize = 4096;

/// What is believed of a stretch of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Fate {
    /// In the network.
    Flying,
    /// Reported by SACK; not to be forgotten before SEG.ACK covers it.
    Sacked,
    /// Lost, and not retransmitted since.
    Lost,
}

/// A stretch of the stream with one fate. It begins where the record before it ends.
#[derive(Clone, Copy, Hash, Debug)]
struct Record {
    end: Position,
    sent_at: Instant,
    fate: Fate,
    /// Sent more than once: no round-trip time is to be taken from it (Karn's rule).
    resent: bool,
}

/// What an ACK delivered, gathered over the records that it touches.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    /// Positions acknowledged that SACK had not reported before.
    pub(super) acked: u64,
    /// Positions reported by SACK.
    pub(super) sacked: u64,
    /// Send times of the oldest and the newest data acknowledged that was sent once.
    pub(super) ack_sent: Option<(Instant, Instant)>,
    /// The same for what SACK reported.
    pub(super) sack_sent: Option<(Instant, Instant)>,
    /// Whether acknowledged data had been sent more than once.
    pub(super) resent: bool,
    /// The newest send time of data that was sent more than once.
    pub(super) resent_at: Option<Instant>,
    /// The lowest position delivered that was sent once.
    pub(super) lowest_original: Option<Position>,
}

fn widen(span: &mut Option<(Instant, Instant)>, at: Instant) {
    *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
}

impl Delivery {
    fn note(&mut self, record: &Record, start: Position, by_sack: bool) {
        let span = if by_sack { &mut self.sack_sent } else { &mut self.ack_sent };
        if record.resent {
            self.resent |= !by_sack;
            self.resent_at = self.resent_at.max(Some(record.sent_at));
        } else {
            widen(span, record.sent_at);
            self.lowest_original = Some(self.lowest_original.map_or(start, |p| p.min(start)));
        }
    }
}

/// The records from SND.UNA to SND.NXT, without a gap.
#[derive(Clone, Hash, Debug)]
pub(super) struct Ring {
    records: ShortDeque<Record>,
    una: Position,
    nxt: Position,
    sacked: u64,
    lost: u64,
}

impl Ring {
    pub(super) const fn new(iss: Position) -> Self {
        Self { records: ShortDeque::new(), una: iss, nxt: iss, sacked: 0, lost: 0 }
    }

    pub(super) const fn una(&self) -> Position {
        self.una
    }

    pub(super) const fn nxt(&self) -> Position {
        self.nxt
    }

    /// Bytes reported by SACK.
    pub(super) const fn sacked(&self) -> u64 {
        self.sacked
    }

    /// Bytes believed lost and not retransmitted.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) const fn outstanding(&self) -> u64 {
        self.nxt.since(self.una)
    }

    pub(super) fn memory(&self) -> usize {
        self.records.memory()
    }

    fn start_of(&self, index: usize) -> Position {
        index.checked_sub(1).and_then(|i| self.records.get(i)).map_or(self.una, |r| r.end)
    }

    /// The record that holds `position`; the number of records if it is SND.NXT or beyond.
    fn index_of(&self, position: Position) -> usize {
        self.records.partition_point(|r| r.end <= position)
    }

    fn has_room(&self) -> bool {
        self.records.len() < MAX_RECORDS
    }

    /// Cuts the record that holds `position`, so that one begins there. Returns the index of that one; where the bound on
    /// records forbids the cut, the index of the uncut record.
    fn cut(&mut self, position: Position) -> usize {
        let index = self.index_of(position);
        let start = self.start_of(index);
        match self.records.get(index) {
            Some(&record) if start < position && self.has_room() => {
                self.records.insert(index, Record { end: position, ..record });
                index + 1
            }
            _ => index,
        }
    }

    /// Makes neighbours one again in `range` of indices, where nothing tells them apart.
    fn join(&mut self, range: Range<usize>) {
        let end = range.end.min(self.records.len());
        let mut kept = range.start;
        for index in range.start + 1..end {
            let (Some(&a), Some(&b)) = (self.records.get(kept), self.records.get(index)) else { return };
            let joined = match (a.fate, b.fate) {
                (Fate::Sacked, Fate::Sacked) => true,
                (Fate::Lost, Fate::Lost) => a.resent == b.resent,
                (Fate::Flying, Fate::Flying) => a.resent == b.resent && a.sent_at == b.sent_at,
                _ => false,
            };
            if !joined {
                kept += 1;
            }
            if let Some(slot) = self.records.get_mut(kept) {
                // The older time: a round trip may then be taken too long, but never too short.
                *slot = if joined { Record { end: b.end, sent_at: a.sent_at.min(b.sent_at), ..a } } else { b };
            }
        }
        if kept + 1 < end {
            self.records.remove_range(kept + 1..end);
        }
    }

    /// New data up to `end` was sent.
    pub(super) fn push(&mut self, now: Instant, end: Position) {
        if end <= self.nxt {
            return;
        }
        let room = self.has_room();
        match self.records.back_mut() {
            Some(last) if last.fate == Fate::Flying && (!room || (last.sent_at == now && !last.resent)) => {
                last.end = end;
            }
            _ => self.records.push_back(Record { end, sent_at: now, fate: Fate::Flying, resent: false }),
        }
        self.nxt = end;
    }

    /// SEG.ACK covers everything before `ack`.
    pub(super) fn acknowledge(&mut self, ack: Position, delivery: &mut Delivery) {
        let ack = ack.min(self.nxt);
        while let Some(&record) = self.records.front() {
            if self.una >= ack {
                break;
            }
            let end = record.end.min(ack);
            let len = end.since(self.una);
            match record.fate {
                Fate::Sacked => self.sacked -= len,
                Fate::Flying | Fate::Lost => {
                    if record.fate == Fate::Lost {
                        self.lost -= len;
                    }
                    delivery.acked += len;
                    delivery.note(&record, self.una, false);
                }
            }
            self.una = end;
            if end == record.end {
                self.records.pop_front();
            }
        }
    }

    /// A SACK block. Returns the whole stretch now known to have arrived that it lies in, if it brought anything new.
    pub(super) fn sack(&mut self, block: &Range<Position>, delivery: &mut Delivery) -> Option<Range<Position>> {
        let (start, end) = (block.start.max(self.una), block.end.min(self.nxt));
        if start >= end {
            return None;
        }
        let mut first = self.index_of(start);
        let record = self.records.get(first)?;
        if record.fate == Fate::Sacked {
            if record.end >= end {
                return None;
            }
        } else {
            first = self.cut(start);
            if self.start_of(first) < start {
                first += 1;
            }
        }
        let mut hit = None;
        let mut index = first;
        let mut from = self.start_of(first);
        while from < end {
            let Some(&record) = self.records.get(index) else { break };
            let mut to = record.end;
            if record.fate != Fate::Sacked {
                if to > end {
                    if !self.has_room() {
                        break;
                    }
                    self.cut(end);
                    to = end;
                }
                let len = to.since(from);
                if record.fate == Fate::Lost {
                    self.lost -= len;
                }
                self.sacked += len;
                delivery.sacked += len;
                delivery.note(&record, from, true);
                hit = Some(from);
                if let Some(slot) = self.records.get_mut(index) {
                    slot.fate = Fate::Sacked;
                }
            }
            from = to;
            index += 1;
        }
        let hit = hit?;
        self.join(first.saturating_sub(1)..index + 1);
        let at = self.index_of(hit);
        self.records.get(at).map(|run| self.start_of(at)..run.end)
    }

    /// Believes lost what flies in `range`; what was sent more than once only if `resent`. Returns how many bytes, and
    /// the first stretch.
    pub(super) fn lose(&mut self, range: Range<Position>, resent: bool) -> (u64, Option<Range<Position>>) {
        let (start, end) = (range.start.max(self.una), range.end.min(self.nxt));
        if start >= end {
            return (0, None);
        }
        let first = self.cut(start);
        self.cut(end);
        let (mut index, mut from) = (first, self.start_of(first));
        let (mut bytes, mut stretch) = (0, None::<Range<Position>>);
        while let Some(record) = self.records.get_mut(index).filter(|_| from < end) {
            if record.fate == Fate::Flying && (resent || !record.resent) {
                record.fate = Fate::Lost;
                bytes += record.end.since(from);
                match &mut stretch {
                    None => stretch = Some(from..record.end),
                    Some(s) if s.end == from => s.end = record.end,
                    Some(_) => {}
                }
            }
            from = record.end;
            index += 1;
        }
        self.lost += bytes;
        if bytes > 0 {
            self.join(first.saturating_sub(1)..index + 1);
        }
        (bytes, stretch)
    }

    /// Believes lost what was retransmitted before `cutoff` and still flies, looking at no more than `limit` records.
    /// Returns how many bytes, the first stretch, and when the last of them was sent.
    pub(super) fn lose_resent(&mut self, cutoff: Instant, limit: usize) -> (u64, Option<Range<Position>>, Instant) {
        let (mut bytes, mut stretch, mut newest) = (0, None, Instant::ZERO);
        let mut from = self.una;
        let mut seen = 0;
        for record in self.records.iter_mut().take(limit) {
            if record.fate == Fate::Flying {
                // Retransmissions go out in the order of the stream: those behind this one are younger still.
                if !record.resent || record.sent_at >= cutoff {
                    break;
                }
                record.fate = Fate::Lost;
                bytes += record.end.since(from);
                newest = newest.max(record.sent_at);
                stretch = stretch.or(Some(from..record.end));
            }
            from = record.end;
            seen += 1;
        }
        self.lost += bytes;
        if bytes > 0 {
            self.join(0..seen + 1);
        }
        (bytes, stretch, newest)
    }

    /// `range` was sent again. What SACK has reported stays so. Returns how many of its bytes were believed lost.
    pub(super) fn resend(&mut self, now: Instant, range: Range<Position>) -> u64 {
        let (start, end) = (range.start.max(self.una), range.end.min(self.nxt));
        if start >= end {
            return 0;
        }
        let first = self.cut(start);
        self.cut(end);
        let (mut index, mut from) = (first, self.start_of(first));
        if let Some(repaired) = self.shift(first, start, end) {
            return repaired;
        }
        let mut repaired = 0;
        while let Some(record) = self.records.get_mut(index).filter(|_| from < end) {
            let to = record.end;
            if record.fate != Fate::Sacked {
                if record.fate == Fate::Lost {
                    repaired += to.since(from);
                }
                *record = Record { end: to, sent_at: now, fate: Fate::Flying, resent: true };
            }
            from = to;
            index += 1;
        }
        self.lost -= repaired;
        self.join(first.saturating_sub(1)..index + 1);
        repaired
    }

    /// Where no cut is possible any more: a retransmission of the beginning of a lost record is added to the
    /// retransmission before it.
    fn shift(&mut self, index: usize, start: Position, end: Position) -> Option<u64> {
        let record = self.records.get(index)?;
        if record.end <= end || record.fate != Fate::Lost || self.start_of(index) != start {
            return None;
        }
        let before = self.records.get_mut(index.checked_sub(1)?)?;
        if before.fate != Fate::Flying || !before.resent {
            return None;
        }
        before.end = end;
        let len = end.since(start);
        self.lost -= len;
        Some(len)
    }

    /// The first stretch believed lost at or after `from`; what SACK reported is none (RFC 2018 5, RFC2018-5-1).
    pub(super) fn first_lost(&self, from: Position) -> Option<Range<Position>> {
        if self.lost == 0 {
            return None;
        }
        let index = self.index_of(from.max(self.una));
        let lost = |fate| fate == Fate::Lost;
        let offset = self.records.iter_from(index).position(|r| lost(r.fate))?;
        let index = index + offset;
        self.records.get(index).map(|r| self.start_of(index)..r.end)
    }

    /// The first stretch in `range` that flies and was sent once.
    pub(super) fn first_original(&self, range: Range<Position>) -> Option<Range<Position>> {
        let mut index = self.index_of(range.start.max(self.una));
        loop {
            let record = self.records.get(index)?;
            let start = self.start_of(index);
            if start >= range.end {
                return None;
            }
            if record.fate == Fate::Flying && !record.resent {
                return Some(start.max(range.start)..record.end);
            }
            index += 1;
        }
    }

    /// The last stretch that SACK has not reported.
    pub(super) fn last_unsacked(&self) -> Option<Range<Position>> {
        let back = self.records.iter().rev().position(|r| r.fate != Fate::Sacked)?;
        let index = self.records.len() - 1 - back;
        self.records.get(index).map(|r| self.start_of(index)..r.end)
    }

    /// Whether SACK has reported SND.UNA itself: the peer has dropped what it once had (RFC 2018 8).
    pub(super) fn is_reneged(&self) -> bool {
        self.records.front().is_some_and(|r| r.fate == Fate::Sacked)
    }

    /// Forgets what SACK reported: all that is outstanding flies again.
    pub(super) fn forget_sacks(&mut self) {
        self.turn(Fate::Sacked);
        self.sacked = 0;
    }

    /// Takes back that anything is lost.
    pub(super) fn forgive(&mut self) {
        self.turn(Fate::Lost);
        self.lost = 0;
    }

    fn turn(&mut self, fate: Fate) {
        for record in self.records.iter_mut().filter(|r| r.fate == fate) {
            record.fate = Fate::Flying;
            // Once reported, its send time no longer stood for one transmission.
            record.resent |= fate == Fate::Sacked;
        }
        self.join(0..self.records.len());
    }
}

#[cfg(test)]
impl Ring {
    /// Every record as (range, fate, sent more than once), with the sums checked.
    pub(super) fn audit(&self) -> alloc::vec::Vec<(Range<Position>, Fate, bool)> {
        let mut all = alloc::vec::Vec::new();
        let (mut from, mut sacked, mut lost) = (self.una, 0, 0);
        for record in self.records.iter() {
            assert!(record.end > from, "an empty record");
            match record.fate {
                Fate::Sacked => sacked += record.end.since(from),
                Fate::Lost => lost += record.end.since(from),
                Fate::Flying => {}
            }
            all.push((from..record.end, record.fate, record.resent));
            from = record.end;
        }
        assert_eq!(from, self.nxt, "a gap before SND.NXT");
        assert_eq!((sacked, lost), (self.sacked, self.lost), "the sums");
        assert!(self.records.len() <= MAX_RECORDS + 2, "the bound");
        all
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}
