//! One connection's diagram while it grows: which arrow a change of state belongs to, and what stands beside an arrow.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use bowline_base::{Instant, Position};
use bowline_tcp::reason::{DropReason, Hold, LossReason, RecoveryChange, SendReason, TimerKind};
use bowline_tcp::state::{Cause, State};
use bowline_tcp::{ConnectionError, FourTuple};
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::options::{EcnSeen, options};
use super::sequence::Stream;
use super::{OnTheWay, is_last};
use crate::diagram::fold::{Limits, Rows};
use crate::diagram::model::{Diagram, Direction, Ending, Fate, Note, Row, Segment, What};
use crate::wire_count::WireCount;
use crate::words;

/// A connection's diagram while it grows.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) id: u64,
    pub(super) start: Instant,
    rows: Rows,
    ours: Stream,
    theirs: Stream,
    /// A change of state whose segment has not been seen yet.
    pending: Option<(Instant, State, State, Cause)>,
    /// Notes about what a segment that arrived did: it is recorded after them, and is to stand before them.
    notes: Vec<(Instant, Note)>,
    count: WireCount,
    closed: bool,
    ecn: EcnSeen,
    diagram: Diagram,
}

/// As many notes wait for their segment; no segment causes more.
const NOTES: usize = 8;

impl Conversation {
    pub(super) fn new(at: Instant, tuple: FourTuple, id: u64, limits: Limits) -> Self {
        let diagram = Diagram {
            id,
            local: tuple.local,
            remote: tuple.remote,
            start: at.as_nanos(),
            duration: 0,
            ending: Ending::Open,
            ended_by: None,
            bytes_out: 0,
            bytes_in: 0,
            segments_out: 0,
            segments_in: 0,
            retransmissions: 0,
            rows: Vec::new(),
        };
        Self {
            id,
            start: at,
            rows: Rows::new(limits),
            ours: Stream::default(),
            theirs: Stream::default(),
            pending: None,
            notes: Vec::new(),
            count: WireCount::default(),
            closed: false,
            ecn: EcnSeen::default(),
            diagram,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A change of state. It goes beside the segment that made it, or that it makes, and else stands alone.
    pub(super) fn state(&mut self, at: Instant, from: State, to: State, cause: Cause) {
        self.flush_pending();
        if is_last(to) {
            self.closed = true;
            if to == State::TimeWait || cause == Cause::AckOfFin {
                self.diagram.ending = Ending::Closed;
            } else if self.diagram.ending == Ending::Open {
                self.diagram.ending = match cause {
                    Cause::Reset | Cause::ResetPassive => Ending::Reset,
                    _ => Ending::Failed,
                };
                self.diagram.ended_by.get_or_insert_with(|| words::cause(cause).to_owned());
            }
        }
        let relative = at.since(self.start);
        let newest = if is_told_after(from, cause) { self.rows.newest() } else { None };
        let beside = newest.filter(|row| row.at == micros(relative)).and_then(|row| match &mut row.what {
            What::Segment(segment) if is_made_by(segment, cause) && segment.state == from.name() => Some(segment),
            _ => None,
        });
        match beside {
            Some(segment) if segment.next_state.is_none() => {
                segment.next_state = Some(to.name().to_owned());
                self.rows.end_run();
            }
            _ => self.pending = Some((at, from, to, cause)),
        }
    }

    /// A segment that we sent.
    pub(super) fn sent(
        &mut self,
        at: Instant,
        header: &TcpHeader,
        len: u32,
        (why, again, state): (SendReason, bool, State),
    ) {
        self.flush_notes();
        self.count.observe(header);
        let place = self.ours.place(header, len);
        let ack = header.flags.contains(TcpFlags::ACK).then(|| self.theirs.relative_ack(header.ack.0));
        let mut segment = self.segment(Direction::Out, header, len, (place.seq, ack), state);
        segment.again = again;
        segment.why = match (again, words::is_remarkable(why)) {
            (_, true) => Some(Cow::Borrowed(words::send_reason(why))),
            (true, false) => Some(Cow::Borrowed(self.why_again(at, why))),
            (false, false) => None,
        };
        // The window that it announces says it already.
        if why == SendReason::WindowUpdate && len == 0 {
            segment.why = None;
        }
        self.diagram.retransmissions += if again { u64::from(segment.count) } else { 0 };
        self.diagram.segments_out += u64::from(segment.count);
        self.diagram.bytes_out += u64::from(len);
        if header.flags.contains(TcpFlags::RST) {
            self.reset(if self.ours_never_opened() { Ending::Refused } else { Ending::Reset }, "we sent RST");
        }
        self.take_pending(at, &mut segment, |cause| !is_from_peer(cause));
        self.push(at, What::Segment(Box::new(segment)));
    }

    /// Why a segment goes out again although its reason is that of the first one. The handshake's do when time is up; a
    /// SYN-ACK does too when the SYN comes again.
    fn why_again(&mut self, at: Instant, why: SendReason) -> &'static str {
        let now = micros(at.since(self.start));
        let is_syn = |row: &Row| {
            matches!(&row.what, What::Segment(segment)
                if segment.direction == Direction::In && segment.flags == "SYN" && row.at == now)
        };
        match why {
            SendReason::SynAck if self.rows.newest().is_some_and(|row| is_syn(row)) => {
                "retransmission: the SYN came again"
            }
            SendReason::Syn | SendReason::SynAck => words::send_reason(SendReason::Timeout),
            _ => "retransmission",
        }
    }

    /// A segment that arrived.
    pub(super) fn received(
        &mut self,
        at: Instant,
        header: &TcpHeader,
        len: u32,
        (dropped, state): (Option<DropReason>, State),
    ) {
        self.count.observe(header);
        // What is dropped may be far from the stream, and must not move its end.
        let place = if dropped.is_some() && self.diagram.segments_in > 0 {
            { self.theirs }.place(header, len)
        } else {
            self.theirs.place(header, len)
        };
        let ack = header.flags.contains(TcpFlags::ACK).then(|| self.ours.relative_ack(header.ack.0));
        let mut segment = self.segment(Direction::In, header, len, (place.seq, ack), state);
        segment.dropped = dropped.map(|why| Cow::Borrowed(words::drop_reason(why)));
        if place.repeated {
            segment.why = Some(Cow::Borrowed("sent again by the peer"));
        }
        self.diagram.segments_in += u64::from(segment.count);
        self.diagram.bytes_in += u64::from(len);
        if header.flags.contains(TcpFlags::RST) && dropped.is_none() {
            self.reset(Ending::Reset, "the peer sent RST");
        }
        self.take_pending(at, &mut segment, is_from_peer);
        if self.notes.iter().any(|(when, _)| *when != at) {
            self.flush_notes();
        }
        self.push(at, What::Segment(Box::new(segment)));
        self.flush_notes();
    }

    pub(super) fn lost(&mut self, at: Instant, range: &Range<Position>, why: LossReason) {
        let (left, right) = (self.ours.relative(range.start), self.ours.relative(range.end));
        self.note_later(at, true, format!("believed lost: {left}–{right} ({})", words::loss_reason(why)));
    }

    pub(super) fn recovery(&mut self, at: Instant, change: RecoveryChange) {
        let trouble = matches!(change, RecoveryChange::FastRecovery | RecoveryChange::TimeoutRecovery);
        self.note_later(at, trouble, words::recovery_change(change));
    }

    pub(super) fn path_mtu(&mut self, at: Instant, mtu: u16, most: u16) {
        let search = if most > mtu { format!(", and up to {most} may") } else { String::new() };
        self.note(at, false, format!("packets of {mtu} bytes pass{search}"));
    }

    pub(super) fn timer(&mut self, at: Instant, kind: TimerKind) {
        self.note(at, false, format!("{} fires", words::timer(kind)));
    }

    pub(super) fn held(&mut self, at: Instant, what: Hold) {
        match what {
            Hold::Nothing => self.note(at, false, "sending"),
            Hold::Application => self.note(at, false, "nothing left to send"),
            _ => self.note(at, false, format!("held back by {}", words::hold(what))),
        }
    }

    pub(super) fn congestion(&mut self, at: Instant, windows: (u64, u64), srtt: Option<Duration>, rto: Duration) {
        let (cwnd, ssthresh) = windows;
        let ssthresh = if ssthresh == u64::MAX { "–".to_owned() } else { words::thousands(ssthresh) };
        let srtt = srtt.map_or_else(|| "–".to_owned(), millis);
        let cwnd = words::thousands(cwnd);
        self.note(at, false, format!("cwnd {cwnd}, ssthresh {ssthresh}, srtt {srtt}, rto {}", millis(rto)));
    }

    pub(super) fn ended(&mut self, at: Instant, why: ConnectionError) {
        self.diagram.ending = match why {
            ConnectionError::Refused => Ending::Refused,
            ConnectionError::Reset => Ending::Reset,
            _ => Ending::Failed,
        };
        self.diagram.ended_by = Some(why.to_string());
        match self.pending {
            // a segment of the peer's ended it: that is recorded after this, and is to stand before it
            Some((when, _, _, cause)) if when == at && is_from_peer(cause) => {
                self.note_later(at, true, why.to_string());
            }
            _ => self.note(at, true, why.to_string()),
        }
    }

    /// What happened to a segment between the two ends.
    pub(super) fn on_the_way(&mut self, event: &OnTheWay) {
        let fate = Fate { lost: event.lost, what: event.what.clone() };
        let flags = self.ecn.flags(&event.header).to_string();
        let (mine, other) = match event.direction {
            Direction::Out => (&mut self.ours, &mut self.theirs),
            Direction::In => (&mut self.theirs, &mut self.ours),
        };
        // Placed on a copy: what never arrived must not count as seen.
        let seq = { *mine }.place(&event.header, event.len).seq;
        let ack = event.header.flags.contains(TcpFlags::ACK).then(|| other.relative_ack(event.header.ack.0));
        let is_it = |row: &Row| {
            matches!(&row.what, What::Segment(segment) if segment.direction == event.direction && segment.seq == seq
                && segment.len == event.len && segment.flags == flags && segment.fate.is_none())
        };
        if event.direction == Direction::Out || !event.lost {
            if let Some(Row { what: What::Segment(segment), .. }) = self.rows.find_recent(is_it) {
                segment.fate = Some(fate);
                return;
            }
            let end = seq + i64::from(event.len);
            let lost = if event.lost { "lost on the way" } else { "on the way" };
            self.note(event.at, event.lost, format!("{lost}: {seq}–{end} ({})", event.what));
            return;
        }
        let mut segment = self.segment(event.direction, &event.header, event.len, (seq, ack), State::Closed);
        segment.state = String::new();
        segment.fate = Some(fate);
        self.push(event.at, What::Segment(Box::new(segment)));
    }

    pub(super) fn finish(mut self) -> Diagram {
        self.flush_notes();
        self.flush_pending();
        self.diagram.id = self.id;
        self.diagram.rows = self.rows.finish();
        // what happened on the way is told by somebody else, and somewhat later
        self.diagram.rows.sort_by_key(|row| row.at);
        self.diagram
    }

    fn segment(
        &mut self,
        direction: Direction,
        header: &TcpHeader,
        len: u32,
        (seq, ack): (i64, Option<i64>),
        state: State,
    ) -> Segment {
        let (flags, ecn) = self.ecn.tell(direction, header);
        let (mine, other) = match direction {
            Direction::Out => (&self.ours, &self.theirs),
            Direction::In => (&self.theirs, &self.ours),
        };
        Segment {
            direction,
            flags: flags.to_string(),
            seq,
            ack,
            len,
            count: self.count.count(header, len),
            window: mine.window(other, header),
            options: options(header, other).into_iter().chain(ecn).collect(),
            state: state.name().to_owned(),
            next_state: None,
            again: false,
            why: None,
            dropped: None,
            fate: None,
        }
    }

    fn reset(&mut self, ending: Ending, by: &str) {
        if matches!(self.diagram.ending, Ending::Open | Ending::Failed) {
            self.diagram.ending = ending;
            self.diagram.ended_by = Some(by.to_owned());
        }
        self.closed |= self.id == 0;
    }

    /// Whether nothing but an unanswered SYN of the peer's went before.
    fn ours_never_opened(&self) -> bool {
        self.diagram.segments_out == 1
    }

    fn take_pending(&mut self, at: Instant, segment: &mut Segment, wanted: impl Fn(Cause) -> bool) {
        match self.pending {
            Some((when, from, to, cause)) if when == at && wanted(cause) => {
                let same = segment.state == to.name() || segment.state == from.name();
                if same {
                    self.pending = None;
                    segment.state = from.name().to_owned();
                    segment.next_state = Some(to.name().to_owned());
                }
            }
            _ => {}
        }
        self.flush_pending();
    }

    fn flush_pending(&mut self) {
        if let Some((at, from, to, cause)) = self.pending.take() {
            self.push(at, note(false, format!("{}: {} → {}", words::cause(cause), from.name(), to.name())));
        }
    }

    fn note_later(&mut self, at: Instant, trouble: bool, text: impl Into<Cow<'static, str>>) {
        if self.notes.len() >= NOTES {
            self.flush_notes();
        }
        self.notes.push((at, Note { trouble, text: text.into() }));
    }

    fn flush_notes(&mut self) {
        for (at, note) in std::mem::take(&mut self.notes) {
            self.push(at, What::Note(note));
        }
    }

    fn note(&mut self, at: Instant, trouble: bool, text: impl Into<Cow<'static, str>>) {
        self.flush_notes();
        self.flush_pending();
        self.push(at, note(trouble, text));
    }

    fn push(&mut self, at: Instant, what: What) {
        let at = micros(at.since(self.start));
        self.diagram.duration = self.diagram.duration.max(at);
        self.rows.push(Row { at, what });
    }
}

fn note(trouble: bool, text: impl Into<Cow<'static, str>>) -> What {
    What::Note(Note { trouble, text: text.into() })
}

/// Whether an arriving segment makes this change of state.
const fn is_from_peer(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Syn
            | Cause::SynAck
            | Cause::AckOfSyn
            | Cause::Fin
            | Cause::AckOfFin
            | Cause::FinAndAckOfFin
            | Cause::Reset
            | Cause::ResetPassive
    )
}

/// Whether the record of a change comes after that of the segment which made it. So it is where there is no control block:
/// on a listener, of a half-open connection, in TIME-WAIT. Elsewhere the segment before has nothing to do with it.
const fn is_told_after(from: State, cause: Cause) -> bool {
    matches!(from, State::Listen | State::TimeWait) || matches!(cause, Cause::ResetPassive)
}

fn is_made_by(segment: &Segment, cause: Cause) -> bool {
    match segment.direction {
        Direction::In => is_from_peer(cause),
        Direction::Out => false,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1000.0)
}
