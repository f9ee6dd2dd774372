use core::time::Duration;

use super::Randomness;

#[test]
fn the_same_seed_gives_the_same_values() {
    let (mut a, mut b) = (Randomness::new([7; 32]), Randomness::new([7; 32]));
    for _ in 0..100 {
        assert_eq!(a.secret_key(), b.secret_key());
        assert_eq!(a.next_u32(), b.next_u32());
        assert_eq!(a.next_u64(), b.next_u64());
    }
    assert_ne!(Randomness::new([8; 32]).next_u64(), Randomness::new([7; 32]).next_u64());
}

#[test]
fn the_values_do_not_change_between_versions() {
    // Recorded runs are replayed from their seed: these values are part of the format.
    let mut random = Randomness::new([0; 32]);
    assert_eq!(random.secret_key()[..8], [0x9b, 0xf4, 0x9a, 0x6a, 0x07, 0x55, 0xf9, 0x53], "first words of ChaCha12");
    let mut other = Randomness::new([0; 32]);
    assert_eq!(random.next_u64(), other.next_u64(), "taking keys does not move the public stream");
}

#[test]
fn the_streams_differ() {
    let mut random = Randomness::new([3; 32]);
    let key = random.secret_key();
    let public = [random.next_u64().to_le_bytes(), random.next_u64().to_le_bytes()].concat();
    assert_ne!(key.as_slice(), public.as_slice());
}

#[test]
fn below_covers_its_range_and_nothing_else() {
    let mut random = Randomness::new([1; 32]);
    let mut seen = [0_u32; 6];
    for _ in 0..6_000 {
        seen[random.below(6) as usize] += 1;
    }
    assert!(seen.iter().all(|&n| (800..1_200).contains(&n)), "{seen:?}");
    assert_eq!(random.below(0), 0);
    assert_eq!(random.below(1), 0);
    assert!(random.below(u64::MAX) < u64::MAX);
}

#[test]
fn jitter_stays_below_its_bound() {
    let mut random = Randomness::new([1; 32]);
    let most = Duration::from_millis(5);
    assert!((0..1_000).all(|_| random.jitter(most) < most));
    assert_eq!(random.jitter(Duration::ZERO), Duration::ZERO);
}
