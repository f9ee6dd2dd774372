//! Fifth check: ACK (RFC 9293 3.10.7.4, with RFC 5961 5.2). What the peer has received, what it can take, and what that
//! means for the state; recovery and congestion control learn of it here.

use arrayvec::ArrayVec;
use bowline_base::{Instant, Position};
use bowline_wire::tcp::TcpFlags;
use core::ops::Range;

use super::{Check, Segment, discard, done, reset};
use crate::congestion::{AckSample, Congestion, CongestionControl, Controller, RateSample};
use crate::connection::context::Context;
use crate::connection::fast_open::FastOpening;
use crate::connection::tcb::Tcb;
use crate::ecn::EcnMode;
use crate::event::Readiness;
use crate::reason::{DropReason, Hold, RecoveryChange};
use crate::recovery::{Ack, AckOutcome, Phase};
use crate::state::{Cause, State};
use crate::trace::Trace;

impl Tcb {
    /// Takes the acknowledgement and the window.
    pub(super) fn check_ack(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if !segment.has(TcpFlags::ACK) {
            return discard(DropReason::NoAck);
        }
        if self.state == State::SynReceived || !self.snd.syn_acknowledged() {
            self.check_handshake_ack(cx, segment)?;
        }
        // RFC 9293 3.10.7.4, MAY-12; RFC 5961 5.2, RFC5961-5.2-1: too old or of what was never sent.
        if segment.ack > self.snd.nxt || segment.ack < self.oldest_ack() {
            self.challenge(cx);
            return discard(DropReason::BadAck);
        }
        self.take_timestamp(cx, segment);
        self.stats.last_heard = cx.now;
        self.take_ack(cx, segment);
        self.after_our_fin(cx)
    }

    /// The oldest acknowledgement that a true segment may still bring: as far back as the peer's window was ever wide, but not of
    /// what was never sent, as Linux has it.
    fn oldest_ack(&self) -> Position {
        let back = u64::from(self.snd.max_wnd.max(1));
        (self.snd.una - back).max(self.snd.una.min(self.snd.iss + 1))
    }

    /// In SYN-RECEIVED, and where the user closed in it: the ACK must be that of our SYN.
    #[inline(never)]
    fn check_handshake_ack(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if segment.ack <= self.snd.iss || segment.ack > self.snd.nxt {
            return reset(DropReason::BadAck);
        }
        if self.state == State::SynReceived {
            self.advance(cx, Cause::AckOfSyn);
            if self.passive {
                self.take_handshake_feedback(cx, segment);
            }
            self.become_established(cx);
            // What a listener took with the SYN was acknowledged by the SYN-ACK, and may have been read.
            if !self.fast_open().is_some_and(FastOpening::is_server) {
                self.deliver_early_text(cx.now);
            }
        }
        Check::Continue(())
    }

    /// What is due when the handshake completes.
    pub(crate) fn become_established(&mut self, cx: &mut Context<'_>) {
        (self.stats.last_heard, self.stats.last_data_received) = (cx.now, cx.now);
        self.arm_keepalive(cx.now);
        self.notify(Readiness::CONNECTED | Readiness::WRITABLE);
        if self.snd.closed {
            self.advance(cx, Cause::Close);
        }
    }

    /// SND.UNA, SND.WND, and everyone who lives by them.
    fn take_ack(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let before = self.snd.wnd;
        self.update_window(segment);
        let advances = segment.ack > self.snd.una;
        let nothing_new = !advances && self.recovery.is_idle() && segment.header.options.sack.is_empty();
        if nothing_new {
            if self.ecn_mode() == EcnMode::Accurate {
                self.take_ecn_feedback(cx, segment, &AckOutcome::default());
            }
            return self.after_window_change(before);
        }
        let sack: ArrayVec<Range<Position>, 4> = self.sack_blocks(segment);
        // RFC 7323 3.2, RFC7323-3.2-3: only ACKs come here, so that the echo means something.
        let echo = segment.header.options.timestamps.filter(|_| advances).map(|t| t.echo);
        let echo_rtt = self.timestamps.zip(echo).and_then(|(clock, echo)| clock.elapsed(cx.now, echo));
        let phase = self.recovery.phase();
        self.note_app_limited();
        let outcome = self.recovery.on_ack(
            cx.now,
            &Ack {
                ack: segment.ack,
                sack: &sack,
                echo_rtt,
                has_data: segment.len() > 0,
                window_changed: before != self.snd.wnd,
            },
        );
        if advances {
            self.advance_una(cx, segment.ack);
            if self.mtu_search.is_some() {
                self.hear_of_mtu_probe(cx);
            }
        }
        self.tell_congestion(cx, segment, &outcome, (phase, advances));
        if advances && self.user.wants_write {
            self.grow_queue();
            if self.is_writable() {
                self.user.wants_write = false;
                self.notify(Readiness::WRITABLE);
            }
        }
        self.after_window_change(before);
    }

    fn sack_blocks(&self, segment: &Segment<'_>) -> ArrayVec<Range<Position>, 4> {
        let blocks = segment.header.options.sack.as_slice();
        if blocks.is_empty() || !self.sack {
            return ArrayVec::new();
        }
        blocks.iter().map(|b| self.snd.una.nearest(b.left.0)..self.snd.una.nearest(b.right.0)).collect()
    }

    /// Text up to `ack` has arrived: its memory is given back and the user may write again.
    fn advance_una(&mut self, cx: &mut Context<'_>, ack: Position) {
        self.snd.una = ack;
        self.snd.buffer.acknowledge(ack);
        self.snd.records.acknowledge(ack);
        self.snd.more = false;
        self.snd.retries = 0;
        self.snd.small_end = self.snd.small_end.max(ack);
        self.stuck_since = if ack < self.snd.nxt { cx.now } else { Instant::MAX };
        if self.snd.up.is_some_and(|up| up <= ack) {
            self.snd.up = None;
        }
        if ack == self.snd.end() {
            self.notify(Readiness::FLUSHED);
            let since = core::mem::replace(&mut self.stats.busy_since, Instant::ZERO);
            if since != Instant::ZERO {
                self.stats.busy += cx.now.span_since(since);
            }
        }
    }

    /// Congestion control hears what recovery found out: first what left the network, then what that changed.
    fn tell_congestion(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        outcome: &AckOutcome,
        (before, advances): (Phase, bool),
    ) {
        let rate = if self.recovery.is_sampled() { self.tell_losses(cx.now) } else { None };
        if self.congestion.listens() {
            self.tell_delivery(cx, outcome, (before, advances), rate);
        }
        self.take_recovery(cx, outcome);
        if self.ecn.is_some() {
            self.take_ecn_feedback(cx, segment, outcome);
        }
    }

    /// What left the network.
    #[inline(never)]
    fn tell_delivery(
        &mut self,
        cx: &mut Context<'_>,
        outcome: &AckOutcome,
        (before, advances): (Phase, bool),
        rate: Option<RateSample>,
    ) {
        // Where the path reorders, what is reported beyond a hole is progress, too, as on Linux: there is always a hole.
        let advances = advances || (outcome.newly_sacked > 0 && self.recovery.is_reordered());
        let unvalidated = self.rare.is_some() && self.validate_window(cx.now);
        let rtt = self.recovery.rtt();
        let slow_start = is_slow_start(&self.congestion) && !unvalidated;
        let sample = AckSample {
            acked: outcome.delivered,
            advances,
            rtt: outcome.rtt,
            srtt: rtt.srtt(),
            min_rtt: rtt.min_rtt(),
            in_flight_before: outcome.prior_in_flight,
            cwnd_limited: self.snd.usage.lets_grow(self.congestion.cwnd(), slow_start),
            in_recovery: !advances
                || before == Phase::FastRecovery
                || self.recovery.phase() == Phase::FastRecovery
                || self.recovery.is_reducing(),
            in_flight: self.recovery.in_flight(),
            window_stands: self.recovery.sacked() > 0 && self.snd.usable() < u64::from(self.snd.mss),
            phase: self.recovery.phase(),
            sack: self.sack,
            paced: self.paced,
            mss: self.snd.mss,
            rate,
        };
        let before = cx.trace.is_enabled().then(|| (self.congestion.cwnd(), self.congestion.ssthresh()));
        self.congestion.on_ack(cx.now, &sample);
        if self.recovery.is_sampled() && self.congestion.holds_back() {
            self.recovery.mark_app_limited();
        }
        if before.is_some_and(|before| before != (self.congestion.cwnd(), self.congestion.ssthresh())) {
            self.record_congestion(cx);
        }
    }

    /// A controller that models the path hears what is believed lost; what an ACK says of the delivery rate is returned for it.
    pub(in crate::connection) fn tell_losses(&mut self, now: Instant) -> Option<RateSample> {
        let (loss, rate) = self.recovery.take_samples();
        if let Some(loss) = loss {
            self.congestion.on_loss(now, &loss);
        }
        rate
    }

    /// draft-ietf-ccwg-bbr 4.1.3.4: before anything is sent or acknowledged, whether there was something to send at all.
    pub(in crate::connection) fn note_app_limited(&mut self) {
        if self.recovery.is_sampled()
            && self.snd.unsent() == 0
            && self.recovery.lost() == 0
            && self.recovery.in_flight() < self.congestion.cwnd()
        {
            self.recovery.mark_app_limited();
        }
    }

    /// What recovery has decided, for the controller, the counters and the trace.
    #[inline]
    pub(in crate::connection) fn take_recovery(&mut self, cx: &mut Context<'_>, outcome: &AckOutcome) {
        if !outcome.is_uneventful() {
            self.take_events(cx, outcome);
        }
    }

    #[inline(never)]
    fn take_events(&mut self, cx: &mut Context<'_>, outcome: &AckOutcome) {
        if let Some((range, why)) = outcome.lost.clone() {
            cx.record(self.tuple, self.id, || Trace::Lost { range, why });
        }
        let used = self.validated_part(cx.now, self.used_window(outcome.flight_size), outcome.flight_size);
        match outcome.change {
            // What only a probe was too large for is no congestion.
            Some(RecoveryChange::FastRecovery) if self.is_lost_mtu_probe(cx, outcome) => {}
            Some(RecoveryChange::FastRecovery) => {
                self.congestion.on_congestion_event(cx.now, used, Congestion::FastRecovery);
                self.reduce_unvalidated(cx.now, used, true);
                self.note_reduced();
                cx.counters.fast_retrans += 1;
                *(if self.sack { &mut cx.counters.sack_recovery } else { &mut cx.counters.reno_recovery }) += 1;
            }
            Some(RecoveryChange::Undone) => {
                self.congestion.undo();
                self.leave_unvalidated(cx.now);
            }
            Some(RecoveryChange::Recovered) => self.conclude_unvalidated(cx.now),
            Some(RecoveryChange::TimeoutRecovery) | None => {}
        }
        if outcome.repaired_by_probe {
            self.congestion.on_congestion_event(cx.now, used, Congestion::FastRecovery);
            self.reduce_unvalidated(cx.now, used, false);
            cx.counters.loss_probe_recovery += 1;
        }
        if outcome.settled || outcome.repaired_by_probe {
            self.congestion.on_recovered(cx.now);
        }
        if let Some(change) = outcome.change {
            cx.record(self.tuple, self.id, || Trace::Recovery(change));
        }
        if outcome.change.is_some() || outcome.repaired_by_probe {
            self.record_congestion(cx);
        }
    }

    /// What a reduction of the window starts from: what is in flight, or the window where neither user nor peer held the
    /// sender back. ACKs come in batches, and what the others of this one have let go is not in flight yet (RFC 9438 4.6 permits cwnd
    /// where it grows only while it is in use, as ours does). A paced sender may wait for its time with a window that nobody
    /// fills: reduced from there, it would go on as fast as before.
    pub(in crate::connection) fn used_window(&self, flight: u64) -> u64 {
        let in_use =
            self.options.reduce_window || matches!(self.snd.hold, Hold::Congestion | Hold::Pacing | Hold::Nothing);
        if in_use { flight.max(self.congestion.cwnd().min(self.most_in_flight())) } else { flight }
    }

    /// What the controller thinks, for the trace.
    pub(crate) fn record_congestion(&self, cx: &mut Context<'_>) {
        let recovery = &self.recovery;
        cx.record(self.tuple, self.id, || Trace::Congestion {
            cwnd: self.congestion.cwnd(),
            ssthresh: self.congestion.ssthresh().unwrap_or(u64::MAX),
            in_flight: recovery.in_flight(),
            srtt: recovery.rtt().srtt(),
            rto: recovery.rtt().rto(),
            pacing_rate: self.pacing_rate(),
            model: self.congestion.model().map(|model| (model.state, model.bandwidth)),
        });
    }

    /// RFC 9293 3.10.7.4: the window of a newer segment, or of a newer ACK (SND.WL1). There is no SND.WL2: it would never be
    /// beyond SND.UNA, so that what acknowledges as much as SND.UNA is no older in this than the segment of before.
    ///
    /// An ACK that advances SND.UNA is news wherever its text stands, as on Linux: a retransmission may bring it, and with
    /// the window of before, counted from the new SND.UNA, we would send beyond the peer's right edge.
    fn update_window(&mut self, segment: &Segment<'_>) {
        if segment.ack > self.snd.una || segment.ack == self.snd.una && self.snd.wl1 <= segment.seq {
            self.set_window(segment);
        }
    }

    /// RFC 9293 3.1, MUST-1: the window as an unsigned number (REC-1: of 32 bits), shifted as agreed, except on a SYN
    /// (RFC 7323 2.2, RFC7323-2.2-2). 3.8.6, MUST-34: it may be smaller than what was sent already.
    pub(in crate::connection) fn set_window(&mut self, segment: &Segment<'_>) {
        let shift = if segment.has(TcpFlags::SYN) { 0 } else { self.snd.shift };
        self.snd.wnd = u32::from(segment.header.window) << shift;
        self.snd.max_wnd = self.snd.max_wnd.max(self.snd.wnd);
        self.snd.wl1 = self.snd.wl1.max(segment.seq);
    }

    /// A window that opens ends the probing; any answer shows that the peer lives (MUST-37: probing has no end then).
    fn after_window_change(&mut self, before: u32) {
        self.snd.probes = 0;
        if self.snd.wnd > 0 {
            self.snd.probe_backoff = 0;
        }
        if before == 0 && self.snd.wnd > 0 {
            self.stop_persist();
        }
        // RFC 9293 3.8.6, SHLD-17: what lies beyond a window that shrank to nothing does not count against R2.
        if self.snd.wnd == 0 {
            self.snd.retries = 0;
        }
    }

    /// What the acknowledgement of our FIN moves. In FIN-WAIT-1 that is known once the eighth check has been made: see
    /// [`settle_fin`](Self::settle_fin).
    fn after_our_fin(&mut self, cx: &mut Context<'_>) -> Check {
        if !self.snd.fin_acknowledged() {
            return Check::Continue(());
        }
        match self.state {
            State::Closing => {
                self.advance(cx, Cause::AckOfFin);
                self.enter_time_wait();
                done()
            }
            State::LastAck => {
                self.end(cx, Cause::AckOfFin, None);
                done()
            }
            _ => Check::Continue(()),
        }
    }

    /// Both sides have closed and know it: another table takes the four-tuple over.
    pub(crate) fn enter_time_wait(&mut self) {
        self.quiesce();
        self.notify(Readiness::CLOSED | Readiness::READABLE);
    }
}

/// Whether the window is below its threshold.
fn is_slow_start(congestion: &CongestionControl) -> bool {
    congestion.ssthresh().is_none_or(|threshold| congestion.cwnd() < threshold)
}
