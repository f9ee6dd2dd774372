use proptest::prelude::*;

use super::Position;

#[test]
fn order_survives_the_wrap_of_the_sequence_number() {
    let last = Position::initial(u32::MAX);
    let next = last + 1;
    assert_eq!(next.wire(), 0);
    assert!(next > last);
    assert_eq!(next.since(last), 1);
    assert_eq!(last.since(next), 0);
    assert_eq!(next - 1, last);
}

#[test]
fn nearest_looks_both_ways() {
    let here = Position::initial(5);
    for (wire, expected) in [
        (5, here),
        (6, here + 1),
        (4, here - 1),
        (u32::MAX, here - 6),
        (5 + (1 << 31) - 1, here + ((1 << 31) - 1)),
        (5_u32.wrapping_add(1 << 31), here - (1 << 31)),
    ] {
        assert_eq!(here.nearest(wire), expected, "{wire}");
    }
}

#[test]
fn there_is_room_below_the_first_position() {
    let first = Position::initial(0);
    assert_eq!(first.nearest(1 << 31).as_u64(), 1 << 31);
    assert!(first.nearest(1 << 31) > Position::default());
    assert!(first.nearest(u32::MAX) < first);
}

#[test]
fn arithmetic_saturates() {
    assert_eq!(Position::initial(0) - u64::MAX, Position::default());
    assert_eq!((Position::initial(0) + u64::MAX).as_u64(), u64::MAX);
    let mut at = Position::initial(9);
    at += 4;
    assert_eq!(at, Position::initial(13));
}

proptest! {
    #[test]
    fn nearest_inverts_wire(isn in any::<u32>(), gone in 0..1_u64 << 40, offset in -(1_i64 << 31)..1 << 31) {
        let here = Position::initial(isn) + gone;
        let there = Position::new(here.as_u64().saturating_add_signed(offset));
        prop_assert_eq!(here.nearest(there.wire()), there);
    }
}

#[test]
fn an_optional_position_takes_no_more_room() {
    assert_eq!(size_of::<Option<Position>>(), 8);
}
