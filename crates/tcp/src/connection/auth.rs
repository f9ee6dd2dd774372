//! What a connection's segments are signed with (RFC 2385, RFC 5925), and what that changes: the room for text, and that each
//! segment leaves alone, since what cuts a super-segment has no key.

use alloc::boxed::Box;

use bowline_base::Position;
use bowline_wire::tcp::{Signature, TcpHeader};

use super::context::Context;
use super::rare::Rare;
use super::tcb::Tcb;
use crate::auth::message::Message;
use crate::auth::{AoCounts, Auth, Numbers, verify};
use crate::reason::DropReason;
use crate::segment::{Arrival, Departure, IcmpError};
use crate::state::State;

impl Tcb {
    /// What has become of its segments, if they are signed with TCP-AO.
    pub(super) fn ao_counts(&self) -> Option<AoCounts> {
        match self.auth()? {
            Auth::Ao(ao) => Some(ao.counts),
            Auth::Md5 { .. } => None,
        }
    }

    /// What its segments are signed with, if they are.
    #[inline]
    pub(crate) fn auth(&self) -> Option<&Auth> {
        self.rare.as_ref()?.auth.as_ref()
    }

    fn auth_mut(&mut self) -> Option<&mut Auth> {
        self.rare.as_mut()?.auth.as_mut()
    }

    /// Goes by the keys that its options have for the peer from now on. Those that were in use stay in use.
    pub(crate) fn take_keys(&mut self) {
        let mut auth = self.options.keys.of(&self.tuple.unpack());
        if let (Some(Auth::Ao(ao)), Some(Auth::Ao(before))) = (&mut auth, self.auth()) {
            ao.resume(before);
        }
        if auth.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_with(|| Box::new(Rare::default())).auth = auth;
        }
    }

    /// A listener's SYN, or the last ACK of its handshake, had this signature: its keys are used.
    pub(crate) fn answer_with_keys(&mut self, signature: Option<&Signature>) {
        if let Some(auth) = self.auth_mut() {
            auth.answer(signature);
        }
    }

    /// Signs with the key that has this SendID from now on, and asks the peer for the one with this RecvID. False, and nothing is
    /// done, where there is no such key.
    pub(crate) fn choose_keys(&mut self, current: Option<u8>, next: Option<u8>) -> bool {
        let Some(Auth::Ao(ao)) = self.auth_mut() else { return false };
        let mut chosen = ao.clone();
        let is_there = current.is_none_or(|id| chosen.set_current(id)) && next.is_none_or(|id| chosen.set_next(id));
        if is_there {
            *ao = chosen;
        }
        is_there
    }

    /// Where its numbers are. In SYN-SENT a segment of the peer's with this header tells where the peer's begin.
    pub(crate) fn numbers(&self, header: &TcpHeader) -> Numbers {
        let (iss, snd) = (self.snd.iss, self.snd.nxt);
        if self.state == State::SynSent {
            let irs = Position::initial(header.seq.0);
            return Numbers { iss, irs, snd, rcv: irs };
        }
        Numbers { iss, irs: self.rcv.irs, snd, rcv: self.rcv.nxt() }
    }

    /// Whether a segment that arrived was signed as it should be; why it is dropped if not.
    pub(crate) fn authenticate(&mut self, arrival: &Arrival<'_>) -> Result<(), DropReason> {
        let numbers = self.numbers(arrival.header);
        let verdict = verify(self.auth(), &arrival.tuple, &numbers, arrival.header, &Message::arrived(arrival));
        let is_known = self.state != State::SynSent;
        if let Some(Auth::Ao(ao)) = self.auth_mut() {
            ao.count(verdict);
            verdict?;
            ao.follow(arrival.header.options.signature.as_ref());
            if is_known {
                ao.prepare(&arrival.tuple, &numbers);
            }
        }
        verdict
    }

    /// A signature that is still to be computed.
    pub(super) fn blank_signature(&self) -> Option<Signature> {
        self.auth().map(Auth::blank)
    }

    /// What the signature takes of each segment, in bytes.
    pub(super) fn signature_len(&self) -> u16 {
        self.blank_signature().map_or(0, |signature| signature.emit_len() as u16)
    }

    /// Signs what is about to leave.
    #[cold]
    #[inline(never)]
    pub(crate) fn sign(&self, departure: &mut Departure<'_>) {
        if let Some(auth) = self.auth() {
            let numbers = self.numbers(&departure.header);
            auth.sign(&departure.tuple, &numbers, &mut departure.header, departure.payload.iter().copied());
        }
    }

    /// Signs a RST of this connection's, which is over.
    pub(crate) fn sign_reset(&self, header: &mut TcpHeader) {
        if let Some(auth) = self.auth() {
            auth.sign(&self.tuple.unpack(), &self.numbers(header), header, core::iter::empty());
        }
    }

    /// Whether an ICMP error is ignored because segments are signed with TCP-AO and it is not (RFC 5925 7.8): one of the hard ones,
    /// about a connection that is synchronized.
    pub(crate) fn ignores_icmp(&mut self, cx: &mut Context<'_>, error: IcmpError) -> bool {
        let is_hard = match error {
            IcmpError::ProtocolUnreachable | IcmpError::PacketTooBig(_) => !self.tuple.is_ipv6(),
            IcmpError::PortUnreachable => true,
            IcmpError::AdministrativelyProhibited => self.tuple.is_ipv6(),
            _ => false,
        };
        if !is_hard || !self.state.is_synchronized() || self.options.odd.believe_icmp {
            return false;
        }
        let Some(Auth::Ao(ao)) = self.auth_mut() else { return false };
        ao.counts.dropped_icmps += 1;
        cx.counters.ao_dropped_icmps += 1;
        true
    }
}
