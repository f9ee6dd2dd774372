//! Cookies (RFC 7413 4.1.2): SipHash-2-4 of both addresses, as Linux has it, so that hosts with the same key can stand
//! behind one address.
//!
//! A cookie proves that its bearer can receive at its address, and nothing else. It knows no segments.

use core::fmt;
use core::net::IpAddr;

use bowline_wire::tcp::Cookie;
use siphasher::sip::SipHasher24;

use crate::FourTuple;

/// The secrets that cookies are made with: one that makes them, and perhaps one from before that is still believed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FastOpenKeys {
    primary: [u8; 16],
    backup: Option<[u8; 16]>,
}

/// Which key a cookie was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MadeWith {
    Primary,
    Backup,
}

impl FastOpenKeys {
    /// One key.
    #[must_use]
    pub const fn new(primary: [u8; 16]) -> Self {
        Self { primary, backup: None }
    }

    /// A key, and another whose cookies are believed as well (Linux `TCP_FASTOPEN_KEY` with 32 bytes).
    #[must_use]
    pub const fn with_backup(primary: [u8; 16], backup: [u8; 16]) -> Self {
        Self { primary, backup: Some(backup) }
    }

    /// A new key from now on; cookies made with the one before are still believed, until the next change.
    // RFC 7413 5.1.1: old cookies expire with the key, and clients that come with one get a new one.
    #[must_use]
    pub const fn rotated(&self, primary: [u8; 16]) -> Self {
        Self { primary, backup: Some(self.primary) }
    }

    /// The key that cookies are made with.
    #[must_use]
    pub const fn primary(&self) -> &[u8; 16] {
        &self.primary
    }

    /// The key whose cookies are believed, too.
    #[must_use]
    pub const fn backup(&self) -> Option<&[u8; 16]> {
        self.backup.as_ref()
    }

    /// The cookie that the peer of this connection gets.
    #[must_use]
    pub fn cookie(&self, tuple: &FourTuple) -> Cookie {
        cookie(&self.primary, tuple)
    }

    /// Which key a cookie was made with for this peer, if any of ours.
    pub(crate) fn made(&self, tuple: &FourTuple, shown: &Cookie) -> Option<MadeWith> {
        if self.cookie(tuple) == *shown {
            return Some(MadeWith::Primary);
        }
        let backup = self.backup.as_ref()?;
        (cookie(backup, tuple) == *shown).then_some(MadeWith::Backup)
    }
}

impl fmt::Debug for FastOpenKeys {
    /// Shows nothing of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastOpenKeys").field("has_backup", &self.backup.is_some()).finish_non_exhaustive()
    }
}

/// The hash of source and destination of the SYN, which is the peer's view.
fn cookie(key: &[u8; 16], tuple: &FourTuple) -> Cookie {
    let hasher = SipHasher24::new_with_key(key);
    let hash = match (tuple.remote.ip(), tuple.local.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            hasher.hash([source.octets(), destination.octets()].as_flattened())
        }
        (source, destination) => hasher.hash([octets(source), octets(destination)].as_flattened()),
    };
    hash.to_le_bytes().into_iter().collect()
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
