//! What is believed of the path: round trips, the bandwidth, ACKs in lumps, and what losses of late allow (the draft's 5.5).

use bowline_base::Instant;

use super::{BETA, Bbr, INFINITE, State};
use crate::recovery::RateSample;

/// BBR.ExtraAckedFilterLen, in rounds.
const EXTRA_ACKED_ROUNDS: u64 = 10;

/// The most of the last round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latest {
    /// BBR.bw_latest.
    pub(super) bw: u64,
    /// BBR.inflight_latest: delivered in a round trip.
    pub(super) inflight: u64,
}

impl Bbr {
    /// BBR.max_bw.
    pub(super) fn max_bw(&self) -> u64 {
        self.max_bw[0].max(self.max_bw[1])
    }

    /// AdvanceMaxBwFilter: a cycle of ProbeBW is over. One that gave no sample is none.
    pub(super) fn advance_max_bw_filter(&mut self) {
        if self.max_bw[1] > 0 {
            self.max_bw = [self.max_bw[1], 0];
        }
    }

    /// StartRound.
    pub(super) fn start_round(&mut self) {
        self.next_round_delivered = self.delivered;
    }

    /// UpdateLatestDeliverySignals, and UpdateRound: a round is over when something is acknowledged that was sent after it began.
    pub(super) fn update_latest_delivery_signals(&mut self, rs: Option<&RateSample>) {
        self.round_start = false;
        self.loss_round_start = false;
        let Some(rs) = rs else { return };
        self.latest.bw = self.latest.bw.max(rs.rate);
        self.latest.inflight = self.latest.inflight.max(rs.delivered);
        if rs.prior_delivered >= self.loss_round_delivered {
            self.loss_round_delivered = self.delivered;
            self.loss_round_start = true;
        }
        if rs.prior_delivered >= self.next_round_delivered {
            self.start_round();
            self.round_count += 1;
            self.rounds_since_probe_up += 1;
            self.round_start = true;
        }
    }

    /// UpdateCongestionSignals.
    pub(super) fn update_congestion_signals(&mut self, rs: &RateSample) {
        // UpdateMaxBw: what the application limits says nothing, unless it is more than was believed possible.
        if rs.rate > 0 && (rs.rate >= self.max_bw() || !rs.app_limited) {
            self.max_bw[1] = self.max_bw[1].max(rs.rate);
        }
        if self.loss_round_start {
            self.adapt_lower_bounds();
            self.is_loss_in_round = false;
            self.is_mark_in_round = false;
        }
    }

    /// AdaptLowerBoundsFromCongestion: once a round, if it lost too much. Who asks for more expects that.
    fn adapt_lower_bounds(&mut self) {
        let sent = self.latest.inflight.saturating_add(self.lost_in_round);
        let lost = self.is_loss_in_round && self.is_inflight_too_high(self.lost_in_round, sent);
        if self.state.is_probing_bw() || !(lost || self.is_mark_in_round) {
            return;
        }
        if self.bw_shortterm == INFINITE {
            self.bw_shortterm = self.max_bw();
        }
        if self.inflight_shortterm == INFINITE {
            self.inflight_shortterm = self.cwnd;
        }
        self.bw_shortterm = self.latest.bw.max(share(self.bw_shortterm, BETA));
        self.inflight_shortterm = self.latest.inflight.max(share(self.inflight_shortterm, BETA));
    }

    /// AdvanceLatestDeliverySignals.
    pub(super) fn advance_latest_delivery_signals(&mut self, rs: &RateSample) {
        if self.loss_round_start {
            self.latest = Latest { bw: rs.rate, inflight: rs.delivered };
            // What the exit from Startup has asked for in the meantime.
            self.loss_stretches = 0;
            self.lost_in_round = 0;
        }
    }

    /// ResetCongestionSignals.
    pub(super) fn reset_congestion_signals(&mut self) {
        self.is_loss_in_round = false;
        self.is_mark_in_round = false;
        self.lost_in_round = 0;
        self.latest = Latest::default();
    }

    /// ResetShortTermModel.
    pub(super) fn reset_short_term_model(&mut self) {
        self.bw_shortterm = INFINITE;
        self.inflight_shortterm = INFINITE;
    }

    /// BoundBWForModel.
    pub(super) fn bound_bw_for_model(&mut self) {
        self.bw = self.max_bw().min(self.bw_shortterm);
    }

    /// UpdateACKAggregation: what is acknowledged beyond what the bandwidth explains comes in lumps, and the window must bridge
    /// the pauses between them.
    pub(super) fn update_ack_aggregation(&mut self, now: Instant, acked: u64) {
        let since = *self.extra_acked_since.get_or_insert(now);
        let mut expected = volume(self.bw, now.since(since));
        if self.extra_acked_delivered <= expected {
            self.extra_acked_delivered = 0;
            self.extra_acked_since = Some(now);
            expected = 0;
        }
        self.extra_acked_delivered = self.extra_acked_delivered.saturating_add(acked);
        let extra = self.extra_acked_delivered.saturating_sub(expected).min(self.cwnd);
        // In Startup one round is remembered: there all is new.
        let window = if self.full_bw_reached { EXTRA_ACKED_ROUNDS } else { 1 };
        self.extra_acked.update(self.round_count, extra, window);
    }

    /// IsInAProbeBWState.
    pub(super) const fn is_probe_bw(&self) -> bool {
        self.state.is_probe_bw()
    }

    /// EnterStartup, at first or again.
    pub(super) fn enter_startup(&mut self) {
        self.state = State::Startup;
    }
}

/// So many percent.
pub(super) fn share(of: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(of) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

/// What so many bytes a second are in this time.
pub(super) fn volume(rate: u64, time: core::time::Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
}
