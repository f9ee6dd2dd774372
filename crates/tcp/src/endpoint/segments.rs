//! Who a segment is for (RFC 9293 3.10.7), and the RST for nobody (3.10.7.1).

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::demux::Slot;
use super::{Control, Endpoint};
use crate::FourTuple;
use crate::config::SynFin;
use crate::connection::Reply;
use crate::reason::{DropReason, SendReason};
use crate::segment::{Arrival, IcmpError};
use crate::state::State;
use crate::trace::{Record, Trace};

impl Endpoint {
    /// A segment arrives. Its checksum has been verified (RFC 9293 3.1, MUST-3), and its addresses are those of hosts.
    pub fn handle_segment(&mut self, now: Instant, arrival: &Arrival<'_>) {
        self.counters.in_segs += arrival.count();
        if arrival.header.flags.contains(TcpFlags::SYN | TcpFlags::FIN) && self.refuses_syn_fin(&arrival.tuple) {
            return self.note_dropped(now, arrival, 0, State::Closed, DropReason::SynFin);
        }
        let slot = self.find(&arrival.tuple);
        let signed = self.signs || arrival.header.options.signature.is_some();
        if signed && !self.is_authentic(now, slot, arrival) {
            return;
        }
        match slot {
            Some(Slot::Connection(index)) => {
                self.recent = index;
                self.for_connection(now, index, arrival);
            }
            Some(Slot::HalfOpen(place)) => self.for_half_open(now, place, arrival),
            Some(Slot::Pending(place)) => self.for_pending(now, place, arrival),
            Some(Slot::TimeWait(place)) => self.for_time_wait(now, place, arrival),
            // RFC 9293 3.9.2.3, MUST-57, MUST-63: no connection with a broadcast, multicast or unspecified address. There is none in
            // any table, so that only what is new has to be looked at.
            None if !is_host(&arrival.tuple) => {
                self.note_dropped(now, arrival, 0, State::Closed, DropReason::InvalidAddress);
            }
            None => self.for_listener(now, arrival, None),
        }
    }

    /// Whether whoever has this four-tuple drops segments with both a SYN and a FIN.
    fn refuses_syn_fin(&self, tuple: &FourTuple) -> bool {
        let of_connection = match self.find(tuple) {
            Some(Slot::Connection(index)) => self.connections.at(index).map(|(_, tcb)| &*tcb.options),
            _ => None,
        };
        of_connection.unwrap_or_else(|| self.options_for(tuple)).odd.syn_fin == SynFin::Nothing
    }

    pub(super) fn for_connection(&mut self, now: Instant, index: u32, arrival: &Arrival<'_>) {
        let reply = self.with(now, index, |tcb, cx| (tcb.segment_arrives(cx, arrival), tcb.id, tcb.state));
        match reply {
            Some((Reply::Reset, id, state)) => self.reset(now, arrival, id, state),
            Some((Reply::ResetOfOurs, ..)) => self.say_reset_of(now, index),
            Some((Reply::Nothing, ..)) | None => {}
        }
    }

    /// An ICMP error quotes a segment of ours: `tuple.local` is ours, `seq` its sequence number (RFC 9293 3.9.2.2,
    /// MUST-54). Errors about what is not in flight are ignored (RFC 5927 4.1).
    pub fn handle_icmp(&mut self, now: Instant, tuple: FourTuple, seq: u32, error: IcmpError) {
        match self.find(&tuple) {
            Some(Slot::Connection(index)) => {
                self.with(now, index, |tcb, cx| tcb.handle_icmp(cx, seq, error));
            }
            Some(Slot::HalfOpen(place)) => self.icmp_for_half_open(now, place, seq, error),
            _ => self.counters.icmp_ignored += 1,
        }
    }

    /// RFC 9293 3.5.2 and 3.10.7.1: the RST that makes a segment for nobody believable. Never in answer to a RST, and
    /// within a budget.
    pub(super) fn reset(&mut self, now: Instant, arrival: &Arrival<'_>, id: u64, state: State) {
        let header = arrival.header;
        if header.flags.contains(TcpFlags::RST) {
            return;
        }
        if !self.resets.take(now) {
            self.counters.resets_suppressed += 1;
            return;
        }
        let syn_fin = u32::from(header.flags.contains(TcpFlags::SYN)) + u32::from(header.flags.contains(TcpFlags::FIN));
        let (seq, ack, flags) = if header.flags.contains(TcpFlags::ACK) {
            (header.ack, SeqNumber(0), TcpFlags::RST)
        } else {
            (
                SeqNumber(0),
                header.seq + (arrival.text_len() as u32).wrapping_add(syn_fin),
                TcpFlags::RST | TcpFlags::ACK,
            )
        };
        let (src_port, dst_port) = (arrival.tuple.local.port(), arrival.tuple.remote.port());
        let mut reset = TcpHeader { src_port, dst_port, seq, ack, flags, ..TcpHeader::default() };
        self.sign_answer(&arrival.tuple, &mut reset, header);
        self.say_for(arrival.tuple, id, reset, SendReason::Reset, state);
    }

    /// Queues a segment with the endpoint's defaults.
    pub(super) fn say_for(&mut self, tuple: FourTuple, id: u64, header: TcpHeader, why: SendReason, state: State) {
        if why == SendReason::Reset {
            self.counters.out_rsts += 1;
        }
        let hop_limit = self.options.hop_limit;
        let (again, traffic_class, dont_fragment) = (false, 0, true);
        self.say(Control { tuple, id, header, why, again, state, traffic_class, hop_limit, dont_fragment });
    }

    /// Counts and records a segment that no connection processed.
    pub(super) fn note_dropped(&mut self, now: Instant, arrival: &Arrival<'_>, id: u64, state: State, why: DropReason) {
        self.counters.count_drop(why);
        self.note_received(now, arrival, id, state, Some(why));
    }

    /// Records a segment that no connection's own code saw.
    pub(super) fn note_received(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        id: u64,
        state: State,
        dropped: Option<DropReason>,
    ) {
        if self.trace.is_enabled() {
            let (header, len) = (arrival.header.clone(), arrival.text_len() as u32);
            let what = Trace::Received { header, len, dropped, state };
            self.trace.push(Record { at: now, tuple: arrival.tuple, id, what });
        }
    }

    /// Records anything about a connection that has no control block.
    pub(super) fn note(&mut self, now: Instant, tuple: FourTuple, id: u64, what: Trace) {
        if self.trace.is_enabled() {
            self.trace.push(Record { at: now, tuple, id, what });
        }
    }
}

/// Whether both addresses can be hosts', and the ports are ports.
pub(super) fn is_host(tuple: &FourTuple) -> bool {
    let ok = |address: core::net::SocketAddr| {
        let broadcast = matches!(address.ip(), core::net::IpAddr::V4(v4) if v4.is_broadcast());
        !broadcast && !address.ip().is_multicast() && !address.ip().is_unspecified() && address.port() != 0
    };
    ok(tuple.local) && ok(tuple.remote)
}
