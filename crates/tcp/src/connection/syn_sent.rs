//! A segment arrives in SYN-SENT (RFC 9293 3.10.7.3): the other half of a handshake, simultaneous opens among them.

use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::TcpFlags;

use super::arrives::{Check, Segment, discard, done, reset};
use super::context::Context;
use super::tcb::Tcb;
use crate::ConnectionError;
use crate::config::SynFin;
use crate::congestion::Controller;
use crate::ecn::EcnMode;
use crate::event::Readiness;
use crate::reason::DropReason;
use crate::recovery::Ack;
use crate::recv::{Arrived, Inserted};
use crate::state::Cause;

impl Tcb {
    /// The four checks of 3.10.7.3, then what follows the ACK in every state.
    #[inline(never)]
    pub(super) fn in_syn_sent(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        let acknowledges = self.check_ack_in_syn_sent(cx, segment)?;
        if segment.has(TcpFlags::RST) {
            // RFC 9293 3.10.7.3: a RST counts only with the ACK of our SYN; then the peer refuses.
            if acknowledges {
                cx.counters.attempt_fails += 1;
                self.end(cx, Cause::Reset, Some(ConnectionError::Refused));
                return done();
            }
            return discard(DropReason::ResetIgnored);
        }
        if !segment.has(TcpFlags::SYN) {
            return discard(DropReason::NoConnection);
        }
        self.take_syn(cx, segment);
        if acknowledges { self.complete_active_open(cx, segment) } else { self.open_simultaneously(cx, segment) }
    }

    /// First check: an ACK must be of our SYN, else it belongs to an older incarnation (RFC 9293 3.5.1).
    fn check_ack_in_syn_sent(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
    ) -> core::ops::ControlFlow<super::arrives::Stop, bool> {
        use core::ops::ControlFlow::{Break, Continue};
        if !segment.has(TcpFlags::ACK) {
            return Continue(false);
        }
        // Of the text that went along with the SYN it may be of all, a part or none (RFC 7413 4.2.1).
        let of_our_syn = segment.ack > self.snd.iss && segment.ack <= self.snd.nxt;
        if of_our_syn && self.echoes_our_syn(cx.now, segment) {
            return Continue(true);
        }
        cx.counters.bad_acks += 1;
        let stop =
            if segment.has(TcpFlags::RST) { discard(DropReason::ResetIgnored) } else { reset(DropReason::BadAck) };
        match stop {
            Break(stop) => Break(stop),
            Continue(()) => Continue(false),
        }
    }

    /// Whether a SYN-ACK's echo, if there is one, is of a timestamp that this connection has sent: that of an old
    /// incarnation, whose sequence numbers come round again, is not. (As Linux does; RFC 7323 is silent about it.)
    fn echoes_our_syn(&self, now: Instant, segment: &Segment<'_>) -> bool {
        let echo = segment.header.options.timestamps.map(|times| times.echo).filter(|&echo| echo != 0);
        let Some((clock, echo)) = self.timestamps.zip(echo) else { return true };
        let age = clock.elapsed(now, echo);
        // Timestamps tell milliseconds: the first of them began less than one before the SYN.
        segment.has(TcpFlags::RST) || age.is_some_and(|age| age <= now.since(self.opened) + Duration::from_millis(1))
    }

    /// The peer's SYN: where its stream begins, and what we agree on.
    fn take_syn(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) {
        let mut agreed = self.our_side().conclude(SeqNumber(self.snd.iss.wire()), segment.header, segment.mark);
        // RFC 3168 6.1.1: once a SYN has gone out that does not ask for ECN, an answer to an earlier one changes nothing.
        if agreed.ecn.mode == EcnMode::Classic && self.snd.retries > self.options.ecn_retries {
            agreed.ecn.mode = EcnMode::Off;
        }
        self.apply_negotiated(cx.now, &agreed);
        // Positions of the peer's stream mean something only now.
        let seq = self.rcv.irs;
        let text = seq + 1 + segment.text_len() as u64;
        segment.seq = seq;
        let counts = self.options.odd.syn_fin == SynFin::Both;
        segment.fin = segment.fin.filter(|_| counts).map(|_| text);
        segment.end = text + u64::from(segment.fin.is_some());
        self.set_window(segment);
    }

    /// SYN and ACK of ours: established. Text or FIN that came along is taken by the checks that follow.
    fn complete_active_open(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        let echo = segment.header.options.timestamps.map(|t| t.echo);
        let echo_rtt = self.timestamps.zip(echo).and_then(|(clock, echo)| clock.elapsed(cx.now, echo));
        let ack = Ack { ack: segment.ack, sack: &[], echo_rtt, has_data: true, window_changed: true };
        if self.recovery.retries() > 0 {
            // RFC 5681 3.1: a connection whose SYN was lost begins with a window of one segment.
            self.congestion.on_timeout(cx.now, 0, true);
        }
        self.recovery.on_ack(cx.now, &ack);
        self.snd.una = segment.ack;
        self.snd.buffer.acknowledge(segment.ack);
        self.snd.small_end = self.snd.small_end.max(segment.ack);
        if self.rare.is_some() {
            self.conclude_fast_open(cx, segment);
        }
        self.snd.retries = 0;
        self.stuck_since = if self.snd.una < self.snd.nxt { cx.now } else { Instant::MAX };
        self.advance(cx, Cause::SynAck);
        self.take_syn_ack_feedback(cx, segment);
        self.become_established(cx);
        let has_text = self.snd.unsent() > 0;
        if self.options.defer_accept > 0 && !has_text {
            self.rcv.acks.leave_to_text(cx.now);
        } else {
            self.rcv.acks.on_handshake(cx.now, has_text);
        }
        segment.seq += 1;
        self.after_ack(cx, segment)
    }

    /// Both sides opened at once: SYN-RECEIVED, and our SYN goes out again with the ACK of theirs.
    /// Text and FIN that came along wait for the handshake's end (RFC 9293 3.10.7.3, last paragraph but one).
    fn open_simultaneously(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        self.take_crossing_syn(segment.mark);
        self.advance(cx, Cause::Syn);
        self.snd.syn_again = true;
        segment.seq += 1;
        if segment.text_len() > 0 {
            self.trim_to_window(segment);
            let limit = self.rcv.window.memory_limit();
            self.rcv.queue.insert_pieces(segment.seq, (segment.text, segment.text_len()), limit);
        }
        if segment.fin == Some(self.rcv.nxt()) {
            self.rcv.fin_at = segment.fin;
        }
        done()
    }

    /// The connection is established: what came with the peer's SYN is the user's now, and will be acknowledged.
    pub(super) fn deliver_early_text(&mut self, now: Instant) {
        let len = self.rcv.queue.len();
        if len > 0 {
            let inserted = Inserted { advanced: len as u64, new: len as u64, ..Inserted::default() };
            let arrived = Arrived { len, segments: 1, size: len, ..Arrived::default() };
            self.rcv.acks.on_segment(now, &inserted, arrived);
            self.notify(Readiness::READABLE);
        }
    }
}
