//! How fast the path delivers: a sample of the delivery rate for each ACK (draft-ietf-ccwg-bbr 4.1, which took over
//! draft-cheng-iccrg-delivery-rate-estimation).
//!
//! It decides what a sample spans, and which samples say more of the application than of the path. What was known when
//! something was sent is kept for each instant of sending, beside the ring and not in it: only connections that are
//! sampled own any of this. A record of the ring finds its moment by the time and the run in which it was sent.

use core::time::Duration;

use bowline_base::Instant;

use super::ring::{Losses, Transmission};
use crate::short_deque::ShortDeque;

/// Moments kept at most; beyond them, what is sent counts as sent at the last one. Then samples span more time and more data.
const MAX_MOMENTS: usize = 4096;
/// Fewer moments than these are not worth a look for those that nobody asks for any more.
const FEW_MOMENTS: usize = 64;

/// What an ACK says of the rate at which the path delivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RateSample {
    /// Bytes a second; zero where the time it spans is shorter than any round trip, so that nothing can be said.
    pub rate: u64,
    /// Bytes that were delivered from when the newest data it acknowledges was sent, until now.
    pub delivered: u64,
    /// The time that took to be sent or to be acknowledged, whichever was longer.
    pub interval: Duration,
    /// Bytes delivered since the connection began, when the newest data it acknowledges was sent.
    pub prior_delivered: u64,
    /// The same now.
    pub total_delivered: u64,
    /// Whether the application had nothing to send for a part of it.
    pub app_limited: bool,
    /// Bytes in flight once the newest data it acknowledges had been sent.
    pub sent_in_flight: u64,
    /// Bytes found lost since then.
    pub lost: u64,
}

/// Data that was found lost at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LossSample {
    /// Bytes.
    pub bytes: u64,
    /// Stretches of the stream that do not touch each other.
    pub stretches: u32,
    /// Bytes in flight once the last of it had been sent.
    pub sent_in_flight: u64,
    /// Bytes found lost since then, these among them.
    pub lost: u64,
    /// Bytes delivered since the connection began.
    pub total_delivered: u64,
    /// Whether the application had run out of data when the last of it was sent.
    pub app_limited: bool,
}

/// The last sample that tells of the path rather than of the application, as `tcp_info` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeliveryRate {
    /// Bytes a second; zero before the first sample.
    pub rate: u64,
    /// Whether the application was what limited it.
    pub app_limited: bool,
    /// Bytes delivered since the connection began.
    pub delivered: u64,
    /// Bytes found lost since it began.
    pub lost: u64,
}

/// What was known when something was sent (P of the draft).
#[derive(Clone, Copy, Debug)]
struct Moment {
    sent_at: Instant,
    run: u32,
    app_limited: bool,
    delivered: u64,
    delivered_at: Instant,
    first_sent: Instant,
    in_flight: u64,
    lost: u64,
}

impl Moment {
    fn key(&self) -> (Instant, u32) {
        (self.sent_at, self.run)
    }
}

/// The sampler (C of the draft).
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    /// A congestion controller goes by the samples.
    pub(super) modelled: bool,
    moments: ShortDeque<Moment>,
    /// At so many moments those are forgotten that nobody asks for any more.
    watermark: usize,
    delivered: u64,
    delivered_at: Instant,
    /// When the newest of what was delivered had been sent, or the first of what flies after a silence.
    first_sent: Instant,
    lost: u64,
    /// The application had run out of data; until so much is delivered, samples show it. Zero: it has not.
    app_limited: u64,
    shown: (u64, Duration, bool),
    loss: Option<LossSample>,
    sample: Option<RateSample>,
}

/// Bytes a second.
fn rate(bytes: u64, interval: Duration) -> u64 {
    let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    match bytes.checked_mul(1_000_000_000) {
        Some(scaled) => scaled / nanos,
        None => u64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(nanos)).unwrap_or(u64::MAX),
    }
}

impl Sampler {
    pub(super) const fn new() -> Self {
        Self {
            modelled: false,
            moments: ShortDeque::new(),
            watermark: FEW_MOMENTS,
            delivered: 0,
            delivered_at: Instant::ZERO,
            first_sent: Instant::ZERO,
            lost: 0,
            app_limited: 0,
            shown: (0, Duration::ZERO, false),
            loss: None,
            sample: None,
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.moments.memory()
    }

    /// `len` bytes go out in this run, while `in_flight` others fly. `oldest` tells the oldest transmission of what is
    /// outstanding.
    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        run: u32,
        len: u64,
        in_flight: u64,
        oldest: impl FnOnce() -> (Instant, u32),
    ) {
        if in_flight == 0 {
            // Nothing of what flies is older: the clock of both rates starts now.
            self.first_sent = now;
            self.delivered_at = now;
        }
        let in_flight = in_flight + len;
        let full = self.moments.len() >= MAX_MOMENTS;
        if let Some(last) = self.moments.back_mut().filter(|last| full || last.key() == (now, run)) {
            last.in_flight = in_flight;
        } else {
            let Self { app_limited, delivered, delivered_at, first_sent, lost, .. } = *self;
            let app_limited = app_limited > 0;
            self.moments.push_back(Moment {
                sent_at: now,
                run,
                app_limited,
                delivered,
                delivered_at,
                first_sent,
                in_flight,
                lost,
            });
        }
        if self.moments.len() >= self.watermark {
            let before = self.index_of(oldest());
            self.moments.remove_range(0..before);
            self.watermark = (2 * self.moments.len()).clamp(FEW_MOMENTS, MAX_MOMENTS);
        }
    }

    /// Nothing is outstanding any more.
    pub(super) fn on_idle(&mut self) {
        self.moments = ShortDeque::new();
        self.watermark = FEW_MOMENTS;
    }

    /// The last moment that is not later than this one.
    fn index_of(&self, key: (Instant, u32)) -> usize {
        self.moments.partition_point(|moment| moment.key() <= key).saturating_sub(1)
    }

    /// An ACK delivered so many bytes.
    pub(super) fn on_delivered(&mut self, now: Instant, bytes: u64) {
        if bytes > 0 {
            self.delivered += bytes;
            self.delivered_at = now;
            if self.delivered > self.app_limited {
                self.app_limited = 0;
            }
        }
    }

    /// Takes the sample that an ACK gives which delivered something, the newest of it by this transmission: `None` where copies
    /// make it uncertain by which one (the draft allows to take no sample then).
    pub(super) fn sample(&mut self, now: Instant, bytes: u64, newest: Option<Transmission>, min_rtt: Duration) {
        let Some((sent_at, run, _)) = newest.filter(|_| bytes > 0) else { return };
        let Some(&moment) = self.moments.get(self.index_of((sent_at, run))) else { return };
        let sent = moment.sent_at.since(moment.first_sent);
        let interval = sent.max(now.since(moment.delivered_at));
        let delivered = self.delivered - moment.delivered;
        // In less than a round trip no data of this connection came there and an ACK back: copies that were not needed.
        let reliable = interval >= min_rtt && !interval.is_zero();
        let sample = RateSample {
            rate: if reliable { rate(delivered, interval) } else { 0 },
            delivered,
            interval,
            prior_delivered: moment.delivered,
            total_delivered: self.delivered,
            app_limited: moment.app_limited,
            sent_in_flight: moment.in_flight,
            lost: self.lost - moment.lost,
        };
        self.first_sent = moment.sent_at;
        // As Linux shows it: where the application is the limit, only what is faster than before.
        if reliable && (!sample.app_limited || sample.rate >= rate(self.shown.0, self.shown.1)) {
            self.shown = (delivered, interval, sample.app_limited);
        }
        self.sample = Some(sample);
    }

    /// Data is believed lost.
    pub(super) fn on_lost(&mut self, losses: &Losses) {
        let Some(key) = losses.last_sent.filter(|_| losses.bytes > 0) else { return };
        self.lost += losses.bytes;
        let Some(&moment) = self.moments.get(self.index_of(key)) else { return };
        let before = self.loss.unwrap_or_default();
        self.loss = Some(LossSample {
            bytes: before.bytes + losses.bytes,
            stretches: before.stretches.saturating_add(losses.stretches),
            sent_in_flight: moment.in_flight,
            lost: self.lost - moment.lost,
            total_delivered: self.delivered,
            app_limited: moment.app_limited,
        });
    }

    pub(super) fn take(&mut self) -> (Option<LossSample>, Option<RateSample>) {
        (self.loss.take(), self.sample.take())
    }

    /// The application has nothing to send, though it might (C.app_limited of the draft); or a controller keeps the rate down
    /// on purpose.
    pub(super) fn mark_app_limited(&mut self, in_flight: u64) {
        self.app_limited = (self.delivered + in_flight).max(1);
    }

    pub(super) const fn is_app_limited(&self) -> bool {
        self.app_limited > 0
    }

    pub(super) fn shown(&self) -> DeliveryRate {
        let (bytes, interval, app_limited) = self.shown;
        let rate = if bytes == 0 { 0 } else { rate(bytes, interval) };
        DeliveryRate { rate, app_limited, delivered: self.delivered, lost: self.lost }
    }
}

#[cfg(test)]
mod tests;
