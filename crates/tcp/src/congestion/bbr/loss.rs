//! What losses and marks of congestion say of the model, and how it is as before where there were none (the draft's 5.5.10 and
//! 5.5.11).

use bowline_base::Instant;

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
        lost > super::model::share(in_flight, LOSS_THRESH) || (lost > 0 && !self.sack)
    }

    /// HandleLostPacket.
    pub(super) fn handle_lost(&mut self, now: Instant, loss: &LossSample) {
        if !self.recovering {
            // Losses of a recovery that is under way are no new state to come back to.
            self.save_state();
        }
        self.note_loss();
        self.lost_in_round = self.lost_in_round.saturating_add(loss.bytes);
        self.loss_stretches = self.loss_stretches.saturating_add(loss.stretches);
        if self.is_bw_probe_sample && self.is_inflight_too_high(loss.lost, loss.sent_in_flight) {
            self.handle_inflight_too_high(now, inflight_at_loss(loss), loss.app_limited);
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
}

/// InflightAtLoss: how much was in flight when the share of losses became too large, which may have been in the middle of what was
/// found lost: with `x` of it, (lost before + x) / (in flight before + x) is the threshold.
fn inflight_at_loss(loss: &LossSample) -> u64 {
    let size = loss.bytes.min(loss.lost).min(loss.sent_in_flight);
    let flying = loss.sent_in_flight - size;
    let lost = loss.lost - size;
    let prefix =
        super::model::share(flying, LOSS_THRESH).saturating_sub(lost).saturating_mul(100) / (100 - LOSS_THRESH);
    flying.saturating_add(prefix.min(size))
}
