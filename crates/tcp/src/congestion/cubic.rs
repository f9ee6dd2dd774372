//! CUBIC (RFC 9438) with HyStart++ (RFC 9406).
//!
//! It decides the window as a cubic function of the time since the last reduction, and leaves slow start where the
//! round-trip time rises. All arithmetic is on integers: windows in bytes, times in nanoseconds, C in segments.

use alloc::boxed::Box;
use core::time::Duration;

use bowline_base::Instant;

use super::slow_start::SlowStart;
use super::{AckSample, Congestion, Controller, MAX_CWND, initial_window};
use crate::HyStart;

/// C = 0.4 segments per second cubed (RFC 9438 4.1, 5): its tenths.
const C_TENTHS: u128 = 4;
/// β = 0.7 (RFC 9438 4.6): its tenths.
const BETA_TENTHS: u64 = 7;
/// α = 3 (1 - β) / (1 + β) = 9/17 (RFC 9438 4.3), until the window before the reduction is reached; then 1.
const ALPHA: (u64, u64) = (9, 17);
/// The part of the window by which it grows in each round trip at least, while nothing has been lost yet.
const SEARCH: u64 = 20;
/// Beyond this distance from K the function exceeds [`MAX_CWND`] for every segment size.
const MAX_DISTANCE: u64 = 100_000_000_000_000;

/// What undo brings back.
#[derive(Clone, Copy, Debug)]
struct Saved {
    cwnd: u64,
    ssthresh: u64,
    w_max: u64,
    prior: u64,
    epoch: Option<Epoch>,
    hystart: SlowStart,
}

/// A stage of congestion avoidance, from its beginning (RFC 9438 4.2).
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// When it began, put off by the time in which the window was not in use.
    start: Instant,
    /// The last ACK that was heard.
    last: Instant,
    /// K: the time from the beginning to `origin`, in nanoseconds.
    k: u64,
    /// The window that the plateau is at: W_max, or the window at the beginning if that is larger.
    origin: u64,
    /// W_est: what Reno would have.
    estimate: u64,
    /// Bytes acknowledged and not turned into `estimate` yet, times α's numerator.
    estimate_rest: u64,
}

/// CUBIC.
#[derive(Clone, Debug)]
pub struct Cubic {
    mss: u32,
    cwnd: u64,
    /// `u64::MAX` before the first reduction.
    ssthresh: u64,
    /// W_max; zero before the first reduction.
    w_max: u64,
    /// cwnd_prior: the window before the last reduction, as far as it was ever in use; zero before the first.
    prior: u64,
    epoch: Option<Epoch>,
    /// What the window has earned and not received yet: bytes times the window.
    earned: u64,
    hystart: SlowStart,
    saved: Option<Box<Saved>>,
}

impl Cubic {
    /// A controller with the initial window of RFC 6928, and HyStart++.
    #[must_use]
    pub fn new(mss: u32) -> Self {
        Self::with_hystart(mss, HyStart::Rfc9406)
    }

    /// The same, whose slow start ends by this.
    #[must_use]
    pub fn with_hystart(mss: u32, hystart: HyStart) -> Self {
        let mss = mss.max(1);
        Self {
            mss,
            cwnd: initial_window(mss),
            ssthresh: u64::MAX,
            w_max: 0,
            prior: 0,
            epoch: None,
            earned: 0,
            hystart: SlowStart::new(hystart),
            saved: None,
        }
    }

    fn save(&mut self) {
        self.saved = Some(Box::new(Saved {
            cwnd: self.cwnd,
            ssthresh: self.ssthresh,
            w_max: self.w_max,
            prior: self.prior,
            epoch: self.epoch,
            hystart: self.hystart,
        }));
    }

    /// RFC 9438 4.6 and 4.7: the multiplicative decrease, and W_max by fast convergence.
    fn reduce(&mut self, in_flight: u64) {
        // Half used windows are reduced from what was in use (RFC 9438 4.6 allows flight_size for it).
        let used = in_flight.min(self.cwnd).max(self.mss.into());
        // Slow start goes on up to twice of what the buffers let be in flight, and what nobody has seen the path carry is no
        // plateau to return to. In congestion avoidance the window was in use, or it would not have grown.
        let by_slow_start = self.prior == 0 || self.cwnd < self.ssthresh;
        let reached = if by_slow_start { used } else { self.cwnd };
        // Fast convergence yields to newcomers. W_max follows from the window, and ssthresh from the window too, never from
        // the lowered W_max.
        self.w_max = if reached < self.w_max { reached.saturating_mul(10 + BETA_TENTHS) / 20 } else { reached };
        self.prior = reached;
        self.ssthresh = (used.saturating_mul(BETA_TENTHS) / 10).max(2 * u64::from(self.mss));
        self.epoch = None;
        self.earned = 0;
    }

    /// W_cubic at `t` nanoseconds after the beginning of the epoch (RFC 9438 4.2, figure 1), in bytes.
    fn w_cubic(&self, epoch: &Epoch, t: u64) -> u64 {
        let distance = t.abs_diff(epoch.k).min(MAX_DISTANCE);
        // (t - K)³ C MSS: microseconds keep the cube below 2^100.
        let d = u128::from(distance / 1_000);
        let grown = d * d * d / 1_000_000 * C_TENTHS / 10 * u128::from(self.mss) / 1_000_000_000_000;
        let grown = u64::try_from(grown).unwrap_or(u64::MAX).min(MAX_CWND);
        if t < epoch.k { epoch.origin.saturating_sub(grown) } else { epoch.origin.saturating_add(grown) }
    }

    fn begin_epoch(&self, now: Instant) -> Epoch {
        let origin = self.w_max.max(self.cwnd);
        // RFC 9438 4.2, figure 2: K = ³√((W_max - cwnd) / C) in seconds, of windows in segments; zero where the window is
        // above W_max already. Here in nanoseconds: the radicand times 10^27.
        let missing = u128::from(origin - self.cwnd);
        let radicand = missing * 10 / C_TENTHS * 1_000_000_000_000_000_000 / u128::from(self.mss);
        let k = cube_root(radicand).saturating_mul(1_000);
        Epoch { start: now, last: now, k, origin, estimate: self.cwnd, estimate_rest: 0 }
    }

    fn avoid_congestion(&mut self, now: Instant, acked: u64, srtt: Duration) {
        let mut epoch = self.epoch.unwrap_or_else(|| self.begin_epoch(now));
        epoch.last = now;
        let elapsed = u64::try_from(now.since(epoch.start).as_nanos()).unwrap_or(u64::MAX);
        let rtt = u64::try_from(srtt.as_nanos()).unwrap_or(u64::MAX);
        self.estimate(&mut epoch, acked);
        let target = self.w_cubic(&epoch, elapsed.saturating_add(rtt));
        // RFC 9438 4.2: the target lies between cwnd and 1.5 cwnd; an ACK never reduces the window.
        let target = target.clamp(self.cwnd, self.cwnd.saturating_add(self.cwnd / 2));
        // Before the first reduction there is no W_max, and the plateau would be where slow start ended: too early, beside others
        // who grow until they lose. So the search goes on, by a twentieth in each round trip at least, as on Linux.
        let searches = self.prior == 0;
        let target = if searches { target.max(self.cwnd.saturating_add(self.cwnd / SEARCH)) } else { target };
        let reno_leads = self.w_cubic(&epoch, elapsed) < epoch.estimate;
        if searches || !reno_leads {
            // RFC 9438 4.4 and 4.5: (target - cwnd) / cwnd for each byte acknowledged; the rest is kept.
            let window = u128::from(self.cwnd);
            let earned = u128::from(self.earned) + u128::from(target - self.cwnd) * u128::from(acked.min(self.cwnd));
            let grow = u64::try_from(earned / window).unwrap_or(u64::MAX);
            self.earned = u64::try_from(earned % window).unwrap_or(0);
            self.cwnd = self.cwnd.saturating_add(grow).min(MAX_CWND);
        }
        if reno_leads && self.cwnd < epoch.estimate {
            // RFC 9438 4.3: where Reno would be ahead, its window.
            self.cwnd = epoch.estimate.min(MAX_CWND);
            self.earned = 0;
        }
        self.epoch = Some(epoch);
    }

    /// RFC 9438 4.3: W_est grows by α segments for each window acknowledged.
    fn estimate(&self, epoch: &mut Epoch, acked: u64) {
        // Once Reno would be back where the reduction began, α is 1.
        let (numerator, denominator) = if epoch.estimate >= self.prior { (1, 1) } else { ALPHA };
        let window = self.cwnd.saturating_mul(denominator);
        let earned = acked.min(self.cwnd).saturating_mul(numerator).saturating_mul(self.mss.into());
        let earned = epoch.estimate_rest.saturating_add(earned);
        epoch.estimate = epoch.estimate.saturating_add(earned / window).min(MAX_CWND);
        epoch.estimate_rest = earned % window;
    }
}

impl Controller for Cubic {
    fn on_ack(&mut self, now: Instant, sample: &AckSample) {
        if sample.in_recovery {
            return;
        }
        let mut slow_start = self.cwnd < self.ssthresh;
        if slow_start && self.hystart.on_ack(now, sample, self.cwnd / u64::from(self.mss)) {
            self.ssthresh = self.cwnd;
            slow_start = false;
        }
        if !sample.cwnd_limited || sample.acked == 0 || !sample.advances {
            // RFC 9438 5.8: time in which the window was not in use does not count.
            if let Some(epoch) = self.epoch.as_mut() {
                epoch.start += now.since(epoch.last);
                epoch.last = now;
            }
            return;
        }
        if !slow_start {
            self.avoid_congestion(now, sample.acked, sample.srtt.unwrap_or_default());
            return;
        }
        let room = self.ssthresh - self.cwnd;
        self.cwnd = (self.cwnd + self.hystart.growth(sample.acked).min(room)).min(MAX_CWND);
        if self.hystart.ends() {
            // RFC 9406 4.2: congestion avoidance begins at the window reached.
            self.ssthresh = self.cwnd;
        }
    }

    fn on_congestion_event(&mut self, _now: Instant, in_flight: u64, _kind: Congestion) {
        self.save();
        self.reduce(in_flight);
        self.cwnd = self.ssthresh;
    }

    fn on_timeout(&mut self, _now: Instant, in_flight: u64, first: bool) {
        if first {
            self.save();
            self.reduce(in_flight);
        }
        // RFC 9438 4.8, RFC 5681 3.1: the loss window is one segment, and slow start follows.
        self.cwnd = self.mss.into();
        // The stage after it has its plateau where it begins: K is 0.
        self.w_max = 0;
        self.epoch = None;
        self.earned = 0;
        self.hystart.after_timeout();
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.saved = None;
    }

    fn undo(&mut self) {
        let Some(saved) = self.saved.take() else { return };
        // RFC 9438 4.9: everything as before, but for what was reached meanwhile.
        self.cwnd = self.cwnd.max(saved.cwnd);
        self.ssthresh = self.ssthresh.max(saved.ssthresh);
        self.w_max = saved.w_max;
        self.prior = saved.prior;
        self.epoch = saved.epoch;
        self.hystart = saved.hystart;
        self.earned = 0;
    }

    fn on_idle_restart(&mut self, now: Instant, idle: Duration, rto: Duration) {
        if idle > rto {
            // RFC 5681 4.1: the restart window is min(IW, cwnd); slow start leads back to where it was, as RFC 7661 has it.
            let restart = self.cwnd.min(initial_window(self.mss));
            self.ssthresh = self.ssthresh.max(self.cwnd - self.cwnd / 4);
            self.cwnd = restart;
        }
        // RFC 9438 5.8
        if let Some(epoch) = self.epoch.as_mut() {
            epoch.start += now.since(epoch.last);
            epoch.last = now;
        }
    }

    fn on_unvalidated(&mut self, cwnd: u64, ssthresh: u64) {
        (self.cwnd, self.ssthresh) = (cwnd.max(self.mss.into()), ssthresh);
        // The way back to a window that nothing validated is no plateau: the next stage begins where it stands.
        self.w_max = self.w_max.min(self.cwnd);
        self.epoch = None;
        self.earned = 0;
    }

    fn set_mss(&mut self, mss: u32) {
        self.mss = mss.max(1);
        self.cwnd = self.cwnd.max(self.mss.into());
    }

    fn cwnd(&self) -> u64 {
        self.cwnd
    }

    fn ssthresh(&self) -> Option<u64> {
        (self.ssthresh != u64::MAX).then_some(self.ssthresh)
    }

    fn name(&self) -> &'static str {
        "cubic"
    }
}

/// The cube root of `n`, rounded down.
fn cube_root(n: u128) -> u64 {
    let (mut low, mut high) = (0u64, 1 << 42);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let m = u128::from(middle);
        if m * m * m <= n {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests;
