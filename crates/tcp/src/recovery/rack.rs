//! What is lost, by time: a segment is, if one that was sent later has arrived and the path has had time to reorder
//! them (RFC 8985 6.2, RACK).
//!
//! It decides how long that time is, adapts it to what duplicate SACKs tell (RFC 2883), and says when to look again
//! although no ACK came. Equal times are told apart by their places in the stream, since a clock may be coarse.

use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position};

use super::ack::Work;
use super::episode::{DUP_THRESH, Episode};
use super::probe::Probe;
use super::ring::Transmission;
use super::{AckOutcome, Phase, REPLICATED, Recovery};
use crate::reason::LossReason;

/// Recoveries without a duplicate SACK after which the reordering window is as narrow again as at the beginning.
const REO_WND_PERSIST: u8 = 16;

/// RACK.segment: the newest transmission that is known to have arrived.
#[derive(Clone, Copy, Hash, Debug)]
pub(super) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq.
    newest: Transmission,
    /// RACK.rtt: the round-trip time of what arrived last.
    rtt: Duration,
}

impl Rack {
    pub(super) const fn new(una: Position) -> Self {
        Self { newest: (Instant::ZERO, 0, una), rtt: Duration::ZERO }
    }

    /// RFC 8985 6.2, step 2.
    pub(super) fn on_delivered(&mut self, now: Instant, newest: Option<Transmission>) {
        let Some(newest) = newest else { return };
        self.rtt = now.since(newest.0);
        self.newest = self.newest.max(newest);
    }
}

/// RACK.reo_wnd_mult and RACK.reo_wnd_persist.
#[derive(Clone, Copy, Hash, Debug)]
pub(super) struct ReorderingWindow {
    quarters: u8,
    persist: u8,
}

impl ReorderingWindow {
    pub(super) const fn new() -> Self {
        Self { quarters: 1, persist: 0 }
    }

    /// RACK.reo_wnd_mult.
    pub(super) const fn quarters(self) -> u32 {
        self.quarters as u32
    }

    /// A round trip in which duplicate SACKs told of needless retransmissions.
    pub(super) const fn widen(&mut self) {
        self.quarters = self.quarters.saturating_add(1);
        self.persist = REO_WND_PERSIST;
    }

    /// A recovery ended.
    pub(super) const fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.quarters = 1;
        }
    }
}

impl Recovery {
    /// RACK.reo_wnd (RFC 8985 6.2, step 4).
    fn reo_wnd(&self, episode: &Episode) -> Duration {
        if self.stats.reordered == 0 && (self.is_recovering() || self.has_dup_thresh(episode)) {
            return Duration::ZERO;
        }
        let least = self.rtt.min_rtt().unwrap_or_default();
        let most = self.rtt.srtt().unwrap_or_default();
        // Two events closer together than the clock can tell may be stamped a tick apart.
        (least * self.reo_wnd.quarters() / 4).min(most) + self.clock_granularity()
    }

    /// How long after it was sent a segment is lost, if one that was sent later has arrived.
    pub(super) fn patience(&self, episode: &Episode) -> Duration {
        let known = episode.rack.newest.0 != Instant::ZERO;
        let rtt = if known { episode.rack.rtt } else { self.rtt.srtt().unwrap_or_default() };
        rtt + self.reo_wnd(episode)
    }

    fn is_recovering(&self) -> bool {
        matches!(self.phase, Phase::FastRecovery | Phase::Timeout)
    }

    /// Whether SACK has reported DupThresh segments: full ones by their bytes, small ones by their ACKs.
    fn has_dup_thresh(&self, episode: &Episode) -> bool {
        episode.dup_acks >= DUP_THRESH || self.ring.sacked() > u64::from(DUP_THRESH - 1) * u64::from(self.mss)
    }

    /// Copies sent later than these instants may not be what an ACK is about: acknowledged ones, and those that SACK
    /// reports (RFC 8985 6.2, step 2: by the echo, which only ACKs that advance have, and by the least round-trip
    /// time).
    pub(super) fn ambiguous_after(&self, now: Instant, echo_rtt: Option<Duration>) -> [Instant; 2] {
        let by_rtt = now - self.rtt.min_rtt().unwrap_or_default();
        let by_echo = echo_rtt.map_or(now, |echo| now - echo + super::ECHO_GRANULARITY);
        [by_rtt.min(by_echo), by_rtt]
    }

    /// RACK_detect_loss (RFC 8985 6.2, step 5), and when to do it again.
    ///
    /// The timer waits for the first segment whose time is not up yet, where RFC 8985 would have it wait for the last.
    pub(super) fn detect_losses(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        episode.reorder_at = Instant::MAX;
        if !self.sack || episode.rack.newest.0 == Instant::ZERO {
            return;
        }
        let patience = self.patience(episode);
        let cutoff = now - patience;
        let newest = episode.rack.newest;
        let (losses, judged, mut waits) = self.ring.lose_originals_before(episode.judged, newest, cutoff);
        episode.judged = judged;
        let by_count = !self.is_recovering() && patience == episode.rack.rtt;
        work.note_lost(losses, if by_count { LossReason::Sack } else { LossReason::Rack });
        while let Some(copy) = episode.copies.front() {
            let Some(end) = self.ring.first_of_copy(copy) else {
                episode.copies.pop();
                continue;
            };
            if (copy.sent_at, copy.run, end) >= newest {
                break;
            }
            if copy.sent_at > cutoff {
                waits = waits.into_iter().chain([copy.sent_at]).min();
                break;
            }
            work.lost_copy = work.lost_copy.max(Some(copy.sent_at));
            work.note_lost(self.ring.lose_copy(copy, newest), LossReason::Rack);
        }
        episode.reorder_at = waits.map_or(Instant::MAX, |sent_at| sent_at + patience);
    }

    /// The reordering timer ran out: the time of a segment is up, and no ACK came.
    pub fn on_reordering_timeout(&mut self, now: Instant) -> AckOutcome {
        let mut work = Work::new(self);
        let Some(mut boxed) = self.episode.take() else { return work.outcome };
        let episode = &mut *boxed;
        self.detect_losses(now, episode, &mut work);
        self.react_to_losses(now, episode, &mut work);
        episode.hint = work.lowest_lost.map_or(episode.hint, |lowest| episode.hint.min(lowest));
        self.episode = Some(boxed);
        self.take_rate_of(now, &work);
        work.outcome
    }

    /// A duplicate SACK tells that something we retransmitted was not needed (RFC 8985 6.2, step 4).
    ///
    /// As in Linux: no more of them than we have sent copies, since networks duplicate too; and not those of probes. Once the peer has
    /// got twice what was sent once, nothing more is concluded from any of them (RFC 3708 3, step A.4).
    pub(super) fn on_duplicate_sack(&mut self, episode: &mut Episode, duplicate: &Range<Position>, work: &mut Work) {
        let segments = duplicate.end.since(duplicate.start).div_ceil(u64::from(self.mss));
        self.stats.duplicates = self.stats.duplicates.saturating_add(u32::try_from(segments).unwrap_or(u32::MAX));
        if self.ring.is_sent_once(duplicate) {
            self.unanswered = REPLICATED;
        }
        let believed = Some(u64::from(self.unanswered)).filter(|_| self.unanswered != REPLICATED);
        let Some(left) = believed.and_then(|copies| copies.checked_sub(segments)) else {
            work.duplicate = None;
            return;
        };
        self.unanswered = u16::try_from(left).unwrap_or(u16::MAX);
        let by_probe = matches!(&episode.probe, Some(Probe::Sent { range, .. }) if range.end == duplicate.end);
        if !by_probe {
            self.give_more_time(episode);
        }
    }

    /// What was believed lost had only been late: the path gets more time to reorder, once a round trip. RFC 8985 6.2 hears
    /// of it from duplicate SACKs alone; where the original arrives before its copy is sent, none will come.
    pub(super) fn give_more_time(&mut self, episode: &mut Episode) {
        if episode.dsack_round <= self.ring.una() {
            episode.dsack_round = self.ring.nxt();
            self.reo_wnd.widen();
        }
    }
}
