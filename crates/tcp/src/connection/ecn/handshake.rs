//! ECN in the handshake: what SYNs and SYN-ACKs say, what each side tells of the marks on the other's, and what paths do to
//! them (RFC 3168 6.1.1; RFC 9768 3.1, 3.2.2.1, 3.2.2.3 and 3.2.3.2).
//!
//! Who agrees on what is decided before there is a connection: in [`crate::ecn`] and [`crate::negotiate`].

use bowline_wire::Ecn;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::{Failures, Feedback};
use crate::congestion::Controller;
use crate::connection::arrives::Segment;
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::ecn::receiver::Receiver;
use crate::ecn::{EcnMode, EcnOption, ace, flags, may_become, reflect, reflected};
use crate::state::State;

impl Tcb {
    /// The SYN-ACK of an active open: what it says of our SYN's mark, and whether its options come through.
    // RFC 9768 3.2.2.3: a mark that our SYN cannot have got means that the path changes marks. 3.2.2.2: CE is acted on, but
    // is no part of the counter.
    pub(in crate::connection) fn take_syn_ack_feedback(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (verify, cwnd) = (self.options.ecn_fallback, self.congestion.cwnd());
        let Some(accurate) = self.accurate_mut() else { return };
        let mark = reflected(ace(segment.header.flags));
        if verify && mark.is_some_and(|mark| !may_become(Ecn::NotEct, mark)) {
            accurate.failures |= Failures::FLAGS_RECEIVED;
        }
        if let Some(option) = &segment.header.options.acc_ecn {
            accurate.sender.see(option);
        }
        self.make_room_for_option();
        if mark == Some(Ecn::Ce) {
            self.reduce_for_ecn(cx, cwnd);
        }
    }

    /// The acknowledgement that ends a passive open: what it says of our SYN-ACK's mark.
    // RFC 9768 3.2.2.1, RFC9768-3.2.2.1-4, table 4: only a pure one, without SACK, says so; all others have the counter already.
    #[inline(never)]
    pub(in crate::connection) fn take_handshake_feedback(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (verify, cwnd) = (self.options.ecn_fallback, self.congestion.cwnd());
        let Some(accurate) = self.accurate_mut() else { return };
        let seen = ace(segment.header.flags);
        accurate.hear(seen, true);
        let before = accurate.sender.seen();
        if let Some(option) = &segment.header.options.acc_ecn {
            accurate.sender.see(option);
        }
        self.after_option(before);
        let Some(accurate) = self.accurate_mut() else { return };
        if segment.len() > 0 || !segment.header.options.sack.is_empty() {
            return;
        }
        accurate.is_reflection = true;
        let mark = reflected(seen);
        if verify && mark.is_some_and(|mark| !may_become(Ecn::NotEct, mark)) {
            accurate.failures |= Failures::FLAGS_RECEIVED;
        }
        if mark == Some(Ecn::Ce) {
            accurate.sender.on_syn_ack_marked();
            self.reduce_for_ecn(cx, cwnd);
        }
    }

    /// A segment was challenged. If it is our peer's SYN-ACK once more, the challenge tells of its mark (RFC 9768
    /// 3.2.2.1, RFC9768-3.2.2.1-2),
    /// unless none is left to be sent.
    pub(in crate::connection) fn take_syn_ack_again(&mut self, segment: &Segment<'_>) {
        let is_syn_ack = segment.has(TcpFlags::SYN) && segment.has(TcpFlags::ACK) && !self.passive;
        let answered = self.rcv.acks.pending().is_some();
        if let Some(accurate) = self.accurate_mut().filter(|_| is_syn_ack && answered) {
            accurate.reflects = Some(segment.mark);
        }
    }

    /// The peer's SYN has crossed ours: its mark is told by our SYN-ACK, and counts nowhere.
    pub(in crate::connection) fn take_crossing_syn(&mut self, mark: Ecn) {
        if let Some(accurate) = self.accurate_mut() {
            accurate.receiver = Receiver::new(mark, false);
            accurate.reflects = None;
        }
    }

    /// The SYN-ACK that follows a crossing SYN: its mark is told, and counts.
    pub(in crate::connection) fn take_crossing_syn_ack(&mut self, mark: Ecn) {
        if let Some(accurate) = self.accurate_mut() {
            accurate.receiver.on_packets(mark, 1, 0);
            accurate.reflects = Some(mark);
        }
    }

    /// The SYN came again before the handshake was over (RFC 9768 3.1.5, RFC9768-3.1.5-5): its mark is the one to tell, and without flags it
    /// says that the peer may not know of AccECN.
    pub(in crate::connection) fn take_syn_mark(&mut self, segment: &Segment<'_>) {
        if let Some(accurate) = self.accurate_mut() {
            accurate.syn_mark = segment.mark;
            accurate.failures.set(
                Failures::FLAGS_RECEIVED,
                accurate.failures.contains(Failures::FLAGS_RECEIVED) || ace(segment.header.flags) == 0,
            );
        }
    }

    /// Whether a pure acknowledgement must tell of the SYN-ACK's mark before anything else goes out (RFC 9768
    /// 3.2.2.1, RFC9768-3.2.2.1-3).
    #[inline]
    pub(in crate::connection) fn owes_reflection(&self) -> bool {
        self.ecn.is_some() && self.accurate().is_some_and(|accurate| accurate.reflects.is_some())
    }

    /// The option of a SYN-ACK that a connection sends itself (RFC 9768 3.2.3.2.1, RFC9768-3.2.3.2.1-2): on the first one only, since it may be the
    /// option that is in the way.
    pub(in crate::connection) fn add_syn_ack_option(&self, header: &mut TcpHeader, again: bool) {
        if self.accurate().is_some() && !again && self.options.ecn_option != EcnOption::Never {
            header.options.acc_ecn = Some(Receiver::first_option());
            header.options.fit_acc_ecn(0);
        }
    }

    /// The flags of a SYN or SYN-ACK of ours.
    #[inline(never)]
    pub(in crate::connection) fn mark_syn(&mut self, header: &mut TcpHeader) {
        let retries = self.snd.retries;
        if self.state == State::SynSent {
            // RFC 3168 6.1.1.1; RFC 9768 3.1.4.1, RFC9768-3.1.4.1-1: AccECN is asked for once more before it is given up,
            // and nothing else in its place (3.1.5, RFC9768-3.1.5-2).
            let least = if self.options.ecn == EcnMode::Accurate { 1 } else { 0 };
            if retries <= self.options.ecn_retries.max(least) {
                header.flags |= self.options.ecn.request();
            }
            return;
        }
        let Some(ecn) = &mut self.ecn else { return };
        let Feedback::Accurate(accurate) = &mut ecn.feedback else {
            header.flags |= TcpFlags::ECE;
            return;
        };
        // RFC 9768 3.2.3.2.2, RFC9768-3.2.3.2.2-1: the second retransmission does without.
        if retries > 1 && self.options.ecn_fallback {
            accurate.failures |= Failures::FLAGS_SENT;
        } else {
            header.flags |= flags(reflect(accurate.syn_mark));
        }
    }
}
