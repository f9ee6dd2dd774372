//! What a segment means in SYN-RECEIVED (RFC 9293 3.10.7.4, in its order; RFC 5961, RFC 7323 5.3).

use bowline_base::Instant;
use bowline_wire::Ecn;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::HalfOpen;
use super::flags::Flags;
use crate::ecn::EcnMode;
use crate::reason::DropReason;

/// Unit of the 16-bit time of the last answer, so that it wraps after 17 minutes: longer than a half-open lives.
const ANSWER_TICK_MS: u64 = 16;
/// Least time between two challenges or other answers to unacceptable segments, in such units: half a second, as Linux
/// `tcp_invalid_ratelimit`.
const ANSWER_INTERVAL: u16 = 32;

/// What to do after a segment arrived for a half-open connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HalfOpenOutcome {
    /// The SYN again: send [`HalfOpen::syn_ack`] again.
    SynAck,
    /// An acceptable RST: forget it; the listener goes on listening.
    Forget,
    /// The SYN again, with another idea of ECN: forget it, and reset the peer.
    Abort,
    /// Drop the segment, and send [`HalfOpen::ack`].
    Answer(DropReason),
    /// An ACK of something we never sent: drop the segment and send a RST with this sequence number; the entry stays.
    Reset(SeqNumber),
    /// Drop the segment.
    Drop(DropReason),
    /// The handshake is complete: make the connection and give it this segment.
    Complete,
}

impl HalfOpen {
    /// What a segment with `len` bytes of text and this mark means. `accept_queue_full` is about the listener, for the last
    /// ACK.
    pub fn on_segment(
        &mut self,
        now: Instant,
        header: &TcpHeader,
        (len, mark): (u32, Ecn),
        accept_queue_full: bool,
    ) -> HalfOpenOutcome {
        use HalfOpenOutcome::{Abort, Complete, Drop, Forget, Reset, SynAck};
        let flags = header.flags;
        let old_timestamp = self.has_old_timestamp(header);

        // RFC 9293 3.8.1: the SYN retransmitted, because our SYN-ACK was lost. Not acceptable by its number, but an ACK
        // of it alone would not help a peer in SYN-SENT. RFC 9293 3.10.7.4, MUST-10: it is the same attempt.
        let is_syn = flags.contains(TcpFlags::SYN) && !flags.intersects(TcpFlags::ACK | TcpFlags::RST);
        if is_syn && header.seq == self.irs && !old_timestamp {
            self.update_ts_recent(header);
            return if self.take_ecn_again(header, mark) { SynAck } else { Abort };
        }

        // First: the sequence number. RFC 7323 5.3, R1: so does an old timestamp make a segment unacceptable.
        let offset = header.seq.0.wrapping_sub(self.irs.0.wrapping_add(1));
        if old_timestamp || !self.is_acceptable(header, len) {
            return match flags.contains(TcpFlags::RST) {
                true => Drop(DropReason::ResetIgnored),
                false => self.answer(now, if old_timestamp { DropReason::Paws } else { DropReason::OutOfWindow }),
            };
        }
        // Second: RST. RFC 5961 3.2: only at the exact number.
        if flags.contains(TcpFlags::RST) {
            let counts = offset == 0 || self.flags.contains(Flags::TAKES_ANY_RESET);
            return if counts { Forget } else { self.answer(now, DropReason::ResetChallenged) };
        }
        // Fourth: SYN. RFC 9293 would return to LISTEN; RFC 5961 4.2 challenges, lest a blind SYN end a handshake. A peer
        // that has started anew answers the challenge with a RST at the exact number, and its next SYN is welcome.
        if flags.contains(TcpFlags::SYN) {
            return self.answer(now, DropReason::SynChallenged);
        }
        // Fifth: ACK.
        if !flags.contains(TcpFlags::ACK) {
            return Drop(DropReason::NoAck);
        }
        if header.ack != self.iss + 1 {
            return Reset(header.ack);
        }
        let has_none = self.flags.contains(Flags::TIMESTAMPS) && header.options.timestamps.is_none();
        if has_none && !self.flags.contains(Flags::LAX_TIMESTAMPS) {
            // RFC 7323 3.2: once agreed on, a segment without timestamps is dropped silently.
            return Drop(DropReason::Paws);
        }
        let end = offset.wrapping_add(len).wrapping_add(flags.contains(TcpFlags::FIN).into());
        if end == 0 && self.awaits_text() {
            self.flags.insert(Flags::ACKNOWLEDGED);
            return Drop(DropReason::AwaitsText);
        }
        if accept_queue_full {
            // As Linux without tcp_abort_on_overflow: the peer believes itself connected, and our SYN-ACK, sent again,
            // will make it acknowledge once more when there may be room.
            self.flags.insert(Flags::ACKNOWLEDGED);
            return Drop(DropReason::ListenOverflow);
        }
        Complete
    }

    // RFC 9293 3.10.7.4, table 6, with RCV.NXT = IRS+1 and the window that the SYN-ACK announced.
    fn is_acceptable(&self, header: &TcpHeader, text: u32) -> bool {
        let control = header.flags & (TcpFlags::SYN | TcpFlags::FIN);
        let len = text.saturating_add(control.iter().count() as u32);
        let first = header.seq.0.wrapping_sub(self.irs.0.wrapping_add(1));
        let last = first.wrapping_add(len.saturating_sub(1));
        let window = u32::from(self.window);
        match (len, window) {
            (0, 0) => first == 0,
            // What is empty ends where it begins, and nothing lies in a closed window.
            _ => first < window || last < window,
        }
    }

    /// RFC 7323 5.3, R1. A RST is not subject to it.
    fn has_old_timestamp(&self, header: &TcpHeader) -> bool {
        self.flags.contains(Flags::TIMESTAMPS)
            && !header.flags.contains(TcpFlags::RST)
            && header.options.timestamps.is_some_and(|t| (t.value.wrapping_sub(self.ts_recent) as i32) < 0)
    }

    fn update_ts_recent(&mut self, header: &TcpHeader) {
        if let (true, Some(times)) = (self.flags.contains(Flags::TIMESTAMPS), header.options.timestamps) {
            self.ts_recent = times.value;
        }
    }

    /// RFC 5961 7: answers are rationed, each half-open connection for itself, so that one tells nothing about another.
    fn answer(&mut self, now: Instant, why: DropReason) -> HalfOpenOutcome {
        let tick = (now.as_millis() / ANSWER_TICK_MS) as u16;
        if self.flags.contains(Flags::ANSWERED) && tick.wrapping_sub(self.answered) < ANSWER_INTERVAL {
            return HalfOpenOutcome::Drop(why);
        }
        self.flags.insert(Flags::ANSWERED);
        self.answered = tick;
        HalfOpenOutcome::Answer(why)
    }

    /// The SYN again: what it says of ECN. False if it contradicts the first one.
    // RFC 9768 3.1.5, RFC9768-3.1.5-1, RFC9768-3.1.5-3, RFC9768-3.1.5-5: the mode stays, the mark to feed back is that of the
    // latest SYN; and who asks for both kinds of feedback cannot know which one it got.
    fn take_ecn_again(&mut self, header: &TcpHeader, mark: Ecn) -> bool {
        let asked = EcnMode::Accurate.answer(header.flags);
        self.flags.insert(Flags::ASKED_AGAIN);
        if self.flags.contains(Flags::ACCURATE_ECN) {
            self.flags.set_mark(mark);
            self.flags.set(Flags::MUTE_SYN, asked == EcnMode::Off || self.flags.contains(Flags::MUTE_SYN));
            return asked != EcnMode::Classic;
        }
        !self.flags.contains(Flags::CLASSIC_SYN) || asked != EcnMode::Accurate
    }
}
