//! What to send now, and why: the one place that decides it (RFC 9293 3.8, 3.10.2; RFC 5681; RFC 5961 for challenges).
//!
//! The order is: our SYN, what was lost, acknowledgements that must not merge, new text with our FIN, probes, and then
//! the acknowledgement that nothing else has carried. A plan is a range of positions and a reason; building it moves
//! SND.NXT, planning moves nothing but what is known to hold the sender back.

use core::ops::Range;

use super::blocks::MAX_TEXT;
use super::sws::{Unsent, sendable};
use crate::congestion::Controller;
use crate::connection::context::Context;
use crate::connection::mtu::Probing;
use crate::connection::tcb::Tcb;
use crate::connection::timers::Timer;
use crate::reason::{Hold, LossReason, SendReason};
use crate::state::State;
use bowline_base::{Instant, Position};

/// A segment to build: no more than two words, since every segment has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    /// SEG.SEQ.
    pub(crate) start: Position,
    /// SEG.LEN: how many positions it takes, a SYN's, text's, a FIN's; none for an acknowledgement.
    len: u32,
    /// Why.
    pub(crate) why: SendReason,
    /// Whether all of it had been sent before.
    pub(crate) again: bool,
    /// Whether it empties the send queue or ends a record, so that the receiver need not wait for more (RFC 9293 3.9.1.2,
    /// MUST-60).
    pub(crate) push: bool,
}

impl Plan {
    /// A segment that takes a range, which is no longer than a super-segment; neither sent before nor pushed.
    #[inline]
    pub(crate) fn of(range: &Range<Position>, why: SendReason) -> Self {
        Self { start: range.start, len: range.end.since(range.start) as u32, why, again: false, push: false }
    }

    /// The positions it takes.
    #[inline]
    pub(crate) fn range(&self) -> Range<Position> {
        self.start..self.end()
    }

    /// The position after them.
    #[inline]
    pub(crate) fn end(&self) -> Position {
        self.start + u64::from(self.len)
    }

    /// Whether it takes none.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Tcb {
    /// What to send now; `None` if nothing.
    pub(crate) fn plan(&mut self, cx: &mut Context<'_>) -> Option<Plan> {
        match self.state {
            State::Closed | State::Listen => return None,
            State::TimeWait => return self.plan_ack(),
            State::SynReceived if self.is_early() => {
                return self.plan_syn().or_else(|| self.plan_text(cx)).or_else(|| self.plan_ack());
            }
            State::SynSent | State::SynReceived => return self.plan_handshake(),
            _ => {}
        }
        if self.has_only_acks() {
            self.note_all_sent(cx);
            return self.plan_ack();
        }
        if !self.snd.syn_acknowledged()
            && let Some(plan) = self.plan_handshake()
        {
            return Some(plan);
        }
        if self.owes_reflection()
            && let Some(plan) = self.plan_ack()
        {
            return Some(plan);
        }
        if !self.recovery.is_calm()
            && let Some(plan) = self.plan_tail_loss_probe().or_else(|| self.plan_retransmission(cx.now))
        {
            return Some(plan);
        }
        if matches!(self.rcv.acks.pending(), Some(SendReason::DuplicateAck | SendReason::ChallengeAck)) {
            return self.plan_ack();
        }
        self.plan_text(cx).or_else(|| self.plan_probe()).or_else(|| self.plan_ack())
    }

    /// Whether the segment that was just built was the last for now: what is mostly so, told without another plan.
    pub(crate) fn has_said_all(&mut self, cx: &mut Context<'_>) -> bool {
        let all = self.state.is_synchronized()
            && !self.is_over()
            && self.has_only_acks()
            && self.rcv.acks.pending().is_none();
        if all {
            self.note_all_sent(cx);
        }
        all
    }

    fn note_all_sent(&mut self, cx: &mut Context<'_>) {
        self.snd.uncorked = false;
        self.snd.more = false;
        self.timers.stop(Timer::Cork);
        self.set_hold(cx, if self.user.wants_write { Hold::Buffer } else { Hold::Application });
    }

    /// Whether there can be nothing to send but acknowledgements: all is sent, nothing is amiss, nobody wants a probe.
    /// What most segments find.
    fn has_only_acks(&self) -> bool {
        self.snd.nxt == self.snd.end()
            && self.snd.syn_acknowledged()
            && self.recovery.is_calm()
            && self.snd.probe.is_none()
    }

    /// Our SYN or SYN-ACK, first or again; in SYN-RECEIVED an acknowledgement besides.
    fn plan_handshake(&mut self) -> Option<Plan> {
        self.plan_syn().or_else(|| if self.state == State::SynSent { None } else { self.plan_ack() })
    }

    /// Our SYN or SYN-ACK. Only the first SYN takes text along (RFC 7413 4.2.1).
    #[inline(never)]
    fn plan_syn(&self) -> Option<Plan> {
        let why = if self.state == State::SynSent { SendReason::Syn } else { SendReason::SynAck };
        let range = self.snd.iss..self.snd.iss + 1;
        if self.snd.nxt == self.snd.iss {
            if self.rare.is_some() && self.waits_for_data() {
                return None;
            }
            let text = if self.rare.is_some() { self.snd.unsent().min(self.syn_capacity()) } else { 0 };
            let text = self.snd.buffer.gatherable(range.end, text);
            return Some(Plan::of(&(range.start..range.end + text), why));
        }
        if self.snd.syn_again || self.recovery.next_lost().is_some_and(|lost| lost.start == self.snd.iss) {
            return Some(Plan { again: true, ..Plan::of(&range, why) });
        }
        None
    }

    /// What is believed lost, a super-segment at a time, as far as recovery lets it go. RFC 9293 3.8.6, SHLD-16, MAY-7: the
    /// peer's window, which may have shrunk, does not hold it back. RFC 2018 8, RFC2018-8-1: it is all still in the queue.
    #[inline(never)]
    fn plan_retransmission(&mut self, now: Instant) -> Option<Plan> {
        let lost = self.recovery.next_lost()?;
        if self.recovery.prefers_new_data() && self.snd.unsent().min(self.snd.usable()) >= u64::from(self.snd.mss) {
            return None;
        }
        let (mss, quota) = (u64::from(self.snd.mss), self.recovery.quota(self.congestion.cwnd()));
        if quota < mss && quota < lost.end.since(lost.start) && self.recovery.in_flight() > 0 {
            return None;
        }
        let fin = self.snd.buffer.end();
        let text_end = lost.end.min(fin);
        let text_end = self.snd.records.first_of(lost.start..text_end).end;
        let mut len = text_end.since(lost.start).min(self.most_text()).min(quota.max(mss));
        if self.recovery.in_flight() > 0 && len > 0 {
            // With nothing in flight the timer has run out, and has waited long enough.
            len = self.let_go(now, len);
            if len == 0 {
                return None;
            }
        }
        let len = self.snd.buffer.gatherable(lost.start, len);
        let len = if len > mss { len - len % mss } else { len };
        let mut end = lost.start + len;
        if end == fin && lost.end > fin {
            end += 1;
        }
        let why = match self.recovery.loss_reason() {
            Some(LossReason::Timeout) => SendReason::Timeout,
            _ => SendReason::FastRetransmit,
        };
        let push = end >= fin || self.snd.records.ends_at(end) || self.was_syn_text(end);
        Some(Plan { again: true, push, ..Plan::of(&(lost.start..end), why) })
    }

    /// A tail loss probe: a segment of new text where there is one, however much is in flight, or the last one again
    /// (RFC 8985 7.3).
    #[inline(never)]
    fn plan_tail_loss_probe(&self) -> Option<Plan> {
        if !self.recovery.is_probe_due() {
            return None;
        }
        let why = SendReason::TailLossProbe;
        let start = self.snd.nxt;
        let len = self.snd.unsent().min(self.snd.usable()).min(u64::from(self.snd.mss));
        let end = self.snd.records.first_of(start..start + len).end;
        let len = self.snd.buffer.gatherable(start, end.since(start));
        if len > 0 {
            let push = self.is_pushed(start + len);
            return Some(Plan { push, ..Plan::of(&(start..start + len), why) });
        }
        let range = self.snd.records.last_of(self.recovery.last_segment());
        Some(Plan { again: true, push: true, ..Plan::of(&range, why) })
    }

    /// New text, and our FIN behind the last of it. RFC 9293 3.9.1.2, MAY-16, SHLD-27, SHLD-28: a segment takes what several
    /// SENDs have queued, as much as it can carry, and is pushed once.
    fn plan_text(&mut self, cx: &mut Context<'_>) -> Option<Plan> {
        let early = self.state == State::SynReceived;
        let open = matches!(
            self.state,
            State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
        );
        let may = open || early;
        let (unsent, end) = (self.snd.unsent(), self.snd.end());
        if !may || self.snd.nxt >= end {
            if unsent == 0 {
                self.note_all_sent(cx);
            }
            return None;
        }
        if self.mtu_search.is_some() {
            match self.plan_mtu_probe(cx.now) {
                Probing::Probe(plan) => return Some(plan),
                Probing::Wait => {
                    self.set_hold(cx, Hold::Congestion);
                    return None;
                }
                Probing::Nothing => {}
            }
        }
        let (mut len, mut hold) = if unsent == 0 { (0, Hold::Application) } else { self.sendable_text(unsent) };
        if len > 0 && self.restarts_after_idle(cx.now) {
            (len, hold) = self.sendable_text(unsent);
        }
        if hold == Hold::Congestion {
            self.snd.usage.note(self.snd.una, self.snd.nxt, true);
        }
        if len > 0 {
            len = self.let_go(cx.now, len);
            hold = if len > 0 { Hold::Nothing } else { Hold::Pacing };
        }
        self.set_hold(cx, hold);
        if hold == Hold::Cork && len == 0 {
            self.arm_cork(cx.now);
        }
        let start = self.snd.nxt;
        let most = self.super_segment().min(self.most_text());
        let fits = self.snd.buffer.gatherable(start, len.min(most));
        let mss = u64::from(self.snd.mss);
        let len = if fits < len && fits > mss { fits - fits % mss } else { fits };
        let all = len == unsent;
        // A FIN takes no window of ours to give: it leaves with the last text, or alone once that is sent.
        let fin = self.snd.closed && all && open;
        if len == 0 && !fin {
            if hold != Hold::Pacing {
                self.update_persist(cx.now);
            }
            return None;
        }
        let limited = self.recovery.in_flight() >= self.congestion.cwnd();
        let why = if limited && len > 0 { SendReason::LimitedTransmit } else { SendReason::Data };
        let push = self.is_pushed(start + len);
        Some(Plan { push, ..Plan::of(&(start..start + len + u64::from(fin)), why) })
    }

    /// The most text in one segment, which may be a super-segment.
    fn most_text(&self) -> u64 {
        if self.sends_singly() { u64::from(self.snd.mss) } else { MAX_TEXT }
    }

    /// RFC 5681 4.1: after a silence longer than the RTO the old congestion window says little. Returns whether it was one; the
    /// new window holds for the segment that ends it, too.
    ///
    /// RFC 7661, where it is wanted: it is kept, and reduced once it has been of no use for long.
    fn restarts_after_idle(&mut self, now: Instant) -> bool {
        if self.rare.is_some() && self.options.window_validation {
            return self.expire_window(now);
        }
        if !self.recovery.is_idle() || self.stats.bytes_sent == 0 {
            return false;
        }
        let (idle, rto) = (now.since(self.stats.last_data_sent), self.recovery.rtt().base_rto());
        let restarts = idle > rto && self.options.restart_after_idle;
        if restarts {
            self.congestion.on_idle_restart(now, idle, rto);
        }
        restarts
    }

    /// Whether text that ends there is pushed: it is all there is, and the user has not said that more comes; or a record ends.
    fn is_pushed(&self, end: Position) -> bool {
        (end == self.snd.buffer.end() && !self.snd.unpushed) || self.snd.records.ends_at(end)
    }

    /// How much of the text up to the end of its record may leave. What follows a record cannot fill its last segment: that need
    /// not wait.
    fn sendable_text(&self, unsent: u64) -> (u64, Hold) {
        let record = self.snd.records.first_of(self.snd.nxt..self.snd.nxt + unsent);
        let is_last = record.end == self.snd.nxt + unsent;
        let in_flight = !self.recovery.is_idle();
        // A SYN-ACK that text does not wait for takes nothing of its window.
        let syn = u64::from(!self.snd.syn_acknowledged());
        let quota = self.recovery.quota(self.congestion.cwnd() + syn);
        sendable(&Unsent {
            len: record.end.since(record.start),
            usable: self.snd.usable(),
            quota: if in_flight { quota } else { quota.max(u64::from(self.snd.mss)) },
            mss: u64::from(self.snd.mss),
            max_wnd: u64::from(self.snd.max_wnd),
            small_in_flight: self.snd.small_end > self.snd.una,
            in_flight,
            closing: self.snd.closed || !is_last || self.snd.uncorked,
            nodelay: self.options.nodelay,
            cork: self.options.cork || self.snd.more,
        })
    }

    /// A probe that a timer has asked for: one position before what the peer expects, which it must answer.
    fn plan_probe(&mut self) -> Option<Plan> {
        let why = self.snd.probe?;
        let at = self.snd.una - 1;
        Some(Plan::of(&(at..at), why))
    }

    /// An acknowledgement on its own: at SND.NXT, but where the peer has taken back its window no further than its right
    /// edge, as on Linux. Beyond it the peer would not look at the ACK (RFC 9293 3.10.7.4, first check), and both ends would
    /// send again what the other one has.
    pub(crate) fn plan_ack(&mut self) -> Option<Plan> {
        let why = self.rcv.acks.pending()?;
        let edge = self.snd.una + u64::from(self.snd.wnd);
        let at = if self.state.is_synchronized() { self.snd.nxt.min(edge) } else { self.snd.nxt };
        Some(Plan::of(&(at..at), why))
    }
}
