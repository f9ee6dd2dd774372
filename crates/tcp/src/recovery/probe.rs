//! The tail loss probe: where the last segments of a flight are lost, nothing arrives that could tell, so one more is
//! sent to bring an answer (RFC 8985 7, TLP).
//!
//! It decides when to probe, and what the answer says. Which segment the probe is, the connection decides.

use core::ops::Range;

use alloc::boxed::Box;
use bowline_base::{Instant, Position, Span};

use super::ack::Work;
use super::episode::Episode;
use super::{Ack, Phase, Recovery};
use crate::reason::LossReason;

/// TLP.max_ack_delay: how long a peer may keep the acknowledgement of a single segment to itself, in nanoseconds. As
/// Linux.
const MAX_ACK_DELAY: u64 = 200_000_000;
/// What is added where more is in flight: the peer's threads have to run, too; in nanoseconds. As Linux with a clock of
/// 1000 Hz.
const SLACK: u64 = 2_000_000;
/// The time before a probe when there is no round-trip time, in nanoseconds (RFC 8985 7.2).
const INITIAL: u64 = 1_000_000_000;

/// A probe.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Probe {
    /// To be sent.
    Due,
    /// In flight; it ends at TLP.end_seq.
    Sent {
        range: Range<Position>,
        /// TLP.is_retrans.
        resent: bool,
    },
}

impl Recovery {
    /// Starts the timer anew, or stops it where something else will bring an answer (RFC 8985 7.2).
    pub(super) fn arm_probe(&mut self, now: Instant) {
        self.probe_at = Instant::MAX;
        let elsewhere = self.ring.sacked() > 0 || self.ring.lost() > 0;
        if !self.probes || !self.sack || self.phase != Phase::Open || elsewhere || !self.sampled || self.is_idle() {
            return;
        }
        if self.episode.as_deref().is_some_and(|episode| episode.probe.is_some()) {
            return;
        }
        let one = self.ring.outstanding() <= u64::from(self.mss);
        let wait = match self.rtt.srtt_nanos() {
            0 => INITIAL,
            srtt => srtt * 2 + if one { MAX_ACK_DELAY } else { SLACK },
        };
        self.probe_at = (now + Span::from_nanos(wait)).min(self.deadline);
    }

    /// The time of a probe has come: [`is_probe_due`](Self::is_probe_due) until one was sent.
    pub fn on_probe_timeout(&mut self) {
        self.probe_at = Instant::MAX;
        if self.phase == Phase::Open && !self.is_idle() {
            let ring = &self.ring;
            let episode = self.episode.get_or_insert_with(|| Box::new(Episode::new(ring)));
            episode.probe.get_or_insert(Probe::Due);
        }
    }

    /// Whether a probe is to be sent: a segment of new data if there is any that the peer's window lets out, however
    /// much is in flight, or [`last_segment`](Self::last_segment) again. [`on_probe_sent`](Self::on_probe_sent) hears
    /// of it.
    #[must_use]
    pub fn is_probe_due(&self) -> bool {
        self.episode.as_deref().is_some_and(|episode| episode.probe == Some(Probe::Due))
    }

    /// The last segment sent.
    #[must_use]
    pub fn last_segment(&self) -> Range<Position> {
        self.ring.last(self.mss.into())
    }

    /// The probe went out (RFC 8985 7.3). `resent`: as [`on_sent`](Self::on_sent)'s `retransmit`.
    #[inline(never)]
    pub fn on_probe_sent(&mut self, now: Instant, range: Range<Position>, resent: bool) {
        self.on_sent(now, range.clone(), resent);
        if let Some(episode) = self.episode.as_deref_mut() {
            episode.probe = Some(Probe::Sent { range, resent });
        }
        self.sampled = false;
        self.rearm(now);
    }

    /// Another way to an answer has been taken: no probe any more (RFC 8985 7.1).
    pub(super) fn stop_probing(&mut self, episode: &mut Episode) {
        episode.probe = None;
        self.probe_at = Instant::MAX;
    }

    /// What the ACK says about the probe (RFC 8985 7.4.2, TLP_process_ack).
    pub(super) fn judge_probe(&self, ack: &Ack<'_>, episode: &mut Episode, work: &mut Work) {
        let Some(Probe::Sent { range, resent }) = &episode.probe else {
            // It is no longer needed.
            if work.advanced || work.delivery.sacked > 0 {
                episode.probe = None;
            }
            return;
        };
        if work.una < range.end {
            return;
        }
        let twice = work.duplicate.as_ref().is_some_and(|duplicate| duplicate.end == range.end);
        let repeated = !work.advanced && ack.sack.is_empty() && !ack.has_data && !ack.window_changed;
        if *resent && !twice && !repeated {
            if work.una == range.end {
                return;
            }
            // Only one of the two arrived: the probe has repaired a loss.
            work.outcome.lost.get_or_insert((range.clone(), LossReason::TailLossProbe));
            work.outcome.repaired_by_probe = true;
        }
        episode.probe = None;
    }
}
