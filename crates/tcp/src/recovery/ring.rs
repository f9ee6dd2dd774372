//! What was sent and is not acknowledged yet: one record per transmission, in the order of the stream.
//!
//! It remembers, and decides nothing. Records are as large as what went out at one time (super-segments, bursts), and
//! are cut only where acknowledgements, retransmissions or losses cut them; neighbours of equal fate become one again.
//! A SACKing peer chooses the cuts, so their number is bounded: at [`MAX_RECORDS`] a SACK block is believed only as far
//! as it covers whole records (SACK is advisory, RFC 2018 4), new data joins the last record, and a loss is taken to
//! the record's end.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::copies::Copy;
use super::outcome::Outstanding;
use crate::short_deque::ShortDeque;

/// Records beyond which no cut is made: 96 KiB of memory.
pub(super) const MAX_RECORDS: usize = 4096;

/// A stretch of this many bytes is as long as can be sent at one time.
const MAX_STRETCH: u64 = 64 << 10;

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
    run: u32,
    fate: Fate,
    /// Sent more than once: no round-trip time is to be taken from it (Karn's rule).
    resent: bool,
}

/// When a transmission took place, in which run, and where it ended: their order is that of the transmissions (RFC 8985
/// 6.2, step 2). A run is of new data or of copies: where the clock stands still between them, runs tell what came
/// first, and within a run the stream does.
pub(super) type Transmission = (Instant, u32, Position);

/// What an ACK delivered, gathered over the records that it touches.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    /// Copies sent later than this may not be what the ACK is about (RFC 8985 6.2, step 2): acknowledged ones, and
    /// those that SACK reports.
    pub(super) ambiguous: [Instant; 2],
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
    /// The newest transmission that is known to have arrived.
    pub(super) newest: Option<Transmission>,
    /// The lowest position delivered that was sent once.
    pub(super) lowest_original: Option<Position>,
}

fn widen(span: &mut Option<(Instant, Instant)>, at: Instant) {
    *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
}

impl Delivery {
    fn note(&mut self, record: &Record, part: Range<Position>, by_sack: bool) {
        if record.resent {
            self.resent |= !by_sack;
            if record.sent_at > self.ambiguous[usize::from(by_sack)] {
                return;
            }
        } else {
            widen(if by_sack { &mut self.sack_sent } else { &mut self.ack_sent }, record.sent_at);
            self.lowest_original = Some(self.lowest_original.map_or(part.start, |p| p.min(part.start)));
        }
        self.newest = self.newest.max(Some((record.sent_at, record.run, part.end)));
    }
}

/// Data that was found lost.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Losses {
    /// How many bytes.
    pub(super) bytes: u64,
    /// The first stretch of them.
    pub(super) first: Option<Range<Position>>,
}

impl Losses {
    fn add(&mut self, part: Range<Position>) {
        self.bytes += part.end.since(part.start);
        match &mut self.first {
            None => self.first = Some(part),
            Some(first) if first.end == part.start => first.end = part.end,
            Some(_) => {}
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

    /// Cuts the record that holds `position`, so that one begins there. Returns the index of that one; where the bound
    /// on records forbids the cut, the index of the uncut record.
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
                (Fate::Lost, Fate::Lost) | (Fate::Flying, Fate::Flying) => {
                    (a.resent, a.sent_at, a.run) == (b.resent, b.sent_at, b.run)
                }
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

    /// New data up to `end` was sent, in this run.
    pub(super) fn push(&mut self, now: Instant, run: u32, end: Position) {
        if end <= self.nxt {
            return;
        }
        let room = self.has_room();
        match self.records.back_mut() {
            Some(last)
                if last.fate == Fate::Flying && (!room || (last.sent_at == now && last.run == run && !last.resent)) =>
            {
                last.end = end;
            }
            _ => self.records.push_back(Record { end, sent_at: now, run, fate: Fate::Flying, resent: false }),
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
                    delivery.note(&record, self.una..end, false);
                }
            }
            self.una = end;
            if end == record.end {
                self.records.pop_front();
            }
        }
    }

    /// A SACK block. Returns whether it brought anything new.
    pub(super) fn sack(&mut self, block: &Range<Position>, delivery: &mut Delivery) -> bool {
        let (start, end) = (block.start.max(self.una), block.end.min(self.nxt));
        if start >= end {
            return false;
        }
        let mut first = self.index_of(start);
        let Some(record) = self.records.get(first) else { return false };
        if record.fate == Fate::Sacked {
            if record.end >= end {
                return false;
            }
        } else {
            first = self.cut(start);
            if self.start_of(first) < start {
                first += 1;
            }
        }
        let before = self.sacked;
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
                delivery.note(&record, from..to, true);
                if let Some(slot) = self.records.get_mut(index) {
                    slot.fate = Fate::Sacked;
                }
            }
            from = to;
            index += 1;
        }
        let news = self.sacked > before;
        if news {
            self.join(first.saturating_sub(1)..index + 1);
        }
        news
    }

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
                losses.add(from..record.end);
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
    pub(super) fn lose_originals(&mut self, range: Range<Position>) -> Losses {
        self.lose_if(range, |record, _| !record.resent)
    }

    /// Believes lost this copy, as far as it still flies and was sent before `newest`.
    pub(super) fn lose_copy(&mut self, copy: &Copy, newest: Transmission) -> Losses {
        self.lose_if(copy.range.clone(), |record, part| {
            copy.is(record.sent_at, record.run) && record.resent && (copy.sent_at, copy.run, part.end) < newest
        })
    }

    /// Believes lost the first `head` bytes, and all that was sent at `cutoff` or before.
    pub(super) fn lose_older(&mut self, head: u64, cutoff: Instant) -> Losses {
        let (una, nxt) = (self.una, self.nxt);
        self.cut((una + head).min(nxt));
        self.lose_if(una..nxt, |record, part| part.start < una + head || record.sent_at <= cutoff)
    }

    /// Believes lost what went out in one piece of more than `len` bytes.
    pub(super) fn lose_longer(&mut self, len: u64) -> Losses {
        self.lose_if(self.una..self.nxt, |_, part| part.end.since(part.start) > len)
    }

    /// Believes lost what was sent once, at `cutoff` or before and not after `newest`, beginning the search at `from`.
    /// Returns where it ended, and when the data there was sent if it was sent before `newest`.
    ///
    /// What was sent once was sent in the order of the stream, so the search ends at the first that is too young.
    pub(super) fn lose_originals_before(
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

    /// Where the first part of this copy ends that still flies.
    pub(super) fn first_of_copy(&self, copy: &Copy) -> Option<Position> {
        let mut index = self.index_of(copy.range.start.max(self.una));
        while self.start_of(index) < copy.range.end {
            let record = self.records.get(index)?;
            if record.fate == Fate::Flying && record.resent && copy.is(record.sent_at, record.run) {
                return Some(record.end);
            }
            index += 1;
        }
        None
    }

    /// `range` was sent again, in this run. What SACK has reported stays so. Returns how many of its bytes were
    /// believed lost.
    pub(super) fn resend(&mut self, now: Instant, run: u32, range: Range<Position>) -> u64 {
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
                *record = Record { end: to, sent_at: now, run, fate: Fate::Flying, resent: true };
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
        let offset = self.records.iter_from(index).position(|r| r.fate == Fate::Lost)?;
        let index = index + offset;
        let start = self.start_of(index);
        // As much as may go out at one time.
        let enough = start + MAX_STRETCH;
        let mut end = start;
        for record in self.records.iter_from(index) {
            if record.fate != Fate::Lost || end >= enough {
                break;
            }
            end = record.end;
        }
        Some(start..end)
    }

    /// The last `len` bytes sent, or fewer: no more than one record of them.
    pub(super) fn last(&self, len: u64) -> Range<Position> {
        let start = self.start_of(self.records.len().saturating_sub(1));
        start.max(self.nxt - len.min(self.outstanding()))..self.nxt
    }

    /// The run of new data that went out last.
    pub(super) fn last_run(&self) -> u32 {
        self.records.back().map_or(0, |record| record.run.next_multiple_of(2))
    }

    /// What is outstanding, in segments of `mss` bytes of text; a FIN at `fin` travels with the text before it. What was
    /// written in smaller pieces and left at one instant counts as if it had been joined. For people: it looks at all.
    pub(super) fn segments(&self, mss: u64, fin: Option<Position>) -> Outstanding {
        let (mut sum, mut from) = (Outstanding::default(), self.una);
        for record in self.records.iter() {
            let len = record.end.since(from);
            let with_fin = len > 1 && fin.is_some_and(|fin| record.end == fin + 1);
            let count = (len - u64::from(with_fin)).div_ceil(mss.max(1));
            sum.unacked += count;
            match record.fate {
                Fate::Sacked => sum.sacked += count,
                Fate::Lost => sum.lost += count,
                Fate::Flying if record.resent => sum.retrans += count,
                Fate::Flying => {}
            }
            from = record.end;
        }
        sum
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
