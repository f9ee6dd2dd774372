//! Mutations that know no coverage: they know instead which bytes of a packet hurt.

/// SplitMix64: a small generator whose whole state is its seed, so that a finding is named by one number.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that begins with `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`; zero where `bound` is zero.
    pub const fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }
}

/// Values at which length and offset fields break.
const BORDERS: [u8; 12] = [0, 1, 2, 3, 4, 5, 8, 0x0f, 0x7f, 0x80, 0xfe, 0xff];
/// The longest input.
const MAX_LEN: usize = 4096;

/// Changes `input` in one to eight ways; `other` is a second input to splice from.
pub fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(8) {
        let len = input.len();
        let at = random.below(len.max(1));
        let run = random.below(16).min(len.saturating_sub(at));
        match random.below(8) {
            0 => input.truncate(at),
            1 => input.splice(at.min(len)..at.min(len), (0..run).map(|_| 0)).for_each(drop),
            2 => input.drain(at.min(len)..at.min(len) + run).for_each(drop),
            3 => {
                let copy: Vec<u8> = input.iter().skip(at).take(run).copied().collect();
                let to = random.below(len.max(1)).min(len);
                input.splice(to..to, copy).for_each(drop);
            }
            4 => {
                let from = random.below(other.len().max(1));
                input.truncate(at);
                input.extend(other.iter().skip(from));
            }
            kind => {
                let value = match kind {
                    5 => BORDERS.get(random.below(BORDERS.len())).copied().unwrap_or(0),
                    _ => random.next() as u8,
                };
                let header = random.below(2) == 0; // most of what matters is at the front
                let at = if header { at % 64 } else { at };
                if let Some(byte) = input.get_mut(at) {
                    *byte = if kind == 7 { *byte ^ 1 << (value & 7) } else { value };
                }
            }
        }
    }
    input.truncate(MAX_LEN);
}

/// A program of random bytes, the same for the same seed: what a structure-aware target begins with.
#[must_use]
pub fn program(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.next() as u8).collect()
}
