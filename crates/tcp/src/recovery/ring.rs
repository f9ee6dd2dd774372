//! What was sent and is not acknowledged yet: one record per transmission, in the order of the stream.
//!
//! It remembers, and decides nothing. Records are as large as what went out at one time (super-segments, bursts), and
//! are cut only where acknowledgements, retransmissions or losses cut them; neighbours of equal fate become one again.
//! A SACKing peer chooses most cuts, so their number is bounded, by how much is outstanding: at the bound a SACK block is
//! believed only as far as it covers whole records (SACK is advisory, RFC 2018 4), new data joins the last record, and a
//! loss is taken to the record's end. Retransmissions cut where they have to: there are no more of them than segments.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::copies::Copy;
use super::outcome::Outstanding;
use crate::short_deque::ShortDeque;

mod delivery;
mod losses;

pub(super) use delivery::Delivery;
pub(super) use losses::Losses;

/// Records that there may be of any window: 96 KiB of memory.
const FEW_RECORDS: usize = 4096;
/// Of a larger one, one for each so many bytes: paced by the segment and lost here and there, a long fat path's window needs
/// as many.
const RECORD_SHARE: u64 = 1 << 10;
/// The most of any: 1.5 MiB.
const MAX_RECORDS: usize = 65_536;

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

    /// Whether all of this is still remembered, and none of it was sent again.
    pub(super) fn is_sent_once(&self, range: &Range<Position>) -> bool {
        let mut from = range.start;
        let mut touched = self.records.iter_from(self.index_of(from)).take_while(|record| {
            let begins = core::mem::replace(&mut from, record.end);
            begins < range.end
        });
        self.una <= range.start && range.end <= self.nxt && touched.all(|record| !record.resent)
    }

    /// When the data at SND.UNA was sent again, if it was: the last time.
    pub(super) fn first_copied_at(&self) -> Option<Instant> {
        self.records.front().filter(|record| record.resent).map(|record| record.sent_at)
    }

    fn start_of(&self, index: usize) -> Position {
        index.checked_sub(1).and_then(|i| self.records.get(i)).map_or(self.una, |r| r.end)
    }

    /// The record that holds `position`; the number of records if it is SND.NXT or beyond.
    fn index_of(&self, position: Position) -> usize {
        self.records.partition_point(|r| r.end <= position)
    }

    fn has_room(&self) -> bool {
        self.records.len() < self.most()
    }

    /// Records beyond which no cut is made.
    pub(super) fn most(&self) -> usize {
        let most = usize::try_from(self.outstanding() / RECORD_SHARE).unwrap_or(MAX_RECORDS);
        most.clamp(FEW_RECORDS, MAX_RECORDS)
    }

    /// Cuts the record that holds `position`, so that one begins there. Returns the index of that one; where the bound
    /// on records forbids the cut, the index of the uncut record.
    fn cut(&mut self, position: Position) -> usize {
        self.cut_if(self.has_room(), position)
    }

    fn cut_if(&mut self, has_room: bool, position: Position) -> usize {
        let index = self.index_of(position);
        let start = self.start_of(index);
        match self.records.get(index) {
            Some(&record) if start < position && has_room => {
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
                let (sent_at, resent) = (a.sent_at.min(b.sent_at), a.resent | b.resent);
                *slot = if joined { Record { end: b.end, sent_at, resent, ..a } } else { b };
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
        let first = self.cut_if(true, start);
        self.cut_if(true, end);
        let (mut index, mut from, mut repaired) = (first, start, 0);
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

    /// The oldest transmission of what is not known to have arrived.
    pub(super) fn oldest(&self) -> (Instant, u32) {
        let waiting = self.records.iter().filter(|record| record.fate != Fate::Sacked);
        waiting.map(|record| (record.sent_at, record.run)).min().unwrap_or((Instant::MAX, 0))
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
