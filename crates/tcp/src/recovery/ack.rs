//! What an acknowledgement says about losses: the scoreboard is brought up to date, and the phase with it.
//!
//! RFC 5681 3.2 (fast retransmit), 6582 (without SACK), 6675 5 (with SACK), 3522 and 5682 (was it all a mistake?), and
//! the samples of RFC 6298 3.

use alloc::boxed::Box;
use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position};

use super::episode::{DUP_THRESH, Episode};
use super::prr::Prr;
use super::ring::Delivery;
use super::{Ack, AckOutcome, Phase, Recovery};
use crate::reason::{LossReason, RecoveryChange};

/// SACK blocks looked at in one ACK: no more fit in its options (RFC 2018 3).
const MAX_BLOCKS: usize = 4;
/// Records looked at for lost retransmissions, on one ACK.
const MAX_LOST_RESENT: usize = 64;
/// The granularity of a timestamp's echo.
const ECHO_GRANULARITY: Duration = Duration::from_millis(1);
/// The largest reordering believed, in segments (Linux `tcp_max_reordering`).
const MAX_REORDERING: u64 = 300;

/// What is known of an ACK while it is being worked on.
struct Work {
    una: Position,
    advanced: bool,
    delivery: Delivery,
    /// The end of what SACK had reported before it.
    highest: Option<Position>,
    /// The lowest position that it made us believe lost.
    lowest_lost: Option<Position>,
    outcome: AckOutcome,
}

impl Work {
    fn note_lost(&mut self, (bytes, range): (u64, Option<Range<Position>>), reason: LossReason) {
        let Some(range) = range else { return };
        self.outcome.newly_lost += bytes;
        self.lowest_lost = Some(self.lowest_lost.map_or(range.start, |p| p.min(range.start)));
        self.outcome.lost.get_or_insert((range, reason));
    }
}

impl Recovery {
    /// An ACK that passed the checks of RFC 9293 3.10.7.4 arrived.
    pub fn on_ack(&mut self, now: Instant, ack: &Ack<'_>) -> AckOutcome {
        let una = if ack.ack > self.ring.nxt() { self.ring.una() } else { ack.ack.max(self.ring.una()) };
        let advanced = una > self.ring.una();
        let mut work = Work {
            una,
            advanced,
            delivery: Delivery::default(),
            highest: None,
            lowest_lost: None,
            outcome: AckOutcome {
                prior_in_flight: self.in_flight(),
                flight_size: self.ring.outstanding(),
                ..AckOutcome::default()
            },
        };
        if self.episode.is_none() && ack.sack.is_empty() {
            if advanced {
                // The common case: data arrived in order, and nothing was amiss.
                self.advance(now, ack, &mut work);
                work.outcome.delivered = work.outcome.newly_acked;
                return work.outcome;
            }
            if !self.is_duplicate(ack) {
                return work.outcome;
            }
        }
        self.sort_out(now, ack, work)
    }

    /// RFC 5681 2: no data, no SYN or FIN, the same window, nothing new acknowledged, something outstanding.
    fn is_duplicate(&self, ack: &Ack<'_>) -> bool {
        !ack.has_data && !ack.window_changed && ack.ack == self.ring.una() && !self.is_idle()
    }

    /// SND.UNA advances: samples, the timer.
    fn advance(&mut self, now: Instant, ack: &Ack<'_>, work: &mut Work) {
        work.outcome.newly_acked = work.una.since(self.ring.una());
        self.ring.acknowledge(work.una, &mut work.delivery);
        self.retries = 0;
        self.sample(now, ack, work);
        // RFC 6298 5.2 and 5.3, RFC6298-5-2, RFC6298-5-3; after the sample, so that the timer runs by the newest time-out.
        self.rearm(now);
    }

    /// Takes the round-trip time that the ACK gives, if it gives one.
    fn sample(&mut self, now: Instant, ack: &Ack<'_>, work: &mut Work) {
        let delivery = &work.delivery;
        // RFC 6298 3, RFC6298-3-1, Karn's rule (RFC 9293 3.8.1, MUST-18): where a copy was acknowledged, nothing can be told, neither
        // of the data behind it, which may have waited for the copy.
        let own = if delivery.resent { None } else { delivery.ack_sent.or(delivery.sack_sent) };
        if let Some((oldest, newest)) = own {
            // The oldest, because the time-out must outlast a delayed acknowledgement.
            self.rtt.on_sample(now, now.since(oldest));
            let rtt = now.since(newest);
            self.rtt.observe(now, rtt);
            work.outcome.rtt = Some(rtt);
        } else if let Some(echo) = ack.echo_rtt.filter(|_| work.advanced) {
            // RFC 7323 4: the echo tells originals and copies apart, but only for ACKs that advance.
            let rtt = echo.max(ECHO_GRANULARITY);
            self.rtt.on_sample(now, rtt);
            work.outcome.rtt = Some(rtt);
        } else if delivery.resent {
            self.rtt.on_syn_lost();
        }
    }

    /// The ACK in a disorder or a recovery, or at the beginning of one.
    fn sort_out(&mut self, now: Instant, ack: &Ack<'_>, mut work: Work) -> AckOutcome {
        let old_una = self.ring.una();
        let mut boxed = self.episode.take().unwrap_or_else(|| Box::new(Episode::new(old_una)));
        let episode = &mut *boxed;
        work.highest = episode.highest();
        self.update_scoreboard(now, ack, episode, &mut work);
        self.count_duplicates(ack, episode, &mut work);
        self.note_reordering(&work);
        let was = self.phase;
        if self.is_spurious(now, ack, episode, &work) {
            self.undo(old_una, episode, &mut work);
        } else {
            self.find_losses(episode, &mut work);
            self.find_lost_copies(now, episode, &mut work);
            self.move_phase(now, episode, &mut work);
        }
        episode.frto &= !(work.advanced || work.delivery.sacked > 0);
        episode.hint = work.lowest_lost.map_or(episode.hint, |lowest| episode.hint.min(lowest));
        if self.phase == Phase::FastRecovery && was == Phase::FastRecovery {
            let safe = work.advanced && work.outcome.newly_lost == 0;
            episode.prr.on_ack(work.outcome.delivered, safe);
        }
        let calm = self.ring.sacked() == 0 && self.ring.lost() == 0 && episode.dup_acks == 0;
        if matches!(self.phase, Phase::Open | Phase::Disorder) {
            self.phase = if episode.dup_acks == 0 && self.ring.sacked() == 0 { Phase::Open } else { Phase::Disorder };
        }
        if !(calm && self.phase == Phase::Open) {
            self.episode = Some(boxed);
        }
        work.outcome
    }

    /// RFC 6675 4, Update: what was acknowledged, cumulatively and selectively.
    fn update_scoreboard(&mut self, now: Instant, ack: &Ack<'_>, episode: &mut Episode, work: &mut Work) {
        let (una, nxt) = (work.una, self.ring.nxt());
        work.outcome.newly_acked = una.since(self.ring.una());
        self.ring.acknowledge(una, &mut work.delivery);
        if work.advanced {
            self.retries = 0;
            episode.on_advance(una);
        }
        for block in ack.sack.iter().take(MAX_BLOCKS) {
            // A block that reaches outside of what is outstanding is no word about it: a duplicate SACK (RFC 2883), an
            // old one, or a lie.
            if block.start <= una || block.end > nxt || block.start >= block.end {
                continue;
            }
            self.sack = true;
            if let Some(run) = self.ring.sack(block, &mut work.delivery) {
                episode.on_run(run);
            }
        }
        work.outcome.newly_sacked = work.delivery.sacked;
        self.sample(now, ack, work);
        if work.advanced {
            self.rearm(now);
        }
        let delivery = &work.delivery;
        let originals = [delivery.ack_sent, delivery.sack_sent].into_iter().flatten().map(|(_, newest)| newest).max();
        // A copy counts as delivered only if the original cannot have been meant: a round trip has passed since.
        let least = self.rtt.min_rtt().unwrap_or_default();
        let copy = delivery.resent_at.filter(|&at| now.since(at) >= least);
        if let Some(at) = originals.max(copy) {
            episode.newest = episode.newest.max(at);
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

    fn raise_reordering(&mut self, distance: u64) {
        self.stats.reordered = self.stats.reordered.saturating_add(1);
        let segments = distance.div_ceil(u64::from(self.mss)).min(MAX_REORDERING);
        self.reordering = self.reordering.max(u16::try_from(segments).unwrap_or(u16::MAX));
    }

    /// Whether this ACK proves that the data being repaired was never lost.
    fn is_spurious(&self, now: Instant, ack: &Ack<'_>, episode: &Episode, work: &Work) -> bool {
        if !matches!(self.phase, Phase::FastRecovery | Phase::Timeout) {
            return false;
        }
        // RFC 3522 3.2, step 4: what it answers was sent before the first copy.
        let by_echo = match (ack.echo_rtt, episode.first_resent) {
            (Some(echo), Some(first)) if work.advanced => echo >= now.since(first) + ECHO_GRANULARITY,
            _ => false,
        };
        // RFC 5682 3.1 with SACK, as Linux simplifies it: the first news after the time-out is of data sent once, before it.
        let by_frto = self.phase == Phase::Timeout
            && episode.frto
            && work.delivery.lowest_original.is_some_and(|lowest| lowest < self.recovery_point);
        // Nothing was sent again yet, and all of it has arrived: it was late.
        let by_itself = self.phase == Phase::FastRecovery && episode.first_resent.is_none() && self.ring.lost() == 0;
        by_echo || by_frto || by_itself
    }

    /// RFC 4015: the state is as if nothing had been believed lost.
    fn undo(&mut self, old_una: Position, episode: &mut Episode, work: &mut Work) {
        if self.phase == Phase::FastRecovery {
            let distance = work.highest.map_or(0, |highest| highest.since(old_una));
            self.raise_reordering(distance);
        }
        self.ring.forgive();
        self.rtt.reset_backoff();
        self.phase = Phase::Open;
        self.stats.undone = self.stats.undone.saturating_add(1);
        episode.first_resent = None;
        episode.frto = false;
        episode.dup_acks = 0;
        episode.guessed = 0;
        // What is really missing among it is judged again, with the next news.
        episode.judged = self.ring.una();
        work.outcome.change = Some(RecoveryChange::Undone);
    }

    /// What the ACK makes us believe lost, by SACK, by duplicate acknowledgements or by a partial acknowledgement.
    fn find_losses(&mut self, episode: &mut Episode, work: &mut Work) {
        let mss = u64::from(self.mss);
        let una = self.ring.una();
        if work.delivery.sacked > 0 {
            let line = episode.loss_line(mss, self.reordering.into(), self.ring.outstanding());
            if let Some(line) = line.filter(|&line| line > episode.judged) {
                work.note_lost(self.ring.lose(episode.judged..line, false), LossReason::Sack);
                episode.judged = line;
            }
        }
        match self.phase {
            Phase::Open | Phase::Disorder => {
                // RFC 5681 3.2 step 2, RFC 6675 5 step 1. RFC 6582 3.2 step 2: without SACK only beyond what the last
                // recovery dealt with, or its own copies would start another.
                let enough = episode.dup_acks >= u32::from(self.reordering);
                if enough && work.outcome.newly_lost == 0 && (self.sack || una > self.recovery_point) {
                    let reason = if self.sack { LossReason::Sack } else { LossReason::DuplicateAcks };
                    work.note_lost(self.ring.lose(una..una + mss, false), reason);
                }
            }
            Phase::FastRecovery if !self.sack && work.advanced && una < self.recovery_point => {
                // RFC 6582 3.2 step 3: the segment at a partial acknowledgement is lost too.
                work.note_lost(self.ring.lose(una..una + mss, false), LossReason::PartialAck);
            }
            Phase::FastRecovery | Phase::Timeout => {}
        }
    }

    /// A copy is lost again if what was sent later than it, by more than the path may reorder, has arrived (RFC 8985 6.2,
    /// for copies only). Without this each lost copy would wait for the timer.
    fn find_lost_copies(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        if !self.sack || !matches!(self.phase, Phase::FastRecovery | Phase::Timeout) {
            return;
        }
        if work.delivery.sacked == 0 && work.delivery.acked == 0 {
            return;
        }
        let cutoff = episode.newest - self.rtt.min_rtt().unwrap_or_default() / 4;
        let (bytes, range, sent_at) = self.ring.lose_resent(cutoff, MAX_LOST_RESENT);
        if bytes == 0 {
            return;
        }
        work.note_lost((bytes, range), LossReason::Rack);
        if self.phase == Phase::FastRecovery && sent_at >= episode.reduced {
            // RFC 5681 4.3: the loss of a copy is a second sign of congestion; one for each window.
            self.begin_recovery(now, episode, work);
        }
    }

    /// Enters and leaves recovery.
    fn move_phase(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        let mut lost = work.outcome.newly_lost > 0;
        if matches!(self.phase, Phase::FastRecovery | Phase::Timeout) {
            if self.ring.una() < self.recovery_point {
                return;
            }
            // RFC 6675 5 step A, RFC 6582 3.2 step 3: what was outstanding then is acknowledged.
            self.phase = Phase::Open;
            episode.guessed = 0;
            episode.first_resent = None;
            work.outcome.change = Some(RecoveryChange::Recovered);
            lost = self.ring.lost() > 0;
        }
        if lost {
            self.begin_recovery(now, episode, work);
        }
    }

    fn begin_recovery(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        self.phase = Phase::FastRecovery;
        self.recovery_point = self.ring.nxt();
        self.stats.recoveries = self.stats.recoveries.saturating_add(1);
        episode.reduced = now;
        episode.first_resent = None;
        // RFC 6675 5 step 4.3: no rescue before the first retransmission is acknowledged.
        episode.rescued = self.ring.una();
        episode.reason = work.outcome.lost.as_ref().map_or(LossReason::Sack, |&(_, reason)| reason);
        // RFC 9937 6.1: RecoverFS is what was in flight before this ACK.
        let before = self.ring.outstanding() - self.ring.sacked() + work.delivery.sacked + work.delivery.acked;
        episode.prr = Prr::new(before);
        episode.prr.on_ack(work.outcome.delivered, false);
        work.outcome.change = Some(RecoveryChange::FastRecovery);
    }
}
