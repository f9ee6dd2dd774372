//! What a connection's segments are signed with (RFC 2385, RFC 5925), and what that changes: the room for text, and that each
//! segment leaves alone, since what cuts a super-segment has no key.

use alloc::boxed::Box;

use bowline_wire::tcp::Signature;

use super::rare::Rare;
use super::tcb::Tcb;
use crate::auth::Auth;
use crate::segment::Departure;

impl Tcb {
    /// What its segments are signed with, if they are.
    #[inline]
    pub(crate) fn auth(&self) -> Option<&Auth> {
        self.rare.as_ref()?.auth.as_ref()
    }

    /// Goes by the key that its options have for the peer from now on.
    pub(crate) fn take_keys(&mut self) {
        let auth = self.options.keys.of(&self.tuple.unpack());
        if auth.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_with(|| Box::new(Rare::default())).auth = auth;
        }
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
            auth.sign(&departure.tuple, &mut departure.header, departure.payload.iter().copied());
        }
    }
}
