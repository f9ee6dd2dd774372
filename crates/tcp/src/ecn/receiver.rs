//! AccECN, the data receiver: what has arrived with which mark, and when it is told (RFC 9768 3.2).
//!
//! Decides what the counter in the flags and the options say, whether a segment is to have an option, and whether marks are
//! due to be acknowledged at once. It must not know segments, nor what else they carry.

use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::Ecn;
use bowline_wire::tcp::{AccEcnOption, AccEcnOrder, TcpFlags};

use super::EcnOption;
use super::counts::{Counts, FIRST_BYTES};

/// Options that follow a change of the marks: the second one shows that nothing else has changed since.
const AFTER_CHANGE: u8 = 2;
/// A counter is told before it has grown by so much, since 24 bits of it can be told (RFC 9768 3.2.3.3).
const TOLD_EVERY: u64 = 1 << 22;
/// CE marks that are acknowledged at once (RFC 9768 3.2.2.5.1): where data waits for its acknowledgement, and where none does.
const MARKS: (u8, u8) = (2, 3);

/// The counters of what has arrived, but for SYNs.
#[derive(Clone, Hash, Debug)]
pub struct Receiver {
    counts: Counts,
    /// The mark of the last packet.
    last: Ecn,
    /// CE marks since the counter was told last.
    untold: u8,
    /// How many counters the next option must have for those that have changed.
    changed: u8,
    /// Options that are due.
    due: u8,
    option_at: Instant,
}

impl Receiver {
    /// Counters after a handshake in which the peer's last segment had this mark. `ce`: it was a SYN-ACK and counts, which
    /// it does once.
    #[must_use]
    pub const fn new(last: Ecn, ce: bool) -> Self {
        Self {
            counts: Counts { ce_packets: ce as u32, bytes: [0; 3] },
            last,
            untold: 0,
            changed: 0,
            due: AFTER_CHANGE,
            option_at: Instant::ZERO,
        }
    }

    /// Acceptable packets arrived, all with this mark and together with so many bytes of text. Returns whether the mark
    /// differs from the one before.
    // RFC 9768 3.2, RFC9768-3.2-1: CE in packets of every kind but SYNs; RFC9768-3.2-2: and the text of marked ones.
    pub fn on_packets(&mut self, mark: Ecn, packets: u64, text: u64) -> bool {
        if mark == Ecn::Ce {
            let packets = u32::try_from(packets).unwrap_or(u32::MAX);
            self.counts.add_ce(packets);
            self.untold = self.untold.saturating_add(u8::try_from(packets).unwrap_or(u8::MAX));
        }
        if let Some((place, bytes)) = self.counts.bytes_mut(mark)
            && text > 0
        {
            let before = *bytes / TOLD_EVERY;
            *bytes += text;
            self.changed = self.changed.max(place as u8 + 1);
            if *bytes / TOLD_EVERY != before {
                self.due = self.due.max(1);
            }
        }
        let is_change = mark != self.last;
        if is_change || mark == Ecn::Ce {
            self.due = AFTER_CHANGE;
        }
        self.last = mark;
        is_change
    }

    /// Whether the marks that were not told yet are due. `waiting`: whether data waits for its acknowledgement.
    #[must_use]
    pub const fn is_due(&self, waiting: bool) -> bool {
        self.untold >= if waiting { MARKS.0 } else { MARKS.1 }
    }

    /// The counter for the flags of a segment that leaves now (RFC 9768 3.2.2.2, RFC9768-3.2.2.2-1).
    #[must_use]
    pub fn take_flags(&mut self) -> TcpFlags {
        self.untold = 0;
        super::flags(self.counts.ace())
    }

    /// The option, with all three counters: the low 24 bits of each (RFC 9768 3.2.3.1, RFC9768-3.2.3.1-1).
    #[must_use]
    pub fn option(&self) -> AccEcnOption {
        let mut counters = FIRST_BYTES;
        for (counter, bytes) in counters.iter_mut().zip(self.counts.bytes) {
            *counter = counter.wrapping_add(bytes as u32);
        }
        AccEcnOption::new(AccEcnOrder::Ect1First, &counters)
    }

    /// The option of a SYN-ACK, before anything has arrived.
    #[must_use]
    pub fn first_option() -> AccEcnOption {
        AccEcnOption::new(AccEcnOrder::Ect1First, &FIRST_BYTES)
    }

    /// How many counters an option must have, since they have changed: with fewer it says less than it seems to (RFC 9768
    /// 3.2.3.3, RFC9768-3.2.3.3-2).
    #[must_use]
    pub fn required(&self) -> usize {
        usize::from(self.changed)
    }

    /// Whether a segment that leaves now shall have an option. `beacon`: so many in a round trip of `rtt`, whatever happens.
    #[must_use]
    pub fn wants_option(&self, now: Instant, policy: EcnOption, beacon: u8, rtt: Duration) -> bool {
        match policy {
            EcnOption::Never => false,
            EcnOption::Always | EcnOption::Persistently => true,
            EcnOption::OnChange => self.due > 0 || (beacon > 0 && now.since(self.option_at) * u32::from(beacon) >= rtt),
        }
    }

    /// A segment with an option leaves.
    pub fn on_option_sent(&mut self, now: Instant) {
        self.changed = 0;
        self.due = self.due.saturating_sub(1);
        self.option_at = now;
    }

    /// Another option is due: the peer's have begun to come.
    pub fn owe_option(&mut self) {
        self.due = self.due.max(1);
    }

    /// What has arrived.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
}
