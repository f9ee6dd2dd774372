//! What is in flight, what of it is lost, and when to give up waiting: the sender's memory of what it sent.
//!
//! It decides what is believed lost (with SACK by time, RACK-TLP of RFC 8985; without it by duplicate acknowledgements,
//! RFC 5681 3.2 and 6582; by the retransmission timer, RFC 6298), how much may go out while it is being repaired (RFC
//! 3042, 6937 and 9937), and whether the belief was wrong (RFC 3522, 3708, 4015 and 5682). It knows positions and times
//! only: no segment, no buffer, no window.
//!
//! The order of calls: [`on_ack`](Recovery::on_ack); then the controller hears of the ACK, and of what
//! [`AckOutcome::change`] says; then, as long as [`quota`](Recovery::quota) allows, [`next_lost`](Recovery::next_lost)
//! goes out before new data; each is reported by [`on_sent`](Recovery::on_sent). When the [`alarm`](Recovery::alarm)
//! goes off, one of the `on_…_timeout`s hears of it.

mod ack;
mod copies;
mod episode;
mod look;
mod outcome;
mod probe;
mod prr;
mod rack;
mod rate;
mod react;
mod ring;
mod rtt;
mod timeout;
mod undo;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};
use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position};

use self::episode::{DUP_THRESH, Episode};
use self::prr::Prr;
use self::rack::ReorderingWindow;
use self::rate::Sampler;
use self::ring::{Losses, Ring};
use crate::Options;
use crate::reason::LossReason;

pub use self::outcome::{Ack, AckOutcome, Outstanding, Phase, TimeoutOutcome};
pub use self::rate::{DeliveryRate, LossSample, RateSample};
pub use self::rtt::RttEstimator;

/// In place of a number of unanswered copies: the network was seen to duplicate, so that what arrives twice says nothing of them.
const REPLICATED: u16 = u16::MAX;

/// The granularity of a timestamp's echo.
const ECHO_GRANULARITY: Duration = Duration::from_millis(1);

/// The sender's memory of what it sent, from SND.UNA to SND.NXT.
///
/// It holds no heap memory while nothing is outstanding.
#[derive(Clone, Debug)]
pub struct Recovery {
    ring: Ring,
    episode: Option<Box<Episode>>,
    /// Samples of the delivery rate, for connections where somebody wants them.
    rate: Option<Box<Sampler>>,
    rtt: RttEstimator,
    /// When the retransmission timer runs out; `Instant::MAX` while it is off.
    deadline: Instant,
    /// When a tail loss probe is due; `Instant::MAX` where none is.
    probe_at: Instant,
    /// SND.NXT when the last recovery began (RFC 6675's RecoveryPoint, RFC 6582's recover + 1).
    recovery_point: Position,
    mss: u32,
    reordering: u16,
    /// Segments sent again that no duplicate SACK has reported; or [`REPLICATED`].
    unanswered: u16,
    retries: u8,
    reo_wnd: ReorderingWindow,
    phase: Phase,
    sack: bool,
    /// Whether there was a round-trip time since the last tail loss probe.
    sampled: bool,
    /// Whether there are tail loss probes at all.
    probes: bool,
    /// [`Options::reduce_window`]: see what follows from it, [`reduces_once`](Self::reduces_once) and
    /// [`counts_segments`](Self::counts_segments).
    by_window: bool,
    stats: Stats,
}

/// What recovery has counted since the connection began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Times that fast recovery began.
    pub recoveries: u32,
    /// Times that data arrived out of the order in which it was sent.
    pub reordered: u32,
    /// Segments that the peer reported to have received twice (RFC 2883).
    pub duplicates: u32,
    /// Times that the retransmission timer ran out; no more than 65,535.
    pub timeouts: u16,
    /// Recoveries that proved needless and were taken back; no more than 65,535.
    pub undone: u16,
}

impl Hash for Recovery {
    /// All but what is counted, and samples, which are of the past. Whether data was ever reordered is more than a count
    /// (RFC 8985 6.2: then no number of duplicate acknowledgements makes a loss).
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { ring, episode, rtt, deadline, probe_at, recovery_point, mss, reordering, .. } = self;
        let Self { unanswered, retries, reo_wnd, phase, sack, sampled, probes, by_window, rate: _, stats, .. } = self;
        (ring, episode, rtt, deadline, probe_at, recovery_point).hash(state);
        (mss, reordering, unanswered, retries, reo_wnd, phase, sack, sampled, probes, by_window).hash(state);
        (stats.reordered > 0).hash(state);
    }
}

impl Recovery {
    /// Nothing sent yet; the first position to be sent is `iss`.
    #[inline]
    #[must_use]
    pub fn new(options: &Options, iss: Position) -> Self {
        Self {
            ring: Ring::new(iss),
            episode: None,
            rate: None,
            rtt: RttEstimator::new(options.min_rto, options.max_rto)
                .with_granularity(options.clock_granularity)
                .with_slop(options.rto_slop),
            deadline: Instant::MAX,
            probe_at: Instant::MAX,
            recovery_point: iss - 1,
            mss: 536,
            reordering: DUP_THRESH as u16,
            unanswered: 0,
            retries: 0,
            reo_wnd: ReorderingWindow::new(),
            phase: Phase::Open,
            sack: false,
            sampled: false,
            probes: options.tail_loss_probe,
            by_window: options.reduce_window,
            stats: Stats::default(),
        }
    }

    /// The last time-out does not double the next one: for the first SYNs of an active open.
    pub fn take_back_backoff(&mut self, now: Instant) {
        self.rtt.reset_backoff();
        self.rearm(now);
    }

    /// Other bounds of the retransmission time-out; the timer that runs keeps its deadline.
    pub fn set_rto_bounds(&mut self, min_rto: Duration, max_rto: Duration) {
        self.rtt.set_bounds(min_rto, max_rto);
    }

    /// Whether the peer sends SACK blocks. Without this call it is found out by the first block.
    pub fn set_sack(&mut self, sack: bool) {
        self.sack = sack;
    }

    /// The payload bytes of a full segment; 536 until called (RFC 9293 3.7.1, MUST-15).
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = mss.max(1);
    }

    /// What the handshake said before this value existed (passive opens): the round-trip time of our SYN-ACK, or that
    /// it had to be retransmitted, so that there is none (RFC 6298 5.7).
    pub fn on_handshake(&mut self, now: Instant, rtt: Option<Duration>) {
        match rtt {
            Some(rtt) => {
                self.rtt.on_sample(now, rtt);
                self.sampled = true;
            }
            None => self.rtt.on_syn_lost(),
        }
    }

    /// What lies before `next` was sent and acknowledged without it: a SYN-ACK, before there was a connection.
    pub(crate) fn begin_at(&mut self, next: Position) {
        self.ring = Ring::new(next);
        self.recovery_point = next - 1;
    }

    /// `range` was handed to the device. `retransmit`: it had been sent before, but for what lies beyond SND.NXT.
    pub fn on_sent(&mut self, now: Instant, range: Range<Position>, retransmit: bool) {
        let len = range.end.since(range.start);
        if len == 0 {
            return;
        }
        let recovers = self.phase == Phase::FastRecovery;
        if let Some(episode) = self.episode.as_deref_mut().filter(|episode| recovers || episode.reducing.is_some()) {
            episode.prr.on_sent(len);
        }
        let flying = self.rate.is_some().then(|| self.in_flight());
        let mut run = 0;
        if retransmit {
            run = self.on_resent(now, &range);
        }
        let new = range.end > self.ring.nxt();
        if new {
            run = self.episode.as_deref_mut().map_or_else(|| self.ring.last_run(), Episode::run_of_new);
            self.ring.push(now, run, range.end);
        }
        if let Some((rate, flying)) = self.rate.as_deref_mut().zip(flying) {
            rate.on_sent(now, run, len, flying, || self.ring.oldest());
        }
        if self.deadline == Instant::MAX {
            // RFC 6298 5.1, RFC6298-5-1: the timer runs whenever something is outstanding.
            self.rearm(now);
        }
        if new {
            self.arm_probe(now);
        }
    }

    /// Returns the run that it went out in.
    #[inline(never)]
    fn on_resent(&mut self, now: Instant, range: &Range<Position>) -> u32 {
        let una = self.ring.una();
        let run = self.episode.as_deref_mut().map_or(0, |episode| episode.run_of_copies(range));
        self.ring.resend(now, run, range.clone());
        let len = range.end.since(range.start);
        let segments = u16::try_from(len.div_ceil(u64::from(self.mss))).unwrap_or(u16::MAX);
        if self.unanswered != REPLICATED {
            self.unanswered = self.unanswered.saturating_add(segments).min(REPLICATED - 1);
        }
        let Some(episode) = self.episode.as_deref_mut() else { return run };
        episode.copies.push(now, run, range.clone());
        episode.owed = false;
        if let Some(undo) = &mut episode.undo {
            undo.on_resent(now, len);
        }
        if let Some(lost) = self.ring.first_lost(episode.hint) {
            episode.hint = lost.start;
        }
        if self.phase == Phase::FastRecovery && range.start <= una {
            // RFC 6675 6: the careful variant, where the oldest data starts its journey anew.
            self.rearm(now);
        }
        run
    }

    /// Whether samples of the delivery rate are taken from now on. `modelled`: the congestion controller goes by them, and what
    /// may go out in fast recovery follows from its window alone.
    pub fn sample_rates(&mut self, wanted: bool, modelled: bool) {
        if !wanted && !modelled {
            self.rate = None;
            return;
        }
        self.rate.get_or_insert_with(|| Box::new(Sampler::new())).modelled = modelled;
    }

    /// What was lost and what was delivered since the last call; nothing where no samples are taken.
    pub fn take_samples(&mut self) -> (Option<LossSample>, Option<RateSample>) {
        self.rate.as_deref_mut().map_or((None, None), Sampler::take)
    }

    /// Nothing is there to be sent although the window allows it: what is delivered in the next round trip says little of the
    /// path (draft-ietf-ccwg-bbr 4.1.2.4).
    pub fn mark_app_limited(&mut self) {
        let in_flight = self.in_flight();
        if let Some(rate) = self.rate.as_deref_mut() {
            rate.mark_app_limited(in_flight);
        }
    }

    /// Whether samples of the delivery rate are taken.
    #[inline]
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.rate.is_some()
    }

    /// Whether what flies has a gap where the application had nothing to send.
    #[must_use]
    pub fn is_app_limited(&self) -> bool {
        self.rate.as_deref().is_some_and(Sampler::is_app_limited)
    }

    /// The delivery rate of late; `None` where no samples are taken.
    #[must_use]
    pub fn delivery_rate(&self) -> Option<DeliveryRate> {
        self.rate.as_deref().map(Sampler::shown)
    }

    /// The path carries segments of `mss` payload bytes now. If that is less than before, what went out in larger
    /// pieces is believed lost, to be cut anew, without a reduction of the window (RFC 1191 6.5): smaller segments have
    /// passed. Returns the bytes believed lost by it.
    pub fn on_path_mtu(&mut self, now: Instant, mss: u32) -> u64 {
        let smaller = mss < self.mss;
        self.set_mss(mss);
        if !smaller || self.is_idle() {
            return 0;
        }
        let losses = self.ring.lose_longer(self.mss.into());
        self.lose_without_congestion(now, &losses, LossReason::PathMtu)
    }

    /// The peer has said that it took nothing of what went along with our SYN: it is believed lost, without a reduction of the
    /// window. Returns the bytes believed lost by it.
    pub fn on_refused(&mut self, now: Instant) -> u64 {
        let losses = self.ring.lose_originals(self.ring.una()..self.ring.nxt());
        self.lose_without_congestion(now, &losses, LossReason::SynDataRefused)
    }

    fn lose_without_congestion(&mut self, now: Instant, losses: &Losses, why: LossReason) -> u64 {
        let Some(first) = &losses.first else { return 0 };
        let mut episode = self.episode.take().unwrap_or_else(|| Box::new(Episode::new(&self.ring)));
        episode.hint = episode.hint.min(first.start);
        episode.guessed = 0;
        episode.reason = why;
        self.stop_probing(&mut episode);
        self.episode = Some(episode);
        self.rearm(now);
        losses.bytes
    }

    /// The window, `cwnd` until now, has been reduced for a mark that the ACK with this outcome echoed. Instead of at once it
    /// falls with that ACK and those that follow, in the proportion that RFC 9937 has for losses, until what is outstanding now is
    /// acknowledged. Nothing happens in a recovery, which does so already.
    pub fn reduce_by_acks(&mut self, cwnd: u64, outcome: &AckOutcome) {
        if matches!(self.phase, Phase::FastRecovery | Phase::Timeout) || self.is_idle() {
            return;
        }
        let mut episode = self.episode.take().unwrap_or_else(|| Box::new(Episode::new(&self.ring)));
        episode.prr = Prr::new(cwnd);
        episode.prr.on_ack(outcome.delivered, outcome.newly_acked > 0 && outcome.newly_lost == 0);
        episode.reducing = Some(self.ring.nxt());
        self.episode = Some(episode);
    }

    /// Starts the retransmission timer anew if anything is outstanding, and stops it otherwise (RFC 6298 5.2, 5.3).
    pub fn rearm(&mut self, now: Instant) {
        self.deadline = if self.is_idle() { Instant::MAX } else { now + self.rtt.rto_span() };
    }

    /// Whether a recovery reduces the window only once, whatever is lost in it.
    const fn reduces_once(&self) -> bool {
        self.by_window
    }

    /// Whether what goes out in a recovery, in proportion to what arrives, is rounded up to whole segments.
    const fn counts_segments(&self) -> bool {
        self.by_window
    }

    /// The steps of the clock that the caller reads (G of RFC 6298).
    fn clock_granularity(&self) -> Duration {
        self.rtt.granularity()
    }
}
