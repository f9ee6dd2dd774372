//! Whose segments are signed, and which are let in (RFC 2385 2.0, RFC 5925 7.5): before anything else of a segment counts.
//!
//! A connection goes by keys of its own, what is left of it in TIME-WAIT by the same. What is no connection yet, or none
//! any more, goes by its listener's; where nobody listens, by those of who has the name, or else by those that new connections start
//! with.
//!
//! TCP-AO needs the initial numbers of both sides. Where no connection knows them, the segment that is looked at or answered
//! tells them, if it is one of a handshake: so SYN cookies work, and SYNs are refused; any other cannot be verified, and is dropped.

use alloc::borrow::Cow;
use core::net::IpAddr;

use bowline_base::Instant;
use bowline_wire::tcp::{Signature, TcpFlags, TcpHeader};

use super::Endpoint;
use super::demux::Slot;
use super::handshakes::names_of;
use crate::FourTuple;
use crate::auth::message::Message;
use crate::auth::{Auth, Keys, Numbers, verify};
use crate::reason::DropReason;
use crate::segment::Arrival;
use crate::state::State;

/// What is left of a connection's keys while it is in TIME-WAIT.
#[derive(Clone, Hash)]
pub(super) struct Parted {
    auth: Auth,
    numbers: Numbers,
}

impl Endpoint {
    /// Takes note of keys: segments are looked at for signatures from now on.
    pub(super) fn heed(&mut self, keys: &Keys) {
        self.signs |= !keys.is_empty();
    }

    /// Somebody has this name, and neither listens there nor is connected: what comes for it must be signed with these keys, and the RST
    /// that it gets is, too. Without keys it is nobody's again.
    pub fn reserve(&mut self, address: Option<IpAddr>, port: u16, keys: Keys) {
        self.heed(&keys);
        let name = (Some(port), address);
        if keys.is_empty() {
            self.reserved.remove(&name)
        } else {
            self.reserved.insert(name, keys)
        };
    }

    /// The keys for a destination: those of its listener, of who has the name, or those that new connections start with.
    fn keys_for(&self, tuple: &FourTuple) -> &Keys {
        let reserved = || names_of(tuple).iter().find_map(|name| self.reserved.get(name));
        match self.listener_for(tuple) {
            None => reserved().unwrap_or(&self.options.keys),
            Some(_) => &self.options_for(tuple).keys,
        }
    }

    /// Whether whoever has this slot may look at a segment. If not, it is dropped, counted and not answered.
    pub(super) fn is_authentic(&mut self, now: Instant, slot: Option<Slot>, arrival: &Arrival<'_>) -> bool {
        let header = arrival.header;
        // A SYN begins a connection of its own, if somebody listens.
        let is_new = is_syn(header) && self.listener_for(&arrival.tuple).is_some();
        let slot = slot.filter(|slot| !(is_new && matches!(slot, Slot::TimeWait(_))));
        let verdict = match slot {
            Some(Slot::Connection(index)) => {
                self.connections.at_mut(index).map_or(Ok(()), |(_, tcb)| tcb.authenticate(arrival))
            }
            _ => {
                let (auth, numbers) =
                    (self.auth_of(slot, &arrival.tuple), self.numbers_of(slot, &arrival.tuple, header));
                verify(auth.as_deref(), &arrival.tuple, &numbers, header, &Message::arrived(arrival))
            }
        };
        let Err(why) = verdict else {
            self.counters.ao_good += u64::from(matches!(header.options.signature, Some(Signature::Ao { .. })));
            return true;
        };
        // RFC 5925 7.3: what happens to those that match no key is the user's choice.
        if why == DropReason::AoKeyNotFound && self.takes_unknown(slot, &arrival.tuple) {
            return true;
        }
        let (id, state) = self.name_of(slot);
        self.note_dropped(now, arrival, id, state, why);
        false
    }

    /// Whether segments with TCP-AO are taken although there is no key.
    fn takes_unknown(&self, slot: Option<Slot>, tuple: &FourTuple) -> bool {
        let options = match slot {
            Some(Slot::Connection(index)) => self.connections.at(index).map(|(_, tcb)| &*tcb.options),
            _ => None,
        };
        options.unwrap_or_else(|| self.options_for(tuple)).odd.take_unknown_ao && self.auth_of(slot, tuple).is_none()
    }

    /// What the segments of whoever has this slot are signed with.
    fn auth_of(&self, slot: Option<Slot>, tuple: &FourTuple) -> Option<Cow<'_, Auth>> {
        match slot {
            Some(Slot::Connection(index)) => self.connections.at(index)?.1.auth().map(Cow::Borrowed),
            Some(Slot::TimeWait(_)) => self.parted.get(tuple).map(|parted| Cow::Borrowed(&parted.auth)),
            Some(Slot::HalfOpen(place)) => {
                let mut auth = self.options_for(tuple).keys.of(tuple)?;
                if let (Auth::Ao(ao), Some(half)) = (&mut auth, self.syn_queue.get(place)) {
                    ao.answer(half.key_ids());
                }
                Some(Cow::Owned(auth))
            }
            Some(Slot::Pending(_)) | None => self.keys_for(tuple).of(tuple).map(Cow::Owned),
        }
    }

    /// Where the numbers of whoever has this slot are, as far as it, or this header of the peer's, tells.
    fn numbers_of(&self, slot: Option<Slot>, tuple: &FourTuple, header: &TcpHeader) -> Numbers {
        let known = match slot {
            Some(Slot::Connection(index)) => self.connections.at(index).map(|(_, tcb)| tcb.numbers(header)),
            Some(Slot::HalfOpen(place)) => self.syn_queue.get(place).map(|half| {
                let agreed = half.negotiated();
                Numbers::initial(agreed.iss.0, agreed.irs.0)
            }),
            Some(Slot::Pending(place)) => self.pending.at(place).map(|syn| Numbers::initial(0, syn.header.seq.0)),
            Some(Slot::TimeWait(_)) => self.parted.get(tuple).map(|parted| parted.numbers),
            None => None,
        };
        known.unwrap_or_else(|| Numbers::told_by(header))
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

    /// A connection with this name goes to TIME-WAIT: its keys stay.
    pub(super) fn part(&mut self, tuple: FourTuple, auth: Auth, numbers: Numbers) {
        self.parted.insert(tuple, Parted { auth, numbers });
    }

    /// Signs what a half-open connection, or what is left of one in TIME-WAIT, says.
    pub(super) fn sign(&self, tuple: &FourTuple, header: &mut TcpHeader) {
        let slot = self.find(tuple);
        let numbers = self.numbers_of(slot, tuple, header);
        if let Some(auth) = self.auth_of(slot, tuple) {
            auth.sign(tuple, &numbers, header, core::iter::empty());
        }
    }

    /// Signs the answer to a segment of no connection, if it is to be.
    pub(super) fn sign_answer(&self, tuple: &FourTuple, answer: &mut TcpHeader, to: &TcpHeader) {
        if self.signs {
            let keys = match self.find(tuple) {
                Some(Slot::Connection(index)) => self.connections.at(index).map(|(_, tcb)| &tcb.options.keys),
                _ => None,
            };
            sign_answer(keys.unwrap_or_else(|| self.keys_for(tuple)), tuple, answer, to);
        }
    }
}

/// Signs the answer to a segment of no connection with one of these keys, if they are for its sender.
pub(super) fn sign_answer(keys: &Keys, tuple: &FourTuple, answer: &mut TcpHeader, to: &TcpHeader) {
    if let Some(mut auth) = keys.of(tuple) {
        auth.answer(to.options.signature.as_ref());
        // A SYN-ACK tells our number itself.
        let ours = if answer.flags.contains(TcpFlags::SYN) { answer.seq.0 } else { Numbers::told_by(to).iss.wire() };
        auth.sign(tuple, &Numbers::initial(ours, Numbers::told_by(to).irs.wire()), answer, core::iter::empty());
    }
}

/// Whether a segment asks for a connection.
fn is_syn(header: &TcpHeader) -> bool {
    header.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN
}
