//! What acknowledgements say of the records: which arrived, for the first time, and what is known of their times.
//!
//! It must not conclude anything from it: neither a round-trip time nor a loss. RFC 2018 (SACK), RFC 8985 6.2.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::{Fate, Record, Ring, Transmission};

/// What an ACK delivered, gathered over the records that it touches.
#[derive(Clone, Debug, Default)]
pub(in crate::recovery) struct Delivery {
    /// Copies sent later than this may not be what the ACK is about (RFC 8985 6.2, step 2): acknowledged ones, and
    /// those that SACK reports.
    pub(in crate::recovery) ambiguous: [Instant; 2],
    /// Positions acknowledged that SACK had not reported before.
    pub(in crate::recovery) acked: u64,
    /// Positions reported by SACK.
    pub(in crate::recovery) sacked: u64,
    /// Send times of the oldest and the newest data acknowledged that was sent once.
    pub(in crate::recovery) ack_sent: Option<(Instant, Instant)>,
    /// The same for what SACK reported.
    pub(in crate::recovery) sack_sent: Option<(Instant, Instant)>,
    /// Whether acknowledged data had been sent more than once.
    pub(in crate::recovery) resent: bool,
    /// The newest transmission that is known to have arrived.
    pub(in crate::recovery) newest: Option<Transmission>,
    /// The lowest position delivered that was sent once.
    pub(in crate::recovery) lowest_original: Option<Position>,
}

fn widen(span: &mut Option<(Instant, Instant)>, at: Instant) {
    *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
}

impl Delivery {
    /// When the oldest and the newest of it left: of what is acknowledged, or else of what SACK reported.
    pub(in crate::recovery) fn sent(&self) -> Option<(Instant, Instant)> {
        self.ack_sent.or(self.sack_sent)
    }

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
        let transmission = (record.sent_at, record.run, part.end);
        if self.newest.is_none_or(|newest| newest < transmission) {
            self.newest = Some(transmission);
        }
    }
}

impl Ring {
    /// SEG.ACK covers all that is outstanding, which went out at once, and once: when that was. `None`, and nothing is changed,
    /// where it is not so. What most acknowledgements of short texts find, said without a [`Delivery`].
    pub(in crate::recovery) fn acknowledge_only(&mut self, ack: Position) -> Option<Instant> {
        let &Record { end, sent_at, fate, resent, .. } = self.records.only()?;
        if end > ack || fate != Fate::Flying || resent {
            return None;
        }
        self.una = end;
        self.records.pop_front();
        Some(sent_at)
    }

    /// SEG.ACK covers everything before `ack`.
    pub(in crate::recovery) fn acknowledge(&mut self, ack: Position, delivery: &mut Delivery) {
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
    pub(in crate::recovery) fn sack(&mut self, block: &Range<Position>, delivery: &mut Delivery) -> bool {
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
}
