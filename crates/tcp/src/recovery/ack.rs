//! What an acknowledgement says: the scoreboard is brought up to date, and what is believed lost with it.
//!
//! RFC 5681 3.2 (fast retransmit), 6582 (without SACK), 6675 4 (with SACK: Update), 8985 (with SACK: what is lost),
//! 2883 (duplicate SACKs), and the samples of RFC 6298 3. That losses begin a recovery is `react`'s.

use alloc::boxed::Box;
use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position};

use super::episode::{DUP_THRESH, Episode};
use super::ring::{Delivery, Losses, Transmission};
use super::{Ack, AckOutcome, ECHO_GRANULARITY, Phase, Recovery};
use crate::reason::{LossReason, RecoveryChange};

/// SACK blocks looked at in one ACK: no more fit in its options (RFC 2018 3).
const MAX_BLOCKS: usize = 4;
/// The largest reordering believed, in segments (Linux `tcp_max_reordering`).
const MAX_REORDERING: u64 = 300;

/// What is known of an ACK, or of a timer, while it is being worked on.
pub(super) struct Work {
    pub(super) una: Position,
    pub(super) advanced: bool,
    /// When what was the first hole before it was sent again, if it was.
    pub(super) copied_at: Option<Instant>,
    pub(super) delivery: Delivery,
    /// What the peer received twice (RFC 2883).
    pub(super) duplicate: Option<Range<Position>>,
    /// Nobody can tell whether it answers an original, late, or a copy of what had arrived before, whose first ACK was lost.
    pub(super) untimed: bool,
    /// The end of what SACK had reported before it.
    pub(super) highest: Option<Position>,
    /// The lowest position that it made us believe lost.
    pub(super) lowest_lost: Option<Position>,
    /// When the last copy that is believed lost had been sent.
    pub(super) lost_copy: Option<Instant>,
    /// All that it made us believe lost.
    pub(super) losses: Losses,
    pub(super) outcome: AckOutcome,
}

impl Work {
    pub(super) fn new(recovery: &Recovery) -> Self {
        Self {
            una: recovery.ring.una(),
            advanced: false,
            copied_at: recovery.ring.first_copied_at(),
            delivery: Delivery::default(),
            duplicate: None,
            untimed: false,
            highest: None,
            lowest_lost: None,
            lost_copy: None,
            losses: Losses::default(),
            outcome: recovery.outcome(),
        }
    }

    pub(super) fn note_lost(&mut self, losses: Losses, reason: LossReason) {
        self.losses.join(&losses);
        let Some(range) = losses.first else { return };
        self.outcome.newly_lost += losses.bytes;
        self.lowest_lost = Some(self.lowest_lost.map_or(range.start, |p| p.min(range.start)));
        self.outcome.lost.get_or_insert((range, reason));
    }
}

/// The block that reports what the peer received twice, if the first one does (RFC 2883 4): below what the same segment
/// acknowledges, or within the second one. (Below SND.UNA lie also the blocks of an ACK that others have passed.)
fn duplicate_sack(ack: &Ack<'_>) -> Option<Range<Position>> {
    let first = ack.sack.first().filter(|first| first.start < first.end)?;
    let within = ack.sack.get(1).is_some_and(|second| second.start <= first.start && first.end <= second.end);
    (first.end <= ack.ack || within).then(|| first.clone())
}

impl Recovery {
    /// An ACK that passed the checks of RFC 9293 3.10.7.4 arrived.
    pub fn on_ack(&mut self, now: Instant, ack: &Ack<'_>) -> AckOutcome {
        let una = if ack.ack > self.ring.nxt() { self.ring.una() } else { ack.ack.max(self.ring.una()) };
        let advanced = una > self.ring.una();
        if self.episode.is_none() && ack.sack.is_empty() {
            if advanced {
                return self.advance(now, ack, una);
            }
            if !self.is_duplicate(ack) {
                return self.outcome();
            }
        }
        let work = Work { una, advanced, ..Work::new(self) };
        self.sort_out(now, ack, work)
    }

    /// An outcome of which nothing is known yet but what was before.
    fn outcome(&self) -> AckOutcome {
        let (prior_in_flight, flight_size) = (self.in_flight(), self.ring.outstanding());
        AckOutcome { prior_in_flight, flight_size, ..AckOutcome::default() }
    }

    /// RFC 5681 2: no data, no SYN or FIN, the same window, nothing new acknowledged, something outstanding.
    fn is_duplicate(&self, ack: &Ack<'_>) -> bool {
        !ack.has_data && !ack.window_changed && ack.ack == self.ring.una() && !self.is_idle()
    }

    /// The common case: data arrived in order, and nothing is amiss. SND.UNA advances: samples, the timer.
    fn advance(&mut self, now: Instant, ack: &Ack<'_>, una: Position) -> AckOutcome {
        let mut outcome = self.outcome();
        outcome.newly_acked = una.since(self.ring.una());
        outcome.delivered = outcome.newly_acked;
        self.retries = 0;
        let only = if self.rate.is_none() { self.ring.acknowledge_only(una) } else { None };
        match only {
            Some(at) => outcome.rtt = self.sample(now, false, Some((at, at)), ack.echo_rtt),
            None => self.advance_over(now, ack, una, &mut outcome),
        }
        // RFC 6298 5.2 and 5.3, RFC6298-5-2, RFC6298-5-3; after the sample, so that the timer runs by the newest
        // time-out.
        self.rearm(now);
        self.arm_probe(now);
        outcome
    }

    /// The samples of an ACK that covers any records, or parts of them.
    #[inline(never)]
    fn advance_over(&mut self, now: Instant, ack: &Ack<'_>, una: Position, outcome: &mut AckOutcome) {
        let mut delivery = Delivery::default();
        self.ring.acknowledge(una, &mut delivery);
        outcome.rtt = self.sample(now, delivery.resent, delivery.sent(), ack.echo_rtt);
        if self.rate.is_some() {
            self.take_rate(now, outcome.delivered, &Losses::default(), delivery.newest);
        }
    }

    /// Takes the round-trip time that the ACK gives, if it gives one. `resent`: whether it covers copies; `own`: when the oldest
    /// and the newest of what it delivers left, which was sent once; `echo`: what its timestamp says, where it advances.
    fn sample(
        &mut self,
        now: Instant,
        resent: bool,
        own: Option<(Instant, Instant)>,
        echo: Option<Duration>,
    ) -> Option<Duration> {
        if resent {
            self.rtt.on_syn_lost();
        }
        if now > self.deadline {
            // The timer would have run out before: the machine was asleep, and that is no round trip either.
            return None;
        }
        // RFC 6298 3, RFC6298-3-1, Karn's rule (RFC 9293 3.8.1, MUST-18): where a copy was acknowledged, nothing can be
        // told, neither of the data behind it, which may have waited for the copy.
        if let Some((oldest, newest)) = own.filter(|_| !resent) {
            // The oldest, because the time-out must outlast a delayed acknowledgement.
            self.rtt.on_sample(now, now.span_since(oldest));
            if newest != oldest {
                self.rtt.observe(now, now.span_since(newest));
            }
            self.sampled = true;
            return Some(now.since(newest));
        }
        // RFC 7323 4: the echo tells originals and copies apart, but only for ACKs that advance.
        let rtt = echo?.max(ECHO_GRANULARITY);
        self.rtt.on_sample(now, rtt);
        self.sampled = true;
        Some(rtt)
    }

    /// The ACK in a disorder or a recovery, or at the beginning of one.
    #[inline(never)]
    fn sort_out(&mut self, now: Instant, ack: &Ack<'_>, mut work: Work) -> AckOutcome {
        let old_una = self.ring.una();
        let mut boxed = self.episode.take().unwrap_or_else(|| Box::new(Episode::new(&self.ring)));
        let episode = &mut *boxed;
        work.highest = Some(episode.highest).filter(|&highest| highest > old_una);
        self.update_scoreboard(now, ack, episode, &mut work);
        self.count_duplicates(ack, episode, &mut work);
        self.note_reordering(&work);
        if self.is_spurious(now, ack, episode, &work) {
            self.undo(old_una, episode, &mut work);
        } else {
            self.detect_losses(now, episode, &mut work);
            self.count_losses(episode, &mut work);
            self.react_to_losses(now, episode, &mut work);
            self.step_frto(episode, &work);
        }
        self.judge_probe(ack, episode, &mut work);
        episode.hint = work.lowest_lost.map_or(episode.hint, |lowest| episode.hint.min(lowest));
        if self.phase == Phase::FastRecovery || episode.reducing.is_some() {
            let begins = work.outcome.change == Some(RecoveryChange::FastRecovery);
            let safe = work.advanced && work.outcome.newly_lost == 0 && !begins;
            episode.prr.on_ack(work.outcome.delivered, safe);
        }
        self.settle(boxed, &mut work);
        if work.advanced || self.phase != Phase::Open {
            self.arm_probe(now);
        }
        self.take_rate_of(now, &work);
        work.outcome
    }

    /// What the ACK, or the timer, says of the rate at which the path delivers.
    pub(super) fn take_rate_of(&mut self, now: Instant, work: &Work) {
        self.take_rate(now, work.outcome.delivered, &work.losses, work.delivery.newest);
    }

    /// `delivered` bytes have left the network, of which the newest transmission was this; what was believed lost by it.
    #[inline(never)]
    fn take_rate(&mut self, now: Instant, delivered: u64, losses: &Losses, newest: Option<Transmission>) {
        if let Some(rate) = self.rate.as_deref_mut() {
            rate.on_delivered(now, delivered);
            rate.on_lost(losses);
            let min_rtt = self.rtt.min_rtt().unwrap_or_default();
            rate.sample(now, delivered, newest, min_rtt);
            if self.ring.outstanding() == 0 {
                rate.on_idle();
            }
        }
    }

    /// Keeps the episode as long as anything is amiss, or may prove not to have been.
    fn settle(&mut self, mut episode: Box<Episode>, work: &mut Work) {
        let orderly = episode.dup_acks == 0 && self.ring.sacked() == 0;
        if matches!(self.phase, Phase::Open | Phase::Disorder) {
            self.phase = if orderly { Phase::Open } else { Phase::Disorder };
        }
        let una = self.ring.una();
        if episode.reducing.is_some_and(|until| until <= una) {
            episode.reducing = None;
        }
        if episode.undo.as_ref().is_some_and(|undo| undo.is_over(una)) {
            episode.undo = None;
            work.outcome.settled = true;
        }
        let calm = self.phase == Phase::Open
            && self.ring.lost() == 0
            && episode.copies.front().is_none()
            && episode.undo.is_none()
            && episode.probe.is_none()
            && episode.reducing.is_none()
            && episode.dsack_round <= una;
        if !calm {
            self.episode = Some(episode);
        }
    }

    /// RFC 6675 4, Update: what was acknowledged, cumulatively and selectively.
    fn update_scoreboard(&mut self, now: Instant, ack: &Ack<'_>, episode: &mut Episode, work: &mut Work) {
        let (una, nxt) = (work.una, self.ring.nxt());
        work.delivery.ambiguous = self.ambiguous_after(now, ack.echo_rtt.filter(|_| work.advanced));
        work.outcome.newly_acked = una.since(self.ring.una());
        self.ring.acknowledge(una, &mut work.delivery);
        if work.advanced {
            self.retries = 0;
            episode.on_advance(una);
        }
        if self.sack || !ack.sack.is_empty() {
            self.take_blocks(ack, episode, work, nxt);
        }
        work.outcome.newly_sacked = work.delivery.sacked;
        // An ACK of a duplicate answers a copy of what had arrived before, and whatever else it acknowledges may have waited for
        // that: the ACK that was lost, and the time until the copy was sent, are no part of a round trip.
        work.untimed = work.duplicate.is_none() && self.may_answer_a_needless_copy(now, ack, work);
        if work.duplicate.is_none() && !work.untimed {
            work.outcome.rtt =
                self.sample(now, work.delivery.resent, work.delivery.sent(), ack.echo_rtt.filter(|_| work.advanced));
        } else if work.delivery.resent {
            self.rtt.on_syn_lost();
        }
        if work.advanced {
            self.rearm(now);
        }
        episode.rack.on_delivered(now, work.delivery.newest);
    }

    /// Whether it is of an original by its echo, and may answer a copy by its time. Duplicates leave the time stamp that a receiver
    /// echoes as it was (RFC 7323 4.3: what is not acceptable is dropped before), so where ACKs are lost, the echo alone would make
    /// round trips of time-outs, the next time-out several times as long, and in the end all of them the longest. Who reports
    /// duplicates would have done so here.
    fn may_answer_a_needless_copy(&self, now: Instant, ack: &Ack<'_>, work: &Work) -> bool {
        let copied = work.copied_at.filter(|_| work.advanced && !self.sack).map(|at| now.since(at));
        let times = copied.zip(ack.echo_rtt).zip(self.rtt.min_rtt());
        times.is_some_and(|((copied, echo), least)| echo >= copied + ECHO_GRANULARITY && copied >= least)
    }

    fn take_blocks(&mut self, ack: &Ack<'_>, episode: &mut Episode, work: &mut Work, nxt: Position) {
        work.duplicate = duplicate_sack(ack);
        if let Some(duplicate) = work.duplicate.clone() {
            self.on_duplicate_sack(episode, &duplicate, work);
        }
        for block in ack.sack.iter().take(MAX_BLOCKS) {
            // A block that reaches outside of what is outstanding is no word about it: a duplicate SACK (RFC 2883), an
            // old one, or a lie.
            if block.start <= work.una || block.end > nxt || block.start >= block.end {
                continue;
            }
            self.sack = true;
            if self.ring.sack(block, &mut work.delivery) {
                episode.highest = episode.highest.max(block.end);
            }
        }
    }

    /// Counts duplicate acknowledgements and, without SACK, guesses what they stand for.
    fn count_duplicates(&self, ack: &Ack<'_>, episode: &mut Episode, work: &mut Work) {
        let mss = u64::from(self.mss);
        if work.advanced {
            episode.dup_acks = 0;
        }
        work.outcome.delivered = work.delivery.acked + work.delivery.sacked;
        if self.sack {
            episode.guessed = 0;
            // RFC 6675 2: a duplicate acknowledgement is one that reports something new.
            work.outcome.duplicate = work.delivery.sacked > 0;
            if work.outcome.duplicate {
                episode.dup_acks = episode.dup_acks.saturating_add(1);
            }
            return;
        }
        if work.advanced {
            // What the ACK covers beyond one segment was guessed before (RFC 9937 on DeliveredData without SACK).
            let known = work.outcome.newly_acked.saturating_sub(mss).min(episode.guessed);
            episode.guessed -= known;
            work.outcome.delivered -= known.min(work.outcome.delivered);
            if self.phase != Phase::FastRecovery {
                episode.guessed = 0;
            }
        } else if self.is_duplicate(ack) {
            work.outcome.duplicate = true;
            episode.dup_acks = episode.dup_acks.saturating_add(1);
            // After a time-out they tell of needless copies rather than of arrivals; and RFC 3042 2 lets only the first
            // two speak while no recovery is under way.
            let may_recover = self.ring.una() > self.recovery_point;
            let most = match self.phase {
                Phase::FastRecovery => u64::MAX,
                Phase::Open | Phase::Disorder => u64::from(DUP_THRESH - u32::from(!may_recover)) * mss,
                Phase::Timeout => 0,
            };
            let most = most.min(self.ring.outstanding().saturating_sub(self.ring.lost().max(mss)));
            let guessed = (episode.guessed + mss).min(most).max(episode.guessed);
            work.outcome.delivered = guessed - episode.guessed;
            episode.guessed = guessed;
        }
        let most = self.ring.outstanding() - self.ring.lost();
        episode.guessed = episode.guessed.min(most);
    }

    /// Data sent once arrived after data sent later: the path reorders, by so many segments at least.
    fn note_reordering(&mut self, work: &Work) {
        let (Some(lowest), Some(highest)) = (work.delivery.lowest_original, work.highest) else { return };
        if lowest < highest {
            self.raise_reordering(highest.since(lowest));
        }
    }

    pub(super) fn raise_reordering(&mut self, distance: u64) {
        self.stats.reordered = self.stats.reordered.saturating_add(1);
        let segments = distance.div_ceil(u64::from(self.mss)).min(MAX_REORDERING);
        self.reordering = self.reordering.max(u16::try_from(segments).unwrap_or(u16::MAX));
    }

    /// Without SACK: what duplicate acknowledgements or a partial one make us believe lost.
    fn count_losses(&mut self, episode: &Episode, work: &mut Work) {
        let una = self.ring.una();
        let first = una..una + u64::from(self.mss);
        if self.sack {
            return;
        }
        match self.phase {
            Phase::Open | Phase::Disorder => {
                // RFC 5681 3.2 step 2. RFC 6582 3.2 step 2: only beyond what the last recovery dealt with, or its own
                // copies would start another.
                if episode.dup_acks >= u32::from(self.reordering) && una > self.recovery_point {
                    work.note_lost(self.ring.lose_originals(first), LossReason::DuplicateAcks);
                }
            }
            Phase::FastRecovery if work.advanced && una < self.recovery_point => {
                // RFC 6582 3.2 step 3: the segment at a partial acknowledgement is lost too.
                work.note_lost(self.ring.lose_originals(first), LossReason::PartialAck);
            }
            Phase::FastRecovery | Phase::Timeout => {}
        }
    }
}
