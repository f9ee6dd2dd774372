//! The one event stream that diagrams, captures, tables and plots are drawn from. Free when nobody listens.

use alloc::collections::VecDeque;
use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position};
use bowline_wire::tcp::TcpHeader;

use crate::reason::{DropReason, Hold, LossReason, RecoveryChange, SendReason, TimerKind};
use crate::state::{Cause, State};
use crate::{ConnectionError, FourTuple};

/// One thing that happened, and where.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// On which connection. A later incarnation of the same four-tuple has another `id`.
    pub tuple: FourTuple,
    /// The connection's number, counted from 1 for an endpoint; 0 for what belongs to no connection.
    pub id: u64,
    /// What.
    pub what: Trace,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Trace {
    /// The state moved along an arrow of the table.
    State {
        /// The state before.
        from: State,
        /// The state after.
        to: State,
        /// The arrow's label.
        cause: Cause,
    },
    /// A segment was handed to the device.
    Sent {
        /// Its header.
        header: TcpHeader,
        /// Its payload length in bytes; more than an MSS for a super-segment.
        len: u32,
        /// Why it was sent.
        why: SendReason,
        /// Whether it had been sent before: what [`Counters::retrans_segs`](crate::Counters::retrans_segs) counts. A tail loss
        /// probe may be either (RFC 8985 7.3).
        again: bool,
        /// Our state as it left.
        state: State,
    },
    /// A segment arrived.
    Received {
        /// Its header.
        header: TcpHeader,
        /// Its payload length in bytes.
        len: u32,
        /// `None` if it was acceptable and processed.
        dropped: Option<DropReason>,
        /// Our state before it was processed.
        state: State,
    },
    /// What keeps data in the send queue from leaving; reported when it changes.
    Held(Hold),
    /// Data is believed lost.
    Lost {
        /// Positions in the send stream.
        range: Range<Position>,
        /// What made us believe it.
        why: LossReason,
    },
    /// Loss recovery began, ended or was undone.
    Recovery(RecoveryChange),
    /// What the congestion controller and the estimator think now; reported when it changes.
    Congestion {
        /// Congestion window in bytes.
        cwnd: u64,
        /// Slow-start threshold in bytes; `u64::MAX` for none yet.
        ssthresh: u64,
        /// Bytes believed to be in flight.
        in_flight: u64,
        /// Smoothed round-trip time; `None` before the first sample.
        srtt: Option<Duration>,
        /// The retransmission time-out, without backoff.
        rto: Duration,
        /// The rate at which data leaves, in bytes a second; `None` where nothing but the window limits it.
        pacing_rate: Option<u64>,
        /// Where a controller stands that models the path, in its own words, and the bandwidth it believes in, in bytes a second.
        model: Option<(&'static str, u64)>,
    },
    /// The size of packets changed, or the bound of the search for it (RFC 4821).
    PathMtu {
        /// What segments fit now, in bytes with all headers.
        mtu: u16,
        /// The largest that may still be tried.
        most: u16,
    },
    /// A timer fired.
    Timer(TimerKind),
    /// The connection ended early.
    Ended(ConnectionError),
}

/// The bounded queue of records between the endpoint and its reader.
#[derive(Clone, Debug, Default)]
pub struct TraceQueue {
    records: VecDeque<Record>,
    enabled: bool,
    limit: usize,
    lost: u64,
}

impl TraceQueue {
    /// A queue of at most `limit` records, switched off.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { records: VecDeque::new(), enabled: false, limit, lost: 0 }
    }

    /// Starts or stops recording. Stopping forgets what was not read.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
        if !enabled {
            self.records = VecDeque::new();
        }
    }

    /// Whether anybody listens. Ask before building a record.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Adds a record, or counts it as lost where the reader is too slow.
    pub fn push(&mut self, record: Record) {
        if !self.enabled {
            return;
        }
        if self.records.len() < self.limit {
            self.records.push_back(record);
        } else {
            self.lost += 1;
        }
    }

    /// The oldest record not read yet.
    pub fn pop(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    /// How many records were lost because nobody read them in time.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}
