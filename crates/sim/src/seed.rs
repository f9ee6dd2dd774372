//! Chance, from the world's one seed: a sequence of its own for each component.
//!
//! It decides that changing one component does not change the luck of another.

/// What a sequence is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// A host's sequence numbers, keys and ports.
    Host = 1,
    /// The luck of one direction of a link.
    Way = 2,
    /// The hash of a queue that keeps flows apart.
    Queue = 3,
}

/// The `index`th seed for this purpose (SplitMix64: Steele, Lea, Flood 2014). Good for tests, worthless as a secret.
pub(crate) fn derive(seed: u64, purpose: Purpose, index: u64) -> u64 {
    let mixed = [purpose as u64, index].into_iter().fold(seed, |seed, part| mix(seed ^ mix(part)));
    mix(mixed)
}

/// The same, of 32 bytes.
pub(crate) fn derive_key(seed: u64, purpose: Purpose, index: u64) -> [u8; 32] {
    let mut key = [0; 32];
    let mut word = derive(seed, purpose, index);
    for bytes in key.chunks_exact_mut(8) {
        bytes.copy_from_slice(&word.to_be_bytes());
        word = mix(word);
    }
    key
}

fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
