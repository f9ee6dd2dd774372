//! MD5 digests (RFC 2385), as routers have them for BGP.
//!
//! MD5 is broken for most ends, and the digest does not cover the header's options. It keeps those who do not see a connection
//! from ending it, and is here for peers that have nothing better: RFC 5925 replaces it.

use ctutils::CtEq;
use md5::{Digest, Md5};

use super::message::{Message, Text};
use super::secret::Secret;

/// The longest key in bytes, as Linux `TCP_MD5SIG_MAXKEYLEN`.
pub const MAX_KEY: usize = 80;

/// A key that is shared with a peer. It is wiped from memory when its last copy is dropped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Md5Key(Secret);

impl Md5Key {
    /// A key of 1 to 80 bytes; `None` for another length.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=MAX_KEY).contains(&bytes.len()).then(|| Self(Secret::new(bytes)))
    }

    /// The digest of a segment (RFC 2385 2.0): options are not covered, but count in the data offset and the length.
    pub(crate) fn digest<'t>(&self, message: &Message<'_, impl Text<'t>>) -> [u8; 16] {
        let mut hash = Md5::new();
        hash.update(message.pseudo_header());
        hash.update(message.fixed());
        message.text.clone().for_each(|piece| hash.update(piece));
        hash.update(self.0.bytes());
        hash.finalize().into()
    }

    /// Whether this is its digest, told in a time that says nothing of where they differ.
    pub(crate) fn is_digest<'t>(&self, message: &Message<'_, impl Text<'t>>, digest: &[u8; 16]) -> bool {
        self.digest(message).ct_eq(digest).into()
    }
}
