//! What comes out of an endpoint: segments, events, and when to come back.

use bowline_base::Instant;
use bowline_wire::tcp::TcpHeader;

use super::demux::Slot;
use super::{Control, Endpoint, set_timer};
use crate::connection::{Context, Gathered, Tcb};
use crate::event::{Event, Readiness};
use crate::listener::Due;
use crate::reason::SendReason;
use crate::segment::Departure;
use crate::state::Cause;
use crate::trace::{Record, Trace};
use crate::{ConnectionKey, DropReason};

impl Endpoint {
    /// Whether [`poll_transmit`](Self::poll_transmit) has certainly nothing to send.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.control.is_empty() && self.ready.is_empty()
    }

    /// Builds at most one segment, or super-segment, and passes it to `transmit`; `None` if there is nothing to send now.
    ///
    /// The segment counts as sent whatever `transmit` does with it: a device that cannot take it loses it like a network
    /// would. Connections take turns, a super-segment each.
    pub fn poll_transmit<R>(&mut self, now: Instant, transmit: impl FnOnce(&Departure<'_>) -> R) -> Option<R> {
        if let Some(control) = self.control.pop_front() {
            return Some(self.transmit_control(now, control, transmit));
        }
        while let Some(index) = self.ready.pop_front() {
            let Some((_, tcb)) = self.connections.at_mut(index) else { continue };
            let (counters, trace, fast_open) = (&mut self.counters, &mut self.trace, &mut self.fast_open);
            let mut cx = Context { now, counters, trace, fast_open };
            let Some(plan) = tcb.plan(&mut cx) else {
                self.rest(index);
                continue;
            };
            let mut departure = Departure {
                tuple: tcb.tuple.unpack(),
                header: TcpHeader::default(),
                payload: &[],
                owners: &[],
                segment_size: None,
                traffic_class: 0,
                hop_limit: tcb.options.hop_limit,
                // A probe that is cut on its way tells nothing of the path.
                dont_fragment: tcb.options.path_mtu_discovery.marks() || plan.why == SendReason::MtuProbe,
            };
            let text = tcb.build(&mut cx, &plan, &mut departure);
            if tcb.has_said_all(&mut cx) {
                tcb.user.in_ready = false;
                set_timer(&mut self.wheel, index, tcb);
            } else {
                self.ready.push_back(index);
            }
            let mut gathered = Gathered::default();
            tcb.snd.buffer.gather(text, &mut gathered);
            (departure.payload, departure.owners) = (&gathered.pieces, &gathered.owners);
            if departure.header.options.signature.is_some() {
                tcb.sign(&mut departure);
            }
            return Some(transmit(&departure));
        }
        None
    }

    fn transmit_control<R>(&mut self, now: Instant, control: Control, transmit: impl FnOnce(&Departure<'_>) -> R) -> R {
        let Control { tuple, id, header, why, again, state, traffic_class, hop_limit, dont_fragment } = control;
        self.counters.out_segs += 1;
        if self.trace.is_enabled() {
            let what = Trace::Sent { header: header.clone(), len: 0, why, again, state };
            self.trace.push(Record { at: now, tuple, id, what });
        }
        transmit(&Departure {
            tuple,
            header,
            payload: &[],
            owners: &[],
            segment_size: None,
            traffic_class,
            hop_limit,
            dont_fragment,
        })
    }

    /// A connection has nothing to send: its timer is set, or its place is given back.
    fn rest(&mut self, index: u32) {
        let Some((generation, tcb)) = self.connections.at_mut(index) else { return };
        tcb.user.in_ready = false;
        set_timer(&mut self.wheel, index, tcb);
        if tcb.is_over() && tcb.user.orphan {
            self.connections.discard(index, generation);
        }
    }

    /// Whether [`poll_event`](Self::poll_event) may have something to tell.
    #[inline]
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty() || !self.listener_events.is_empty()
    }

    /// The next event, each connection and listener at most once until it is taken.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(key) = self.listener_events.pop_front() {
            if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
                listener.in_events = false;
                return Some(Event::Listener(key));
            }
        }
        while let Some(index) = self.events.pop_front() {
            let Some((generation, tcb)) = self.connections.at_mut(index) else { continue };
            tcb.user.in_events = false;
            let readiness = core::mem::replace(&mut tcb.user.events, Readiness::empty());
            if !readiness.is_empty() && !tcb.user.orphan {
                return Some(Event::Connection(ConnectionKey { index, generation }, readiness));
            }
        }
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. Drain `poll_transmit` first: it sets the timers.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut first = self.wheel.poll_timeout().unwrap_or(Instant::MAX);
        if let Some(due) = self.time_wait.poll_timeout() {
            first = first.min(due);
        }
        if self.syn_queue.len() + self.pending.len() > 0 {
            let due = [self.syn_queue.poll_timeout(), self.pending.poll_timeout()];
            first = due.into_iter().flatten().fold(first, Instant::min);
        }
        (first < Instant::MAX).then_some(first)
    }

    /// Runs all timers that are due (RFC 9293 3.10.8).
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(index) = self.wheel.pop_expired(now) {
            if self.with(now, index, Tcb::handle_timeout) == Some(true) {
                self.say_reset_of(now, index);
            }
        }
        while let Some((place, gone)) = self.time_wait.poll_expired(now) {
            self.after_time_wait(now, place, &gone, Cause::Timeout);
        }
        while let Some((place, syn)) = self.pending.poll_expired(now) {
            self.demux.remove(&syn.tuple, Slot::Pending(place));
            self.counters.count_drop(DropReason::Refused);
        }
        while let Some(due) = self.next_due_half_open(now) {
            match due {
                Due::Retransmit(place) => self.repeat_syn_ack(now, place),
                Due::Expired(place, half) => {
                    self.counters.half_open_expired += 1;
                    self.counters.attempt_fails += 1;
                    self.after_half_open(now, place, &half, Cause::Timeout);
                }
            }
        }
    }

    fn next_due_half_open(&mut self, now: Instant) -> Option<Due> {
        let listeners = &self.listeners;
        self.syn_queue.poll_due(now, |key| {
            listeners.get(key.index, key.generation).map_or(0, |listener| listener.options().synack_retries)
        })
    }

    /// A RST for a connection that was aborted (RFC 9293 3.10.5), or whose peer was silent for too long.
    pub(super) fn say_reset_of(&mut self, now: Instant, index: u32) {
        let Some((_, tcb)) = self.connections.at_mut(index) else { return };
        let mut header = tcb.reset_header(now);
        let (tuple, id, state) = (tcb.tuple.unpack(), tcb.id, tcb.state);
        tcb.sign_reset(&mut header);
        self.say_for(tuple, id, header, SendReason::Reset, state);
    }
}
