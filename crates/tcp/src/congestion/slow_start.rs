//! Which of the two kinds of HyStart, if any, looks after a slow start.

use bowline_base::Instant;

use super::AckSample;
use super::classic::Classic;
use super::hystart::HyStart as Plus;
use crate::HyStart;

/// What looks after slow start.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlowStart {
    /// HyStart++; also none at all, which is HyStart++ switched off.
    Plus(Plus),
    /// HyStart.
    Classic(Classic),
}

impl SlowStart {
    /// For the first slow start of a connection.
    pub(super) fn new(mode: HyStart) -> Self {
        match mode {
            HyStart::Off => Self::Plus(Plus::off()),
            HyStart::Rfc9406 => Self::Plus(Plus::default()),
            HyStart::Classic => Self::Classic(Classic::default()),
        }
    }

    /// For the slow start after a time-out: HyStart++ is for the first one only (RFC 9406 4.3), HyStart for all.
    pub(super) fn after_timeout(&mut self) {
        *self = match self {
            Self::Plus(_) => Self::Plus(Plus::off()),
            Self::Classic(_) => Self::Classic(Classic::default()),
        };
    }

    /// An ACK in slow start, with so many segments of window. Returns whether slow start is over before the window grows by it.
    pub(super) fn on_ack(&mut self, now: Instant, sample: &AckSample, segments: u64) -> bool {
        match self {
            Self::Plus(plus) => {
                plus.on_ack(sample);
                false
            }
            Self::Classic(classic) => classic.on_ack(now, sample, segments),
        }
    }

    /// By how much the window grows for so many bytes acknowledged.
    pub(super) const fn growth(&self, acked: u64) -> u64 {
        match self {
            Self::Plus(plus) => plus.growth(acked),
            Self::Classic(_) => acked,
        }
    }

    /// Whether slow start is over after the window has grown; said once.
    pub(super) fn ends(&mut self) -> bool {
        match self {
            Self::Plus(plus) => plus.ends(),
            Self::Classic(_) => false,
        }
    }
}
