//! When the next segment may leave: pacing, which spreads a window over the round trip instead of sending it in bursts.
//!
//! It decides the rate (the controller's own, or what its window and the round-trip time come to), how much leaves in one go, and
//! when the next goes may. It knows neither what is sent nor whether the windows allow it. The ratios are Linux's; a
//! connection that is not paced spends one branch on it. (RFC 9438 and 5681 leave bursts to the sender; RFC 9406 5 advises
//! pacing of slow start.)

use bowline_base::Instant;
use core::time::Duration;

use crate::Algorithm;
use crate::congestion::{Controller, initial_window};
use crate::connection::tcb::Tcb;

/// What a window is sent at, in hundredths of cwnd by the round-trip time: so that slow start may double it (Linux
/// `tcp_pacing_ss_ratio`).
const SLOW_START: u64 = 200;
/// The same in congestion avoidance: a little faster than the ACKs come, so that the window, not the rate, is the limit (Linux
/// `tcp_pacing_ca_ratio`).
const AVOIDANCE: u64 = 120;
/// What leaves in one go is worth so much time at the rate: less would cost more timers than it spares queues.
const BURST: Duration = Duration::from_millis(1);
/// But no less than so many segments, which one delayed acknowledgement stands for.
const LEAST_BURST: u64 = 2;
/// And no more than a super-segment.
const MOST_BURST: u64 = 64 << 10;
/// On shorter paths a window is not spread: it would be gone before a timer is through.
const SHORT_PATH: Duration = Duration::from_millis(2);
/// A window is spread over no more than this. Few paths are longer, and a machine that slept through a round trip is none.
const LONGEST_SPREAD: Duration = Duration::from_secs(1);
/// No rate is less: a window of one segment in a minute and more.
const LEAST_RATE: u64 = 16;

impl Tcb {
    /// Whether the connection is to be paced at all; asked where its controller or its options change.
    pub(crate) fn decide_pacing(&mut self) {
        let by_window = self.options.pacing && self.algorithm() != Algorithm::Local;
        self.paced = by_window || self.max_pacing_rate().is_some() || self.congestion.pacing_rate().is_some();
    }

    /// The user's limit. Linux takes zero for none.
    pub(crate) fn max_pacing_rate(&self) -> Option<u64> {
        self.options.max_pacing_rate.filter(|most| *most > 0)
    }

    /// The rate at which it is paced, in bytes a second; `None` where it is not.
    pub(crate) fn pacing_rate(&self) -> Option<u64> {
        if !self.paced {
            return None;
        }
        let rate = self.congestion.pacing_rate().or_else(|| self.window_rate());
        let rate = match (rate, self.max_pacing_rate()) {
            (Some(rate), Some(most)) => rate.min(most),
            (rate, most) => rate.or(most)?,
        };
        Some(rate.max(LEAST_RATE))
    }

    /// What the window and the round-trip time come to.
    fn window_rate(&self) -> Option<u64> {
        let srtt = self.recovery.rtt().srtt().filter(|srtt| *srtt >= SHORT_PATH && self.options.pacing)?;
        let cwnd = self.congestion.cwnd();
        let srtt = srtt.min(LONGEST_SPREAD);
        let most = self.most_in_flight();
        let doubles = cwnd <= most && self.congestion.ssthresh().is_none_or(|threshold| cwnd < threshold / 2);
        let ratio = if doubles { SLOW_START } else { AVOIDANCE };
        // Windows end at 2^40, and so 2^61 is not reached.
        Some(cwnd.min(most) * ratio / 100 * 1_000_000 / u64::try_from(srtt.as_micros()).unwrap_or(u64::MAX))
    }

    /// The bytes that may leave in one go, in whole segments.
    fn burst(&self, rate: u64) -> u64 {
        let mss = u64::from(self.snd.mss);
        let worth = rate / (1_000_000_000 / BURST.as_nanos() as u64);
        let burst =
            self.congestion.send_quantum().unwrap_or(worth).clamp(LEAST_BURST * mss, MOST_BURST.max(LEAST_BURST * mss));
        burst - burst % mss
    }

    /// How much of `len` bytes may leave now. If nothing, the timer is set that will ask again.
    pub(super) fn let_go(&mut self, now: Instant, len: u64) -> u64 {
        if self.paced { self.pace(now, len) } else { len }
    }

    #[inline(never)]
    fn pace(&mut self, now: Instant, len: u64) -> u64 {
        let at_once = self.unpaced_room();
        if at_once > 0 {
            return len.min(at_once);
        }
        if now < self.snd.departure {
            self.waits_for_departure = true;
            return 0;
        }
        self.pacing_rate().map_or(len, |rate| len.min(self.burst(rate)))
    }

    /// An initial window may leave in one go (RFC 6928), at the beginning and after a pause: answers of a few segments need not
    /// wait. Not where somebody has named a rate.
    fn unpaced_room(&self) -> u64 {
        if self.max_pacing_rate().is_some() || self.congestion.pacing_rate().is_some() {
            return 0;
        }
        let room = initial_window(self.snd.mss).saturating_sub(self.recovery.outstanding());
        room - room % u64::from(self.snd.mss)
    }

    /// So much text leaves: the next departure is put off. One burst may be made up for, where a timer was late or there was
    /// nothing to send.
    #[inline(never)]
    pub(super) fn note_departure(&mut self, now: Instant, len: u64) {
        let Some(rate) = self.pacing_rate() else { return };
        let takes = |len: u64| Duration::from_nanos(len.saturating_mul(1_000_000_000) / rate);
        let credit = takes(self.burst(rate));
        self.snd.departure = self.snd.departure.max(now - credit) + takes(len);
        self.waits_for_departure = false;
    }

    /// When pacing lets the next segment go, if one waits for that.
    pub(crate) fn departure_deadline(&self) -> Instant {
        if self.waits_for_departure { self.snd.departure } else { Instant::MAX }
    }

    /// Whether the wait for a departure is over now; it is said once.
    pub(crate) fn may_depart(&mut self, now: Instant) -> bool {
        let over = self.departure_deadline() <= now;
        if over {
            self.waits_for_departure = false;
        }
        over
    }
}
