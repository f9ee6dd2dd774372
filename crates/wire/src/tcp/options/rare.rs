//! Fast Open's cookie (RFC 7413 4.1.1).
//!
//! It knows how it is written, in Linux's alignment and as plain bytes, and not what a cookie proves.

use arrayvec::ArrayVec;

use super::NOP;

/// Fast Open's own number.
pub(super) const FAST_OPEN: u8 = 34;
/// Experiments, told apart by the two bytes that follow (RFC 6994).
pub(super) const EXPERIMENT: u8 = 254;

/// The experiment that Fast Open was before it had a number (RFC 7413 4.1.1).
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];
/// The shortest cookie that is one, in bytes.
const MIN_COOKIE: usize = 4;
/// The longest.
const MAX_COOKIE: usize = 16;
/// The longest option, in bytes.
const MAX_LEN: usize = 20;

/// A Fast Open cookie: none, or 4 to 16 bytes.
pub type Cookie = ArrayVec<u8, MAX_COOKIE>;

type Bytes = ArrayVec<u8, MAX_LEN>;

/// Fast Open's option (RFC 7413 4.1.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct FastOpen {
    /// The cookie; empty where one is asked for.
    pub cookie: Cookie,
    /// Whether it is written as the experiment that it once was.
    pub experimental: bool,
}

impl FastOpen {
    /// The wish for a cookie.
    #[must_use]
    pub fn request(experimental: bool) -> Self {
        Self { cookie: Cookie::new(), experimental }
    }

    /// Reads the value of an option of this kind. Cookies of a length that none can have are none.
    pub(super) fn read(kind: u8, value: &[u8]) -> Option<Self> {
        let (experimental, cookie) = match (kind, value) {
            (FAST_OPEN, cookie) => (false, cookie),
            (EXPERIMENT, [first, second, cookie @ ..]) if [*first, *second] == FAST_OPEN_EXPERIMENT => (true, cookie),
            _ => return None,
        };
        let is_one = matches!(cookie.len(), 0 | MIN_COOKIE..=MAX_COOKIE) && cookie.len().is_multiple_of(2);
        let cookie = Cookie::try_from(cookie).ok().filter(|_| is_one)?;
        Some(Self { cookie, experimental })
    }

    /// Its length in bytes, without padding.
    pub(super) fn emit_len(&self) -> usize {
        self.cookie.len() + if self.experimental { 4 } else { 2 }
    }

    pub(super) fn bytes(&self) -> Bytes {
        let mut bytes = Bytes::new();
        bytes.extend([if self.experimental { EXPERIMENT } else { FAST_OPEN }, self.emit_len() as u8]);
        if self.experimental {
            bytes.extend(FAST_OPEN_EXPERIMENT);
        }
        bytes.extend(self.cookie.iter().copied());
        bytes
    }

    /// As Linux writes it: padded at its end.
    pub(super) fn words(&self) -> impl Iterator<Item = [u8; 4]> + use<> {
        words(self.bytes())
    }
}

/// Whole words, the last one filled with NOPs.
pub(super) fn words(bytes: Bytes) -> impl Iterator<Item = [u8; 4]> {
    let len = bytes.len().next_multiple_of(4);
    let mut rest = bytes.into_iter().chain(core::iter::repeat(NOP));
    (0..len / 4).map(move |_| core::array::from_fn(|_| rest.next().unwrap_or(NOP)))
}

#[cfg(test)]
mod tests;
