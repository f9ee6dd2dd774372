//! Which cookies have become connections: each makes one, and no second (RFC 9293 3.4.3, RFC 4987 3.6).
//!
//! What a cookie came back with comes again: the network repeats it, or the peer does because nothing acknowledged it. While
//! the connection lasts it claims such a segment; after a reset, or a close that leaves no TIME-WAIT behind, the listener would
//! take it for a handshake once more. That second connection has the numbers of the first one, which the cookie gives: a peer
//! that has not heard of the first one's end would read what both have written as one stream.
//!
//! Bounded, and forgetful: of two cookies with one place the later one is remembered. Of time it knows nothing: a cookie that is
//! too old is refused before.

use alloc::vec;
use alloc::vec::Vec;

/// The cookies that were spent of late.
#[derive(Clone, Debug, Hash)]
pub struct SpentCookies {
    /// A mark, or zero, in each place; nothing before the first cookie.
    places: Vec<u64>,
    size: usize,
}

impl SpentCookies {
    /// Remembers up to `size` cookies, in eight bytes each.
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self { places: Vec::new(), size }
    }

    /// Remembers the cookie with this mark ([`SynCookies::mark`](super::SynCookies::mark)).
    pub fn add(&mut self, mark: u64) {
        if self.places.is_empty() {
            self.places = vec![0; self.size];
        }
        let place = self.place(mark);
        if let Some(place) = self.places.get_mut(place) {
            *place = mark;
        }
    }

    /// Whether this cookie is remembered.
    #[must_use]
    pub fn has(&self, mark: u64) -> bool {
        self.places.get(self.place(mark)) == Some(&mark)
    }

    fn place(&self, mark: u64) -> usize {
        (mark % self.size.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests;
