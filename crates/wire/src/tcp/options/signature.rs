//! Options that prove who sent a segment: an MD5 digest (RFC 2385 3.0), or TCP-AO (RFC 5925 2.2).
//!
//! It knows how they are written, in Linux's alignment and as plain bytes, and not what they prove. A segment has one of them:
//! what has more, or one of an impossible length, is told apart from what has none.

use arrayvec::ArrayVec;

use super::NOP;
use super::rare::words;

/// An MD5 digest.
pub(super) const MD5: u8 = 19;
/// TCP-AO.
pub(super) const AO: u8 = 29;
/// The longest MAC that is kept, in bytes. Those of the algorithms of RFC 5926 have 12.
pub const MAX_MAC: usize = 16;
/// The longest of these options with its padding, in bytes.
const MAX_LEN: usize = 20;

type Bytes = ArrayVec<u8, MAX_LEN>;

/// The MAC of a segment.
pub type Mac = ArrayVec<u8, MAX_MAC>;

/// What proves who sent a segment.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Signature {
    /// An MD5 digest (RFC 2385).
    Md5([u8; 16]),
    /// The TCP Authentication Option (RFC 5925).
    Ao {
        /// KeyID: which of its keys the sender has used.
        key_id: u8,
        /// RNextKeyID: which key the sender wants to have used by its peer.
        next_key_id: u8,
        /// The MAC; empty where it is longer than [`MAX_MAC`], which no known algorithm's is. Such a one is never written.
        mac: Mac,
    },
    /// Several of them, or one of an impossible length: a segment to drop (RFC 5925 2.2). Never written.
    Malformed,
}

impl Signature {
    /// Reads the value of an option of this kind. `before`: what the segment has had already.
    pub(super) fn read(kind: u8, value: &[u8], before: Option<&Self>) -> Self {
        match (kind, value) {
            _ if before.is_some() => Self::Malformed,
            (MD5, digest) => digest.try_into().map_or(Self::Malformed, Self::Md5),
            (_, [key_id, next_key_id, mac @ ..]) if !mac.is_empty() => {
                Self::Ao { key_id: *key_id, next_key_id: *next_key_id, mac: Mac::try_from(mac).unwrap_or_default() }
            }
            _ => Self::Malformed,
        }
    }

    /// The bytes that it takes of the options, padding included.
    #[must_use]
    pub fn emit_len(&self) -> usize {
        match self {
            Self::Md5(_) => 20,
            Self::Ao { mac, .. } if !mac.is_empty() => (4 + mac.len()).next_multiple_of(4),
            Self::Ao { .. } | Self::Malformed => 0,
        }
    }

    /// The option alone, and its place where options are packed: the remainder that it leaves when divided by four.
    pub(super) fn bytes(&self) -> (usize, Bytes) {
        match self {
            Self::Md5(digest) => (2, [MD5, 18].into_iter().chain(digest.iter().copied()).collect()),
            Self::Ao { key_id, next_key_id, mac } if !mac.is_empty() => {
                let head = [AO, 4 + mac.len() as u8, *key_id, *next_key_id];
                (0, head.into_iter().chain(mac.iter().copied()).collect())
            }
            Self::Ao { .. } | Self::Malformed => (0, Bytes::new()),
        }
    }

    /// As Linux writes it: a digest behind two NOPs, TCP-AO before as many as fill the word.
    pub(super) fn words(&self) -> impl Iterator<Item = [u8; 4]> + use<> {
        let (remainder, bytes) = self.bytes();
        words(core::iter::repeat_n(NOP, remainder).chain(bytes).collect::<Bytes>())
    }
}

#[cfg(test)]
mod tests;
