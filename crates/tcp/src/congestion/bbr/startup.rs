//! The beginning: as fast as doubling goes, until the pipe is full, and then until the queue is gone (the draft's 5.3.1, 5.3.2).

use bowline_base::Instant;

use super::{Bbr, State};
use crate::recovery::RateSample;

/// Rounds without growth that prove the pipe full.
const FULL_BW_ROUNDS: u8 = 3;
/// What counts as growth, in percent of before.
const FULL_BW_GROWTH: u64 = 125;
/// The least that counts as growth, whatever is lost, in percent.
const LEAST_GROWTH: u64 = 106;
/// BBRStartupFullLossCnt: stretches that a round must lose.
const FULL_LOSS_STRETCHES: u32 = 6;
/// Rounds after which Drain has tried enough.
const DRAIN_ROUNDS: u64 = 3;

impl Bbr {
    /// ResetFullBW.
    pub(super) fn reset_full_bw(&mut self) {
        self.full_bw = 0;
        self.full_bw_count = 0;
        self.full_bw_now = false;
    }

    /// CheckFullBWReached: three rounds in a row, limited by nothing but the path, that were not a quarter faster than before.
    ///
    /// A round whose sample says nothing (a time shorter than a round trip) is not one of them: others took it for a plateau and
    /// stuck in a tenth of the bandwidth for ten seconds. Nor is one in which the peer's window stood behind a hole, unless there was a
    /// queue: the draft's three rounds leave a receiver time to open its window, but chance losses close it for longer.
    pub(super) fn check_full_bw_reached(&mut self, rs: &RateSample) {
        if self.full_bw_now || !self.round_start || rs.app_limited || rs.rate == 0 {
            return;
        }
        if rs.rate >= super::model::share(self.full_bw, self.full_bw_growth()) {
            self.reset_full_bw();
            self.full_bw = rs.rate;
            return;
        }
        let held = self.is_queue_free && self.stood.is_some_and(|round| self.round_count <= round + 2);
        if held {
            return;
        }
        self.full_bw_count += 1;
        self.full_bw_now = self.full_bw_count >= FULL_BW_ROUNDS;
        self.full_bw_reached |= self.full_bw_now;
    }

    /// What counts as growth, in percent of before: a quarter; in UP, which asks for no more than a quarter, what chance losses leave of
    /// it, unless there is a queue.
    fn full_bw_growth(&self) -> u64 {
        match self.state {
            State::ProbeBwUp if self.is_queue_free => self.floor.arriving(FULL_BW_GROWTH).max(LEAST_GROWTH),
            _ => FULL_BW_GROWTH,
        }
    }

    /// CheckStartupDone.
    pub(super) fn check_startup_done(&mut self, rs: &RateSample) {
        self.check_startup_high_loss(rs);
        if self.state == State::Startup && self.full_bw_reached {
            self.state = State::Drain;
            self.drain_start_round = self.round_count;
        }
    }

    /// CheckStartupHighLoss: a round trip of recovery that lost more than its share, at many places, and was not a quarter faster
    /// than the one before: as long as more arrives the faster we send, the pipe is not full, whatever is lost.
    fn check_startup_high_loss(&mut self, rs: &RateSample) {
        if self.state != State::Startup || self.full_bw_reached || !self.loss_round_start || !self.recovering {
            return;
        }
        let flat = self.full_bw_count > 0;
        let many =
            flat && self.loss_stretches >= FULL_LOSS_STRETCHES && self.is_inflight_too_high(rs.lost, rs.sent_in_flight);
        let blind = !self.sack && self.loss_stretches > 0;
        if many || blind {
            self.leave_startup();
        }
    }

    /// Startup has found more than the path takes.
    pub(super) fn leave_startup(&mut self) {
        if let Some(saved) = &mut self.saved {
            saved.state = Some(State::Startup);
        }
        self.full_bw_reached = true;
        self.inflight_longterm = self.bdp(self.max_bw(), 100).max(self.latest.inflight);
    }

    /// CheckDrainDone.
    pub(super) fn check_drain_done(&mut self, now: Instant) {
        let drained = self.in_flight <= self.inflight(self.max_bw(), 100);
        if self.state == State::Drain && (drained || self.round_count > self.drain_start_round + DRAIN_ROUNDS) {
            self.start_probe_bw_down(now);
        }
    }
}
