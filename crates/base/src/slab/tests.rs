extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::{CHUNK, Slab};

#[test]
fn a_removed_value_is_not_found_by_its_old_handle() {
    let mut slab = Slab::new(10);
    let (index, old) = slab.insert("a").unwrap();
    assert_eq!(slab.remove(index, old), Some("a"));
    let (again, new) = slab.insert("b").unwrap();
    assert_eq!(again, index, "the last index removed is the first to be used again");
    assert_eq!(slab.get(index, old), None);
    assert_eq!(slab.get_mut(index, old), None);
    assert_eq!(slab.remove(index, old), None);
    assert_eq!(slab.get(index, new), Some(&"b"));
    assert_eq!(slab.at(index), Some((new, &"b")));
}

#[test]
fn a_full_slab_gives_the_value_back() {
    let mut slab = Slab::new(2);
    let first = slab.insert(1).unwrap();
    slab.insert(2).unwrap();
    assert!(slab.is_full());
    assert_eq!(slab.insert(3), Err(3));
    assert_eq!(slab.insert_with(|_, _| unreachable!("it makes nothing")), None);
    slab.remove(first.0, first.1);
    assert!(slab.insert(3).is_ok());
    assert_eq!(Slab::new(0).insert(1), Err(1));
}

#[test]
fn a_value_may_know_its_handle() {
    let mut slab = Slab::new(10);
    slab.insert((0, 0)).unwrap();
    let handle = slab.insert_with(|index, generation| (index, generation)).unwrap();
    assert_eq!(slab.get(handle.0, handle.1), Some(&handle));
}

#[test]
fn memory_goes_back_after_a_flood() {
    let mut slab = Slab::new(1 << 20);
    assert_eq!(slab.memory(), 0);
    let first = slab.insert([0_u8; 64]).unwrap();
    let one = slab.memory();
    let handles: Vec<_> = (0..100 * CHUNK).map(|_| slab.insert([0; 64]).unwrap()).collect();
    assert!(slab.memory() > 90 * one);
    for (index, generation) in handles {
        slab.remove(index, generation).unwrap();
    }
    assert_eq!(slab.len(), 1);
    assert!(slab.memory() < 3 * one + 8192, "{} bytes for one value", slab.memory());
    assert!(slab.get(first.0, first.1).is_some());
}

#[test]
fn one_value_that_comes_and_goes_does_not_allocate() {
    let mut slab = Slab::new(10);
    let mut place = None;
    for round in 0..1_000 {
        let (index, generation) = slab.insert(round).unwrap();
        let address = core::ptr::from_ref(slab.get(index, generation).unwrap());
        assert_eq!(*place.get_or_insert(address), address);
        slab.remove(index, generation);
        assert!(slab.memory() > 0);
    }
}

#[test]
fn values_do_not_move_when_it_grows() {
    let mut slab = Slab::new(100_000);
    let (index, generation) = slab.insert(7).unwrap();
    let before = core::ptr::from_ref(slab.get(index, generation).unwrap());
    for n in 0..50_000 {
        slab.insert(n).unwrap();
    }
    assert_eq!(before, core::ptr::from_ref(slab.get(index, generation).unwrap()));
}

proptest! {
    #[test]
    fn it_is_a_map(ops in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..3000), capacity in 1..1200_usize) {
        let (mut slab, mut oracle) = (Slab::new(capacity), BTreeMap::new());
        let mut gone = Vec::new();
        for (n, (grow, pick)) in ops.into_iter().enumerate() {
            if grow || n < 700 {
                match slab.insert(n) {
                    Ok(handle) => prop_assert!(oracle.insert(handle, n).is_none()),
                    Err(value) => prop_assert!(value == n && oracle.len() == capacity),
                }
            } else if !oracle.is_empty() {
                let handle = *oracle.keys().nth(pick.index(oracle.len())).unwrap();
                prop_assert_eq!(slab.remove(handle.0, handle.1), oracle.remove(&handle));
                gone.push(handle);
            }
            prop_assert_eq!(slab.len(), oracle.len());
        }
        prop_assert!(slab.iter().map(|(handle, value)| (handle, *value)).eq(oracle.iter().map(|(&handle, &value)| (handle, value))));
        prop_assert!(slab.iter_mut().count() == oracle.len());
        for (index, generation) in gone {
            prop_assert!(slab.get(index, generation).is_none());
        }
    }
}
