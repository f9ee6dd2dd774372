//! What is in flight, what of it is lost, and when to give up waiting: the sender's memory of what it sent.
//!
//! It decides what is believed lost (duplicate acknowledgements, RFC 5681 3.2 and 6582; SACK, RFC 6675; the
//! retransmission timer, RFC 6298), how much may go out while it is being repaired (RFC 3042 and 9937), and whether the
//! belief was wrong (RFC 3522 and 5682). It knows positions and times only: no segment, no buffer, no congestion window.

mod outcome;
mod rtt;

pub use outcome::{Ack, AckOutcome, Phase, TimeoutOutcome};
pub use rtt::RttEstimator;

use core::ops::Range;

use bowline_base::{Instant, Position};

use crate::Options;
use crate::reason::LossReason;

/// The sender's memory of what it sent, from SND.UNA to SND.NXT.
#[derive(Debug)]
pub struct Recovery {
    una: Position,
    nxt: Position,
    mss: u32,
    phase: Phase,
    rtt: RttEstimator,
    stats: Stats,
}

/// What recovery has counted since the connection began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Times that fast recovery began.
    pub recoveries: u32,
    /// Times that the retransmission timer ran out.
    pub timeouts: u32,
    /// Recoveries that proved needless.
    pub undone: u32,
    /// Calls of `on_sent` with `retransmit`.
    pub retransmissions: u64,
    /// Bytes retransmitted.
    pub retransmitted: u64,
}

impl Recovery {
    /// Nothing sent yet; the first position to be sent is `iss`.
    #[must_use]
    pub fn new(options: &Options, iss: Position) -> Self {
        Self {
            una: iss,
            nxt: iss,
            mss: 536,
            phase: Phase::Open,
            rtt: RttEstimator::new(options.min_rto, options.max_rto),
            stats: Stats::default(),
        }
    }

    /// Whether the peer sends SACK blocks. Without this call it is found out by the first block.
    pub fn set_sack(&mut self, sack: bool) {
        let _ = sack;
    }

    /// The payload bytes of a full segment; 536 until called.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = mss.max(1);
    }

    /// What the handshake said before this value existed (passive opens): the round-trip time of our SYN-ACK, or that
    /// it had to be retransmitted, so that there is none (RFC 6298 5.7).
    pub fn on_handshake(&mut self, now: Instant, rtt: Option<core::time::Duration>) {
        match rtt {
            Some(rtt) => self.rtt.on_sample(now, rtt),
            None => self.rtt.on_syn_lost(),
        }
    }

    /// `range` was handed to the device. `retransmit`: all of it had been sent before.
    pub fn on_sent(&mut self, now: Instant, range: Range<Position>, retransmit: bool) {
        let _ = (now, retransmit);
        self.nxt = self.nxt.max(range.end);
    }

    /// An ACK that passed the checks of RFC 9293 3.10.7.4 arrived.
    pub fn on_ack(&mut self, now: Instant, ack: &Ack<'_>) -> AckOutcome {
        let _ = now;
        self.una = self.una.max(ack.ack);
        AckOutcome::default()
    }

    /// The retransmission timer ran out: what is outstanding and not known to have arrived is believed lost, and the
    /// time-out doubles.
    pub fn on_timeout(&mut self, now: Instant) -> TimeoutOutcome {
        let _ = now;
        TimeoutOutcome::default()
    }

    /// The path carries segments of at most `mss` payload bytes now: what was sent larger since the oldest outstanding
    /// position is believed lost and must be cut anew, without a reduction of the window (RFC 1191 6.5).
    /// Returns the bytes believed lost by it.
    pub fn on_path_mtu(&mut self, now: Instant, mss: u32) -> u64 {
        let _ = now;
        self.set_mss(mss);
        0
    }

    /// The first range believed lost and not retransmitted since. The caller sends at most `quota` bytes of it, from
    /// its start, and reports them with [`on_sent`](Self::on_sent).
    #[must_use]
    pub fn next_lost(&self) -> Option<Range<Position>> {
        None
    }

    /// Why what is retransmitted now is retransmitted; for the trace.
    #[must_use]
    pub fn loss_reason(&self) -> LossReason {
        LossReason::Sack
    }

    /// When nothing is believed lost and no new data can go out although `quota` allows it in fast recovery: a segment
    /// whose loss nobody reported yet (RFC 6675 4, NextSeg rules 3 and 4). Report it with `retransmit`.
    #[must_use]
    pub fn next_rescue(&self) -> Option<Range<Position>> {
        None
    }

    /// Bytes believed to be in the network (RFC 6675 4, pipe).
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.nxt.since(self.una)
    }

    /// SND.NXT - SND.UNA, as far as sent.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.nxt.since(self.una)
    }

    /// Whether everything sent is acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.outstanding() == 0
    }

    /// Bytes that may go out now, new or retransmitted, where the congestion window is `cwnd`. In fast recovery
    /// `cwnd` is taken as the window to arrive at (ssthresh), and the answer follows RFC 9937. Send whole segments.
    #[must_use]
    pub fn quota(&self, cwnd: u64) -> u64 {
        cwnd.saturating_sub(self.in_flight())
    }

    /// When the retransmission timer runs out; `None` while it is off.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Starts the retransmission timer anew if anything is outstanding: the window opened, the path changed.
    pub fn rearm(&mut self, now: Instant) {
        let _ = now;
    }

    /// Retransmission time-outs since SND.UNA last advanced: to compare with R1 and R2 (RFC 9293 3.8.3).
    #[must_use]
    pub fn retries(&self) -> u8 {
        0
    }

    /// The round-trip time and the time-out.
    #[must_use]
    pub const fn rtt(&self) -> &RttEstimator {
        &self.rtt
    }

    /// Where loss recovery stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Bytes believed lost and not retransmitted yet.
    #[must_use]
    pub fn lost(&self) -> u64 {
        0
    }

    /// Bytes that SACK reported.
    #[must_use]
    pub fn sacked(&self) -> u64 {
        0
    }

    /// How far out of order, in segments, the path was seen to deliver; 3 until seen (RFC 6675's DupThresh).
    #[must_use]
    pub fn reordering(&self) -> u32 {
        3
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Bytes of heap memory held.
    #[must_use]
    pub fn memory(&self) -> usize {
        0
    }
}
