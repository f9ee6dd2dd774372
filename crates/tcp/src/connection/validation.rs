//! Congestion-window validation (RFC 7661): a window that the application does not fill is kept for a while, and not trusted.
//!
//! It decides what of the window the path has lately carried (pipeACK), whether that validates it, and what becomes of a window
//! that nothing validates: it does not grow, a loss reduces what was in use instead of it, and every five minutes it is halved. Only
//! connections with [`Options::window_validation`](crate::Options::window_validation) have any of this, and those whose controller
//! goes by a model of the path have not: there samples of the delivery rate say it. That bursts are spread over a round trip
//! (4.4.2) is pacing's business.

use core::time::Duration;

use bowline_base::{Instant, Position};

use super::rare::Rare;
use super::tcb::Tcb;
use crate::congestion::{Controller, initial_window};
use crate::recovery::Phase;

/// How long a window is kept that nothing validates (RFC 7661 4.4, 5): the non-validated period.
const KEPT: Duration = Duration::from_secs(300);
/// The least time over which samples are compared (RFC 7661 4.2): three round trips, and at least this.
const SAMPLING: Duration = Duration::from_secs(1);
/// The parts of that time which are forgotten one by one (RFC 7661 4.5.1), and one that is beginning.
const PARTS: usize = 5;
const SLOTS: usize = PARTS + 1;

/// Part of the sampling period: when it began, and the most that was acknowledged in a round trip in it.
#[derive(Clone, Copy, Hash, Debug)]
struct Part {
    began: Instant,
    most: u64,
}

/// What the path has carried of late, and since when that is too little for the window.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Validation {
    /// SND.UNA when the sample began that is being taken, and when that was.
    from: Position,
    since: Instant,
    /// The last of them is the one that samples go to.
    parts: [Part; SLOTS],
    /// Whether there was a whole sample: until then pipeACK is undefined.
    measured: bool,
    /// When the non-validated phase began, if it is on.
    unvalidated: Option<Instant>,
    /// A recovery that began in it: what was in use, and the bytes that had been sent again before.
    loss: Option<(u64, u64)>,
}

impl Validation {
    /// RFC 7661 4.1: the validated phase, and nothing measured.
    const fn new(una: Position) -> Self {
        Self {
            from: una,
            since: Instant::ZERO,
            parts: [Part { began: Instant::ZERO, most: 0 }; SLOTS],
            measured: false,
            unvalidated: None,
            loss: None,
        }
    }

    fn sampling_period(rtt: Duration) -> Duration {
        (3 * rtt).max(SAMPLING)
    }

    /// A sample begins here: what is acknowledged after a silence took no part of the time before it.
    const fn begin_sample(&mut self, now: Instant, una: Position) {
        (self.from, self.since) = (una, now);
    }

    /// RFC 7661 4.2: the volume acknowledged in a round trip; what is known of one that is not over is the least that it will be.
    fn on_ack(&mut self, now: Instant, una: Position, rtt: Duration) {
        if now.since(self.parts[PARTS].began) >= Self::sampling_period(rtt) / PARTS as u32 {
            self.parts.rotate_left(1);
            self.parts[PARTS] = Part { began: now, most: 0 };
        }
        let newest = &mut self.parts[PARTS].most;
        *newest = una.since(self.from).max(*newest);
        if now.since(self.since) >= rtt {
            self.measured = true;
            self.begin_sample(now, una);
        }
    }

    /// The most that the path has carried in a round trip of the sampling period; `None` for "undefined".
    fn pipe_ack(&self, now: Instant, rtt: Duration) -> Option<u64> {
        let period = Self::sampling_period(rtt);
        let recent = self.parts.iter().filter(|part| part.began + period >= now);
        self.measured.then(|| recent.map(|part| part.most).max().unwrap_or_default())
    }

    /// RFC 7661 4.3: the window is not validated while pipeACK is less than half of it. Since when, by what is known now: after a
    /// silence, since the last sample that was large enough counted no more.
    fn judge(&mut self, now: Instant, rtt: Duration, cwnd: u64) {
        if self.pipe_ack(now, rtt).is_none_or(|pipe| 2 * pipe >= cwnd) {
            self.unvalidated = None;
        } else if self.unvalidated.is_none() {
            let enough = self.parts.iter().filter(|part| 2 * part.most >= cwnd);
            let expired = enough.map(|part| part.began + Self::sampling_period(rtt)).max();
            self.unvalidated = Some(expired.unwrap_or(now).min(now));
        }
    }

    /// How often the period is over since this was asked last.
    fn periods_over(&mut self, now: Instant) -> u32 {
        let Some(since) = &mut self.unvalidated else { return 0 };
        let mut over = 0;
        // A window of any size is down to the initial one after forty.
        while now.since(*since) >= KEPT && over < 64 {
            *since += KEPT;
            over += 1;
        }
        over
    }

    /// RFC 7661 4.4.1: what had been measured before congestion says nothing any more.
    const fn forget(&mut self, now: Instant, una: Position) {
        *self = Self { since: now, ..Self::new(una) };
    }
}

impl Tcb {
    /// A new controller: its window is taken for valid until samples say otherwise.
    pub(super) fn begin_validation(&mut self) {
        if self.options.window_validation && !self.congestion.models_path() {
            let begun = Some(Validation::new(self.snd.una));
            self.rare.get_or_insert_with(|| alloc::boxed::Box::new(Rare::default())).validation = begun;
        } else if let Some(rare) = &mut self.rare {
            rare.validation = None;
        }
    }

    fn validation_mut(&mut self) -> Option<&mut Validation> {
        self.rare.as_mut()?.validation.as_mut()
    }

    fn round_trip(&self) -> Duration {
        self.recovery.rtt().srtt().unwrap_or_default()
    }

    /// Something was acknowledged; whether the window is not validated.
    #[inline(never)]
    pub(super) fn validate_window(&mut self, now: Instant) -> bool {
        let (una, rtt, cwnd) = (self.snd.una, self.round_trip(), self.congestion.cwnd());
        let repairs = matches!(self.recovery.phase(), Phase::FastRecovery | Phase::Timeout);
        let has_text = una > self.snd.iss + 1;
        let Some(validation) = self.validation_mut() else { return false };
        // RFC 7661 4.2: no samples are taken in fast recovery, and before there was text there is none: pipeACK is undefined.
        if has_text && !repairs {
            validation.on_ack(now, una, rtt);
            validation.judge(now, rtt, cwnd);
        }
        validation.unvalidated.is_some()
    }

    /// Text is about to leave. Returns whether the window became another one by that: it does when the phase has lasted too long.
    #[inline(never)]
    pub(super) fn expire_window(&mut self, now: Instant) -> bool {
        let (una, rtt, cwnd) = (self.snd.una, self.round_trip(), self.congestion.cwnd());
        let (is_idle, least) = (self.recovery.is_idle(), initial_window(self.snd.mss));
        let Some(validation) = self.validation_mut() else { return false };
        if is_idle {
            validation.begin_sample(now, una);
        }
        validation.judge(now, rtt, cwnd);
        let over = validation.periods_over(now);
        for _ in 0..over {
            // RFC 7661 4.4.3: the rate was sustained, so that slow start may lead back to it.
            let cwnd = self.congestion.cwnd();
            let ssthresh = self.congestion.ssthresh().map_or(u64::MAX, |ssthresh| ssthresh.max(cwnd / 4 * 3));
            self.congestion.on_unvalidated((cwnd / 2).max(least).min(cwnd), ssthresh);
        }
        over > 0
    }

    /// RFC 7661 4.4.1: congestion is about to reduce what `used` says; what it is to reduce in the non-validated phase.
    pub(super) fn validated_part(&self, now: Instant, used: u64, flight: u64) -> u64 {
        let validation = self.rare.as_ref().and_then(|rare| rare.validation.as_ref());
        let Some(validation) = validation.filter(|validation| validation.unvalidated.is_some()) else { return used };
        validation.pipe_ack(now, self.round_trip()).unwrap_or_default().max(flight)
    }

    /// RFC 7661 4.4.1: it was reduced, by what had been `used`. In the non-validated phase half of that is the window, whatever
    /// the controller would have left; and the phase is over.
    pub(super) fn reduce_unvalidated(&mut self, now: Instant, used: u64, recovers: bool) {
        let (una, again) = (self.snd.una, self.stats.bytes_retrans);
        let Some(validation) = self.validation_mut() else { return };
        let unvalidated = validation.unvalidated.is_some();
        validation.forget(now, una);
        if unvalidated {
            validation.loss = recovers.then_some((used, again));
            self.halve(used);
        }
    }

    /// RFC 7661 4.4.1: the recovery is over, and the window is smaller by half of what had to be sent again. (Copies of copies count as
    /// well: there is no more exact account of them.)
    pub(super) fn conclude_unvalidated(&mut self, now: Instant) {
        let (una, again) = (self.snd.una, self.stats.bytes_retrans);
        let Some(validation) = self.validation_mut() else { return };
        let loss = validation.loss.take();
        validation.forget(now, una);
        if let Some((used, before)) = loss {
            self.halve(used.saturating_sub(again - before));
        }
    }

    /// A time-out, or a reduction that was taken back: the phase is over, and what was measured in it is forgotten.
    pub(super) fn leave_unvalidated(&mut self, now: Instant) {
        let una = self.snd.una;
        if let Some(validation) = self.validation_mut() {
            validation.forget(now, una);
        }
    }

    fn halve(&mut self, used: u64) {
        let window = (used / 2).max(self.snd.mss.into()).min(self.congestion.cwnd());
        self.congestion.on_unvalidated(window, window);
    }
}

#[cfg(test)]
mod tests;
