//! Signed segments: which key counts for which peer, and what a segment proves of its sender.
//!
//! | room | decides |
//! |---|---|
//! | here | the keys that a user has set, and which of them a connection goes by |
//! | [`md5`] | MD5 digests (RFC 2385) |
//! | [`ao`] | TCP-AO: master keys, traffic keys, MACs (RFC 5925, RFC 5926) |
//! | `ao::rollover` | which of its keys a connection uses |
//! | `message` | what of a segment is signed |
//! | `secret` | how keys are kept |
//!
//! It knows addresses and bytes. Who must sign, and what becomes of a segment that is not signed as it should be, is the
//! endpoint's business. The algorithms are other people's, and none of them is ours.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bowline_wire::Cidr;
use bowline_wire::tcp::{Signature, TcpHeader};

use crate::FourTuple;
use crate::reason::DropReason;

pub mod ao;
pub mod md5;
pub(crate) mod message;
mod secret;
#[cfg(test)]
mod tests;

pub use ao::{AoAlgorithm, AoCounts, AoKey};
pub use md5::Md5Key;

pub(crate) use self::ao::rollover::{Ao, Numbers};
use self::message::{Message, Text};

/// The keys of a connection, or of a listener and all that it accepts: none by default. A copy shares them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Keys(Option<Arc<Table>>);

/// What there is once a key was set.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Table {
    /// The longest prefix stands first.
    md5: Vec<(Cidr, Md5Key)>,
    ao: Vec<AoKey>,
    /// SendID and RecvID of those that connections begin with.
    chosen: (Option<u8>, Option<u8>),
}

impl Keys {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|table| table.md5.is_empty() && table.ao.is_empty())
    }

    /// Sets the MD5 key for the peers in a network, in place of the one that it had. Of several networks that a peer lies in,
    /// the smallest counts. Segments from and to these peers are signed from now on, and all others from them are dropped.
    /// Where there are keys for TCP-AO as well, these count.
    pub fn set_md5(&mut self, peers: Cidr, key: Md5Key) {
        self.remove_md5(peers);
        let keys = &mut Arc::make_mut(self.0.get_or_insert_default()).md5;
        let at = keys.partition_point(|(other, _)| other.prefix() >= peers.prefix());
        keys.insert(at, (peers, key));
    }

    /// Takes away the MD5 key for a network; false where there is none for exactly this one.
    pub fn remove_md5(&mut self, peers: Cidr) -> bool {
        let Some(table) = self.0.as_mut().filter(|table| table.md5.iter().any(|(other, _)| same(other, &peers))) else {
            return false;
        };
        Arc::make_mut(table).md5.retain(|(other, _)| !same(other, &peers));
        true
    }

    /// The networks of peers with MD5 keys, and the keys; the smallest networks first.
    pub fn md5(&self) -> impl Iterator<Item = (Cidr, &Md5Key)> {
        self.0.iter().flat_map(|table| &table.md5).map(|(peers, key)| (*peers, key))
    }

    /// Adds a master key for TCP-AO. Of those for a peer, the one that was added first is used until somebody asks for another.
    /// False, and nothing is done, where a key for one of its connections has the same SendID or RecvID (RFC 5925 3.1).
    #[must_use]
    pub fn add_ao(&mut self, key: AoKey) -> bool {
        if self.ao().any(|other| other.conflicts(&key)) {
            return false;
        }
        Arc::make_mut(self.0.get_or_insert_default()).ao.push(key);
        true
    }

    /// Takes away the master key for exactly these peers with (SendID, RecvID); false where there is none. A connection that
    /// uses it goes on with the first that is left.
    pub fn remove_ao(&mut self, peers: Cidr, ids: (u8, u8)) -> bool {
        let is_it = |key: &AoKey| same(&key.peers, &peers) && (key.send_id, key.recv_id) == ids;
        let Some(table) = self.0.as_mut().filter(|table| table.ao.iter().any(is_it)) else { return false };
        Arc::make_mut(table).ao.retain(|key| !is_it(key));
        true
    }

    /// Connections begin by signing with the master key that has this SendID, and asking for the one with this RecvID; `None`, or
    /// where there is none: the first. Listeners use what their clients ask for.
    pub fn choose_ao(&mut self, send_id: Option<u8>, recv_id: Option<u8>) {
        Arc::make_mut(self.0.get_or_insert_default()).chosen = (send_id, recv_id);
    }

    /// The master keys for TCP-AO, in the order in which they were added.
    pub fn ao(&self) -> impl Iterator<Item = &AoKey> {
        self.0.iter().flat_map(|table| &table.ao)
    }

    /// The names of all of them.
    pub(crate) fn names(&self) -> Vec<KeyName> {
        let md5 = self.md5().map(|(peers, _)| KeyName::Md5(peers));
        md5.chain(self.ao().map(|key| KeyName::ao(key, false, false))).collect()
    }

    /// What the segments of a connection with this name are signed with, if they are.
    #[inline]
    pub(crate) fn of(&self, tuple: &FourTuple) -> Option<Auth> {
        self.0.as_ref().and_then(|table| table.of(tuple))
    }

    /// Whether the connection with this name has no room for both timestamps and SACK blocks.
    pub(crate) fn leave_no_room(&self, tuple: &FourTuple) -> bool {
        matches!(self.of(tuple), Some(Auth::Md5 { .. }))
    }
}

impl Table {
    fn of(&self, tuple: &FourTuple) -> Option<Auth> {
        if let Some(mut ao) = Ao::new(self.ao.iter().filter(|key| key.is_for(tuple)).cloned()) {
            let (current, next) = self.chosen;
            current.map(|id| ao.set_current(id));
            next.map(|id| ao.set_next(id));
            return Some(Auth::Ao(Box::new(ao)));
        }
        let peer = tuple.remote.ip();
        let (peers, key) = self.md5.iter().find(|(peers, _)| peers.contains(peer))?;
        Some(Auth::Md5 { peers: *peers, key: key.clone() })
    }
}

/// Whether two are one network.
fn same(one: &Cidr, other: &Cidr) -> bool {
    one.prefix() == other.prefix() && one.contains(other.address())
}

/// What may be told of a key: never the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyName {
    /// An MD5 key for these peers.
    Md5(Cidr),
    /// A master key for TCP-AO.
    Ao {
        /// For these peers.
        peers: Cidr,
        /// SendID.
        send_id: u8,
        /// RecvID.
        recv_id: u8,
        /// Whether a connection signs with it (CURRENT_KEY).
        is_current: bool,
        /// Whether a connection asks its peer to sign with it (RNEXT_KEY).
        is_next: bool,
    },
}

impl KeyName {
    fn ao(key: &AoKey, is_current: bool, is_next: bool) -> Self {
        Self::Ao { peers: key.peers, send_id: key.send_id, recv_id: key.recv_id, is_current, is_next }
    }
}

/// What the segments of one connection are signed with, both ways.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Auth {
    /// MD5 digests.
    Md5 {
        /// The network that the key is for.
        peers: Cidr,
        /// The key.
        key: Md5Key,
    },
    /// TCP-AO.
    Ao(Box<Ao>),
}

impl Auth {
    /// A signature that is still to be computed: so much room must be left for it.
    pub(crate) fn blank(&self) -> Signature {
        match self {
            Self::Md5 { .. } => Signature::Md5([0; 16]),
            Self::Ao(ao) => ao.blank(),
        }
    }

    /// The names of the keys.
    pub(crate) fn names(&self) -> Vec<KeyName> {
        match self {
            Self::Md5 { peers, .. } => [KeyName::Md5(*peers)].into(),
            Self::Ao(ao) => ao.uses().map(|(key, current, next)| KeyName::ao(key, current, next)).collect(),
        }
    }

    /// Answers a segment with this signature: with the keys that it asks for.
    pub(crate) fn answer(&mut self, signature: Option<&Signature>) {
        if let (Self::Ao(ao), Some(Signature::Ao { key_id, next_key_id, .. })) = (self, signature) {
            ao.answer((*key_id, *next_key_id));
        }
    }

    /// Signs a segment from `tuple.local`. The header is complete but for its signature.
    pub(crate) fn sign<'t>(&self, tuple: &FourTuple, numbers: &Numbers, header: &mut TcpHeader, text: impl Text<'t>) {
        header.options.signature = Some(self.blank());
        let mut head = [0; bowline_wire::tcp::MAX_HEADER];
        let len = header.emit(&mut head);
        let head = head.get(..len).unwrap_or_default();
        let message = Message { from: tuple.local.ip(), to: tuple.remote.ip(), head, text };
        header.options.signature = Some(match self {
            Self::Md5 { key, .. } => Signature::Md5(key.digest(&message)),
            Self::Ao(ao) => ao.signature(tuple, numbers, header, &message),
        });
    }
}

/// Whether a segment that arrived with this header was sent by somebody who has the key: why it is dropped if not.
pub(crate) fn verify<'t>(
    auth: Option<&Auth>,
    tuple: &FourTuple,
    numbers: &Numbers,
    header: &TcpHeader,
    message: &Message<'_, impl Text<'t>>,
) -> Result<(), DropReason> {
    match (auth, &header.options.signature) {
        (None, None) => Ok(()),
        // RFC 5925 2.2: never two of them.
        (_, Some(Signature::Malformed)) => Err(DropReason::Malformed),
        (Some(Auth::Md5 { key, .. }), Some(Signature::Md5(digest))) if key.is_digest(message, digest) => Ok(()),
        (Some(Auth::Md5 { .. }), Some(Signature::Md5(_))) => Err(DropReason::Md5Failure),
        (Some(Auth::Md5 { .. }), None) => Err(DropReason::Md5NotFound),
        (_, Some(Signature::Md5(_))) => Err(DropReason::Md5Unexpected),
        (Some(Auth::Ao(ao)), _) => ao.verify(tuple, numbers, header, message),
        (_, Some(Signature::Ao { .. })) => Err(DropReason::AoKeyNotFound),
    }
}
