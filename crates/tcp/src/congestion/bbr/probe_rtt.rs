//! The round trip without a queue: the shortest of ten seconds, and every five seconds a pause in which the queue drains, so that
//! there is one to measure (the draft's 5.3.4); and what a silence means for it (5.4).

use core::time::Duration;

use bowline_base::Instant;

use super::{Bbr, State};

/// BBR.MinRTTFilterLen.
const MIN_RTT_FILTER: Duration = Duration::from_secs(10);
/// BBR.ProbeRTTInterval: no pause if there was as short a round trip within it.
pub(super) const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// BBR.ProbeRTTDuration: long enough for connections of different round trips to pause together.
const PROBE_RTT_DURATION: Duration = Duration::from_millis(200);

impl Bbr {
    /// UpdateMinRTT. RTT samples are those of the newest data that an ACK covers.
    pub(super) fn update_min_rtt(&mut self, now: Instant, rtt: Option<Duration>) {
        self.probe_rtt_expired = self.probe_rtt_min.is_some() && now > self.probe_rtt_min_stamp + PROBE_RTT_INTERVAL;
        if let Some(rtt) = rtt
            && (self.probe_rtt_expired || self.probe_rtt_min.is_none_or(|least| rtt < least))
        {
            self.probe_rtt_min = Some(rtt);
            self.probe_rtt_min_stamp = now;
        }
        let Some(least) = self.probe_rtt_min else { return };
        let expired = now > self.min_rtt_stamp + MIN_RTT_FILTER;
        if expired || self.min_rtt.is_none_or(|before| least < before) {
            self.min_rtt = Some(least);
            self.min_rtt_stamp = self.probe_rtt_min_stamp;
        }
    }

    /// CheckProbeRTT.
    pub(super) fn check_probe_rtt(&mut self, now: Instant, acked: u64) {
        if self.state != State::ProbeRtt && self.probe_rtt_expired && !self.idle_restart {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.probe_rtt_done_stamp = None;
            self.ack_phase = super::AckPhase::ProbeStopping;
            self.start_round();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(now);
        }
        if acked > 0 {
            self.idle_restart = false;
        }
    }

    /// HandleProbeRTT: from when little enough is in flight, 200 ms and a round trip.
    fn handle_probe_rtt(&mut self, now: Instant) {
        if self.probe_rtt_done_stamp.is_none() {
            if self.in_flight <= self.probe_rtt_cwnd() {
                self.probe_rtt_done_stamp = Some(now + PROBE_RTT_DURATION);
                self.probe_rtt_round_done = false;
                self.start_round();
            }
            return;
        }
        self.probe_rtt_round_done |= self.round_start;
        if self.probe_rtt_round_done {
            self.check_probe_rtt_done(now);
        }
    }

    /// CheckProbeRTTDone.
    fn check_probe_rtt_done(&mut self, now: Instant) {
        if self.probe_rtt_done_stamp.is_some_and(|done| now > done) {
            self.probe_rtt_min_stamp = now;
            self.restore_cwnd();
            self.exit_probe_rtt(now);
        }
    }

    /// ExitProbeRTT. In flight is less than the pipe holds: the cycle goes on at CRUISE.
    fn exit_probe_rtt(&mut self, now: Instant) {
        self.reset_short_term_model();
        if self.full_bw_reached {
            self.start_probe_bw_down(now);
            self.state = State::ProbeBwCruise;
        } else {
            self.enter_startup();
        }
    }

    /// HandleRestartFromIdle: the pipe is empty, and the model is as good as it was. It is filled at just the bandwidth.
    pub(super) fn handle_restart_from_idle(&mut self, now: Instant, srtt: Option<Duration>) {
        self.in_flight = 0;
        self.idle_restart = true;
        self.extra_acked_since = Some(now);
        self.extra_acked_delivered = 0;
        if !self.has_seen_rtt {
            self.init_pacing_rate(srtt);
        }
        if self.is_probe_bw() {
            self.set_pacing_rate(100);
        } else if self.state == State::ProbeRtt {
            self.check_probe_rtt_done(now);
        }
    }
}
