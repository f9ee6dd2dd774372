//! What Linux tells a sender later: that bytes written with `MSG_ZEROCOPY` are free again, and when the last byte of a write was
//! sent and acknowledged (`SO_TIMESTAMPING`).
//!
//! Decides when a notice is due, from how far the stream has come; it must not know segments, sockets, or how a program reads
//! its notices. Each write has one notice of a kind, for its last byte.

use core::net::SocketAddr;
use std::collections::VecDeque;

use bowline_base::Instant;
use bowline_tcp::endpoint::Progress;

use crate::abi::Errno;

/// Writes whose notices are not due yet, at most; those beyond have none.
const MOST_PENDING: usize = 4_096;

/// What of a packet Linux can stamp here: `SOF_TIMESTAMPING_*`.
pub(crate) mod stamping {
    pub(crate) const TX_SOFTWARE: u32 = 1 << 1;
    pub(crate) const RX_SOFTWARE: u32 = 1 << 3;
    pub(crate) const SOFTWARE: u32 = 1 << 4;
    pub(crate) const OPT_ID: u32 = 1 << 7;
    pub(crate) const TX_SCHED: u32 = 1 << 8;
    pub(crate) const TX_ACK: u32 = 1 << 9;
    pub(crate) const OPT_CMSG: u32 = 1 << 10;
    pub(crate) const OPT_TSONLY: u32 = 1 << 11;
    pub(crate) const OPT_ID_TCP: u32 = 1 << 16;
    /// All that is known here; the others are hardware's, or of drivers.
    pub(crate) const KNOWN: u32 =
        TX_SOFTWARE | RX_SOFTWARE | SOFTWARE | OPT_ID | TX_SCHED | TX_ACK | OPT_CMSG | OPT_TSONLY | OPT_ID_TCP;
    /// What asks for stamps of what is sent.
    pub(crate) const TX: u32 = TX_SOFTWARE | TX_SCHED | TX_ACK;
}

/// `SCM_TSTAMP_*`: which event a stamp is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stamp {
    /// It was handed to the device by the driver.
    Sent = 0,
    /// It entered the queue in front of the device: the same moment here.
    Scheduled = 1,
    /// The peer acknowledged it.
    Acknowledged = 2,
}

/// An entry of the error queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum QueuedError {
    /// An ICMP error: type and code, what it says besides, and where the datagram was going.
    Icmp { errno: Errno, icmp: (u8, u8), info: u32, destination: SocketAddr },
    /// Writes with `MSG_ZEROCOPY`, from the first to the last of them.
    ZeroCopy { first: u32, last: u32 },
    /// The last byte of a write; its number, if `OPT_ID` asks for it.
    Stamp { stamp: Stamp, id: u32, at: Instant, truncated: bool },
}

/// A write whose notices are not due yet. Positions count the stream's bytes from its beginning.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// Behind its last byte.
    end: u64,
    /// Its number among those with `MSG_ZEROCOPY`.
    zero_copy: Option<u32>,
    /// What of it is still to be stamped.
    stamps: u32,
    /// What its stamps say of it.
    id: u32,
    truncated: bool,
}

/// What a stream socket has asked to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notices {
    /// `SO_ZEROCOPY`.
    pub(crate) zero_copy: bool,
    /// The number of the next write with `MSG_ZEROCOPY`.
    next: u32,
    /// `SO_TIMESTAMPING`.
    pub(crate) flags: u32,
    /// From where `OPT_ID` counts.
    base: u64,
    pending: VecDeque<Pending>,
}

impl Notices {
    /// What a connection starts with that a listener with these accepted.
    pub(crate) fn inherited(&self) -> Self {
        Self { zero_copy: self.zero_copy, flags: self.flags, ..Self::default() }
    }

    /// New flags. What `OPT_ID` counts begins where the stream is now.
    pub(crate) fn set_flags(&mut self, flags: u32, progress: Option<Progress>) {
        if flags & stamping::OPT_ID != 0 && self.flags & stamping::OPT_ID == 0 {
            let from_written = flags & stamping::OPT_ID_TCP != 0;
            self.base = progress.map_or(0, |progress| if from_written { progress.written } else { progress.acked });
        }
        self.flags = flags;
    }

    /// A write up to `end` has been taken; whether there is something to wait for.
    pub(crate) fn add(&mut self, end: u64, zero_copy: bool) -> bool {
        let stamps = if self.flags & stamping::SOFTWARE == 0 { 0 } else { self.flags & stamping::TX };
        if (stamps == 0 && !zero_copy) || self.pending.len() >= MOST_PENDING {
            return false;
        }
        let has_id = self.flags & stamping::OPT_ID != 0;
        let number = zero_copy.then_some(self.next);
        self.next = self.next.wrapping_add(u32::from(zero_copy));
        self.pending.push_back(Pending {
            end,
            zero_copy: number,
            stamps,
            id: if has_id { (end - 1).wrapping_sub(self.base) as u32 } else { 0 },
            truncated: self.flags & stamping::OPT_TSONLY == 0,
        });
        true
    }

    /// What is due now; whether something remains.
    pub(crate) fn due(&mut self, now: Instant, progress: Progress, found: &mut Vec<QueuedError>) -> bool {
        for pending in &mut self.pending {
            let mut stamp = |kind: u32, stamp: Stamp, reached: u64| {
                if pending.stamps & kind != 0 && reached >= pending.end {
                    pending.stamps &= !kind;
                    found.push(QueuedError::Stamp { stamp, id: pending.id, at: now, truncated: pending.truncated });
                }
            };
            stamp(stamping::TX_SCHED, Stamp::Scheduled, progress.sent);
            stamp(stamping::TX_SOFTWARE, Stamp::Sent, progress.sent);
            stamp(stamping::TX_ACK, Stamp::Acknowledged, progress.acked);
        }
        while let Some(pending) = self.pending.front()
            && progress.acked >= pending.end
        {
            found.extend(pending.zero_copy.map(|number| QueuedError::ZeroCopy { first: number, last: number }));
            self.pending.pop_front();
        }
        !self.pending.is_empty()
    }
}
