use super::SpentCookies;

#[test]
fn the_last_ones_are_remembered_and_no_others() {
    let mut spent = SpentCookies::new(4);
    assert!(!spent.has(9));
    for mark in [5, 6, 7, 8] {
        spent.add(mark);
    }
    assert!([5, 6, 7, 8].into_iter().all(|mark| spent.has(mark)));
    // One of the same place takes it.
    spent.add(9);
    assert!(spent.has(9) && !spent.has(5) && [6, 7, 8].into_iter().all(|mark| spent.has(mark)));
    assert!(!spent.has(10));
}

#[test]
fn memory_is_taken_by_the_first_one() {
    let mut spent = SpentCookies::new(1000);
    assert_eq!(spent.places.capacity(), 0);
    spent.add(1);
    assert_eq!(spent.places.len(), 1000);
}

#[test]
fn none_are_remembered_where_there_is_no_room_for_any() {
    let mut spent = SpentCookies::new(0);
    spent.add(7);
    assert!(!spent.has(7));
}
