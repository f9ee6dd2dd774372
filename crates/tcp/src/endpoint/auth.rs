//! Whose segments are signed, and which are let in (RFC 2385 2.0): before anything else of a segment counts.
//!
//! A connection goes by keys of its own, what is left of it in TIME-WAIT by the same. What is no connection yet, or none
//! any more, goes by its listener's; where nobody listens, by those that new connections start with.

use alloc::borrow::Cow;

use bowline_base::Instant;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::Endpoint;
use super::demux::Slot;
use crate::FourTuple;
use crate::auth::message::Message;
use crate::auth::{Auth, Keys, verify};
use crate::segment::Arrival;
use crate::state::State;

impl Endpoint {
    /// Takes note of keys: segments are looked at for signatures from now on.
    pub(super) fn heed(&mut self, keys: &Keys) {
        self.signs |= !keys.is_empty();
    }

    /// Whether whoever has this slot may look at a segment. If not, it is dropped, counted and not answered.
    pub(super) fn is_authentic(&mut self, now: Instant, slot: Option<Slot>, arrival: &Arrival<'_>) -> bool {
        let FourTuple { local, remote } = arrival.tuple;
        // A SYN begins a connection of its own, whatever it finds.
        let is_syn = arrival.header.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
        let slot = slot.filter(|slot| !(is_syn && matches!(slot, Slot::TimeWait(_))));
        let text = arrival.text.iter().map(|piece| &*piece.data);
        let message = Message { from: remote.ip(), to: local.ip(), head: arrival.head, text };
        let auth = self.auth_of(slot, &arrival.tuple);
        let verdict = verify(auth.as_deref(), arrival.header.options.signature.as_ref(), &message);
        let Err(why) = verdict else { return true };
        let (id, state) = self.name_of(slot);
        self.note_dropped(now, arrival, id, state, why);
        false
    }

    /// What the segments of whoever has this slot are signed with.
    fn auth_of(&self, slot: Option<Slot>, tuple: &FourTuple) -> Option<Cow<'_, Auth>> {
        match slot {
            Some(Slot::Connection(index)) => self.connections.at(index)?.1.auth().map(Cow::Borrowed),
            Some(Slot::TimeWait(_)) => self.parted.get(tuple).map(Cow::Borrowed),
            Some(Slot::HalfOpen(_) | Slot::Pending(_)) | None => self.options_for(tuple).keys.of(tuple).map(Cow::Owned),
        }
    }

    /// The number in the trace and the state of whoever has this slot.
    fn name_of(&self, slot: Option<Slot>) -> (u64, State) {
        match slot {
            Some(Slot::Connection(index)) => {
                self.connections.at(index).map_or((0, State::Closed), |(_, tcb)| (tcb.id, tcb.state))
            }
            Some(Slot::HalfOpen(place)) => {
                (self.syn_queue.get(place).map_or(0, crate::listener::HalfOpen::id), State::SynReceived)
            }
            Some(Slot::Pending(place)) => (self.pending.at(place).map_or(0, |syn| syn.id), State::Listen),
            Some(Slot::TimeWait(place)) => (self.time_wait.id(place).unwrap_or(0), State::TimeWait),
            None => (0, State::Closed),
        }
    }

    /// Signs a segment of no connection's own, if it is to be.
    pub(super) fn sign(&self, tuple: &FourTuple, header: &mut TcpHeader) {
        if let Some(auth) = self.auth_of(self.find(tuple), tuple) {
            auth.sign(tuple, header, core::iter::empty());
        }
    }
}
