//! What a byte means.

use super::index;

#[test]
fn a_choice_more_takes_bytes_of_one_other_and_leaves_the_rest_alone() {
    for n in 1..256 {
        let moved: Vec<u8> = (0..=255).filter(|&byte| index(byte, n) != index(byte, n + 1)).collect();
        assert!(!moved.is_empty(), "the choice {n} has no byte");
        assert!(moved.iter().all(|&byte| index(byte, n + 1) == n), "the choice {n} shifts others");
        let former: Vec<usize> = moved.iter().map(|&byte| index(byte, n)).collect();
        assert!(former.windows(2).all(|pair| pair[0] == pair[1]), "the choice {n} takes bytes of {former:?}");
        assert!((0..=255).any(|byte| index(byte, n + 1) == former[0]), "{} has no byte left", former[0]);
    }
}

#[test]
fn a_byte_is_the_choice_of_its_number_and_there_is_always_one() {
    for n in 1..=256 {
        for byte in 0..=255 {
            assert!(index(byte, n) < n);
            assert!(usize::from(byte) >= n || index(byte, n) == usize::from(byte));
        }
    }
    assert_eq!(index(77, 0), 0);
}
