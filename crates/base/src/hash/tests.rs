extern crate std;

use core::hash::Hasher;
use std::vec::Vec;

use proptest::prelude::*;
use siphasher::sip::SipHasher13;

use super::KeyedHash;

fn reference(key: [u8; 16], words: &[u64]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&key);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    hasher.write(&bytes);
    hasher.finish()
}

proptest! {
    #[test]
    fn it_is_siphash_1_3(key in any::<[u8; 16]>(), words in proptest::collection::vec(any::<u64>(), 0..40)) {
        prop_assert_eq!(KeyedHash::new(key).hash(&words), reference(key, &words));
    }

    #[test]
    fn the_key_matters(key in any::<[u8; 16]>(), words in proptest::collection::vec(any::<u64>(), 2), bit in 0..128_usize) {
        let mut other = key;
        other[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(KeyedHash::new(key).hash(&words), KeyedHash::new(other).hash(&words));
    }
}
