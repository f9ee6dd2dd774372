//! What losses and marks of congestion say of the model, and how it is as before where there were none (the draft's 5.5.10 and
//! 5.5.11).

use core::time::Duration;

use bowline_base::Instant;

use super::floor::Kind;
use super::model::share;
use super::probe_bw::AckPhase;
use super::{Bbr, LOSS_THRESH, State};
use crate::recovery::LossSample;

/// Rounds in a row with marks that end Startup, as in Linux.
const FULL_MARKED_ROUNDS: u8 = 2;

/// What undo brings back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved {
    /// BBR.undo_state: what losses have ended.
    pub(super) state: Option<State>,
    bw_shortterm: u64,
    inflight_shortterm: u64,
    inflight_longterm: u64,
}

impl Bbr {
    /// IsInflightTooHigh: of so much in flight so much was lost.
    pub(super) fn is_inflight_too_high(&self, lost: u64, in_flight: u64) -> bool {
        lost > self.bearable_loss(in_flight) || (lost > 0 && !self.sack)
    }

    /// What of so much in flight may be lost before that is too much: its share, and what is lost whatever we do.
    fn bearable_loss(&self, in_flight: u64) -> u64 {
        share(in_flight, LOSS_THRESH).saturating_add(self.floor.of(in_flight, self.mss))
    }

    /// Counts what is lost of what was sent no faster than the path was believed to deliver; or at the beginning.
    pub(super) fn update_loss_floor(&mut self, now: Instant, acked: u64, rtt: Option<Duration>) {
        if self.round_start {
            let kind = match self.ack_phase {
                AckPhase::ProbeStarting | AckPhase::ProbeFeedback | AckPhase::ProbeStopping => Kind::Probe,
                AckPhase::Init | AckPhase::Refilling if self.state == State::ProbeRtt => Kind::Pause,
                AckPhase::Init | AckPhase::Refilling => Kind::Quiet,
            };
            self.is_queue_free = self.floor.on_round(now, kind, self.mss, self.min_rtt);
        }
        self.floor.on_delivered(acked, rtt);
    }

    /// HandleLostPacket.
    pub(super) fn handle_lost(&mut self, now: Instant, loss: &LossSample) {
        if !self.recovering {
            // Losses of a recovery that is under way are no new state to come back to.
            self.save_state();
        }
        self.note_loss();
        self.lost_in_round = self.lost_in_round.saturating_add(loss.bytes);
        self.floor.on_lost(loss.bytes);
        self.loss_stretches = self.loss_stretches.saturating_add(loss.stretches);
        if self.is_bw_probe_sample && self.is_inflight_too_high(loss.lost, loss.sent_in_flight) {
            self.handle_inflight_too_high(now, self.inflight_at_loss(loss), loss.app_limited);
        }
    }

    /// NoteLoss: the bounds follow at the end of a round that begins with its first loss.
    fn note_loss(&mut self) {
        if !self.is_loss_in_round {
            self.loss_round_delivered = self.delivered;
        }
        self.is_loss_in_round = true;
    }

    /// An echo of congestion, heard once for what was in flight: as a loss that is too much (RFC 3168 6.1.2), but two rounds in a
    /// row are to prove a full pipe.
    pub(super) fn handle_mark(&mut self, now: Instant, in_flight: u64) {
        self.note_loss();
        self.is_mark_in_round = true;
        let (round, count) = self.marked;
        let in_a_row = count > 0 && self.round_count <= round + 2;
        self.marked = (self.round_count, if in_a_row { count.saturating_add(1) } else { 1 });
        if self.state == State::Startup && self.marked.1 >= FULL_MARKED_ROUNDS {
            self.leave_startup();
        } else if self.is_bw_probe_sample {
            self.handle_inflight_too_high(now, in_flight, false);
        }
    }

    /// SaveStateUponLoss.
    pub(super) fn save_state(&mut self) {
        self.save_cwnd();
        self.saved = Some(Saved {
            state: None,
            bw_shortterm: self.bw_shortterm,
            inflight_shortterm: self.inflight_shortterm,
            inflight_longterm: self.inflight_longterm,
        });
    }

    /// HandleSpuriousLossDetection: nothing was lost.
    pub(super) fn handle_spurious_loss(&mut self) {
        let Some(saved) = self.saved.take() else { return };
        self.recovering = false;
        self.restore_cwnd();
        self.floor.forget();
        self.is_loss_in_round = false;
        self.lost_in_round = 0;
        self.loss_stretches = 0;
        self.reset_full_bw();
        self.bw_shortterm = self.bw_shortterm.max(saved.bw_shortterm);
        self.inflight_shortterm = self.inflight_shortterm.max(saved.inflight_shortterm);
        self.inflight_longterm = self.inflight_longterm.max(saved.inflight_longterm);
        let paused = self.state == State::ProbeRtt;
        match saved.state {
            Some(State::Startup) if self.state != State::Startup => {
                self.full_bw_reached = false;
                if !paused {
                    self.enter_startup();
                }
            }
            Some(State::ProbeBwUp) if self.state != State::ProbeBwUp && !paused => self.start_probe_bw_refill(),
            _ => {}
        }
    }

    /// InflightAtLoss: how much was in flight when the share of losses became too large, which may have been in the middle of what
    /// was found lost: with `x` of it, (lost before + x) / (in flight before + x) is the threshold.
    fn inflight_at_loss(&self, loss: &LossSample) -> u64 {
        let sent = loss.sent_in_flight;
        let size = loss.bytes.min(loss.lost).min(sent);
        let (flying, lost) = (sent - size, loss.lost - size);
        let bearable = self.bearable_loss(sent).min(sent.saturating_sub(1));
        // threshold * flying - lost, over 1 - threshold, where the threshold is bearable / sent.
        let above = (u128::from(bearable) * u128::from(flying)).saturating_sub(u128::from(lost) * u128::from(sent));
        let prefix = above / u128::from(sent.saturating_sub(bearable).max(1));
        flying.saturating_add(u64::try_from(prefix).unwrap_or(u64::MAX).min(size))
    }
}
