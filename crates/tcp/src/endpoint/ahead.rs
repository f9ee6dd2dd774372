//! Looking ahead: of very many connections, the one that a segment is for lies in none of the processor's caches. What segments
//! that came together are going to need can be fetched together, instead of one after the other.
//!
//! It decides nothing. What it finds is a guess, which is put to the proof where it is used.

use arrayvec::ArrayVec;

use super::Endpoint;
use super::demux::Slot;
use crate::FourTuple;

/// Connections beyond which looking ahead pays. What fewer need stays in the caches by itself.
const CROWD: usize = 512;
/// Segments that are looked up together: what they need fits in the smallest cache.
pub const AHEAD: usize = 16;

const NONE: u32 = u32::MAX;

/// Which connection a segment is probably for. Default: nobody knows.
#[derive(Clone, Copy, Debug)]
pub struct Guess(u32);

impl Default for Guess {
    fn default() -> Self {
        Self(NONE)
    }
}

impl Endpoint {
    /// Whether there are so many connections that it pays to [`look_ahead`](Self::look_ahead).
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.connections.len() > CROWD
    }

    /// Finds out which connections the next segments, up to [`AHEAD`] of them, are probably for, and fetches what these are
    /// going to need. Say so with [`anticipate`](Self::anticipate) before each of them. Changes nothing but the time that they take.
    #[must_use]
    pub fn look_ahead(&self, tuples: impl Iterator<Item = Option<FourTuple>>) -> ArrayVec<Guess, AHEAD> {
        // In three rounds of a few instructions each, of which none waits for another one of its round: so the processor has
        // many under way at a time.
        let hash = |tuple: Option<FourTuple>| tuple.map(|tuple| self.demux.hash(&tuple));
        let hashes: ArrayVec<Option<u64>, AHEAD> = tuples.take(AHEAD).map(hash).collect();
        let guess = |hash: Option<u64>| match hash.and_then(|hash| self.demux.guess(hash)) {
            Some(Slot::Connection(index)) => Guess(index),
            _ => Guess::default(),
        };
        let guesses: ArrayVec<Guess, AHEAD> = hashes.into_iter().map(guess).collect();
        for Guess(index) in &guesses {
            if let Some((_, tcb)) = self.connections.at(*index) {
                tcb.fetch();
                core::hint::black_box(self.wheel.deadline(*index));
            }
        }
        guesses
    }

    /// The next segment is probably for this connection.
    #[inline]
    pub const fn anticipate(&mut self, Guess(index): Guess) {
        if index != NONE {
            self.recent = index;
        }
    }
}

#[cfg(test)]
mod tests;
