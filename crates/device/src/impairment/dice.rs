//! Chance, from a seed: one independent sequence for each decision of each direction.
//!
//! It decides that changing one impairment does not change the luck of another: the packets that are lost at seed 7 are
//! the same with and without jitter.

use crate::units::Percent;

/// A sequence of random numbers (SplitMix64: Steele, Lea, Flood 2014). Good for tests, worthless as a secret.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// 2^53: as many equal steps as a float has between 0 and 1.
    const UNIT: f64 = (1u64 << 53) as f64;

    /// The sequence for one purpose.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut mix = Self(seed ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self(mix.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from 0 up to `bound`, exclusive; 0 if that is empty.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The bias is at most bound / 2^64.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether what has this probability happens. A probability of zero uses up no chance.
    pub(super) fn happens(&mut self, probability: Percent) -> bool {
        !probability.is_zero() && (self.next() >> 11) as f64 / Self::UNIT < probability.probability()
    }
}
