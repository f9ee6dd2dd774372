//! The cycle in which a connection lives: less than the bandwidth (DOWN), as much (CRUISE), the pipe filled again (REFILL), more
//! (UP); and the most that may be in flight without loss, found while probing (the draft's 5.3.3).

use core::time::Duration;

use bowline_base::Instant;

use super::model::share;
use super::{BETA, Bbr, INFINITE, State};
use crate::recovery::RateSample;

/// BBR.Headroom: what is left to others of the bound, in percent.
const HEADROOM: u64 = 15;
/// The least time between two probes (T_bbr), to which up to as much as `PROBE_WAIT_SPREAD` is added at random.
const PROBE_WAIT: Duration = Duration::from_secs(2);
const PROBE_WAIT_SPREAD_NANOS: u64 = 1_000_000_000;
/// T_reno_bound: no more rounds between two probes, so that Reno finds its share.
const RENO_ROUNDS: u64 = 63;
/// Doublings of the growth of the bound while probing.
const MAX_UP_ROUNDS: u32 = 30;

/// What the ACKs that come now are about (BBR.ack_phase).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AckPhase {
    /// Nothing in particular.
    Init,
    /// What was sent before and in REFILL.
    Refilling,
    /// What was sent before UP.
    ProbeStarting,
    /// What was sent in UP.
    ProbeFeedback,
    /// What was still sent in UP, while it is over.
    ProbeStopping,
}

impl Bbr {
    /// StartProbeBW_DOWN.
    pub(super) fn start_probe_bw_down(&mut self, now: Instant) {
        self.reset_congestion_signals();
        self.probe_up_acked_per_inc = INFINITE;
        self.pick_probe_wait();
        self.cycle_stamp = now;
        self.ack_phase = AckPhase::ProbeStopping;
        self.start_round();
        self.state = State::ProbeBwDown;
    }

    /// PickProbeWait: at random, so that connections do not probe together.
    fn pick_probe_wait(&mut self) {
        self.rounds_since_probe_up = self.random() & 1;
        self.bw_probe_wait = PROBE_WAIT + Duration::from_nanos(self.random() % PROBE_WAIT_SPREAD_NANOS);
    }

    /// StartProbeBW_REFILL.
    pub(super) fn start_probe_bw_refill(&mut self) {
        self.reset_short_term_model();
        self.bw_probe_up_rounds = 0;
        self.bw_probe_up_acked = 0;
        self.prev_probe_precautionary = false;
        self.ack_phase = AckPhase::Refilling;
        self.start_round();
        self.state = State::ProbeBwRefill;
    }

    /// StartProbeBW_UP.
    fn start_probe_bw_up(&mut self, rs: &RateSample) {
        self.ack_phase = AckPhase::ProbeStarting;
        self.start_round();
        self.reset_full_bw();
        self.full_bw = rs.rate;
        self.state = State::ProbeBwUp;
        self.raise_inflight_longterm_slope();
    }

    /// UpdateProbeBWCyclePhase.
    pub(super) fn update_probe_bw_cycle_phase(&mut self, now: Instant, acked: u64, rs: &RateSample) {
        if !self.full_bw_reached || self.adapt_long_term_model(acked, rs) {
            return;
        }
        match self.state {
            State::ProbeBwDown | State::ProbeBwCruise if self.is_time_to_probe_bw(now) => self.start_probe_bw_refill(),
            State::ProbeBwDown if self.is_time_to_cruise() => self.state = State::ProbeBwCruise,
            State::ProbeBwRefill if self.round_start => {
                // A round of it has filled the pipe.
                self.is_bw_probe_sample = true;
                self.start_probe_bw_up(rs);
            }
            State::ProbeBwUp => self.go_down_in_time(now, rs),
            _ => {}
        }
    }

    fn go_down_in_time(&mut self, now: Instant, rs: &RateSample) {
        if self.is_time_to_go_down(rs) {
            self.prev_probe_too_high = false;
            self.start_probe_bw_down(now);
        }
    }

    /// IsTimeToProbeBW: after two to three seconds, or when Reno would have gained as much as there is.
    fn is_time_to_probe_bw(&self, now: Instant) -> bool {
        let reno_rounds = self.target_inflight().div_ceil(self.mss).min(RENO_ROUNDS);
        now > self.cycle_stamp + self.bw_probe_wait || self.rounds_since_probe_up >= reno_rounds
    }

    /// IsTimeToCruise: the queue is gone, and there is room for others.
    fn is_time_to_cruise(&self) -> bool {
        self.in_flight <= self.inflight_with_headroom() && self.in_flight <= self.inflight(self.max_bw(), 100)
    }

    /// IsTimeToGoDown.
    fn is_time_to_go_down(&mut self, rs: &RateSample) -> bool {
        if self.prev_probe_too_high && self.in_flight >= self.inflight_longterm {
            // The last probe lost too much at this volume: this one only touches it, and waits for what comes of it.
            self.prev_probe_precautionary = true;
            return true;
        }
        if self.cwnd_limited && self.cwnd >= self.inflight_longterm {
            // The bound limits the bandwidth, not the path.
            self.reset_full_bw();
            self.full_bw = rs.rate;
            return false;
        }
        self.full_bw_now
    }

    /// TargetInflight: the product of bandwidth and round trip, unless losses have cut the window.
    pub(super) fn target_inflight(&self) -> u64 {
        self.bdp(self.bw, 100).min(self.cwnd)
    }

    /// InflightWithHeadroom.
    pub(super) fn inflight_with_headroom(&self) -> u64 {
        if self.inflight_longterm == INFINITE {
            return INFINITE;
        }
        let headroom = share(self.inflight_longterm, HEADROOM).max(self.mss);
        self.inflight_longterm.saturating_sub(headroom).max(self.min_pipe())
    }

    /// RaiseInflightLongtermSlope: by one segment in the first round, two in the next, then four.
    fn raise_inflight_longterm_slope(&mut self) {
        let growth = 1u64 << self.bw_probe_up_rounds;
        self.bw_probe_up_rounds = (self.bw_probe_up_rounds + 1).min(MAX_UP_ROUNDS);
        self.probe_up_acked_per_inc = (self.cwnd / growth).max(self.mss);
    }

    /// ProbeInflightLongtermUpward: where the bound is used to the full.
    fn probe_inflight_longterm_upward(&mut self, acked: u64) {
        if !self.cwnd_limited || self.cwnd < self.inflight_longterm {
            return;
        }
        self.bw_probe_up_acked = self.bw_probe_up_acked.saturating_add(acked);
        let steps = self.bw_probe_up_acked / self.probe_up_acked_per_inc.max(1);
        self.bw_probe_up_acked -= steps * self.probe_up_acked_per_inc;
        self.inflight_longterm = self.inflight_longterm.saturating_add(steps.saturating_mul(self.mss));
        if self.round_start {
            self.raise_inflight_longterm_slope();
        }
    }

    /// AdaptLongTermModel. Returns whether it has decided what comes next.
    fn adapt_long_term_model(&mut self, acked: u64, rs: &RateSample) -> bool {
        if self.round_start && self.ack_phase == AckPhase::ProbeStarting {
            self.ack_phase = AckPhase::ProbeFeedback;
        }
        if self.round_start && self.ack_phase == AckPhase::ProbeStopping {
            self.is_bw_probe_sample = false;
            self.ack_phase = AckPhase::Init;
            if self.is_probe_bw() {
                if !rs.app_limited {
                    self.advance_max_bw_filter();
                }
                if self.prev_probe_precautionary && !self.prev_probe_too_high {
                    // The touch cost nothing: now in earnest, without a cruise between.
                    self.start_probe_bw_refill();
                    return true;
                }
            }
        }
        if !self.is_inflight_too_high(rs.lost, rs.sent_in_flight) && self.inflight_longterm != INFINITE {
            self.inflight_longterm = self.inflight_longterm.max(rs.sent_in_flight);
            if self.state == State::ProbeBwUp {
                self.probe_inflight_longterm_upward(acked);
            }
        }
        false
    }

    /// HandleInflightTooHigh: so much was in flight, and too much of it was lost. Once for each probe.
    pub(super) fn handle_inflight_too_high(&mut self, now: Instant, in_flight: u64, app_limited: bool) {
        self.prev_probe_too_high = true;
        self.is_bw_probe_sample = false;
        if !app_limited {
            self.inflight_longterm = in_flight.max(share(self.target_inflight(), BETA));
        }
        if self.state == State::ProbeBwUp {
            if let Some(saved) = &mut self.saved {
                saved.state = Some(State::ProbeBwUp);
            }
            self.start_probe_bw_down(now);
        }
    }
}
