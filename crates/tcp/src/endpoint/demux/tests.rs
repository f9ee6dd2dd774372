//! The table beside an ordinary map: the same four-tuples in the same places, whatever was done.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, Slot),
    Reseat(u16, Slot),
    Remove(u16),
    RemoveElsewhere(u16, Slot),
}

fn tuple(n: u16) -> FourTuple {
    let address: IpAddr =
        if n.is_multiple_of(2) { Ipv4Addr::from(u32::from(n)).into() } else { Ipv6Addr::from(u128::from(n)).into() };
    FourTuple::new(SocketAddr::new(address, 80), SocketAddr::new(address, n))
}

fn slot() -> impl Strategy<Value = Slot> {
    let place = 0..PLACE;
    prop_oneof![
        place.clone().prop_map(Slot::Connection),
        place.clone().prop_map(Slot::HalfOpen),
        place.clone().prop_map(Slot::Pending),
        place.prop_map(Slot::TimeWait),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..200_u16, slot()).prop_map(|(n, slot)| Op::Insert(n, slot)),
        2 => (0..200_u16, slot()).prop_map(|(n, slot)| Op::Reseat(n, slot)),
        2 => (0..200_u16).prop_map(Op::Remove),
        1 => (0..200_u16, slot()).prop_map(|(n, slot)| Op::RemoveElsewhere(n, slot)),
    ]
}

proptest! {
    #[test]
    fn it_is_a_map_of_tuples(ops in proptest::collection::vec(op(), 1..400), key in any::<[u8; 16]>()) {
        let mut demux = Demux::new(key);
        let mut oracle: BTreeMap<u16, Slot> = BTreeMap::new();
        for op in ops {
            let free = |slot: Slot, oracle: &BTreeMap<u16, Slot>| oracle.values().all(|other| *other != slot);
            match op {
                Op::Insert(n, slot) if !oracle.contains_key(&n) && free(slot, &oracle) => {
                    let there: Vec<(u16, Slot)> = oracle.iter().map(|(&n, &slot)| (n, slot)).collect();
                    demux.insert(&tuple(n), slot, |asked| {
                        there.iter().find(|(_, slot)| *slot == asked).map(|(n, _)| tuple(*n))
                    });
                    oracle.insert(n, slot);
                }
                Op::Reseat(n, to) if free(to, &oracle) => {
                    if let Some(from) = oracle.get_mut(&n) {
                        demux.reseat(&tuple(n), *from, to);
                        *from = to;
                    }
                }
                Op::Remove(n) => {
                    if let Some(slot) = oracle.remove(&n) {
                        demux.remove(&tuple(n), slot);
                    }
                }
                // What is not there, or not in that place, leaves all as it is.
                Op::RemoveElsewhere(n, slot) if oracle.get(&n) != Some(&slot) => demux.remove(&tuple(n), slot),
                _ => {}
            }
            for n in 0..200 {
                let found = demux.find(&tuple(n), |slot| oracle.get(&n) == Some(&slot));
                prop_assert_eq!(found, oracle.get(&n).copied());
            }
        }
        prop_assert_eq!(demux.table.len(), oracle.len());
    }
}
