//! TCP-AO (RFC 5925) with the algorithms of RFC 5926: master keys, the traffic keys of a connection that follow from them, and what
//! a MAC covers.
//!
//! It knows no connections: initial numbers and the extension of a sequence number are arguments. What a key's identifiers mean for
//! which is used next is in [`rollover`].

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;

use aes::Aes128;
use arrayvec::ArrayVec;
use bowline_wire::Cidr;
use cmac::Cmac;
use hmac::Hmac;
use hmac::digest::{KeyInit, Mac as _};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::message::{Message, Text};
use super::secret::Secret;
use crate::FourTuple;

pub mod rollover;
#[cfg(test)]
mod tests;

/// The longest master key in bytes, as Linux `TCP_AO_MAXKEYLEN`.
pub const MAX_KEY: usize = 80;
/// The MACs of both algorithms, in bytes.
pub(super) const MAC_LEN: usize = 12;
/// What SHA-1 takes at a time, and a key of HMAC at most (RFC 2104 2), in bytes.
const SHA1_BLOCK: usize = 64;
/// The longest context of a traffic key, that of IPv6, in bytes.
const CONTEXT: usize = 44;

/// How traffic keys are derived and MACs computed (RFC 5926 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum AoAlgorithm {
    /// KDF_HMAC_SHA1 and HMAC-SHA-1-96.
    #[default]
    HmacSha1,
    /// KDF_AES_128_CMAC and AES-128-CMAC-96.
    Aes128Cmac,
}

impl AoAlgorithm {
    /// Linux's name for it, in `TCP_AO_ADD_KEY`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac(sha1)",
            Self::Aes128Cmac => "cmac(aes128)",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::HmacSha1, Self::Aes128Cmac].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// What has become of the segments of one connection with TCP-AO, and of what ICMP said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AoCounts {
    /// Segments with a right MAC.
    pub good: u64,
    /// Segments with a wrong one.
    pub bad: u64,
    /// Segments whose KeyID no key has.
    pub key_not_found: u64,
    /// Segments without TCP-AO.
    pub required: u64,
    /// ICMP errors that were ignored.
    pub dropped_icmps: u64,
}

/// A Master Key Tuple (RFC 5925 3.1): a key, for whom it is, and how it is used. The key is wiped from memory when its last copy is
/// dropped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AoKey {
    /// For which peers it is.
    pub peers: Cidr,
    /// For which port of ours; `None`: any.
    pub local_port: Option<u16>,
    /// For which port of theirs; `None`: any.
    pub remote_port: Option<u16>,
    /// SendID: the KeyID of what we sign with it.
    pub send_id: u8,
    /// RecvID: the KeyID of what the peer signs with it.
    pub recv_id: u8,
    /// How it is used; default HMAC-SHA-1-96.
    pub algorithm: AoAlgorithm,
    /// Whether TCP options other than TCP-AO are signed, too; default true. For paths on which somebody changes them.
    pub covers_options: bool,
    secret: Secret,
}

impl AoKey {
    /// A master key of 1 to 80 bytes for these peers and all ports, with (SendID, RecvID); `None` for another length.
    #[must_use]
    pub fn new(peers: Cidr, (send_id, recv_id): (u8, u8), master_key: &[u8]) -> Option<Self> {
        (1..=MAX_KEY).contains(&master_key.len()).then(|| Self {
            peers,
            local_port: None,
            remote_port: None,
            send_id,
            recv_id,
            algorithm: AoAlgorithm::default(),
            covers_options: true,
            secret: Secret::new(master_key),
        })
    }

    /// The same, used with this algorithm.
    #[must_use]
    pub fn with_algorithm(self, algorithm: AoAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The same; `covers`: whether TCP options are signed, too.
    #[must_use]
    pub fn covering_options(self, covers: bool) -> Self {
        Self { covers_options: covers, ..self }
    }

    /// The same, for these ports of ours and theirs; `None`: any.
    #[must_use]
    pub fn on_ports(self, local_port: Option<u16>, remote_port: Option<u16>) -> Self {
        Self { local_port, remote_port, ..self }
    }

    /// Whether it is for the connection with this name.
    pub(super) fn is_for(&self, tuple: &FourTuple) -> bool {
        self.peers.contains(tuple.remote.ip())
            && self.local_port.is_none_or(|port| port == tuple.local.port())
            && self.remote_port.is_none_or(|port| port == tuple.remote.port())
    }

    /// Whether some connection could be meant by both, and by one of their identifiers (RFC 5925 3.1: that must not be).
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        let overlap = self.peers.contains(other.peers.address()) || other.peers.contains(self.peers.address());
        let same = |ours: Option<u16>, theirs: Option<u16>| ours.is_none() || theirs.is_none() || ours == theirs;
        let ids = self.send_id == other.send_id || self.recv_id == other.recv_id;
        overlap && ids && same(self.local_port, other.local_port) && same(self.remote_port, other.remote_port)
    }

    /// The traffic key for what goes from one to the other (RFC 5925 5.2), from their initial numbers; zero for one that is not
    /// known yet.
    pub(super) fn traffic(&self, (from, to): (SocketAddr, SocketAddr), isns: (u32, u32)) -> TrafficKey {
        let context = context((from, to), isns);
        match self.algorithm {
            // RFC 5926 3.1.1.1
            AoAlgorithm::HmacSha1 => {
                let input = derivation(&context, 160);
                let key: [u8; 20] = hmac(self.secret.bytes()).chain_update(&input).finalize().into_bytes().into();
                TrafficKey::Sha1(hmac(&*Zeroizing::new(key)))
            }
            // RFC 5926 3.1.1.2: a key of another length is made one of this length first.
            AoAlgorithm::Aes128Cmac => {
                let input = derivation(&context, 128);
                let master = match <[u8; 16]>::try_from(self.secret.bytes()) {
                    Ok(key) => key,
                    Err(_) => cmac(&[0; 16]).chain_update(self.secret.bytes()).finalize().into_bytes().into(),
                };
                let key: [u8; 16] = cmac(&Zeroizing::new(master)).chain_update(&input).finalize().into_bytes().into();
                TrafficKey::Aes(Box::new(cmac(&Zeroizing::new(key))))
            }
        }
    }

    /// The MAC of a segment (RFC 5925 5.1): `sne` is the extension of its sequence number. Its MAC field counts as zero.
    pub(super) fn mac<'t>(
        &self,
        traffic: &TrafficKey,
        sne: u32,
        message: &Message<'_, impl Text<'t>>,
    ) -> [u8; MAC_LEN] {
        let head = message.head_for_ao(self.covers_options);
        match traffic {
            TrafficKey::Sha1(state) => over(state.clone(), sne, &head, message),
            TrafficKey::Aes(state) => over((**state).clone(), sne, &head, message),
        }
    }
}

/// A key that only one direction of one connection has, ready for use.
#[derive(Clone)]
pub(super) enum TrafficKey {
    Sha1(Hmac<Sha1>),
    Aes(Box<Cmac<Aes128>>),
}

impl fmt::Debug for TrafficKey {
    /// Shows nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficKey").finish_non_exhaustive()
    }
}

/// The first bytes of the MAC over all that counts.
fn over<'t, M: hmac::Mac>(mut state: M, sne: u32, head: &[u8], message: &Message<'_, impl Text<'t>>) -> [u8; MAC_LEN] {
    state.update(&sne.to_be_bytes());
    state.update(&message.pseudo_header());
    state.update(head);
    message.text.clone().for_each(|piece| state.update(piece));
    let mut mac = [0; MAC_LEN];
    mac.iter_mut().zip(state.finalize().into_bytes()).for_each(|(to, from)| *to = from);
    mac
}

/// HMAC-SHA-1 with this key.
fn hmac(key: &[u8]) -> Hmac<Sha1> {
    let mut block = Zeroizing::new([0; SHA1_BLOCK]);
    if key.len() <= SHA1_BLOCK {
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    } else {
        block.iter_mut().zip(Sha1::digest(key)).for_each(|(to, from)| *to = from);
    }
    Hmac::new(&(*block).into())
}

/// AES-128-CMAC with this key.
fn cmac(key: &[u8; 16]) -> Cmac<Aes128> {
    Cmac::new(&(*key).into())
}

/// What a traffic key is derived from (RFC 5926 3.1.1): counter, label, context, and the length of the key in bits.
fn derivation(context: &[u8], bits: u16) -> ArrayVec<u8, { CONTEXT + 9 }> {
    let mut input = ArrayVec::new();
    input.push(1);
    input.extend(*b"TCP-AO");
    input.extend(context.iter().copied());
    input.extend(bits.to_be_bytes());
    input
}

/// A connection as its traffic keys see it (RFC 5925 5.2): addresses, ports, initial numbers, the sender's first.
fn context((from, to): (SocketAddr, SocketAddr), (isn, other): (u32, u32)) -> ArrayVec<u8, CONTEXT> {
    let mut bytes = ArrayVec::new();
    for end in [from, to] {
        match end {
            SocketAddr::V4(v4) => bytes.extend(v4.ip().octets()),
            SocketAddr::V6(v6) => bytes.extend(v6.ip().octets()),
        }
    }
    [from, to].into_iter().for_each(|end| bytes.extend(end.port().to_be_bytes()));
    [isn, other].into_iter().for_each(|isn| bytes.extend(isn.to_be_bytes()));
    bytes
}
