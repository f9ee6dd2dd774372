//! What recovery tells others: what may go out, what goes out again, when it wants to be called, and how it stands. Nothing here
//! changes anything.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::episode::{DUP_THRESH, Episode};
use super::rate::Sampler;
use super::{Outstanding, Phase, Recovery, RttEstimator, Stats};
use crate::reason::{LossReason, TimerKind};

impl Recovery {
    /// The first range believed lost and not retransmitted since. The caller sends as much of it as
    /// [`quota`](Self::quota) allows, from its start, and reports it with [`on_sent`](Self::on_sent).
    #[must_use]
    pub fn next_lost(&self) -> Option<Range<Position>> {
        self.ring.first_lost(self.episode.as_deref()?.hint)
    }

    /// Why data was last believed lost; for the trace.
    #[must_use]
    pub fn loss_reason(&self) -> Option<LossReason> {
        self.episode.as_deref().map(|episode| episode.reason)
    }

    /// Bytes believed to be in the network (RFC 6675 4, pipe). Without SACK each duplicate acknowledgement takes out
    /// one segment.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let guessed = self.episode.as_deref().map_or(0, |episode| episode.guessed);
        (self.ring.outstanding() - self.ring.sacked() - self.ring.lost()).saturating_sub(guessed)
    }

    /// SND.NXT - SND.UNA, as far as sent.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.ring.outstanding()
    }

    /// Whether everything sent is acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ring.outstanding() == 0
    }

    /// Whether nothing is amiss: nothing to retransmit, and no sign that there may be.
    #[inline]
    #[must_use]
    pub const fn is_calm(&self) -> bool {
        self.episode.is_none()
    }

    /// Bytes that may go out now, new or retransmitted, where the congestion window is `cwnd`. In fast recovery
    /// `cwnd` is taken as the window to arrive at (ssthresh), and the answer follows RFC 9937. Send whole segments.
    ///
    /// Limited transmit (RFC 3042; RFC 5681 3.2, RFC5681-3.2-1) needs no rule of its own: the first two duplicate
    /// acknowledgements take a segment each out of what is in flight.
    #[must_use]
    pub fn quota(&self, cwnd: u64) -> u64 {
        let (in_flight, mss) = (self.in_flight(), u64::from(self.mss));
        let quota = match self.episode.as_deref() {
            Some(episode) if self.spreads(episode) && !self.is_modelled() => {
                episode.prr.quota(cwnd, in_flight, mss, self.counts_segments())
            }
            _ => cwnd.saturating_sub(in_flight),
        };
        // With nothing in flight no ACK will come to allow more; the timer would have to. And what the timer asks for
        // goes out, whatever has not been given up yet.
        let owed = self.episode.as_deref().is_some_and(|episode| episode.owed);
        if in_flight == 0 || owed { quota.max(mss) } else { quota }
    }

    /// Whether the window falls with the ACKs (RFC 9937): in fast recovery, and after a mark where that was asked for.
    pub(super) fn spreads(&self, episode: &Episode) -> bool {
        self.phase == Phase::FastRecovery || episode.reducing.is_some()
    }

    /// Whether it does so although nothing was lost.
    #[must_use]
    pub fn is_reducing(&self) -> bool {
        self.episode.as_deref().is_some_and(|episode| episode.reducing.is_some())
    }

    pub(super) fn is_modelled(&self) -> bool {
        self.rate.as_deref().is_some_and(|rate| rate.modelled)
    }

    /// When the retransmission timer runs out; `None` while it is off.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.deadline != Instant::MAX).then_some(self.deadline)
    }

    /// The timer that runs out first, and when: for [`TimerKind::Reordering`] call
    /// [`on_reordering_timeout`](Self::on_reordering_timeout), for [`TimerKind::TailLossProbe`]
    /// [`on_probe_timeout`](Self::on_probe_timeout), for [`TimerKind::Retransmit`] [`on_timeout`](Self::on_timeout).
    #[must_use]
    pub fn alarm(&self) -> Option<(Instant, TimerKind)> {
        let reorder_at = self.episode.as_deref().map_or(Instant::MAX, |episode| episode.reorder_at);
        let first = if reorder_at <= self.probe_at.min(self.deadline) {
            (reorder_at, TimerKind::Reordering)
        } else if self.probe_at <= self.deadline {
            (self.probe_at, TimerKind::TailLossProbe)
        } else {
            (self.deadline, TimerKind::Retransmit)
        };
        (first.0 != Instant::MAX).then_some(first)
    }

    /// Retransmission time-outs since SND.UNA last advanced: to compare with R1 and R2 (RFC 9293 3.8.3, MUST-20).
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
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
    pub const fn lost(&self) -> u64 {
        self.ring.lost()
    }

    /// Bytes that SACK reported and SEG.ACK does not cover yet.
    #[must_use]
    pub const fn sacked(&self) -> u64 {
        self.ring.sacked()
    }

    /// What is outstanding, in segments of the current size; `fin` is where our FIN lies, once it is known. For people:
    /// it looks at everything that was sent.
    #[must_use]
    pub fn outstanding_segments(&self, fin: Option<Position>) -> Outstanding {
        let mut sum = self.ring.segments(self.mss.into(), fin);
        let Some(episode) = self.episode.as_deref() else { return sum };
        sum.sacked += episode.guessed.div_ceil(self.mss.into());
        if episode.has_probe_again() {
            // A probe says nothing of what it repeats.
            sum.retrans = sum.retrans.saturating_sub(1);
        }
        if matches!(self.phase, Phase::FastRecovery | Phase::Timeout) {
            sum.lost += sum.retrans;
        }
        sum
    }

    /// Duplicate acknowledgements since SND.UNA advanced (RFC 6675 2).
    #[must_use]
    pub fn duplicate_acks(&self) -> u32 {
        self.episode.as_deref().map_or(0, |episode| episode.dup_acks)
    }

    /// How far out of order, in segments, the path is taken to deliver; 3 until seen otherwise (RFC 6675's DupThresh).
    #[must_use]
    pub const fn reordering(&self) -> u32 {
        self.reordering as u32
    }

    /// Whether the path was seen to deliver further out of order than that.
    pub(crate) const fn is_reordered(&self) -> bool {
        self.reordering > DUP_THRESH as u16
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Bytes of heap memory held.
    #[must_use]
    pub fn memory(&self) -> usize {
        let episode = self.episode.as_deref().map_or(0, |episode| size_of::<Episode>() + episode.copies.memory());
        self.ring.memory() + episode + self.rate.as_deref().map_or(0, Sampler::memory)
    }
}

/// An idle connection must fit in 1 KiB with all that belongs to it; this is one of its larger parts.
const _: () = assert!(size_of::<Recovery>() <= 184);
