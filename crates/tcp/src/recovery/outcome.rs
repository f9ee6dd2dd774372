//! The plain values that pass between recovery, the connection and the congestion controller.

use core::ops::Range;
use core::time::Duration;

use bowline_base::Position;

use crate::reason::{LossReason, RecoveryChange};

/// What an acceptable ACK says, as far as recovery is concerned.
#[derive(Clone, Debug)]
pub struct Ack<'a> {
    /// SEG.ACK. Values outside of SND.UNA..=SND.NXT are taken as SND.UNA.
    pub ack: Position,
    /// The SACK blocks, in the order received. What lies outside of `ack`..SND.NXT is ignored.
    pub sack: &'a [Range<Position>],
    /// The round-trip time by the timestamp's echo (RFC 7323 4), if there was one. Granularity 1 ms.
    pub echo_rtt: Option<Duration>,
    /// Whether the segment carried data, a SYN or a FIN: then it is no duplicate acknowledgement (RFC 5681 2).
    pub has_data: bool,
    /// Whether it changed the send window: then it is no duplicate acknowledgement (RFC 5681 2).
    pub window_changed: bool,
}

/// What an ACK did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AckOutcome {
    /// Positions newly covered by SEG.ACK, those that SACK had reported before among them.
    pub newly_acked: u64,
    /// Positions newly reported by SACK.
    pub newly_sacked: u64,
    /// Positions that left the network by this ACK: what a controller counts and PRR calls DeliveredData.
    pub delivered: u64,
    /// Positions that this ACK made us believe lost.
    pub newly_lost: u64,
    /// The round-trip time of the newest data it acknowledges; `None` where Karn's rule forbids to take one.
    pub rtt: Option<Duration>,
    /// Bytes believed in flight before it.
    pub prior_in_flight: u64,
    /// FlightSize before it (RFC 5681 2): what was sent and not acknowledged cumulatively. A reduction goes by it, not
    /// by what is believed in flight: the ACKs that make a loss known have shrunk that already.
    pub flight_size: u64,
    /// Whether recovery began, ended or was undone. [`RecoveryChange::FastRecovery`] while in recovery: the old one
    /// ended and the next began with the same ACK.
    pub change: Option<RecoveryChange>,
    /// Whether it was a duplicate acknowledgement (RFC 5681 2, RFC 6675 2).
    pub duplicate: bool,
    /// The first range believed lost by it, and why; for the trace.
    pub lost: Option<(Range<Position>, LossReason)>,
    /// A tail loss probe was needed and has repaired what was lost: that is congestion, but no recovery (RFC 8985
    /// 7.4.2).
    pub repaired_by_probe: bool,
    /// Nothing can prove any more that the last reduction of the window was needless.
    pub settled: bool,
}

impl AckOutcome {
    /// Whether nothing was lost by it, and recovery neither began nor ended.
    pub(crate) const fn is_uneventful(&self) -> bool {
        self.lost.is_none() && self.change.is_none() && !self.repaired_by_probe && !self.settled
    }
}

/// What the retransmission timer did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TimeoutOutcome {
    /// FlightSize (RFC 5681 2): what was sent and not acknowledged cumulatively.
    pub flight_size: u64,
    /// Positions that it made us believe lost.
    pub newly_lost: u64,
    /// The first range of them; for the trace.
    pub lost: Option<Range<Position>>,
    /// Whether it is the first for this data: only then the controller lowers ssthresh (RFC 5681 3.1).
    pub first: bool,
}

/// What is outstanding, in segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outstanding {
    /// Sent and not acknowledged cumulatively.
    pub unacked: u64,
    /// Of these, reported by SACK; without SACK, what duplicate acknowledgements stand for.
    pub sacked: u64,
    /// Believed lost, whether sent again since or not.
    pub lost: u64,
    /// Sent again, and neither acknowledged nor lost again.
    pub retrans: u64,
}

/// Where loss recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Phase {
    /// Nothing is amiss.
    #[default]
    Open,
    /// Duplicate acknowledgements or SACK blocks came, too few to believe in a loss.
    Disorder,
    /// Fast recovery (RFC 6582, RFC 6675).
    FastRecovery,
    /// Recovery after the retransmission timer ran out.
    Timeout,
}
