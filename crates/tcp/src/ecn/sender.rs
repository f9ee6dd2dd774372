//! AccECN, the data sender: what the peer's counters say has arrived there (RFC 9768 3.2.2.5.2, 3.2.3; appendix A).
//!
//! Decides how many CE marks an acknowledgement stands for, though its counter has three bits and earlier ones may have
//! been lost: options tell, or else what is likely. It must not know what is done about the marks.

use bowline_wire::Ecn;
use bowline_wire::tcp::AccEcnOption;

use super::counts::{Counts, FIRST_BYTES};

/// The counter of marks wraps here.
const WRAP: u64 = 8;
/// The average of segments for each acknowledgement is kept in this part of one, and each new one counts for this part.
const PART: u32 = 64;
/// Above so many segments for each acknowledgement a large one says that the peer joins segments, or the path drops
/// acknowledgements as a rule, and not that several with marks were lost.
const MANY: u32 = 4;
/// So many bytes may be sent before a first option arrives: beyond, its counters could have wrapped (Linux has the same).
const TOO_LATE: u64 = (1 << 23) - 1;

/// What is known of the peer's options.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptionSeen {
    /// None has come: the peer does not send them, or the path removes them.
    #[default]
    Never,
    /// Only ones without counters.
    Empty,
    /// Ones with counters: they are believed.
    Counters,
    /// The first counters were zero, which they never are, or came too late: none is believed (RFC 9768 3.2.3.2.4).
    Unusable,
}

/// What an acknowledgement covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Covered {
    /// Bytes newly acknowledged, cumulatively or selectively.
    pub bytes: u64,
    /// The segments that these were, as far as known.
    pub segments: u64,
}

/// What its counters say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Packets that were marked CE.
    pub packets: u32,
    /// Bytes that were, where an option tells.
    pub bytes: Option<u64>,
}

/// The counters of what has arrived at the peer.
#[derive(Clone, Hash, Debug, Default)]
pub struct Sender {
    counts: Counts,
    /// The one mark with which bytes arrived last: it goes on until an option says otherwise.
    goes_on: Option<Ecn>,
    seen: OptionSeen,
    /// Segments for each acknowledgement, on average, in parts.
    covered: u16,
}

impl Sender {
    /// The peer has told of the mark of our SYN-ACK: CE counts (RFC 9768 3.2.2.1, table 4).
    pub fn on_syn_ack_marked(&mut self) {
        self.counts.ce_packets = self.counts.ce_packets.max(1);
    }

    /// Looks at an option that came with a SYN-ACK, or first: whether there are any, and whether they can be believed. It
    /// must not be asked for certain values (RFC 9768 3.2.3.2.4), but zero is none that they begin with.
    pub fn see(&mut self, option: &AccEcnOption) {
        if matches!(self.seen, OptionSeen::Counters | OptionSeen::Unusable) {
            return;
        }
        let zeroed = option.ect0_bytes() == Some(0) || option.ect1_bytes() == Some(0);
        self.seen = match option.fields() {
            0 => OptionSeen::Empty,
            _ if zeroed => OptionSeen::Unusable,
            _ => OptionSeen::Counters,
        };
    }

    /// No option has come, and so many bytes have been sent: later they cannot be understood any more.
    pub fn on_bytes_sent(&mut self, sent: u64) {
        if self.seen == OptionSeen::Never && sent >= TOO_LATE {
            self.seen = OptionSeen::Unusable;
        }
    }

    /// An acknowledgement that no later one has superseded: the counter in its flags, and its option.
    pub fn on_ack(&mut self, ace: u8, option: Option<&AccEcnOption>, covered: Covered) -> Marks {
        if let Some(option) = option {
            self.see(option);
        }
        let bytes = match option.filter(|option| option.fields() > 0) {
            _ if matches!(self.seen, OptionSeen::Never | OptionSeen::Unusable) => None,
            Some(option) => self.take_counters(option),
            None => self.go_on(covered.bytes),
        };
        self.average(covered.segments);
        let packets = self.packets(ace, bytes, covered);
        self.counts.add_ce(packets);
        Marks { packets, bytes: option.and(bytes) }
    }

    /// The counters of an option; returns by how much the bytes with CE have grown, if nothing has shrunk.
    fn take_counters(&mut self, option: &AccEcnOption) -> Option<u64> {
        let told = [(Ecn::Ect1, option.ect1_bytes()), (Ecn::Ce, option.ce_bytes()), (Ecn::Ect0, option.ect0_bytes())];
        let (mut marked, mut changed, mut shrunk) = (0, None, false);
        let mut several = false;
        for ((mark, field), (bytes, first)) in told.into_iter().zip(self.counts.bytes.iter_mut().zip(FIRST_BYTES)) {
            let Some(field) = field else { continue };
            let grown = signed_24(field.wrapping_sub(first).wrapping_sub(*bytes as u32));
            *bytes = bytes.saturating_add_signed(grown);
            shrunk |= grown < 0;
            if grown != 0 {
                several |= changed.replace(mark).is_some();
            }
            if mark == Ecn::Ce {
                marked = grown.unsigned_abs();
            }
        }
        self.goes_on = if several || shrunk { None } else { changed.or(self.goes_on) };
        (!shrunk).then_some(marked)
    }

    /// There are options, but none with this acknowledgement: the marks go on as they were, if they were all of one kind.
    fn go_on(&mut self, bytes: u64) -> Option<u64> {
        let mark = self.goes_on?;
        if let Some((_, count)) = self.counts.bytes_mut(mark) {
            *count += bytes;
        }
        Some(if mark == Ecn::Ce { bytes } else { 0 })
    }

    fn average(&mut self, segments: u64) {
        let new = u32::try_from(segments).unwrap_or(u32::MAX).saturating_mul(PART).min(u16::MAX.into());
        let old = u32::from(self.covered);
        let average = match (new, old) {
            (0, _) => old,
            (_, 0) => new,
            _ => (old * (PART - 1) + new) / PART,
        };
        self.covered = average.min(u16::MAX.into()) as u16;
    }

    /// How many packets with CE the counter stands for.
    // RFC 9768 3.2.2.5.2, RFC9768-3.2.2.5.2-1; 3.2.3.2.5, RFC9768-3.2.3.2.5-1: where it may have wrapped, as much as is likely: all that were acknowledged, if nothing is known.
    fn packets(&self, ace: u8, marked: Option<u64>, covered: Covered) -> u32 {
        let least = u64::from(ace.wrapping_sub(self.counts.ace()) & 7);
        let segments = covered.segments;
        if segments < WRAP {
            return least as u32;
        }
        let most = segments - (segments - least) % WRAP;
        let packets = match marked {
            Some(0) => least,
            Some(bytes) => {
                let likely = bytes.saturating_mul(segments).div_ceil(covered.bytes.max(1));
                let wraps = likely.saturating_sub(least).saturating_add(WRAP / 2) / WRAP;
                (least + wraps * WRAP).min(most)
            }
            None if u32::from(self.covered) > MANY * PART => least,
            None => most,
        };
        u32::try_from(packets).unwrap_or(u32::MAX)
    }

    /// What is known of the peer's options.
    #[must_use]
    pub const fn seen(&self) -> OptionSeen {
        self.seen
    }

    /// What has arrived at the peer: of the bytes as far as its options tell.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// The low 24 bits as a number with a sign.
const fn signed_24(value: u32) -> i64 {
    ((value << 8) as i32 >> 8) as i64
}
