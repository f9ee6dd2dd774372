//! Connections that are no more: what a segment means to one in TIME-WAIT (RFC 9293 3.10.7.4), what it draws in answer, and
//! whether a SYN makes room for a new one (RFC 6191). The table itself knows nothing of listeners; this is where both meet.

use bowline_base::Instant;
use bowline_wire::tcp::TcpFlags;

use super::Endpoint;
use super::demux::Slot;
use crate::config::TimeWaitSyn;
use crate::reason::{DropReason, SendReason};
use crate::segment::Arrival;
use crate::state::{Cause, State};
use crate::time_wait::{Gone, TimeWaitEntry, TimeWaitOutcome};
use crate::trace::Trace;

impl Endpoint {
    pub(super) fn for_time_wait(&mut self, now: Instant, place: u32, arrival: &Arrival<'_>) {
        let listener = self.listener_for(&arrival.tuple).and_then(|key| self.listeners.get(key.index, key.generation));
        let timestamps = listener.map(|listener| listener.options().timestamps);
        let takes_syns = listener.is_some_and(|listener| !listener.is_accept_queue_full());
        let id = self.time_wait.id(place).unwrap_or(0);
        if self.ignores_in_time_wait(place, arrival) {
            return self.note_dropped(now, arrival, id, State::TimeWait, DropReason::TimeWait);
        }
        let len = arrival.text_len() as u32;
        let outcome = self.time_wait.on_segment(now, place, arrival.header, len, timestamps);
        let state = State::TimeWait;
        match outcome {
            TimeWaitOutcome::AcceptSyn(snd_nxt) if takes_syns => {
                self.counters.time_wait_recycled += 1;
                self.remove_time_wait(now, place, Cause::Syn);
                self.for_listener(now, arrival, Some(snd_nxt));
            }
            TimeWaitOutcome::AckFin | TimeWaitOutcome::Answer(_) => {
                let why = match outcome {
                    TimeWaitOutcome::Answer(why) => why,
                    _ => DropReason::Duplicate,
                };
                self.note_dropped(now, arrival, id, state, why);
                if let Some(ack) = self.time_wait.get(place).map(|entry| entry.ack(now)) {
                    self.say_for(arrival.tuple, id, ack, SendReason::Ack, state);
                }
            }
            TimeWaitOutcome::Close => {
                self.note_received(now, arrival, id, state, None);
                self.remove_time_wait(now, place, Cause::Reset);
            }
            TimeWaitOutcome::AcceptSyn(_) => self.note_dropped(now, arrival, id, state, DropReason::TimeWait),
            TimeWaitOutcome::Drop(why) => self.note_dropped(now, arrival, id, state, why),
        }
    }

    /// Whether this is a SYN that begins nothing new, and is not challenged either.
    fn ignores_in_time_wait(&self, place: u32, arrival: &Arrival<'_>) -> bool {
        let (flags, others) = (arrival.header.flags, TcpFlags::ACK | TcpFlags::RST);
        let is_syn = flags.contains(TcpFlags::SYN) && !flags.intersects(others);
        let is_new = |entry: &TimeWaitEntry| entry.is_surpassed_by(arrival.header);
        is_syn
            && self.options_for(&arrival.tuple).odd.time_wait_syn == TimeWaitSyn::Ignore
            && !self.time_wait.get(place).is_some_and(is_new)
    }

    /// Ends a TIME-WAIT before its time.
    pub(super) fn remove_time_wait(&mut self, now: Instant, place: u32, cause: Cause) {
        if let Some(gone) = self.time_wait.remove(place) {
            self.after_time_wait(now, place, &gone, cause);
        }
    }

    /// An entry has left the TIME-WAIT table.
    pub(super) fn after_time_wait(&mut self, now: Instant, place: u32, gone: &Gone, cause: Cause) {
        let tuple = gone.entry.tuple();
        self.parted.remove(&tuple);
        self.demux.remove(&tuple, Slot::TimeWait(place));
        let (from, to) = (State::TimeWait, State::TimeWait.after(cause));
        self.note(now, tuple, gone.id, Trace::State { from, to, cause });
    }
}
