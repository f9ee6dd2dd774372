//! The round-trip time and the retransmission time-out (RFC 6298).
//!
//! It decides how long to wait for an acknowledgement. It does not know which data a sample came from: Karn's rule is
//! kept by those who take the samples.

use core::time::Duration;

use bowline_base::{Instant, Span};

/// The time-out before the first sample, in microseconds (RFC 6298 2.1, RFC6298-2-1).
const INITIAL_RTO: u32 = 1_000_000;
/// The time-out when data transmission begins after a lost SYN, in microseconds (RFC 6298 5.7, RFC6298-5-7).
const INITIAL_RTO_AFTER_LOST_SYN: u32 = 3_000_000;
/// How long a smallest round-trip time is believed, in seconds, at least; after at most twice as long it is forgotten.
const MIN_RTT_WINDOW: u32 = 10;
/// Doublings beyond which the time-out no longer grows, whatever `max_rto` says.
const MAX_BACKOFF: u8 = 32;

/// Smoothed round-trip time, its variance, its extremes, and the retransmission time-out.
///
/// What is averaged is kept in nanoseconds. A sample of zero counts as 1 ns, so that nothing divides by it. Extremes,
/// bounds and the time-out are kept in microseconds, rounded up; at most 71 minutes.
#[derive(Clone, Hash, Debug)]
pub struct RttEstimator {
    srtt: u64,
    rttvar: u64,
    /// In microseconds.
    rto: u32,
    /// The bounds, in microseconds.
    min_rto: u32,
    max_rto: u32,
    /// The largest sample, in microseconds.
    max_rtt: u32,
    /// The smallest sample since `window`, and of the window before it, in microseconds.
    min_rtt: [u32; 2],
    /// When it began, in seconds.
    window: u32,
    /// G: the steps of the caller's clock, in microseconds.
    granularity: u16,
    /// What is added to time-outs, in hundredths of a second.
    slop: u8,
    backoff: u8,
}

/// As [`micros`].
fn micros_of(d: Duration) -> u32 {
    let micros = d.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(d.subsec_nanos().div_ceil(1_000)));
    u32::try_from(micros).unwrap_or(u32::MAX)
}

/// Rounded up, so that only zero is zero.
fn micros(nanos: u64) -> u32 {
    u32::try_from(nanos.div_ceil(1_000)).unwrap_or(u32::MAX)
}

fn from_micros(micros: u32) -> u64 {
    u64::from(micros) * 1_000
}

/// The smallest time-out in microseconds: without it, zero would be due again at once, for ever.
const LEAST_RTO: u32 = 1_000;

fn bounds(min_rto: Duration, max_rto: Duration) -> (u32, u32) {
    let min_rto = micros_of(min_rto).max(LEAST_RTO);
    (min_rto, micros_of(max_rto).max(min_rto))
}

impl RttEstimator {
    /// An estimator without a sample. `min_rto` and `max_rto` bound the time-out; a `max_rto` below `min_rto` yields.
    #[must_use]
    pub fn new(min_rto: Duration, max_rto: Duration) -> Self {
        let (min_rto, max_rto) = bounds(min_rto, max_rto);
        Self {
            srtt: 0,
            rttvar: 0,
            // RFC 6298 2.1: 1 s until there is a sample.
            rto: INITIAL_RTO.clamp(min_rto, max_rto),
            min_rto,
            max_rto,
            max_rtt: 0,
            min_rtt: [u32::MAX; 2],
            window: 0,
            granularity: 0,
            slop: 0,
            backoff: 0,
        }
    }

    /// For a clock with steps as wide as this, at most 65 ms: G of RFC 6298.
    #[must_use]
    pub fn with_granularity(self, granularity: Duration) -> Self {
        Self { granularity: u16::try_from(micros_of(granularity)).unwrap_or(u16::MAX), ..self }
    }

    /// With so much added to each time-out but the very first, in hundredths of a second, at most 2.55 s. The lower
    /// bound then is that of the rest as a whole, as RFC 6298 2.4 has it.
    #[must_use]
    pub fn with_slop(self, slop: Duration) -> Self {
        Self {
            slop: u8::try_from(slop.as_secs().saturating_mul(100).saturating_add(u64::from(slop.subsec_millis() / 10)))
                .unwrap_or(u8::MAX),
            ..self
        }
    }

    /// What is added now.
    const fn slop(&self) -> u32 {
        let is_first = self.srtt == 0 && self.backoff == 0;
        if is_first { 0 } else { self.slop as u32 * 10_000 }
    }

    /// The steps of the clock.
    #[must_use]
    pub const fn granularity(&self) -> Duration {
        Duration::from_micros(self.granularity as u64)
    }

    /// Other bounds than it began with. They hold at once.
    pub fn set_bounds(&mut self, min_rto: Duration, max_rto: Duration) {
        (self.min_rto, self.max_rto) = bounds(min_rto, max_rto);
        self.rto = if self.srtt == 0 { self.rto.max(self.min_rto) } else { self.by_samples() };
        self.rto = self.rto.min(self.max_rto);
    }

    /// Takes a sample. The backoff ends with it (RFC 6298 5, note after 5.7; Karn's rule).
    #[inline]
    pub fn on_sample(&mut self, now: Instant, rtt: impl Into<Span>) {
        self.take(now, rtt.into());
    }

    #[inline(never)]
    fn take(&mut self, now: Instant, rtt: Span) {
        let r = rtt.as_nanos().clamp(1, u64::MAX >> 8);
        if self.srtt == 0 {
            // RFC 6298 2.2, RFC6298-2-2.
            self.srtt = r;
            self.rttvar = r / 2;
        } else {
            // RFC 6298 2.3, RFC6298-2-3: the variance first, by 1/4; then the mean, by 1/8.
            self.rttvar = self.rttvar - self.rttvar / 4 + self.srtt.abs_diff(r) / 4;
            self.srtt = (self.srtt - self.srtt / 8 + r / 8).max(1);
        }
        self.rto = self.by_samples().min(self.max_rto);
        self.backoff = 0;
        self.observe(now, rtt);
    }

    /// RFC 6298 2.3 and 2.4, RFC6298-2-4. The lower bound stands in for the variance, as in Linux, rather than for the
    /// whole: with 200 ms instead of 1 s a steady path of 200 ms would otherwise time out on every delayed
    /// acknowledgement.
    fn by_samples(&self) -> u32 {
        if self.slop > 0 {
            let spread = self.rttvar.saturating_mul(4).max(from_micros(self.granularity.into()));
            return micros(self.srtt.saturating_add(spread)).max(self.min_rto);
        }
        let spread = self.rttvar.saturating_mul(4).max(from_micros(self.min_rto.max(self.granularity.into())));
        micros(self.srtt.saturating_add(spread))
    }

    /// Takes a sample for the extremes only.
    pub fn observe(&mut self, now: Instant, rtt: Span) {
        let r = micros(rtt.as_nanos().max(1));
        self.max_rtt = self.max_rtt.max(r);
        let seconds = (now.as_nanos() / 1_000_000_000) as u32;
        let age = seconds.saturating_sub(self.window);
        if age >= MIN_RTT_WINDOW {
            // After a silence of more than a window the older minimum is stale too.
            self.min_rtt = [u32::MAX, if age >= 2 * MIN_RTT_WINDOW { u32::MAX } else { self.min_rtt[0] }];
            self.window = seconds;
        }
        self.min_rtt[0] = self.min_rtt[0].min(r);
    }

    /// Doubles the time-out (RFC 6298 5.5, RFC6298-5-5).
    pub fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// Takes the last backoff back: the time-out was spurious.
    pub fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// Our SYN was acknowledged without a sample because it had to be retransmitted: data starts with 3 s.
    pub fn on_syn_lost(&mut self) {
        if self.srtt == 0 {
            // RFC 6298 5.7
            self.rto = INITIAL_RTO_AFTER_LOST_SYN.clamp(self.min_rto, self.max_rto);
            self.backoff = 0;
        }
    }

    /// The smoothed round-trip time; `None` before the first sample.
    #[must_use]
    pub const fn srtt(&self) -> Option<Duration> {
        if self.srtt == 0 { None } else { Some(Duration::from_nanos(self.srtt)) }
    }

    /// Its nanoseconds; zero before the first sample.
    pub(super) const fn srtt_nanos(&self) -> u64 {
        self.srtt
    }

    /// The round-trip time's mean deviation; zero before the first sample.
    #[must_use]
    pub const fn rttvar(&self) -> Duration {
        Duration::from_nanos(self.rttvar)
    }

    /// The smallest sample of the last 10 to 20 s; `None` before the first one.
    #[must_use]
    pub fn min_rtt(&self) -> Option<Duration> {
        let least = self.min_rtt[0].min(self.min_rtt[1]);
        (least != u32::MAX).then(|| Duration::from_micros(least.into()))
    }

    /// The largest sample ever; `None` before the first one.
    #[must_use]
    pub const fn max_rtt(&self) -> Option<Duration> {
        if self.max_rtt == 0 { None } else { Some(Duration::from_micros(self.max_rtt as u64)) }
    }

    /// The retransmission time-out without backoff.
    #[must_use]
    pub const fn base_rto(&self) -> Duration {
        Duration::from_micros(self.rto as u64 + self.slop() as u64)
    }

    /// The retransmission time-out with backoff, at most `max_rto` (RFC 6298 2.5, RFC6298-2-5).
    #[must_use]
    pub fn rto(&self) -> Duration {
        self.rto_span().get()
    }

    /// The same, to add to an instant.
    pub(super) fn rto_span(&self) -> Span {
        let shift = u32::from(self.backoff.min(MAX_BACKOFF));
        let backed_off = (u64::from(self.rto) << shift) + u64::from(self.slop());
        Span::from_nanos(backed_off.min(self.max_rto.into()) * 1_000)
    }

    /// Doublings since the last sample.
    #[must_use]
    pub const fn backoff(&self) -> u8 {
        self.backoff
    }
}
