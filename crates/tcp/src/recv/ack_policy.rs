//! When to acknowledge: at once, with the next data, or after a while.
//!
//! RFC 9293 3.8.6.3 (MUST-40: never later than half a second, and every second full-sized segment; MUST-58, MUST-59) and
//! RFC 5681 4.2 (out of order, a hole filled: at once). A connection's first segments, and those after a pause, are
//! acknowledged at once, because the peer's window grows with each acknowledgement. It decides when and why; which
//! number and window go out is for whoever builds the segment.
//!
//! Duplicate acknowledgements are counted, not merged: a peer without SACK waits for three of them.

use core::ops::Range;
use core::time::Duration;

use bowline_base::{Instant, Position, Span};

use super::inserted::Inserted;
use crate::Options;
use crate::reason::SendReason;

/// The most acknowledgements of one kind that wait to be sent; more are merged. Between two calls of `poll_transmit`
/// more than this come only in a batch, and then the peer has learnt all that duplicates can say.
const MAX_PENDING: u8 = 16;
/// Segments that are acknowledged at once because the user wants it (as Linux).
const QUICK: u8 = 16;
/// A pause: the peer's window may have been reset, so it is helped again. RFC 5681 4.1 speaks of one RTO.
const PAUSE: Span = Span::from_nanos(1_000_000_000);
/// RFC 9293 3.8.6.3, MUST-40, RFC 5681 4.2, RFC5681-4.2-1: less than half a second.
const MAX_DELAY: Duration = Duration::from_millis(499);
/// How long the acknowledgement of a SYN-ACK may wait for text (Linux `TCP_DELACK_MAX`).
const HANDSHAKE_DELAY: Span = Span::from_nanos(200_000_000);
/// Full-sized segments are at least this large (RFC 9293 3.7.1: the default MSS, less room for options).
const MIN_FULL: u16 = 500;

/// What a segment with data or FIN was, apart from what became of its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Arrived {
    /// Bytes of data.
    pub len: usize,
    /// How many segments it was on the wire: more than one if they were joined on their way.
    pub segments: usize,
    /// Whether it is answered like a single one where it is out of order ([`Options::answer_joined_once`]).
    pub once: bool,
    /// Bytes of data in each of these but the last; of no consequence if there was only one.
    pub size: usize,
    /// Whether it had more text than one of our segments may have.
    pub large: bool,
    /// Whether it had a FIN that was taken.
    pub fin: bool,
    /// Whether its congestion mark differs from that of the segment before (RFC 8257 3.2).
    pub mark_changed: bool,
}

/// Which acknowledgements one connection owes.
#[derive(Clone, Hash, Debug)]
pub struct AckPolicy {
    delay: Span,
    /// When the delayed acknowledgement is due; `MAX` if none is.
    deadline: Instant,
    last_data: Instant,
    dsack: Option<Range<Position>>,
    /// Bytes in order since the last acknowledgement.
    unacknowledged: u32,
    /// The size of the peer's full segments, as seen, and the size of the last one.
    full: u16,
    last_size: u16,
    /// Acknowledgements owed at once, by kind.
    duplicates: u8,
    answers: u8,
    ack: Option<SendReason>,
    /// Segments that are still acknowledged at once.
    quick: u8,
    /// How many are so at the beginning and after a pause.
    most_quick: u8,
    /// Whether any second segment counts, not only a full-sized one.
    small: bool,
    /// Whether the application answers so soon that acknowledgements travel with its data.
    interactive: bool,
}

impl AckPolicy {
    /// A policy that delays acknowledgements as `options` say, at most 499 ms; zero means never. `mss` is what we announced.
    #[must_use]
    pub fn new(options: &Options, mss: u16) -> Self {
        Self {
            delay: options.delayed_ack.min(MAX_DELAY).into(),
            deadline: Instant::MAX,
            last_data: Instant::ZERO,
            dsack: None,
            unacknowledged: 0,
            full: mss.clamp(1, MIN_FULL),
            last_size: 0,
            duplicates: 0,
            answers: 0,
            ack: None,
            quick: options.quick_acks,
            most_quick: options.quick_acks,
            small: options.ack_small_segments,
            interactive: false,
        }
    }

    /// Sets the delay, at most 499 ms, for acknowledgements from now on.
    pub fn set_delay(&mut self, delay: Duration) {
        self.delay = delay.min(MAX_DELAY).into();
    }

    /// How long an acknowledgement may be delayed.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay.get()
    }

    /// The size of the peer's full segments, as far as they have shown it: bytes of data, at first 500 or, if it is
    /// less, the MSS that we announced.
    #[must_use]
    pub const fn full_segment(&self) -> u16 {
        self.full
    }

    /// Whether segments are acknowledged at once for now.
    #[must_use]
    pub const fn is_quick(&self) -> bool {
        self.quick > 0
    }

    /// Begins, or ends, to acknowledge segments at once. In the first case also what waits for the timer; in the second no
    /// pause begins it anew, until an acknowledgement waited in vain for an answer (as Linux).
    pub fn set_quick(&mut self, quick: bool) {
        self.quick = if quick { QUICK } else { 0 };
        self.interactive = !quick;
        if quick && self.deadline < Instant::MAX {
            self.deadline = Instant::MAX;
            self.ack = self.ack.or(Some(SendReason::Ack));
        }
    }

    /// A segment with data or FIN was taken in, in whole, in part or not at all.
    pub fn on_segment(&mut self, now: Instant, inserted: &Inserted, arrived: Arrived) {
        let idle = now.span_since(core::mem::replace(&mut self.last_data, now));
        if idle > PAUSE && !self.interactive {
            self.quick = self.quick.max(self.most_quick);
        }
        let segments = arrived.segments.max(1);
        // As if each had come alone; what is told twice is known.
        for _ in 1..segments.min(3) {
            self.measure(arrived.size);
        }
        self.measure(arrived.len.saturating_sub(arrived.size * (segments - 1)));
        if inserted.duplicate.is_some() {
            self.dsack.clone_from(&inserted.duplicate);
        }
        if inserted.advanced > 0 {
            // What was owed for the old number is settled by the new one; sent now, it would look like a duplicate of it.
            self.duplicates = 0;
            self.unacknowledged = self.unacknowledged.saturating_add(inserted.advanced as u32);
        } else if !arrived.fin {
            // RFC 5681 4.2, RFC5681-4.2-2: data beyond a hole, and data that came before (RFC 9293 3.10.7.4, MAY-13), is
            // answered at once.
            return self.owe_duplicates(if arrived.once { 1 } else { segments.min(3) });
        }
        if self.at_once(inserted, arrived) {
            self.ack = Some(SendReason::Ack);
            self.quick = self.quick.saturating_sub(segments.min(usize::from(u8::MAX)) as u8);
        } else {
            // RFC 9293 3.8.6.3, SHLD-18.
            self.deadline = self.deadline.min(now + self.delay);
        }
    }

    /// A FIN was taken, which had no data with it or whose data [`on_segment`](Self::on_segment) has seen. `may_answer`: our
    /// own direction is open.
    ///
    /// An application that has answered quickly so far will soon close, and its FIN brings the acknowledgement along; one
    /// that does not leaves it to the timer (as Linux; RFC 9293 3.8.6.3, MUST-40).
    ///
    /// Where every second segment is acknowledged at once however small it is, a FIN is, too (FreeBSD).
    ///
    /// If it `waits` ([`Options::delay_fin_ack`]) every application is given that time, once text has come; and what came twice is
    /// not told any more.
    pub fn on_fin(&mut self, now: Instant, may_answer: bool, waits: bool) {
        // Without text before, nobody knows how soon the application answers.
        if waits && may_answer && self.last_data > Instant::ZERO {
            self.dsack = None;
            (self.interactive, self.quick) = (true, 0);
        }
        if may_answer && self.interactive && !self.small && self.ack.is_none() {
            self.deadline = self.deadline.min(now + self.delay);
        } else {
            self.on_immediate(SendReason::Ack);
        }
    }

    /// The peer's SYN-ACK is owed an acknowledgement. If text `waits` for the handshake that carries it, and who answers that soon is
    /// expected to do so again (as on Linux).
    pub fn on_handshake(&mut self, now: Instant, waits: bool) {
        if waits {
            self.last_data = now;
        }
        self.on_immediate(SendReason::Ack);
    }

    /// The peer's SYN-ACK is acknowledged by our first text, which is to come soon; or, without any, after a while.
    pub fn leave_to_text(&mut self, now: Instant) {
        self.deadline = self.deadline.min(now + HANDSHAKE_DELAY);
    }

    /// An acknowledgement is owed at once for another reason than data: an unacceptable segment, a window that opened.
    pub fn on_immediate(&mut self, reason: SendReason) {
        match reason {
            SendReason::DuplicateAck => self.owe_duplicates(1),
            SendReason::ChallengeAck => self.answers = (self.answers + 1).min(MAX_PENDING),
            // The reason given first is kept: the others travel with it.
            other => self.ack = self.ack.or(Some(other)),
        }
    }

    /// Why the next acknowledgement is owed, if one is.
    #[must_use]
    pub fn pending(&self) -> Option<SendReason> {
        if self.duplicates > 0 {
            return Some(SendReason::DuplicateAck);
        }
        self.ack.or((self.answers > 0).then_some(SendReason::ChallengeAck))
    }

    /// Whether data in order waits for its acknowledgement.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.unacknowledged > 0
    }

    /// When [`on_timer`](Self::on_timer) is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.deadline < Instant::MAX).then_some(self.deadline)
    }

    /// Whether [`take_dsack`](Self::take_dsack) has something to report.
    pub(crate) const fn has_dsack(&self) -> bool {
        self.dsack.is_some()
    }

    /// The part of a segment that came twice, to be reported as the first SACK block of the next segment, once
    /// (RFC 2883 4).
    pub fn take_dsack(&mut self) -> Option<Range<Position>> {
        self.dsack.take()
    }

    /// A segment with nothing new arrived: the part of the stream that it repeats (RFC 2883 4).
    pub fn set_dsack(&mut self, range: Range<Position>) {
        self.dsack = Some(range);
    }

    /// The acknowledgement that [`pending`](Self::pending) named went out.
    pub fn on_ack_sent(&mut self) {
        if self.duplicates > 0 {
            self.duplicates -= 1;
        } else if self.ack.is_none() {
            self.answers = self.answers.saturating_sub(1);
        }
        self.settle();
    }

    /// A segment with data, or a SYN or FIN, went out, and acknowledged what has arrived. Duplicates are still owed: a
    /// segment with data is not one (RFC 5681 2).
    pub fn on_data_sent(&mut self, now: Instant) {
        if now.span_since(self.last_data) < self.delay {
            self.interactive = true;
            self.quick = 0;
        }
        self.settle();
    }

    /// The time is `now`; the delayed acknowledgement may be due.
    pub fn on_timer(&mut self, now: Instant) {
        if now >= self.deadline {
            self.deadline = Instant::MAX;
            self.interactive = false;
            self.ack = self.ack.or(Some(SendReason::DelayedAck));
        }
    }

    /// Everything in order is acknowledged, by one segment (RFC 5681 4.2, RFC5681-4.2-3; RFC 9293 3.10.7.4, MUST-59: what
    /// came meanwhile too).
    fn settle(&mut self) {
        self.ack = None;
        self.deadline = Instant::MAX;
        self.unacknowledged = 0;
    }

    fn owe_duplicates(&mut self, n: usize) {
        self.duplicates = self.duplicates.saturating_add(n as u8).min(MAX_PENDING);
    }

    /// Whether data that moved RCV.NXT, or a FIN, is acknowledged now.
    fn at_once(&self, inserted: &Inserted, arrived: Arrived) -> bool {
        // RFC 9293 3.8.6.3, MUST-58, SHLD-19: every second full-sized segment; a joined one counts as its parts.
        let waits = self.small && (self.deadline < Instant::MAX || arrived.segments > 1 || arrived.large);
        let second = waits || self.unacknowledged >= 2 * u32::from(self.full);
        let disorder = inserted.filled_hole || inserted.out_of_order || inserted.duplicate.is_some();
        let short = inserted.refused > 0;
        let quick = self.quick > 0 || self.delay.is_zero();
        second || disorder || short || quick || arrived.fin || arrived.mark_changed
    }

    /// Learns the size of the peer's full segments: the largest seen, or a smaller one that repeats.
    fn measure(&mut self, size: usize) {
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        if size > self.full || (size == self.last_size && size >= MIN_FULL) {
            self.full = size;
        }
        self.last_size = size;
    }
}

#[cfg(test)]
mod tests;
