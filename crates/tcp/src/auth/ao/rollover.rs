//! Which of its keys a connection uses (RFC 5925 7): CURRENT_KEY for what it sends, RNEXT_KEY for what it wants to receive, and how
//! the identifiers in segments move them.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use bowline_base::Position;
use bowline_wire::tcp::{Mac, Signature, TcpFlags, TcpHeader};
use ctutils::CtEq;

use super::{AoCounts, AoKey, MAC_LEN, TrafficKey};
use crate::FourTuple;
use crate::auth::message::{Message, Text};
use crate::reason::DropReason;

/// Where the numbers of a connection began, and how far they are: what traffic keys and extensions of sequence numbers need.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Numbers {
    /// Our initial number.
    pub(crate) iss: Position,
    /// The peer's.
    pub(crate) irs: Position,
    /// A number of ours, close to any that we send.
    pub(crate) snd: Position,
    /// A number of the peer's, close to any that may arrive.
    pub(crate) rcv: Position,
}

impl Numbers {
    /// Those of a handshake.
    pub(crate) const fn initial(iss: u32, irs: u32) -> Self {
        let (iss, irs) = (Position::initial(iss), Position::initial(irs));
        Self { iss, irs, snd: iss, rcv: irs }
    }

    /// What a segment of the peer's tells of them, if it is one of a handshake.
    pub(crate) fn told_by(header: &TcpHeader) -> Self {
        let theirs = if header.flags.contains(TcpFlags::SYN) { header.seq.0 } else { header.seq.0.wrapping_sub(1) };
        Self::initial(if is_first(header) { 0 } else { header.ack.0.wrapping_sub(1) }, theirs)
    }

    const fn isns(&self) -> (u32, u32) {
        (self.iss.wire(), self.irs.wire())
    }
}

/// The extension of a sequence number (RFC 5925 6.2): how often the numbers of this direction have begun anew. Positions have it
/// in their upper half.
fn extension(initial: Position, near: Position, seq: u32) -> u32 {
    let upper = |position: Position| (position.as_u64() >> 32) as u32;
    upper(near.nearest(seq)).wrapping_sub(upper(initial))
}

/// The traffic keys of a connection, derived once.
#[derive(Clone, Debug)]
struct Ready {
    /// The initial numbers that they are for.
    isns: (u32, u32),
    /// Of each master key, for what is sent and what is received.
    keys: Vec<[TrafficKey; 2]>,
}

/// The keys of one connection, one at least.
#[derive(Clone, Debug)]
pub(crate) struct Ao {
    first: AoKey,
    others: Vec<AoKey>,
    /// Places of CURRENT_KEY and RNEXT_KEY among them.
    current: usize,
    next: usize,
    ready: Option<Ready>,
    pub(crate) counts: AoCounts,
}

impl PartialEq for Ao {
    fn eq(&self, other: &Self) -> bool {
        self.keys().eq(other.keys()) && (self.current, self.next) == (other.current, other.next)
    }
}

impl Eq for Ao {}

impl Hash for Ao {
    /// All but what is counted; traffic keys follow from the rest.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { first, others, current, next, ready: _, counts: _ } = self;
        (first, others, current, next).hash(state);
    }
}

/// A connection's two names in the order of a direction.
fn directions(
    tuple: &FourTuple,
    (iss, irs): (u32, u32),
) -> [((core::net::SocketAddr, core::net::SocketAddr), (u32, u32)); 2] {
    [((tuple.local, tuple.remote), (iss, irs)), ((tuple.remote, tuple.local), (irs, iss))]
}

/// Whether a segment begins a connection: its traffic key does not know the receiver's number (RFC 5925 5.2).
fn is_first(header: &TcpHeader) -> bool {
    header.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN
}

impl Ao {
    /// The keys for a connection, of which the first is used both ways to begin with; `None` where there is none.
    pub(crate) fn new(mut keys: impl Iterator<Item = AoKey>) -> Option<Self> {
        Some(Self {
            first: keys.next()?,
            others: keys.collect(),
            current: 0,
            next: 0,
            ready: None,
            counts: AoCounts::default(),
        })
    }

    fn keys(&self) -> impl Iterator<Item = &AoKey> {
        core::iter::once(&self.first).chain(&self.others)
    }

    /// The keys, and whether each is CURRENT_KEY and RNEXT_KEY.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (&AoKey, bool, bool)> {
        self.keys().enumerate().map(|(place, key)| (key, place == self.current, place == self.next))
    }

    fn at(&self, place: usize) -> &AoKey {
        self.keys().nth(place).unwrap_or(&self.first)
    }

    /// CURRENT_KEY: what signs.
    pub(crate) fn current(&self) -> &AoKey {
        self.at(self.current)
    }

    /// RNEXT_KEY: what the peer is asked to sign with.
    pub(crate) fn next(&self) -> &AoKey {
        self.at(self.next)
    }

    fn place(&self, is_it: impl FnMut(&AoKey) -> bool) -> Option<usize> {
        self.keys().position(is_it)
    }

    /// Signs with the key that has this SendID from now on; false where there is none.
    pub(crate) fn set_current(&mut self, send_id: u8) -> bool {
        let place = self.place(|key| key.send_id == send_id);
        self.current = place.unwrap_or(self.current);
        place.is_some()
    }

    /// Asks the peer for the key that has this RecvID from now on; false where there is none.
    pub(crate) fn set_next(&mut self, recv_id: u8) -> bool {
        let place = self.place(|key| key.recv_id == recv_id);
        self.next = place.unwrap_or(self.next);
        place.is_some()
    }

    /// Uses the keys that another one has used, as far as it has them, and goes on counting.
    pub(crate) fn resume(&mut self, before: &Self) {
        self.set_current(before.current().send_id);
        self.set_next(before.next().recv_id);
        self.counts = before.counts;
    }

    /// Answers with these identifiers of a SYN: signs with what its sender asks for, or else with what it has used, and asks for
    /// that.
    pub(crate) fn answer(&mut self, (key_id, next_key_id): (u8, u8)) {
        self.set_next(key_id);
        self.current = self.next;
        self.set_current(next_key_id);
    }

    /// A signature that is still to be computed.
    pub(crate) fn blank(&self) -> Signature {
        self.option([0; MAC_LEN])
    }

    fn option(&self, mac: [u8; MAC_LEN]) -> Signature {
        let mac: Mac = mac.into_iter().collect();
        Signature::Ao { key_id: self.current().send_id, next_key_id: self.next().recv_id, mac }
    }

    /// Derives the traffic keys of a connection whose numbers are known, unless they are there.
    pub(crate) fn prepare(&mut self, tuple: &FourTuple, numbers: &Numbers) {
        let isns = numbers.isns();
        if self.ready.as_ref().is_none_or(|ready| ready.isns != isns) {
            let keys = self.keys().map(|key| directions(tuple, isns).map(|(ends, isns)| key.traffic(ends, isns)));
            self.ready = Some(Ready { isns, keys: keys.collect() });
        }
    }

    /// The traffic key of a direction: 0 for what is sent.
    fn traffic(
        &self,
        place: usize,
        direction: usize,
        tuple: &FourTuple,
        isns: (u32, u32),
    ) -> Option<Cow<'_, TrafficKey>> {
        let known = self.ready.as_ref().filter(|ready| ready.isns == isns);
        let known = known.and_then(|ready| ready.keys.get(place)?.get(direction));
        let derive = || {
            let (ends, isns) = *directions(tuple, isns).get(direction)?;
            Some(Cow::Owned(self.at(place).traffic(ends, isns)))
        };
        known.map(Cow::Borrowed).or_else(derive)
    }

    /// The signature of a segment that is about to leave; its header has the blank one.
    pub(crate) fn signature<'t>(
        &self,
        tuple: &FourTuple,
        numbers: &Numbers,
        header: &TcpHeader,
        message: &Message<'_, impl Text<'t>>,
    ) -> Signature {
        let (isns, sne) = match is_first(header) {
            true => ((header.seq.0, 0), 0),
            false => (numbers.isns(), extension(numbers.iss, numbers.snd, header.seq.0)),
        };
        let traffic = self.traffic(self.current, 0, tuple, isns);
        traffic.map_or_else(|| self.blank(), |traffic| self.option(self.current().mac(&traffic, sne, message)))
    }

    /// Whether a segment that arrived was signed with one of the keys.
    pub(crate) fn verify<'t>(
        &self,
        tuple: &FourTuple,
        numbers: &Numbers,
        header: &TcpHeader,
        message: &Message<'_, impl Text<'t>>,
    ) -> Result<(), DropReason> {
        let Some(Signature::Ao { key_id, mac, .. }) = &header.options.signature else {
            return Err(DropReason::AoNotFound);
        };
        let place = self.place(|key| key.recv_id == *key_id).ok_or(DropReason::AoKeyNotFound)?;
        let (isns, sne) = match is_first(header) {
            true => ((0, header.seq.0), 0),
            false => (numbers.isns(), extension(numbers.irs, numbers.rcv, header.seq.0)),
        };
        let traffic = self.traffic(place, 1, tuple, isns).ok_or(DropReason::AoKeyNotFound)?;
        let expected = self.at(place).mac(&traffic, sne, message);
        if expected.as_slice().ct_eq(mac.as_slice()).into() { Ok(()) } else { Err(DropReason::AoBad) }
    }

    /// Counts what a segment was found to be.
    pub(crate) fn count(&mut self, verdict: Result<(), DropReason>) {
        let counts = &mut self.counts;
        match verdict {
            Ok(()) => counts.good += 1,
            Err(DropReason::AoNotFound) => counts.required += 1,
            Err(DropReason::AoKeyNotFound) => counts.key_not_found += 1,
            Err(_) => counts.bad += 1,
        }
    }

    /// The peer wants to receive this key (RFC 5925 7.5.2): it is signed with from now on, if it is there.
    pub(crate) fn follow(&mut self, signature: Option<&Signature>) {
        if let Some(Signature::Ao { next_key_id, .. }) = signature {
            self.set_current(*next_key_id);
        }
    }
}
