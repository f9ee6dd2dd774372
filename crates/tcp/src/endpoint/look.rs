//! Tables for people: what `ss`, `nstat` and the trace show.

use alloc::vec::Vec;

use bowline_base::{Instant, Position};
use bowline_wire::seq::SeqNumber;

use super::Endpoint;
use crate::config::Options;
use crate::connection::Tcb;
use crate::event::Readiness;
use crate::info::{Info, ListenerInfo};
use crate::state::State;
use crate::trace::TraceQueue;
use crate::{ConnectionError, ConnectionKey, Counters, FourTuple, ListenerKey};

/// How far a connection's stream to the peer has come, in bytes from its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Taken from the user.
    pub written: u64,
    /// Sent at least once.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
}

impl Endpoint {
    fn get(&self, key: ConnectionKey) -> Option<&Tcb> {
        self.connections.get(key.index, key.generation).filter(|tcb| !tcb.user.orphan)
    }

    /// A connection's state; `None` once its handle was given back.
    #[must_use]
    pub fn state(&self, key: ConnectionKey) -> Option<State> {
        self.get(key).map(|tcb| tcb.state)
    }

    /// A connection's name.
    #[must_use]
    pub fn tuple(&self, key: ConnectionKey) -> Option<FourTuple> {
        self.get(key).map(|tcb| tcb.tuple.unpack())
    }

    /// Why a connection ended, if it ended early.
    #[must_use]
    pub fn error(&self, key: ConnectionKey) -> Option<ConnectionError> {
        self.get(key).and_then(|tcb| tcb.error)
    }

    /// What a connection is ready for now; nothing if there is no such connection.
    #[must_use]
    pub fn readiness(&self, key: ConnectionKey) -> Readiness {
        self.get(key).map_or(Readiness::empty(), Tcb::readiness)
    }

    /// How many bytes from the next one to be read on are urgent data (RFC 9293 3.8.5, MUST-33), whether they are here already or
    /// still to come; 0 where none was announced, or all of it was read.
    #[must_use]
    pub fn urgent_left(&self, key: ConnectionKey) -> u64 {
        self.get(key).map_or(0, Tcb::urgent_left)
    }

    /// Where the streams of a connection begin: our initial sequence number, and the peer's from when its SYN has
    /// come until the connection has ended (ISS and IRS of RFC 9293 3.3.1).
    #[must_use]
    pub fn initial_numbers(&self, key: ConnectionKey) -> Option<(SeqNumber, Option<SeqNumber>)> {
        let tcb = self.get(key)?;
        let knows = !matches!(tcb.state, State::SynSent | State::Closed);
        Some((SeqNumber(tcb.snd.iss.wire()), knows.then(|| SeqNumber(tcb.rcv.irs.wire()))))
    }

    /// A connection's options.
    #[must_use]
    pub fn options(&self, key: ConnectionKey) -> Option<&Options> {
        self.get(key).map(|tcb| &*tcb.options)
    }

    /// What connections of a listener start with.
    #[must_use]
    pub fn listener_options(&self, key: ListenerKey) -> Option<&Options> {
        self.listeners.get(key.index, key.generation).map(|listener| &**listener.options())
    }

    /// Bytes that have arrived in order and were not read; 0 if there is no such connection.
    #[must_use]
    pub fn received(&self, key: ConnectionKey) -> usize {
        self.get(key).map_or(0, |tcb| tcb.rcv.queue.len())
    }

    /// How far a connection's stream to the peer has come.
    #[must_use]
    pub fn progress(&self, key: ConnectionKey) -> Option<Progress> {
        let snd = &self.get(key)?.snd;
        let bytes = |at: Position| at.min(snd.buffer.end()).since(snd.iss + 1);
        Some(Progress { written: snd.buffer.end().since(snd.iss + 1), sent: bytes(snd.nxt), acked: bytes(snd.una) })
    }

    /// Whether the peer's FIN has arrived, and all before it.
    #[must_use]
    pub fn has_received_fin(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|tcb| tcb.rcv.fin_received)
    }

    /// Whether all urgent data has been read up to its mark (RFC 6093 3.1), which then comes next.
    #[must_use]
    pub fn is_at_mark(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|tcb| {
            let read = tcb.rcv.nxt() - tcb.rcv.queue.len() as u64 - u64::from(tcb.rcv.fin_received);
            tcb.rcv.up == Some(read + 1)
        })
    }

    /// Whether the next segment with data will be acknowledged at once, because the connection is young or was idle.
    #[must_use]
    pub fn is_quick(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|tcb| tcb.rcv.acks.is_quick())
    }

    /// Whether [`accept`](Self::accept) would find a connection.
    #[must_use]
    pub fn has_to_accept(&self, key: ListenerKey) -> bool {
        self.listeners.get(key.index, key.generation).is_some_and(|listener| listener.accept_queue_len() > 0)
    }

    /// Everything about one connection (RFC 9293 3.10.6, STATUS), as `tcp_info` has it.
    #[must_use]
    pub fn info(&self, now: Instant, key: ConnectionKey) -> Option<Info> {
        self.get(key).map(|tcb| tcb.describe(now, Some(key)))
    }

    /// Every connection, half-open ones and TIME-WAIT included. Its work grows with their number: for people.
    #[must_use]
    pub fn connections(&self, now: Instant) -> Vec<Info> {
        let key = |(index, generation)| ConnectionKey { index, generation };
        let live = self.connections.iter().filter(|(_, tcb)| !tcb.is_over());
        let live = live.map(|(place, tcb)| tcb.describe(now, (!tcb.user.orphan).then(|| key(place))));
        let half = self.syn_queue.iter().map(|half| {
            let mut info = Info::bare(half.id(), half.tuple(), State::SynReceived);
            let left = half.deadline().since(now);
            info.timer = Some((crate::reason::TimerKind::Retransmit, left, half.retries()));
            info.peer_mss = u32::from(half.negotiated().peer_mss);
            info.advertised_mss = u32::from(half.our_mss());
            info
        });
        let waiting = self.pending.iter().map(|(_, syn)| Info::bare(syn.id, syn.tuple, State::SynReceived));
        let closed = self.time_wait.iter().map(|(id, entry)| {
            let mut info = Info::bare(id, entry.tuple(), State::TimeWait);
            info.timer = Some((crate::reason::TimerKind::TimeWait, entry.expires().since(now), 0));
            info
        });
        live.chain(half).chain(waiting).chain(closed).collect()
    }

    /// Every listener.
    #[must_use]
    pub fn listeners(&self, now: Instant) -> Vec<ListenerInfo> {
        let info = |((index, generation), listener): ((u32, u32), &crate::listener::Listener)| {
            let key = ListenerKey { index, generation };
            listener.info(now, key, self.pending.iter().filter(|(_, syn)| syn.listener == key).count())
        };
        self.listeners.iter().map(info).collect()
    }

    /// Whether a connection has not ended yet, be it half-open or closed by its user. Those in TIME-WAIT have, and so have those
    /// whose user only keeps the handle.
    #[must_use]
    pub fn has_open(&self) -> bool {
        self.syn_queue.len() + self.pending.len() > 0 || self.connections.iter().any(|(_, tcb)| !tcb.is_over())
    }

    /// Whether nothing is left but listeners: no connection in any state, no timer, no segment and no event that waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let queues = self.ready.is_empty() && self.events.is_empty() && self.control.is_empty();
        queues && self.population() == (0, 0, 0) && self.demux.is_empty() && self.wheel.is_empty()
    }

    /// What has been counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The event stream: switch it on, and read it.
    pub fn trace(&mut self) -> &mut TraceQueue {
        &mut self.trace
    }

    /// How many connections (those that only wait to be read among them), half-open ones and TIME-WAIT entries there are.
    #[must_use]
    pub fn population(&self) -> (usize, usize, usize) {
        (self.connections.len(), self.syn_queue.len() + self.pending.len(), self.time_wait.len())
    }
}
