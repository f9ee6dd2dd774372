//! Test support: a conversation written line by line becomes records.

use std::net::SocketAddr;

use bowline_base::Instant;
use bowline_tcp::FourTuple;
use bowline_tcp::reason::{DropReason, SendReason};
use bowline_tcp::state::{Cause, State, next};
use bowline_tcp::trace::{Record, Trace};
use bowline_wire::tcp::{TcpFlags, TcpHeader, TcpOptions};

/// Our first sequence number, so near the end that it wraps.
pub(crate) const OURS: u32 = u32::MAX - 999;
/// The peer's first sequence number.
pub(crate) const THEIRS: u32 = 5_000_000;

pub(crate) struct Script {
    pub(crate) records: Vec<Record>,
    pub(crate) tuple: FourTuple,
    pub(crate) id: u64,
    pub(crate) state: State,
    now: Instant,
    /// The relative end of what we have sent.
    sent: u32,
}

impl Script {
    /// A connection from a program to our port 80, in `state`.
    pub(crate) fn new(state: State) -> Self {
        let local: SocketAddr = "10.0.2.2:80".parse().unwrap();
        let remote: SocketAddr = "10.0.2.100:40000".parse().unwrap();
        let (tuple, now) = (FourTuple::new(local, remote), Instant::from_secs(7));
        Self { records: Vec::new(), tuple, id: 1, state, now, sent: 0 }
    }

    pub(crate) fn at(&mut self, micros: u64) -> &mut Self {
        self.now = Instant::from_secs(7) + std::time::Duration::from_micros(micros);
        self
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn what(&mut self, what: Trace) -> &mut Self {
        self.records.push(Record { at: self.now, tuple: self.tuple, id: self.id, what });
        self
    }

    /// The state moves, by the segment before if that arrived now. Of an open connection that is recorded first, and then
    /// the segment.
    pub(crate) fn moves(&mut self, cause: Cause) -> &mut Self {
        let (from, to) = (self.state, next(self.state, cause).unwrap());
        self.state = to;
        let (now, open) = (self.now, !matches!(from, State::Listen | State::TimeWait));
        let is_its_segment = |record: &mut Record| {
            open && record.at == now && matches!(record.what, Trace::Received { state, .. } if state == from)
        };
        let segment = self.records.pop_if(is_its_segment);
        self.what(Trace::State { from, to, cause }).records.extend(segment);
        self
    }

    /// A segment from us, its numbers relative.
    pub(crate) fn sent(&mut self, flags: &str, seq: u32, ack: u32, len: u32, why: SendReason) -> &mut Self {
        let header = header(flags, OURS.wrapping_add(seq), THEIRS.wrapping_add(ack));
        let end = seq + len + u32::from(flags.contains(['S', 'F']));
        let always = matches!(why, SendReason::FastRetransmit | SendReason::Timeout);
        let again = always || end > seq && end <= self.sent;
        self.sent = self.sent.max(end);
        self.what(Trace::Sent { header, len, why, again, state: self.state })
    }

    /// A segment from the peer, its numbers relative.
    pub(crate) fn got(&mut self, flags: &str, seq: u32, ack: u32, len: u32) -> &mut Self {
        let header = header(flags, THEIRS.wrapping_add(seq), OURS.wrapping_add(ack));
        self.what(Trace::Received { header, len, dropped: None, state: self.state })
    }

    pub(crate) fn dropped(&mut self, flags: &str, seq: u32, ack: u32, why: DropReason) -> &mut Self {
        let header = header(flags, THEIRS.wrapping_add(seq), OURS.wrapping_add(ack));
        self.what(Trace::Received { header, len: 0, dropped: Some(why), state: self.state })
    }

    /// The handshake of a passive open, 100 µs long.
    pub(crate) fn handshake(&mut self) -> &mut Self {
        self.got("S", 0, 0, 0).moves(Cause::Syn).sent("SA", 0, 1, 0, SendReason::SynAck);
        self.at(100).got("A", 1, 1, 0).moves(Cause::AckOfSyn)
    }
}

pub(crate) fn header(flags: &str, seq: u32, ack: u32) -> TcpHeader {
    let mut bits = TcpFlags::empty();
    for letter in flags.chars() {
        bits |= match letter {
            'S' => TcpFlags::SYN,
            'A' => TcpFlags::ACK,
            'F' => TcpFlags::FIN,
            'P' => TcpFlags::PSH,
            _ => TcpFlags::RST,
        };
    }
    let options = if bits.contains(TcpFlags::SYN) {
        TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..TcpOptions::default() }
    } else {
        TcpOptions::default()
    };
    let window = if bits.contains(TcpFlags::SYN) { 64_240 } else { 502 };
    let (seq, ack) = (bowline_wire::SeqNumber(seq), bowline_wire::SeqNumber(if flags.contains('A') { ack } else { 0 }));
    TcpHeader { src_port: 1, dst_port: 2, seq, ack, flags: bits, window, urgent: 0, options }
}
