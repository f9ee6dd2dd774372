//! What segments behind the handshake bring: a mark of the network's, and what the peer tells of marks on what we have sent
//! (RFC 3168 6.1.2 and 6.1.3; RFC 9768 3.2.2.2 to 3.2.2.5, 3.2.3.2).
//!
//! How counters are read and written is for [`crate::ecn`]; what a congestion event means, for the controller.

use bowline_wire::Ecn;
use bowline_wire::tcp::TcpFlags;

use super::{Accurate, Failures, Feedback};
use crate::connection::arrives::Segment;
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::ecn::ace;
use crate::ecn::sender::Covered;
use crate::reason::SendReason;
use crate::recovery::{AckOutcome, Phase};

impl Accurate {
    /// Whether the acknowledgement is news: what it tells has not been superseded by a later one (RFC 9768
    /// 3.2.2.2, RFC9768-3.2.2.2-2; A.1).
    fn is_news(&mut self, segment: &Segment<'_>, outcome: &AckOutcome) -> bool {
        let value = segment.header.options.timestamps.map(|times| times.value);
        let newer = value.zip(self.newest).is_some_and(|(value, newest)| value.wrapping_sub(newest).cast_signed() > 0);
        let news = newer || outcome.newly_acked > 0 || outcome.newly_sacked > 0;
        if news || self.newest.is_none() {
            self.newest = value;
        }
        news
    }
}

impl Tcb {
    /// A segment that is no SYN has passed the checks, or repeats what we have just acknowledged: its mark.
    #[inline(never)]
    pub(in crate::connection) fn take_mark(&mut self, segment: &Segment<'_>) {
        let waiting = self.rcv.acks.is_waiting();
        let sack = self.sack;
        let Some(ecn) = &mut self.ecn else { return };
        match &mut ecn.feedback {
            // RFC 3168 6.1.3: echo a mark until the peer says that it has reduced its window. That may have left it with a
            // single segment, so that its text is acknowledged at once (as Linux and FreeBSD do).
            Feedback::Classic(classic) => {
                if segment.has(TcpFlags::CWR) {
                    classic.echo = false;
                    if segment.text_len() > 0 {
                        self.rcv.acks.on_immediate(SendReason::Ack);
                    }
                }
                if segment.mark == Ecn::Ce && !classic.echo {
                    classic.echo = true;
                    self.rcv.acks.on_immediate(SendReason::Ack);
                }
            }
            Feedback::Accurate(accurate) => {
                let text = segment.text_len() as u64;
                let changed = accurate.receiver.on_packets(segment.mark, segment.count, text);
                // RFC 9768 3.2.2.5.1, RFC9768-3.2.2.5.1-1, RFC9768-3.2.2.5.1-2: a change is told at once where there is
                // data to acknowledge, and so are several marks. An acknowledgement of acknowledgements must not look like a duplicate: only SACK tells them apart.
                let due = accurate.receiver.is_due(waiting || text > 0) && (text > 0 || sack);
                if (changed && text > 0) || due {
                    self.rcv.acks.on_immediate(SendReason::Ack);
                }
            }
        }
    }

    /// Text arrived that we have acknowledged before. Its mark counts where the last acknowledgement was of its end: that may
    /// have been lost, as on Linux. And if we have reported it as a duplicate before, together with an option, it is the
    /// option that does not get through (RFC 9768 3.2.3.2.2, RFC9768-3.2.3.2.2-2).
    pub(in crate::connection) fn take_repeated_mark(&mut self, segment: &Segment<'_>) {
        let is_last = segment.end >= self.rcv.last_ack;
        let Some(accurate) = self.accurate_mut() else { return };
        if is_last {
            accurate.receiver.on_packets(segment.mark, segment.count, segment.text_len() as u64);
        }
        if accurate.told_twice == Some(segment.seq) {
            accurate.failures |= Failures::OPTION_SENT;
            self.make_room_for_option();
        }
    }

    /// What an acknowledgement tells of marks on what we have sent.
    #[inline(never)]
    pub(in crate::connection) fn take_ecn_feedback(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        outcome: &AckOutcome,
    ) {
        let mss = u64::from(self.snd.mss);
        let covered = Covered { bytes: outcome.delivered, segments: outcome.delivered.div_ceil(mss) };
        let Some(ecn) = &mut self.ecn else { return };
        let is_marked = match &mut ecn.feedback {
            Feedback::Classic(classic) => {
                let echo = segment.has(TcpFlags::ECE);
                if echo {
                    classic.delivered_ce = classic.delivered_ce.wrapping_add(covered.segments as u32);
                }
                echo
            }
            Feedback::Accurate(_) => self.take_counters(segment, outcome, covered),
        };
        if is_marked && outcome.flight_size > 0 && self.recovery.phase() != Phase::FastRecovery {
            let until = self.ecn.as_ref().map_or(segment.ack, |ecn| ecn.until);
            if segment.ack > until {
                self.reduce_for_echo(cx, outcome);
            }
        }
    }

    /// AccECN's counters on an acknowledgement; returns whether there are marks to act on.
    fn take_counters(&mut self, segment: &Segment<'_>, outcome: &AckOutcome, covered: Covered) -> bool {
        let (sent, data_segs, idle) = (self.stats.bytes_sent, self.stats.data_segs_out, self.recovery.is_idle());
        let (verify, mss) = (self.options.ecn_fallback, u64::from(self.snd.mss));
        let Some(accurate) = self.accurate_mut() else { return false };
        let option = segment.header.options.acc_ecn.as_ref();
        let before = accurate.sender.seen();
        accurate.sender.on_bytes_sent(sent);
        let news = accurate.is_news(segment, outcome);
        if !core::mem::take(&mut accurate.is_reflection) && news {
            let seen = ace(segment.header.flags);
            accurate.hear(seen, verify);
            let marks = accurate.sender.on_ack(seen, option, covered);
            // RFC 9768 3.2.3.2.5, RFC9768-3.2.3.2.5-2: bytes with CE, but no packet, though the flags cannot have wrapped: the feedback is mangled.
            // Where an option was left out before, packets may have been told of already: they are of some size.
            let packets = u64::from(accurate.sender.counts().ce_packets());
            let unexplained = accurate.sender.counts().bytes(Ecn::Ce) > packets * 2 * mss;
            let told = marks.packets == 0 && marks.bytes.is_some_and(|bytes| bytes > 0);
            if told && unexplained && data_segs - accurate.settled < 8 {
                accurate.failures |= Failures::FLAGS_RECEIVED;
            }
            if idle {
                accurate.settled = data_segs;
            }
            let acts = marks.packets > 0 && !accurate.failures.contains(Failures::FEEDBACK);
            self.after_option(before);
            return acts;
        }
        self.after_option(before);
        false
    }
}
