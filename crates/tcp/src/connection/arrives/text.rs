//! Seventh check: the text (RFC 9293 3.10.7.4). What fits goes to the receive queue, in order or not; the ACK policy
//! hears what came of it.

use super::{Check, Segment, discard, reset};
use crate::ConnectionError;
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::event::Readiness;
use crate::reason::{DropReason, SendReason};
use crate::recv::Arrived;
use crate::state::{Cause, State};

impl Tcb {
    /// Queues the text.
    pub(super) fn check_text(&mut self, cx: &mut Context<'_>, segment: &mut Segment<'_>) -> Check {
        if segment.text_len() == 0 {
            return Check::Continue(());
        }
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2) {
            // After the peer's FIN there can be no more text: what is here is old or wrong.
            return Check::Continue(());
        }
        // As on Linux: not old text, with which a FIN may come that was lost before.
        if self.user.orphan && segment.seq + segment.text_len() as u64 > self.rcv.nxt() {
            return self.refuse_text(cx);
        }
        let limit = self.rcv.window.memory_limit();
        if !self.options.uncut_segments {
            self.trim_to_window(segment);
            return self.queue_text(cx, segment, limit);
        }
        let right = self.rcv.window.right_edge().max(self.rcv.nxt());
        if segment.seq + segment.text_len() as u64 <= right {
            return self.queue_text(cx, segment, limit);
        }
        // Who sends beyond the window is heard as long as there is nothing else: one packet is little, and asking again costs more.
        if !self.rcv.queue.is_empty() {
            cx.counters.beyond_window += 1;
            self.rcv.acks.on_immediate(SendReason::DuplicateAck);
            return discard(DropReason::OutOfWindow);
        }
        self.queue_text(cx, segment, limit.saturating_add(segment.text_len()))
    }

    /// Nobody will read it, and the peer must know (RFC 9293 3.6.1, SHLD-3).
    #[cold]
    fn refuse_text(&mut self, cx: &mut Context<'_>) -> Check {
        cx.counters.abort_on_close += 1;
        self.end(cx, Cause::Abort, Some(ConnectionError::Aborted));
        reset(DropReason::DataAfterClose)
    }

    /// Cuts off what lies beyond the window, as if it had not been sent yet. A FIN behind it is not heard there either.
    pub(in crate::connection) fn trim_to_window(&self, segment: &mut Segment<'_>) {
        let fits = self.rcv.right_edge().since(segment.seq) as usize;
        if segment.text_len() > fits {
            segment.truncate(fits);
        }
    }

    /// A FIN behind text that finds no room waits for it, as behind any hole.
    fn queue_text(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>, limit: usize) -> Check {
        let count = segment.count;
        let len = segment.text_len();
        if len == 0 {
            self.rcv.acks.on_immediate(SendReason::DuplicateAck);
            return discard(DropReason::OutOfWindow);
        }
        let inserted = self.rcv.queue.insert_pieces(segment.seq, (segment.text, len), limit);
        if let Some(clock) = &self.timestamps {
            self.rcv.queue.note_recent(clock.recent());
        }
        self.stats.data_segs_in += count;
        self.stats.last_data_received = cx.now;
        if inserted.out_of_order {
            self.stats.out_of_order += 1;
            cx.counters.ofo_queue += 1;
        }
        if inserted.advanced > 0 {
            let echo = segment.header.options.timestamps.map(|t| t.echo);
            let echo = self.timestamps.zip(echo).and_then(|(clock, echo)| clock.elapsed(cx.now, echo));
            self.rcv.window.on_data(cx.now, self.rcv.queue.rcv_nxt(), echo);
        } else if inserted.out_of_order && self.user.listener.is_none() && !self.user.orphan {
            // Nobody reads yet what waits to be accepted.
            self.rcv.window.on_out_of_order(&self.rcv.queue);
        }
        let (size, once) = (segment.size, self.options.answer_joined_once);
        let large = len > usize::from(self.snd.peer_mss);
        let arrived = Arrived { len, segments: count as usize, once, size, large, fin: false, mark_changed: false };
        self.rcv.acks.on_segment(cx.now, &inserted, arrived);
        if inserted.advanced > 0 {
            self.notify(Readiness::READABLE);
        }
        if inserted.refused == len as u64 {
            cx.counters.ofo_drop += 1;
            return discard(DropReason::NoMemory);
        }
        Check::Continue(())
    }
}
