//! First check: does the segment lie in the receive window, and is it no old duplicate? (RFC 9293 3.10.7.4; PAWS of
//! RFC 7323 5.3.) Decides for every state from SYN-RECEIVED on.

use bowline_wire::tcp::TcpFlags;

use super::{Check, Segment, discard, done};
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::reason::{DropReason, SendReason};
use crate::state::State;

impl Tcb {
    /// Lets acceptable segments pass; answers others with an ACK, RSTs excepted.
    pub(super) fn check_acceptable(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        if self.state == State::SynReceived && self.is_syn_again(segment) {
            return self.take_syn_again(cx, segment);
        }
        self.check_timestamp(cx, segment)?;
        if self.in_window(segment) {
            return Check::Continue(());
        }
        self.refuse(cx, segment)
    }

    /// A segment out of the window.
    #[cold]
    fn refuse(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        // RFC 5961 3.2, RFC5961-3.2-1; the exception is one that has to be asked for.
        if segment.has(TcpFlags::RST) {
            return if self.is_reset_at_fin(segment) { self.reset(cx) } else { discard(DropReason::ResetIgnored) };
        }
        let tells = segment.ack > self.snd.una && segment.has(TcpFlags::ACK) && !segment.has(TcpFlags::SYN);
        if self.options.odd.take_old_acks && tells && segment.end <= self.rcv_nxt() {
            // It may be all that was missing, and then nobody is left to answer.
            self.check_ack(cx, segment)?;
        }
        let duplicate = segment.end <= self.rcv_nxt() && segment.len() > 0;
        if duplicate && segment.text_len() > 0 {
            if self.ecn.is_some() {
                self.take_repeated_mark(segment);
            }
            self.rcv.acks.set_dsack(segment.seq..segment.end);
        }
        // RFC 5961 5.3: text out of the window is answered each time, so that a peer whose ACKs were lost recovers;
        // what carries none is answered within the budget, so that two ends cannot answer each other for ever.
        if segment.text_len() == 0 {
            self.challenge(cx);
            self.take_syn_ack_again(segment);
        } else {
            self.rcv.acks.on_immediate(SendReason::DuplicateAck);
        }
        discard(if duplicate { DropReason::Duplicate } else { DropReason::OutOfWindow })
    }

    /// Whether it is the RST of a peer that has closed for text that left here before its FIN had come.
    fn is_reset_at_fin(&self, segment: &Segment<'_>) -> bool {
        self.options.odd.take_resets_at_fin
            && matches!(self.state, State::CloseWait | State::Closing | State::LastAck)
            && segment.seq + 1 == self.rcv_nxt()
    }

    /// The four cases of RFC 9293 3.10.7.4, with two allowances.
    fn in_window(&self, segment: &Segment<'_>) -> bool {
        let (nxt, right) = (self.rcv_nxt(), self.rcv.right_edge());
        if segment.len() == 0 {
            // As Linux does, an ACK exactly at the right edge passes: a sender that has filled our window puts it there. A RST
            // does not (RFC 5961 3.2), unless the window is closed.
            let beyond = if segment.has(TcpFlags::RST) && right > nxt { right } else { right + 1 };
            return nxt <= segment.seq && segment.seq < beyond;
        }
        if right == nxt {
            // The window is closed: what begins at its edge passes for its ACK, RST and URG (RFC 9293 3.4, MUST-66); its text
            // will be refused.
            return segment.seq == nxt;
        }
        segment.seq < right && segment.end > nxt
    }

    /// PAWS.
    fn check_timestamp(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        let Some(clock) = &self.timestamps else { return Check::Continue(()) };
        // RFC 7323 5.3, RFC7323-5.3-2.
        if segment.has(TcpFlags::RST) {
            return Check::Continue(());
        }
        let Some(timestamps) = segment.header.options.timestamps else {
            // RFC 7323 3.2, RFC7323-3.2-2: once agreed on, a segment without the option is dropped silently. Not so a SYN: a peer that has
            // started anew, without timestamps, must be challenged.
            let passes = segment.has(TcpFlags::SYN) || self.options.lax_timestamps;
            return if passes { Check::Continue(()) } else { discard(DropReason::Paws) };
        };
        // RFC 7323 5.3, RFC7323-5.3-1.
        if clock.is_old(cx.now, timestamps.value) && !self.is_late(segment, timestamps.value) {
            return self.refuse_old(cx, segment);
        }
        Check::Continue(())
    }

    #[cold]
    fn refuse_old(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        cx.counters.paws_estab += 1;
        if segment.text_len() > 0 && segment.end <= self.rcv_nxt() {
            // As Linux does: it may be the original of a copy that was not needed, and its sender should know (RFC 2883 4).
            self.rcv.acks.set_dsack(segment.seq..segment.end);
        }
        if segment.len() > 0 {
            self.rcv.acks.on_immediate(SendReason::DuplicateAck);
        } else {
            self.challenge(cx);
        }
        discard(DropReason::Paws)
    }

    /// Whether it is text that fills holes and was sent since these opened: only the copy of something before it has made it look
    /// old.
    #[cold]
    fn is_late(&self, segment: &Segment<'_>, time: u32) -> bool {
        self.options.odd.take_late_text
            && segment.text_len() > 0
            && !segment.has(TcpFlags::SYN)
            && self.rcv.queue.is_late(segment.end, time)
    }

    /// TS.Recent (RFC 7323 5.3, R3). Only once the sequence number and the acknowledgement have been found good: a time from a
    /// segment that is then dropped could make all true ones look old (CVE-2005-0356).
    pub(super) fn take_timestamp(&mut self, cx: &Context<'_>, segment: &Segment<'_>) {
        if let (Some(clock), Some(timestamps)) = (&mut self.timestamps, segment.header.options.timestamps)
            && segment.seq <= self.rcv.last_ack
        {
            clock.take(cx.now, timestamps.value);
        }
    }

    /// Whether it is the SYN that brought us to SYN-RECEIVED: again, or now with the ACK of ours.
    fn is_syn_again(&self, segment: &Segment<'_>) -> bool {
        segment.has(TcpFlags::SYN) && !segment.has(TcpFlags::RST) && segment.seq == self.rcv.irs
    }

    /// The peer's SYN once more. With the ACK of our SYN, and of what it took along, it completes a simultaneous open
    /// (RFC 9293 3.5, figure 8); without, our SYN-ACK was lost, and is sent again.
    #[cold]
    fn take_syn_again(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if segment.has(TcpFlags::ACK) && self.snd.una < segment.ack && segment.ack <= self.snd.nxt {
            self.take_crossing_syn_ack(segment.mark);
            self.check_ack(cx, segment)?;
            return done();
        }
        if !segment.has(TcpFlags::ACK) {
            self.take_syn_mark(segment);
            self.snd.syn_again = true;
        } else {
            self.challenge(cx);
        }
        discard(DropReason::Duplicate)
    }
}
