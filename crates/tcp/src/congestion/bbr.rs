//! BBR, version 3 (draft-ietf-ccwg-bbr, as of August 2026): a model of the path instead of a window that is halved.
//!
//! It models two things of the path: the bandwidth that is there for this connection, and the round trip without a queue.
//! Data goes out at about that rate, with about their product in flight; a cycle of states asks in turn whether there is
//! more to have (faster, for some round trips) and whether the round trip is shorter than believed (slower). Losses say
//! how much in flight is too much.
//!
//! | room | decides |
//! |---|---|
//! | `model` | rounds, the bandwidth, what is acknowledged in lumps, and the bounds that losses of late impose |
//! | `state` | the states, their gains and names |
//! | `startup` | whether the pipe is full, the exit from Startup, and Drain |
//! | `probe_bw` | the cycle DOWN, CRUISE, REFILL, UP, and the bound that losses while probing impose |
//! | `probe_rtt` | the shortest round trip, and the pauses in which it is measured |
//! | `floor` | what share is lost whatever we do |
//! | `loss` | what losses and marks of congestion say, and what is taken back if there were none |
//! | `control` | the window, the rate and the quantum that follow from the model |
//!
//! Names are the draft's. Rates are in bytes a second, volumes in bytes, gains in percent. Where it differs from the draft, on
//! purpose: marks of congestion (RFC 3168) are answered like losses, which the draft leaves open; the share that a round may
//! lose ([`LOSS_THRESH`]) begins above what is lost whatever we do (`floor`; docs/adr/0015), and Startup is not left for its
//! losses while it grows; a round without growth proves no full pipe if the peer's window stood behind a hole and no queue was
//! found, nor if it grew by what chance losses leave of the quarter that was asked for; and a round that lost less than that
//! share does not lower what is believed. The draft lowers it for any loss, and 1 % of chance loss then costs a third of the
//! bandwidth of a path of 100 ms: each round is paced by 1 % less than was delivered in the one before, and 1 % of that is
//! lost.

use core::time::Duration;

use bowline_base::Instant;

use self::filter::WindowedMax;
use self::floor::LossFloor;
use self::loss::Saved;
use self::model::Latest;
use self::probe_bw::AckPhase;
use self::state::State;
use super::{AckSample, Congestion, Controller, LossSample, Model, Start, initial_window};
use crate::recovery::Phase;

mod control;
mod filter;
mod floor;
mod loss;
mod model;
mod probe_bw;
mod probe_rtt;
mod startup;
mod state;

/// No bound.
const INFINITE: u64 = u64::MAX;
/// BBR.MinPipeCwnd: segments that keep data and ACKs flowing whatever the model says.
const MIN_PIPE_SEGMENTS: u64 = 4;
/// BBR.Beta: what is kept of a bound for each round with losses, in percent.
const BETA: u64 = 70;
/// BBR.LossThresh: the share of lost data that is too much, in percent, above what is lost whatever we do.
const LOSS_THRESH: u64 = 2;

/// BBR.
#[derive(Clone, Debug)]
pub struct Bbr {
    mss: u64,
    state: State,
    random: u64,

    // What the connection said last.
    /// C.delivered.
    delivered: u64,
    /// C.inflight.
    in_flight: u64,
    /// C.is_cwnd_limited: in this round, whatever was in flight filled the window.
    cwnd_limited: bool,
    /// C.has_selective_acks.
    sack: bool,
    /// Loss recovery is under way.
    recovering: bool,

    // Output.
    cwnd: u64,
    /// The last window that neither recovery nor ProbeRTT had a hand in.
    prior_cwnd: u64,
    /// The rate goes by a round-trip time, and no longer by a guess of one.
    has_seen_rtt: bool,
    pacing_rate: u64,
    send_quantum: u64,

    // Rounds.
    next_round_delivered: u64,
    round_start: bool,
    round_count: u64,

    // The bandwidth.
    /// BBR.max_bw_filter: the most of the cycle before this one, and of this one.
    max_bw: [u64; 2],
    /// BBR.bw: the most, unless losses of late say less.
    bw: u64,
    bw_shortterm: u64,
    inflight_shortterm: u64,
    inflight_longterm: u64,
    latest: Latest,
    loss_round_delivered: u64,
    loss_round_start: bool,
    is_loss_in_round: bool,
    is_mark_in_round: bool,
    lost_in_round: u64,
    loss_stretches: u32,

    // ACKs in lumps.
    extra_acked: WindowedMax,
    extra_acked_delivered: u64,
    extra_acked_since: Option<Instant>,

    // Is the pipe full?
    /// The last round in which the peer's window stood behind a hole.
    stood: Option<u64>,
    full_bw: u64,
    full_bw_count: u8,
    full_bw_now: bool,
    full_bw_reached: bool,
    drain_start_round: u64,

    // The cycle of ProbeBW.
    ack_phase: AckPhase,
    cycle_stamp: Instant,
    bw_probe_wait: Duration,
    rounds_since_probe_up: u64,
    is_bw_probe_sample: bool,
    bw_probe_up_rounds: u32,
    bw_probe_up_acked: u64,
    probe_up_acked_per_inc: u64,
    prev_probe_too_high: bool,
    prev_probe_precautionary: bool,

    // The round trip.
    min_rtt: Option<Duration>,
    min_rtt_stamp: Instant,
    probe_rtt_min: Option<Duration>,
    probe_rtt_min_stamp: Instant,
    probe_rtt_expired: bool,
    probe_rtt_done_stamp: Option<Instant>,
    probe_rtt_round_done: bool,
    idle_restart: bool,

    // Losses and marks.
    floor: LossFloor,
    /// The last round found no queue.
    is_queue_free: bool,
    saved: Option<Saved>,
    /// The round of the last mark of congestion, and how many rounds in a row had one.
    marked: (u64, u8),
}

impl Bbr {
    /// A model that knows nothing, with the initial window of RFC 6928.
    #[must_use]
    pub fn new(start: Start) -> Self {
        let mss = u64::from(start.mss.max(1));
        let mut bbr = Self {
            mss,
            state: State::Startup,
            // Not zero, of which xorshift makes nothing else.
            random: (u64::from(start.seed) << 1 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            delivered: 0,
            in_flight: 0,
            cwnd_limited: false,
            sack: false,
            recovering: false,
            cwnd: initial_window(start.mss.max(1)),
            prior_cwnd: 0,
            has_seen_rtt: false,
            pacing_rate: 0,
            send_quantum: 0,
            next_round_delivered: 0,
            round_start: false,
            round_count: 0,
            max_bw: [0; 2],
            bw: 0,
            bw_shortterm: INFINITE,
            inflight_shortterm: INFINITE,
            inflight_longterm: INFINITE,
            latest: Latest::default(),
            loss_round_delivered: 0,
            loss_round_start: false,
            is_loss_in_round: false,
            is_mark_in_round: false,
            lost_in_round: 0,
            loss_stretches: 0,
            extra_acked: WindowedMax::default(),
            extra_acked_delivered: 0,
            extra_acked_since: None,
            stood: None,
            full_bw: 0,
            full_bw_count: 0,
            full_bw_now: false,
            full_bw_reached: false,
            drain_start_round: 0,
            ack_phase: AckPhase::Init,
            cycle_stamp: Instant::ZERO,
            bw_probe_wait: Duration::ZERO,
            rounds_since_probe_up: 0,
            is_bw_probe_sample: false,
            bw_probe_up_rounds: 0,
            bw_probe_up_acked: 0,
            probe_up_acked_per_inc: INFINITE,
            prev_probe_too_high: false,
            prev_probe_precautionary: false,
            min_rtt: None,
            min_rtt_stamp: Instant::ZERO,
            probe_rtt_min: None,
            probe_rtt_min_stamp: Instant::ZERO,
            probe_rtt_expired: false,
            probe_rtt_done_stamp: None,
            probe_rtt_round_done: false,
            idle_restart: false,
            floor: LossFloor::new(),
            is_queue_free: false,
            saved: None,
            marked: (0, 0),
        };
        bbr.init_pacing_rate(None);
        bbr
    }

    /// The next of a sequence that differs between connections.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// What the connection says of itself with each ACK.
    fn take_facts(&mut self, sample: &AckSample) {
        self.delivered = match sample.rate {
            Some(rate) => rate.total_delivered,
            None => self.delivered.saturating_add(sample.acked),
        };
        self.in_flight = sample.in_flight;
        self.sack = sample.sack;
        let recovering = matches!(sample.phase, Phase::FastRecovery | Phase::Timeout);
        if self.recovering && !recovering {
            self.restore_cwnd();
        }
        self.recovering = recovering;
    }

    /// What held the sender: whether what was in flight filled the window, at this ACK or before in this round (less than a segment
    /// of room is none), or the peer's window stood.
    fn note_use(&mut self, sample: &AckSample) {
        let filled = sample.in_flight_before.saturating_add(self.mss) > self.cwnd;
        self.cwnd_limited = filled || (self.cwnd_limited && !self.round_start);
        if sample.window_stands {
            self.stood = Some(self.round_count);
        }
    }
}

impl Controller for Bbr {
    /// UpdateOnACK.
    fn on_ack(&mut self, now: Instant, sample: &AckSample) {
        self.take_facts(sample);
        let rs = &sample.rate.unwrap_or_default();
        if sample.acked > 0 {
            self.update_latest_delivery_signals(sample.rate.as_ref());
            self.update_congestion_signals(rs);
            self.note_use(sample);
            self.update_loss_floor(now, sample.acked, sample.rtt);
            self.update_ack_aggregation(now, sample.acked);
            self.check_full_bw_reached(rs);
            self.check_startup_done(rs);
            self.check_drain_done(now);
            self.update_probe_bw_cycle_phase(now, sample.acked, rs);
        }
        self.update_min_rtt(now, sample.rtt);
        self.check_probe_rtt(now, sample.acked);
        self.advance_latest_delivery_signals(rs);
        self.bound_bw_for_model();
        if !self.has_seen_rtt {
            self.init_pacing_rate(sample.srtt);
        }
        self.set_pacing_rate(self.state.pacing_gain());
        self.set_send_quantum();
        self.set_cwnd(sample.acked);
    }

    fn on_loss(&mut self, now: Instant, loss: &LossSample) {
        self.delivered = loss.total_delivered;
        self.handle_lost(now, loss);
    }

    fn on_congestion_event(&mut self, now: Instant, in_flight: u64, kind: Congestion) {
        match kind {
            // What was lost has been reported; how that is answered follows from the model.
            Congestion::FastRecovery => {}
            Congestion::Ecn => self.handle_mark(now, in_flight),
        }
    }

    /// OnEnterRTO.
    fn on_timeout(&mut self, _now: Instant, _in_flight: u64, first: bool) {
        if first {
            self.save_state();
        }
        self.recovering = true;
        self.reset_full_bw();
        self.cwnd = self.mss;
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.saved = None;
    }

    fn undo(&mut self) {
        self.handle_spurious_loss();
    }

    /// The draft keeps the window: what is known of the path is, and sending resumes at its rate.
    fn on_idle_restart(&mut self, _now: Instant, _idle: Duration, _rto: Duration) {}

    fn on_restart(&mut self, now: Instant, srtt: Option<Duration>) {
        self.handle_restart_from_idle(now, srtt);
    }

    fn models_path(&self) -> bool {
        true
    }

    fn holds_back(&self) -> bool {
        self.state == State::ProbeRtt
    }

    fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss.max(1));
        self.cwnd = self.cwnd.max(self.mss);
        self.set_send_quantum();
    }

    fn cwnd(&self) -> u64 {
        self.cwnd
    }

    /// There is no threshold.
    fn ssthresh(&self) -> Option<u64> {
        None
    }

    fn pacing_rate(&self) -> Option<u64> {
        Some(self.pacing_rate)
    }

    fn send_quantum(&self) -> Option<u64> {
        Some(self.send_quantum)
    }

    fn model(&self) -> Option<Model> {
        Some(Model {
            state: self.state.name(),
            bandwidth: self.bw,
            min_rtt: self.min_rtt,
            pacing_gain: self.state.pacing_gain(),
            cwnd_gain: self.state.cwnd_gain(),
            inflight_shortterm: (self.inflight_shortterm != INFINITE).then_some(self.inflight_shortterm),
            inflight_longterm: (self.inflight_longterm != INFINITE).then_some(self.inflight_longterm),
        })
    }

    fn name(&self) -> &'static str {
        "bbr"
    }
}

#[cfg(test)]
mod tests;
