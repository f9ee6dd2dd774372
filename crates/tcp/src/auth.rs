//! Signed segments: which key counts for which peer, and what a segment proves of its sender.
//!
//! | room | decides |
//! |---|---|
//! | here | the keys that a user has set, and which of them a connection goes by |
//! | [`md5`] | MD5 digests (RFC 2385) |
//! | `message` | what of a segment is signed |
//! | `secret` | how keys are kept |
//!
//! It knows addresses and bytes. Who must sign, and what becomes of a segment that is not signed as it should be, is the
//! endpoint's business. The algorithms are other people's, and none of them is ours.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use bowline_wire::Cidr;
use bowline_wire::tcp::{Signature, TcpHeader};

use crate::FourTuple;
use crate::reason::DropReason;

pub mod md5;
pub(crate) mod message;
mod secret;
#[cfg(test)]
mod tests;

pub use md5::Md5Key;

use self::message::{Message, Text};

/// The keys of a connection, or of a listener and all that it accepts: none by default. A copy shares them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Keys(Option<Arc<Table>>);

/// What there is once a key was set. The longest prefix stands first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Table {
    md5: Vec<(Cidr, Md5Key)>,
}

impl Keys {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|table| table.md5.is_empty())
    }

    /// Sets the MD5 key for the peers in a network, in place of the one that it had. Of several networks that a peer lies in,
    /// the smallest counts. Segments from and to these peers are signed from now on, and all others from them are dropped.
    pub fn set_md5(&mut self, peers: Cidr, key: Md5Key) {
        self.remove_md5(peers);
        let keys = &mut Arc::make_mut(self.0.get_or_insert_default()).md5;
        let at = keys.partition_point(|(other, _)| other.prefix() >= peers.prefix());
        keys.insert(at, (peers, key));
    }

    /// Takes away the MD5 key for a network; false where there is none for exactly this one.
    pub fn remove_md5(&mut self, peers: Cidr) -> bool {
        let same = |other: &Cidr| other.prefix() == peers.prefix() && other.contains(peers.address());
        let Some(table) = self.0.as_mut().filter(|table| table.md5.iter().any(|(other, _)| same(other))) else {
            return false;
        };
        Arc::make_mut(table).md5.retain(|(other, _)| !same(other));
        true
    }

    /// The networks of peers with MD5 keys, and the keys; the smallest networks first.
    pub fn md5(&self) -> impl Iterator<Item = (Cidr, &Md5Key)> {
        self.0.iter().flat_map(|table| &table.md5).map(|(peers, key)| (*peers, key))
    }

    /// The names of the keys that count for a peer, or of all.
    pub(crate) fn names(&self, peer: Option<IpAddr>) -> Vec<KeyName> {
        let counts = |peers: &Cidr| peer.is_none_or(|peer| peers.contains(peer));
        let most = if peer.is_some() { 1 } else { usize::MAX };
        self.md5().map(|(peers, _)| peers).filter(counts).take(most).map(KeyName::Md5).collect()
    }

    /// What the segments of a connection with this name are signed with, if they are.
    #[inline]
    pub(crate) fn of(&self, tuple: &FourTuple) -> Option<Auth> {
        let peer = tuple.remote.ip();
        self.0.as_ref()?.md5.iter().find(|(peers, _)| peers.contains(peer)).map(|(_, key)| Auth::Md5(key.clone()))
    }

    /// Whether the connection with this name has no room for both timestamps and SACK blocks.
    pub(crate) fn leave_no_room(&self, tuple: &FourTuple) -> bool {
        self.of(tuple).is_some_and(|Auth::Md5(_)| true)
    }
}

/// What may be told of a key: never the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyName {
    /// An MD5 key for these peers.
    Md5(Cidr),
}

/// What the segments of one connection are signed with, both ways.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Auth {
    /// MD5 digests.
    Md5(Md5Key),
}

impl Auth {
    /// A signature that is still to be computed: so much room must be left for it.
    pub(crate) fn blank(&self) -> Signature {
        match self {
            Self::Md5(_) => Signature::Md5([0; 16]),
        }
    }

    /// Signs a segment from `tuple.local`. The header is complete but for its signature.
    pub(crate) fn sign<'t>(&self, tuple: &FourTuple, header: &mut TcpHeader, text: impl Text<'t>) {
        header.options.signature = Some(self.blank());
        let mut head = [0; bowline_wire::tcp::MAX_HEADER];
        let len = header.emit(&mut head);
        let head = head.get(..len).unwrap_or_default();
        let message = Message { from: tuple.local.ip(), to: tuple.remote.ip(), head, text };
        header.options.signature = Some(match self {
            Self::Md5(key) => Signature::Md5(key.digest(&message)),
        });
    }
}

/// Whether a segment that arrived with this signature was sent by somebody who has the key: why it is dropped if not.
pub(crate) fn verify<'t>(
    auth: Option<&Auth>,
    signature: Option<&Signature>,
    message: &Message<'_, impl Text<'t>>,
) -> Result<(), DropReason> {
    match (auth, signature) {
        (None, None) => Ok(()),
        (Some(Auth::Md5(key)), Some(Signature::Md5(digest))) if key.is_digest(message, digest) => Ok(()),
        (Some(Auth::Md5(_)), Some(Signature::Md5(_))) => Err(DropReason::Md5Failure),
        (Some(Auth::Md5(_)), None) => Err(DropReason::Md5NotFound),
        (None, Some(Signature::Md5(_))) => Err(DropReason::Md5Unexpected),
        // RFC 5925 2.2: never two of them.
        (_, Some(Signature::Malformed)) => Err(DropReason::Malformed),
        (_, Some(Signature::Ao { .. })) => Err(DropReason::AoKeyNotFound),
    }
}
