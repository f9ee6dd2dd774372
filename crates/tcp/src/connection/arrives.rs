//! A segment arrives (RFC 9293 3.10.7.4): the checks in their order, one file each.
//!
//! Each check either lets the segment pass, perhaps trimmed, or stops here with the reason. Nothing is sent from here:
//! checks note what is to be said, and `send` says it.

mod acceptable;
mod ack;
mod fin;
mod reset;
mod syn;
mod text;
mod urgent;

use core::ops::ControlFlow;

use bowline_base::Position;
use bowline_wire::Ecn;
use bowline_wire::packet::Piece;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::context::Context;
use super::tcb::Tcb;
use crate::reason::{DropReason, SendReason};
use crate::segment::Arrival;
use crate::state::State;
use crate::trace::Trace;

/// A segment with its numbers as positions of this connection.
pub(super) struct Segment<'a> {
    pub(super) header: &'a TcpHeader,
    /// SEG.SEQ.
    pub(super) seq: Position,
    /// The position after the segment: SEG.SEQ + SEG.LEN.
    pub(super) end: Position,
    /// Where its FIN lies, if it has one.
    pub(super) fin: Option<Position>,
    /// SEG.ACK; meaningless without the ACK flag.
    pub(super) ack: Position,
    /// The text, of which only `text_len` bytes count: the rest lies beyond the window.
    pub(super) text: &'a [Piece],
    text_len: usize,
    /// How many wire segments it stands for, and bytes of text in each but the last.
    pub(super) count: u64,
    pub(super) size: usize,
    pub(super) mark: Ecn,
}

impl<'a> Segment<'a> {
    /// The arrival as the connection sees it.
    pub(super) fn new(tcb: &Tcb, arrival: &'a Arrival<'a>) -> Self {
        let (header, text_len) = (arrival.header, arrival.text_len());
        let seq = tcb.rcv.nxt().nearest(header.seq.0);
        let text_end = seq + u64::from(header.flags.contains(TcpFlags::SYN)) + text_len as u64;
        let fin = header.flags.contains(TcpFlags::FIN).then_some(text_end);
        Self {
            header,
            seq,
            end: text_end + u64::from(fin.is_some()),
            fin,
            ack: tcb.snd.una.nearest(header.ack.0),
            text: arrival.text,
            text_len,
            count: arrival.count(),
            size: arrival.segment_size.map_or(text_len, usize::from),
            mark: arrival.mark,
        }
    }

    pub(super) fn has(&self, flag: TcpFlags) -> bool {
        self.header.flags.contains(flag)
    }

    /// The bytes of text.
    pub(super) fn text_len(&self) -> usize {
        self.text_len
    }

    /// Leaves only the first `len` bytes of the text. A FIN behind it lies where none can be heard.
    pub(super) fn truncate(&mut self, len: usize) {
        self.text_len = len;
    }

    /// SEG.LEN: text, and one each for SYN and FIN (RFC 9293 3.4).
    pub(super) fn len(&self) -> u64 {
        self.end.since(self.seq)
    }
}

/// How far a segment came.
pub(super) type Check = ControlFlow<Stop>;

/// Where it stopped.
pub(super) struct Stop {
    /// `None`: it was processed, there is nothing more to it.
    pub(super) dropped: Option<DropReason>,
    pub(super) reply: Reply,
}

/// What the endpoint shall send on its own, for a connection that will not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// Nothing: the connection speaks for itself.
    Nothing,
    /// A RST at this sequence number, SEG.ACK of what arrived.
    Reset,
    /// The connection's own RST: it has been given up.
    ResetOfOurs,
}

/// Stops with a segment that is not processed.
pub(super) fn discard(dropped: DropReason) -> Check {
    Check::Break(Stop { dropped: Some(dropped), reply: Reply::Nothing })
}

/// Stops with a segment that has been processed.
pub(super) fn done() -> Check {
    Check::Break(Stop { dropped: None, reply: Reply::Nothing })
}

/// Stops with a segment that is answered with a RST.
pub(super) fn reset(dropped: DropReason) -> Check {
    Check::Break(Stop { dropped: Some(dropped), reply: Reply::Reset })
}

impl Tcb {
    /// A segment arrives in any state but LISTEN and TIME-WAIT.
    pub(crate) fn segment_arrives(&mut self, cx: &mut Context<'_>, arrival: &Arrival<'_>) -> Reply {
        let mut segment = Segment::new(self, arrival);
        let (state, len) = (self.state, segment.text_len() as u32);
        self.stats.segs_in += segment.count;
        let check =
            if state == State::SynSent { self.in_syn_sent(cx, &mut segment) } else { self.run(cx, &mut segment) };
        self.settle_fin(cx);
        let stop = match check {
            Check::Break(stop) => stop,
            Check::Continue(()) => Stop { dropped: None, reply: Reply::Nothing },
        };
        if let Some(reason) = stop.dropped {
            cx.counters.count_drop(reason);
        }
        cx.record(self.tuple, self.id, || Trace::Received {
            header: arrival.header.clone(),
            len,
            dropped: stop.dropped,
            state,
        });
        self.assert_invariants();
        stop.reply
    }

    /// The eight checks (the third, of security, has no counterpart today).
    fn run(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        self.check_acceptable(cx, segment)?;
        self.check_reset(cx, segment)?;
        self.check_syn(cx, segment)?;
        self.check_ack(cx, segment)?;
        self.after_ack(cx, segment)
    }

    /// What a segment may bring once its ACK is processed; SYN-SENT joins here.
    pub(super) fn after_ack(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        if self.ecn.is_some() && !segment.has(TcpFlags::SYN) {
            self.take_mark(segment);
        }
        self.check_urgent(segment);
        self.check_text(cx, segment)?;
        self.check_fin(cx, segment)
    }

    /// An ACK that states where we are, within the connection's budget (RFC 5961 5.3 and 7, RFC5961-7-1).
    #[cold]
    pub(super) fn challenge(&mut self, cx: &mut Context<'_>) {
        if self.challenge.take(cx.now) {
            cx.counters.challenge_acks += 1;
            self.rcv.acks.on_immediate(SendReason::ChallengeAck);
        }
    }
}
