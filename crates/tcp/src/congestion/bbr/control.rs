//! What follows from the model: how fast, how much at a time, and how much in flight (the draft's 5.6).

use core::time::Duration;

use super::model::{share, volume};
use super::{Bbr, MIN_PIPE_SEGMENTS, State};
use crate::congestion::{MAX_CWND, initial_window};

/// BBR.PacingMarginPercent: so much below the bandwidth, so that queues drain.
const PACING_MARGIN: u64 = 1;
/// No more leaves in one go.
const MAX_QUANTUM: u64 = 64 << 10;
/// Quanta that are under way in both hosts while the network has all it can take.
const OFFLOAD_QUANTA: u64 = 3;

impl Bbr {
    /// BBR.MinPipeCwnd.
    pub(super) const fn min_pipe(&self) -> u64 {
        MIN_PIPE_SEGMENTS * self.mss
    }

    fn initial_cwnd(&self) -> u64 {
        initial_window(u32::try_from(self.mss).unwrap_or(u32::MAX))
    }

    /// InitPacingRate: the initial window in a round trip, or in a millisecond while none is known.
    pub(super) fn init_pacing_rate(&mut self, srtt: Option<Duration>) {
        self.has_seen_rtt = srtt.is_some();
        let rtt = srtt.unwrap_or(Duration::from_millis(1)).max(Duration::from_micros(1));
        let nominal = u128::from(self.initial_cwnd()) * 1_000_000_000 / rtt.as_nanos().max(1);
        self.pacing_rate = share(u64::try_from(nominal).unwrap_or(u64::MAX), self.state.pacing_gain()).max(1);
        self.set_send_quantum();
    }

    /// SetPacingRateWithGain. Before the pipe was full once, the rate is not lowered: samples may be the application's.
    pub(super) fn set_pacing_rate(&mut self, gain: u64) {
        let rate = share(share(self.bw, gain), 100 - PACING_MARGIN);
        if rate > 0 && (self.full_bw_reached || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// SetSendQuantum: a millisecond's worth.
    pub(super) fn set_send_quantum(&mut self) {
        self.send_quantum = (self.pacing_rate / 1_000).min(MAX_QUANTUM).max(2 * self.mss);
    }

    /// BDPMultiple: so many percent of what the pipe holds; the initial window while that is unknown.
    pub(super) fn bdp(&self, bw: u64, gain: u64) -> u64 {
        self.min_rtt.map_or_else(|| self.initial_cwnd(), |rtt| share(volume(bw, rtt), gain))
    }

    /// QuantizationBudget.
    fn quantized(&self, inflight: u64) -> u64 {
        let least = inflight.max(OFFLOAD_QUANTA * self.send_quantum).max(self.min_pipe());
        if self.state == State::ProbeBwUp { least.saturating_add(2 * self.mss) } else { least }
    }

    /// Inflight.
    pub(super) fn inflight(&self, bw: u64, gain: u64) -> u64 {
        self.quantized(self.bdp(bw, gain))
    }

    /// BBR.max_inflight.
    fn max_inflight(&self) -> u64 {
        let pipe = self.bdp(self.bw, self.state.cwnd_gain());
        self.quantized(pipe.saturating_add(self.extra_acked.get()))
    }

    /// ProbeRTTCwnd.
    pub(super) fn probe_rtt_cwnd(&self) -> u64 {
        self.bdp(self.bw, State::ProbeRtt.cwnd_gain()).max(self.min_pipe())
    }

    /// SaveCwnd.
    pub(super) fn save_cwnd(&mut self) {
        let disturbed = self.recovering || self.state == State::ProbeRtt;
        self.prior_cwnd = if disturbed { self.prior_cwnd.max(self.cwnd) } else { self.cwnd };
    }

    /// RestoreCwnd.
    pub(super) fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }

    /// SetCwnd: down at once, up by no more than what arrived.
    pub(super) fn set_cwnd(&mut self, acked: u64) {
        let most = self.max_inflight();
        let grown = self.cwnd.saturating_add(acked);
        if self.full_bw_reached {
            self.cwnd = grown.min(most);
        } else if self.cwnd < most || self.delivered < self.initial_cwnd() {
            self.cwnd = grown;
        }
        self.cwnd = self.cwnd.max(self.min_pipe());
        if self.state == State::ProbeRtt {
            self.cwnd = self.cwnd.min(self.probe_rtt_cwnd());
        }
        self.cwnd = self.cwnd.min(self.cap_of_model()).min(MAX_CWND);
    }

    /// BoundCwndForModel.
    fn cap_of_model(&self) -> u64 {
        let longterm = match self.state {
            State::ProbeRtt | State::ProbeBwCruise => self.inflight_with_headroom(),
            state if state.is_probe_bw() => self.inflight_longterm,
            _ => u64::MAX,
        };
        longterm.min(self.inflight_shortterm).max(self.min_pipe())
    }
}
