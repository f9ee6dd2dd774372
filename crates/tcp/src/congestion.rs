//! How much may be in flight: congestion controllers behind one trait.
//!
//! A controller hears of acknowledged bytes, of losses and of time-outs, and answers with a window. It knows no
//! positions, no segments and no timers. RFC 5681 (slow start, congestion avoidance), 6928 (initial window), 9438
//! (CUBIC), 9406 (HyStart++), 3465 (byte counting), draft-ietf-ccwg-bbr (BBR).

use alloc::boxed::Box;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use bowline_base::Instant;

use crate::Algorithm;
use crate::recovery::Phase;

mod bbr;
mod classic;
mod cubic;
mod custom;
mod hystart;
mod local;
mod new_reno;
mod slow_start;

pub use crate::recovery::{LossSample, RateSample};
pub use bbr::Bbr;
pub use cubic::Cubic;
pub use custom::{Custom, Start};
pub use local::Local;
pub use new_reno::NewReno;

/// Windows never grow beyond this; so much that no link asks for more, and so little that sums cannot overflow.
pub(crate) const MAX_CWND: u64 = 1 << 40;

/// What one ACK means for the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AckSample {
    /// Bytes that left the network by it, cumulatively or selectively acknowledged; zero for a bare duplicate.
    pub acked: u64,
    /// Whether it acknowledges new data cumulatively: what is only reported beyond a hole opens no window (RFC 5681 3.1 and 3.2),
    /// but where the path was seen to reorder, as on Linux.
    pub advances: bool,
    /// The round-trip time it gives, if any.
    pub rtt: Option<Duration>,
    /// The smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// The smallest round-trip time of late.
    pub min_rtt: Option<Duration>,
    /// Bytes in flight before it.
    pub in_flight_before: u64,
    /// Whether the window was what held the sender back: only then it grows (RFC 5681 4.1, RFC 7661 4.3).
    pub cwnd_limited: bool,
    /// Whether fast recovery is under way, or the ACK is a duplicate (RFC 3042 2): then the window is not grown.
    pub in_recovery: bool,
    /// Bytes in flight after it.
    pub in_flight: u64,
    /// Whether the peer's window stands, filled by what has arrived behind a hole: how little moves until the hole is closed says
    /// nothing of the path.
    pub window_stands: bool,
    /// Where loss recovery stands after it.
    pub phase: Phase,
    /// Whether the peer tells with SACK what of several losses has arrived.
    pub sack: bool,
    /// Whether what leaves is spread over the round trip, so that in slow start a queue forms only where the path is full.
    pub paced: bool,
    /// Payload bytes of a full segment.
    pub mss: u32,
    /// The rate at which the path delivers; only where the controller [`models the path`](Controller::models_path).
    pub rate: Option<RateSample>,
}

/// What made congestion known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Congestion {
    /// Fast recovery began.
    FastRecovery,
    /// The peer echoed a congestion mark (RFC 3168 6.1.2).
    Ecn,
}

/// A congestion controller. All windows are in bytes.
pub trait Controller: Duplicate + fmt::Debug + Send {
    /// An ACK arrived.
    fn on_ack(&mut self, now: Instant, sample: &AckSample);
    /// Congestion was noticed, at most once per window; `in_flight` is what was in flight then.
    fn on_congestion_event(&mut self, now: Instant, in_flight: u64, kind: Congestion);
    /// The retransmission timer ran out; `first` is false where it repeats for the same data (RFC 5681 3.1).
    fn on_timeout(&mut self, now: Instant, in_flight: u64, first: bool);
    /// A reduction stands: its recovery is over, and nothing can [`undo`](Self::undo) it any more; or a loss was
    /// repaired by a probe, and there was no recovery.
    fn on_recovered(&mut self, now: Instant);
    /// The last congestion event or time-out was no congestion: the window returns to what it was (RFC 4015).
    fn undo(&mut self);
    /// Sending resumes after `idle` without anything in flight (RFC 5681 4.1).
    fn on_idle_restart(&mut self, now: Instant, idle: Duration, rto: Duration);
    /// The application has not filled the window for long, or congestion has met one that it did not fill (RFC 7661 4.4): window and
    /// slow-start threshold become these; the window is no more than it was. Default: nothing.
    fn on_unvalidated(&mut self, cwnd: u64, ssthresh: u64) {
        let _ = (cwnd, ssthresh);
    }
    /// Data is believed lost, whether or not that begins a recovery; before [`on_ack`](Self::on_ack) where an ACK told of it.
    /// Only controllers that [model the path](Self::models_path) hear of it. Default: nothing.
    fn on_loss(&mut self, now: Instant, loss: &LossSample) {
        let _ = (now, loss);
    }
    /// Data is about to leave while nothing is in flight, since the application had nothing to send. Only controllers that
    /// [model the path](Self::models_path) hear of it. Default: nothing.
    fn on_restart(&mut self, now: Instant, srtt: Option<Duration>) {
        let _ = (now, srtt);
    }
    /// Whether it models the path instead of halving a window: then it gets samples of the delivery rate, and in fast recovery
    /// its window is the only limit, where others are subject to RFC 9937. Default false.
    fn models_path(&self) -> bool {
        false
    }
    /// Whether it sends less than the path takes, on purpose: then samples count as the application's limit. Default false.
    fn holds_back(&self) -> bool {
        false
    }
    /// The payload bytes of a full segment changed.
    fn set_mss(&mut self, mss: u32);
    /// The congestion window; never less than one segment.
    fn cwnd(&self) -> u64;
    /// The slow-start threshold; `None` before the first loss.
    fn ssthresh(&self) -> Option<u64>;
    /// The rate to send at, in bytes a second, where the controller models one. Default `None`: if the connection is paced,
    /// its rate follows from the window and the round-trip time.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }
    /// The bytes that may leave in one go where the sender is paced. Default `None`: a millisecond's worth at the rate, between
    /// two segments and a super-segment.
    fn send_quantum(&self) -> Option<u64> {
        None
    }
    /// What it believes of the path. Default `None`: it has no model.
    fn model(&self) -> Option<Model> {
        None
    }
    /// Its name as `ss` shows it.
    fn name(&self) -> &'static str;
}

/// What a controller believes of the path, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Model {
    /// Where it stands, in its own words.
    pub state: &'static str,
    /// The bandwidth that is there for the connection, in bytes a second; zero while it is unknown.
    pub bandwidth: u64,
    /// The round-trip time without a queue.
    pub min_rtt: Option<Duration>,
    /// What the rate is of the bandwidth, in percent.
    pub pacing_gain: u64,
    /// What the window is of the product of both, in percent.
    pub cwnd_gain: u64,
    /// The most in flight that losses of late allow, in bytes.
    pub inflight_shortterm: Option<u64>,
    /// The most in flight that probes have found to be safe, in bytes.
    pub inflight_longterm: Option<u64>,
}

/// What lets a controller be copied behind a `Box`: every [`Controller`] that is `Clone` has it.
pub trait Duplicate {
    /// A copy.
    fn duplicate(&self) -> Box<dyn Controller>;
}

impl<C: Controller + Clone + 'static> Duplicate for C {
    fn duplicate(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Controller> {
    fn clone(&self) -> Self {
        (**self).duplicate()
    }
}

/// The initial window (RFC 5681 3.1, RFC5681-3.1-1; RFC 6928 2): ten segments, but no more than 14,600 bytes unless that is
/// below two.
#[must_use]
pub fn initial_window(mss: u32) -> u64 {
    let mss = u64::from(mss);
    (10 * mss).min(14_600.max(2 * mss))
}

/// A controller: ours by static dispatch, or one of the user's.
#[derive(Clone, Debug)]
pub enum CongestionControl {
    /// NewReno.
    NewReno(NewReno),
    /// CUBIC.
    Cubic(Cubic),
    /// For lossless devices.
    Local(Local),
    /// BBR.
    Bbr(Box<Bbr>),
    /// The user's own.
    Custom(Box<dyn Controller>),
}

/// An idle connection must fit in 1 KiB with all that belongs to it.
const _: () = assert!(size_of::<CongestionControl>() <= 136);

macro_rules! dispatch {
    ($self:ident, $c:ident => $e:expr) => {
        match $self {
            Self::NewReno($c) => $e,
            Self::Cubic($c) => $e,
            Self::Local($c) => $e,
            Self::Bbr($c) => $e,
            Self::Custom($c) => $e,
        }
    };
}

impl CongestionControl {
    /// A controller of this kind at the start of a connection.
    #[inline]
    #[must_use]
    pub fn new(algorithm: Algorithm, start: Start) -> Self {
        match algorithm {
            Algorithm::NewReno => Self::NewReno(NewReno::new(start.mss)),
            Algorithm::Cubic => Self::Cubic(Cubic::with_hystart(start.mss, start.hystart)),
            Algorithm::Local => Self::Local(Local::new(start.mss)),
            Algorithm::Bbr => Self::Bbr(Box::new(Bbr::new(start))),
            Algorithm::Custom(custom) => Self::Custom(custom.begin(start)),
        }
    }

    /// Forgets everything: a [`new`](Self::new) one in the place of this one.
    pub(crate) fn restart(&mut self, algorithm: Algorithm, start: Start) {
        match algorithm {
            // The smallest of all, and that of short connections: not by way of room for the largest.
            Algorithm::Local => *self = Self::Local(Local::new(start.mss)),
            other => *self = Self::new(other, start),
        }
    }

    /// Whether an ACK that tells of no congestion can change anything: not with a window that has no limit.
    pub(crate) const fn listens(&self) -> bool {
        !matches!(self, Self::Local(local) if local.is_open())
    }
}

impl Hash for CongestionControl {
    /// What it says, not what it remembers: see [`Endpoint::fingerprint`](crate::Endpoint::fingerprint).
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name(), self.cwnd(), self.ssthresh()).hash(state);
    }
}

impl Controller for CongestionControl {
    fn on_ack(&mut self, now: Instant, sample: &AckSample) {
        dispatch!(self, c => c.on_ack(now, sample));
    }
    fn on_congestion_event(&mut self, now: Instant, in_flight: u64, kind: Congestion) {
        dispatch!(self, c => c.on_congestion_event(now, in_flight, kind));
    }
    fn on_timeout(&mut self, now: Instant, in_flight: u64, first: bool) {
        dispatch!(self, c => c.on_timeout(now, in_flight, first));
    }
    fn on_recovered(&mut self, now: Instant) {
        dispatch!(self, c => c.on_recovered(now));
    }
    fn undo(&mut self) {
        dispatch!(self, c => c.undo());
    }
    fn on_idle_restart(&mut self, now: Instant, idle: Duration, rto: Duration) {
        dispatch!(self, c => c.on_idle_restart(now, idle, rto));
    }
    fn on_unvalidated(&mut self, cwnd: u64, ssthresh: u64) {
        dispatch!(self, c => c.on_unvalidated(cwnd, ssthresh));
    }
    fn on_loss(&mut self, now: Instant, loss: &LossSample) {
        dispatch!(self, c => c.on_loss(now, loss));
    }
    fn on_restart(&mut self, now: Instant, srtt: Option<Duration>) {
        dispatch!(self, c => c.on_restart(now, srtt));
    }
    fn models_path(&self) -> bool {
        dispatch!(self, c => c.models_path())
    }
    fn holds_back(&self) -> bool {
        dispatch!(self, c => c.holds_back())
    }
    fn set_mss(&mut self, mss: u32) {
        dispatch!(self, c => c.set_mss(mss));
    }
    fn cwnd(&self) -> u64 {
        dispatch!(self, c => c.cwnd())
    }
    fn ssthresh(&self) -> Option<u64> {
        dispatch!(self, c => c.ssthresh())
    }
    fn pacing_rate(&self) -> Option<u64> {
        dispatch!(self, c => c.pacing_rate())
    }
    fn send_quantum(&self) -> Option<u64> {
        dispatch!(self, c => c.send_quantum())
    }
    fn model(&self) -> Option<Model> {
        dispatch!(self, c => c.model())
    }
    fn name(&self) -> &'static str {
        dispatch!(self, c => c.name())
    }
}

#[cfg(test)]
mod tests;
