//! The largest packet that the path carries, found out by sending larger ones (RFC 4821; RFC 8899, whose names for the
//! states of a search stand in comments): for paths whose routers drop what is too large and do not say so.
//!
//! It decides when a path is taken for a black hole, which size is tried next, and what the fate of a probe says. A probe is
//! text like any other in one segment that is larger than the others; that it is lost, recovery finds out as it does of
//! any. What a router reports by ICMP ends up here too, as a bound (RFC 1191, RFC 8201), but is taken elsewhere.

use alloc::boxed::Box;
use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position};

use super::context::Context;
use super::open::mss_of;
use super::send::Plan;
use super::tcb::Tcb;
use crate::config::MtuProbing;
use crate::congestion::Controller;
use crate::reason::{LossReason, SendReason};
use crate::recovery::AckOutcome;
use crate::trace::Trace;

/// Time-outs in a row of a segment that a smaller one could replace, before the path is taken for a black hole, as Linux
/// `tcp_retries1`. (RFC 4821 7.7 leaves their number open.)
const BLACK_HOLE_TIMEOUTS: u8 = 3;
/// Sizes that are closer together than this, in bytes, are not told apart, as Linux `tcp_probe_threshold`.
const CLOSE_ENOUGH: u16 = 8;
/// How long a size that did not pass is not tried again: PMTU_RAISE_TIMER (RFC 8899 5.1.1; RFC 4821 7.7).
const RAISE: Duration = Duration::from_secs(600);
/// Segments behind a probe that tell of its loss (RFC 4821 7.4).
const FOLLOWERS: u64 = 4;
/// What every IPv6 path carries (RFC 8200 5).
const LEAST_V6: u16 = 1280;

/// A search; connections whose path has shown no black hole have none. Sizes are of packets, in bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct MtuSearch {
    /// The largest that is taken to pass: PLPMTU. All segments but probes are made to fit it.
    low: u16,
    /// The largest that may pass: MAX_PLPMTU, or less where a probe was lost.
    high: u16,
    /// Whether the next probe is of the largest size: after a silence, which may have had other reasons.
    from_top: bool,
    /// Where time-outs began the search: the slow-start threshold before them, until it is known whether they were the size's.
    threshold: Option<u64>,
    /// When `high` was last lowered, or the search began.
    since: Instant,
    /// The probe in flight, and its packet's size.
    probe: Option<(Range<Position>, u16)>,
}

/// What a search wants of the sender now.
pub(crate) enum Probing {
    /// To send this.
    Probe(Plan),
    /// To send nothing, until there is room for the probe.
    Wait,
    /// Nothing.
    Nothing,
}

impl MtuSearch {
    fn is_done(&self) -> bool {
        self.high < self.low.saturating_add(CLOSE_ENOUGH)
    }

    /// The size to try next (RFC 8899 5.3.2: the choice is free).
    fn next_size(&self) -> u16 {
        if self.from_top { self.high } else { self.low + (self.high - self.low).div_ceil(2) }
    }

    fn fail(&mut self, now: Instant, size: u16) {
        self.high = self.high.min(size - 1).max(self.low);
        self.from_top = false;
        self.since = now;
    }
}

impl Tcb {
    /// The largest packet that segments other than probes may fill.
    pub(crate) fn effective_mtu(&self) -> u16 {
        self.mtu_search.as_deref().map_or(self.path_mtu, |search| search.low.min(self.path_mtu))
    }

    /// From and to which size the search goes on; `None` where there is none.
    pub(crate) fn mtu_search_range(&self) -> Option<(u16, u16)> {
        self.mtu_search.as_deref().map(|search| (search.low, search.high))
    }

    /// The text of a segment in a packet of `mtu` bytes, options subtracted.
    pub(crate) fn text_in(&self, mtu: u16) -> u32 {
        let options = if self.timestamps.is_some() { 12 } else { 0 } + self.ecn_option_len() + self.signature_len();
        let mss = self.snd.peer_mss.min(mss_of(mtu, self.tuple.is_ipv6(), &self.options));
        u32::from(mss.saturating_sub(options)).max(1)
    }

    fn mtu_of(&self, mss: u16) -> u16 {
        mss.saturating_add(if self.tuple.is_ipv6() { 60 } else { 40 })
    }

    /// The largest packet that makes sense: what the path is known not to carry, or the peer not to take, is not tried.
    fn largest_mtu(&self) -> u16 {
        let path = mss_of(self.path_mtu, self.tuple.is_ipv6(), &self.options);
        self.mtu_of(path.min(self.snd.peer_mss))
    }

    /// The handshake is complete: where every path is searched, it begins with the base size (RFC 8899 5.2, BASE).
    pub(crate) fn begin_mtu_search(&mut self, now: Instant) {
        if self.options.mtu_probing == MtuProbing::Always && !self.lossless {
            self.search_from(now, self.base_mtu());
        }
    }

    fn base_mtu(&self) -> u16 {
        let least = if self.tuple.is_ipv6() { LEAST_V6 } else { self.mtu_of(self.options.mtu_probe_floor) };
        self.mtu_of(self.options.base_mss).max(least)
    }

    fn search_from(&mut self, now: Instant, low: u16) {
        let high = self.largest_mtu();
        let (low, threshold, probe) = (low.min(high), None, None);
        self.mtu_search = Some(Box::new(MtuSearch { low, high, from_top: true, threshold, since: now, probe }));
    }

    /// The retransmission timer has run out again. RFC 4821 7.7, RFC 8899 4.3: after some of it the segments may be too
    /// large, and smaller ones are tried, down to the floor.
    pub(crate) fn suspect_black_hole(&mut self, cx: &mut Context<'_>) {
        let suspicious = self.snd.retries >= BLACK_HOLE_TIMEOUTS && self.state.is_synchronized() && !self.lossless;
        if !suspicious || self.options.mtu_probing == MtuProbing::Off {
            return;
        }
        let base = self.base_mtu();
        let low = match self.mtu_search_range() {
            Some((low, _)) if low <= base => self.smaller_than(low),
            // The base cuts nothing, for want of text or because the peer or the user allows less; nor was it seen to pass.
            _ if self.snd.retries > BLACK_HOLE_TIMEOUTS => self.smaller_than(base.min(self.largest_mtu())),
            _ => base,
        };
        let full = self.recovery.outstanding().min(self.snd.mss.into());
        if u64::from(self.text_in(low)) >= full {
            return; // what is not answered would have fitted
        }
        let mut before = self.congestion.clone();
        before.undo();
        self.search_from(cx.now, low);
        if let Some(search) = self.mtu_search.as_deref_mut() {
            search.threshold = Some(before.ssthresh().unwrap_or(u64::MAX));
        }
        self.take_mtu(cx);
    }

    /// Half the text, but no less than the floor.
    fn smaller_than(&self, mtu: u16) -> u16 {
        let headers = self.mtu_of(0);
        let text = (mtu.saturating_sub(headers) / 2).max(self.options.mtu_probe_floor);
        let half = headers.saturating_add(text);
        let least = if self.tuple.is_ipv6() { LEAST_V6 } else { half };
        half.max(least).min(mtu)
    }

    /// Segments are cut to the size that is in force now; what is out in larger ones is taken for lost if that is smaller.
    pub(crate) fn take_mtu(&mut self, cx: &mut Context<'_>) {
        let from = self.snd.una;
        let lost = self.recovery.on_path_mtu(cx.now, self.fitting_mss());
        self.update_mss();
        if lost > 0 {
            let range = from..self.snd.nxt;
            cx.record(self.tuple, self.id, || Trace::Lost { range, why: LossReason::PathMtu });
        }
        let (mtu, most) = (self.effective_mtu(), self.mtu_search_range().map_or(self.path_mtu, |(_, high)| high));
        cx.record(self.tuple, self.id, || Trace::PathMtu { mtu, most });
    }

    /// A router has reported `mtu`, which is less than the path's was.
    pub(crate) fn bound_mtu_search(&mut self, now: Instant, mtu: u16) {
        if let Some(search) = self.mtu_search.as_deref_mut() {
            search.low = search.low.min(mtu);
            search.high = search.high.min(mtu).max(search.low);
            (search.from_top, search.since) = (true, now);
        }
    }

    /// Whether a probe is to be sent now: where there is text enough for it and for what tells of its loss, nothing is
    /// amiss, and the windows are wide enough that its loss would not take a time-out to notice (RFC 4821 7.4).
    #[inline(never)]
    pub(crate) fn plan_mtu_probe(&mut self, now: Instant) -> Probing {
        let Some(search) = self.mtu_search.as_deref() else { return Probing::Nothing };
        if search.probe.is_some() || !self.recovery.is_calm() {
            return Probing::Nothing;
        }
        if search.is_done() {
            let high = self.largest_mtu();
            if now.since(search.since) >= RAISE && high > search.high {
                self.search_from(now, search.low);
            }
            return Probing::Nothing;
        }
        let size = search.next_size();
        let len = u64::from(self.text_in(size));
        let needed = len + FOLLOWERS * u64::from(self.snd.mss);
        let start = self.snd.nxt;
        let windows = self.snd.usable().min(self.congestion.cwnd());
        if self.snd.unsent() < needed || windows < needed || self.snd.buffer.gatherable(start, len) < len {
            return Probing::Nothing;
        }
        if self.recovery.quota(self.congestion.cwnd()) < len {
            return if self.recovery.in_flight() > 0 { Probing::Wait } else { Probing::Nothing };
        }
        let range = start..start + len;
        Probing::Probe(Plan::of(&range, SendReason::MtuProbe))
    }

    /// The probe has left.
    #[inline(never)]
    pub(crate) fn on_mtu_probe_sent(&mut self, range: Range<Position>) {
        if let Some(search) = self.mtu_search.as_deref_mut() {
            search.probe = Some((range, search.next_size()));
        }
    }

    /// SND.UNA has moved. RFC 8899 5.2, SEARCHING: a probe that has arrived raises the size.
    #[inline(never)]
    pub(crate) fn hear_of_mtu_probe(&mut self, cx: &mut Context<'_>) {
        let Some(search) = self.mtu_search.as_deref_mut() else { return };
        let Some((_, size)) = search.probe.take_if(|(range, _)| range.end <= self.snd.una) else { return };
        search.low = search.low.max(size);
        search.high = search.high.max(search.low);
        search.from_top = false;
        search.threshold = None;
        cx.counters.mtu_probe_success += 1;
        self.take_mtu(cx);
    }

    /// Whether all that is believed lost is a probe: then it says something of the size, and nothing of congestion (RFC 4821
    /// 7.5; RFC 8899 3, item 7). Where other segments are lost with it, it says nothing of the size. If it is of the size that time-outs
    /// had put in doubt, and what is smaller arrives, neither were they: slow start goes on to where it would have gone without them.
    pub(crate) fn is_lost_mtu_probe(&mut self, cx: &mut Context<'_>, outcome: &AckOutcome) -> bool {
        let Some(search) = self.mtu_search.as_deref_mut() else { return false };
        let Some((lost, _)) = outcome.lost.as_ref() else { return false };
        let probe = search.probe.take_if(|(range, _)| range.contains(&lost.start));
        let alone = probe.filter(|(range, _)| {
            let len = range.end.since(range.start);
            lost.start == range.start && outcome.newly_lost <= len && self.recovery.lost() <= len
        });
        // Other losses set a threshold of their own.
        let threshold = search.threshold.take();
        let Some((_, size)) = alone else { return false };
        if let Some(threshold) = threshold.filter(|_| search.from_top) {
            self.congestion.on_unvalidated(self.congestion.cwnd(), threshold);
        }
        search.fail(cx.now, size);
        cx.counters.mtu_probe_fail += 1;
        let (mtu, most) = (search.low, search.high);
        cx.record(self.tuple, self.id, || Trace::PathMtu { mtu, most });
        true
    }

    /// `range` is sent again: what becomes of a probe in it says nothing of its size.
    #[inline(never)]
    pub(crate) fn forget_mtu_probe(&mut self, range: &Range<Position>) {
        if let Some(search) = self.mtu_search.as_deref_mut() {
            search.probe.take_if(|(probe, _)| probe.start < range.end && range.start < probe.end);
        }
    }
}
