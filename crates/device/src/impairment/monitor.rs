//! What a worse network has done, for those who look: counters, and on demand every single decision.
//!
//! It decides how much is remembered. Nobody has to look: the list of decisions is off until asked for, and bounded.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bowline_base::Instant;
use parking_lot::Mutex;

use super::Direction;

/// What happened to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Lost by chance.
    Lost,
    /// Dropped because the queue was full.
    QueueFull,
    /// Larger than the MTU: dropped.
    TooBig,
    /// Larger than the MTU: cut into IPv4 fragments.
    Fragmented,
    /// Arrives twice.
    Duplicated,
    /// One bit was flipped.
    Corrupted {
        /// Which: counted from the first bit of the packet, the high one of its first byte.
        bit: u32,
    },
    /// Held back until others have passed it.
    Reordered,
    /// Its headers did not fit what the device said of it, or it was larger than the device's MTU: dropped.
    Unreadable,
}

impl What {
    /// Whether the packet does not arrive at all.
    #[must_use]
    pub const fn is_drop(self) -> bool {
        matches!(self, Self::Lost | Self::QueueFull | Self::TooBig | Self::Unreadable)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::QueueFull => f.write_str("dropped: queue full"),
            Self::TooBig => f.write_str("dropped: larger than the MTU"),
            Self::Fragmented => f.write_str("fragmented"),
            Self::Duplicated => f.write_str("duplicated"),
            Self::Corrupted { bit } => write!(f, "corrupted (bit {bit})"),
            Self::Reordered => f.write_str("reordered"),
            Self::Unreadable => f.write_str("dropped: unreadable"),
        }
    }
}

/// One decision about one wire packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impairment {
    /// When it was taken: as the packet entered the link, except [`What::TooBig`] and [`What::Fragmented`], which
    /// happen at its end.
    pub at: Instant,
    /// Which way the packet went.
    pub direction: Direction,
    /// What happened.
    pub what: What,
    /// The packet's first bytes, as they were before, up to [`Impairment::HEAD`]: all headers of TCP and UDP.
    pub head: Box<[u8]>,
    /// The packet's length in bytes.
    pub len: usize,
}

impl Impairment {
    /// How much of a packet is kept to tell which it was.
    pub const HEAD: usize = 128;
}

/// What has passed one direction, in wire packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounters {
    /// Entered the link.
    pub packets: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Left it at the other end, duplicates and fragments included.
    pub delivered: u64,
    /// Bytes of those.
    pub delivered_bytes: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Dropped at a full queue.
    pub queue_full: u64,
    /// Dropped for their size.
    pub too_big: u64,
    /// Cut into fragments for their size.
    pub fragmented: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Packets with a flipped bit.
    pub corrupted: u64,
    /// Held back for others to pass.
    pub reordered: u64,
    /// Dropped because their headers made no sense.
    pub unreadable: u64,
    /// Dropped by the device inside, at the end of the link.
    pub refused: u64,
}

/// What has passed in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImpairmentCounters {
    /// From the peer to the host.
    pub ingress: DirectionCounters,
    /// From the host to the peer.
    pub egress: DirectionCounters,
}

#[derive(Debug, Default)]
struct State {
    counters: ImpairmentCounters,
    in_flight: (usize, usize),
    limit: usize,
    decisions: VecDeque<Impairment>,
    missed: u64,
}

/// A view of an [`Impaired`](super::Impaired) device from anywhere. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ImpairmentMonitor(Arc<Mutex<State>>);

impl ImpairmentMonitor {
    /// A monitor that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What has passed so far.
    #[must_use]
    pub fn counters(&self) -> ImpairmentCounters {
        self.0.lock().counters
    }

    /// Wire packets that are on the way now, from the peer to the host and back.
    #[must_use]
    pub fn in_flight(&self) -> (usize, usize) {
        self.0.lock().in_flight
    }

    /// From now on, keeps up to `limit` decisions for [`drain`](Self::drain); 0, as in the beginning, keeps none.
    pub fn observe(&self, limit: usize) {
        let mut state = self.0.lock();
        state.limit = limit;
        state.decisions.truncate(limit);
    }

    /// The decisions since the last call, oldest first, and how many more there were than could be kept.
    #[must_use]
    pub fn drain(&self) -> (Vec<Impairment>, u64) {
        let mut state = self.0.lock();
        let missed = std::mem::take(&mut state.missed);
        (state.decisions.drain(..).collect(), missed)
    }

    /// So many packets are on the way in this direction.
    pub(super) fn held(&self, direction: Direction, packets: usize) {
        let mut state = self.0.lock();
        match direction {
            Direction::Ingress => state.in_flight.0 = packets,
            Direction::Egress => state.in_flight.1 = packets,
        }
    }

    pub(super) fn count(&self, direction: Direction, count: impl FnOnce(&mut DirectionCounters)) {
        let mut state = self.0.lock();
        count(match direction {
            Direction::Ingress => &mut state.counters.ingress,
            Direction::Egress => &mut state.counters.egress,
        });
    }

    /// Counts a decision, and keeps it if somebody looks.
    pub(super) fn note(&self, at: Instant, direction: Direction, what: What, packet: &[u8]) {
        self.count(direction, |counters| {
            let counter = match what {
                What::Lost => &mut counters.lost,
                What::QueueFull => &mut counters.queue_full,
                What::TooBig => &mut counters.too_big,
                What::Fragmented => &mut counters.fragmented,
                What::Duplicated => &mut counters.duplicated,
                What::Corrupted { .. } => &mut counters.corrupted,
                What::Reordered => &mut counters.reordered,
                What::Unreadable => &mut counters.unreadable,
            };
            *counter += 1;
        });
        let mut state = self.0.lock();
        if state.decisions.len() < state.limit {
            let head = packet.iter().copied().take(Impairment::HEAD).collect();
            state.decisions.push_back(Impairment { at, direction, what, head, len: packet.len() });
        } else if state.limit > 0 {
            state.missed += 1;
        }
    }
}
