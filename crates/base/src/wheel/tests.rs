extern crate std;

use core::time::Duration;
use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::{Node, Wheel};
use crate::Instant;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn expired(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
    let mut all = Vec::new();
    wheel.expire(now, &mut |id| all.push(id));
    all
}

#[test]
fn a_node_is_small() {
    assert!(size_of::<Node>() <= 24);
}

#[test]
fn a_name_is_reported_at_its_deadline_and_not_before() {
    for nanos in [0, 1, 999_999, 1 << 20, (1 << 20) + 1, 40_000_000, 7_200_000_000_000, 1 << 50, u64::MAX - 1] {
        let mut wheel = Wheel::new();
        wheel.schedule(3, Instant::from_nanos(nanos));
        if let Some(before) = nanos.checked_sub(1) {
            assert_eq!(wheel.pop_expired(Instant::from_nanos(before)), None, "{nanos}");
            assert_eq!(wheel.poll_timeout(), Some(Instant::from_nanos(nanos)), "exact within its slot");
        }
        assert_eq!(wheel.pop_expired(Instant::from_nanos(nanos)), Some(3), "{nanos}");
        assert_eq!(wheel.pop_expired(Instant::MAX), None);
        assert!(wheel.is_empty());
    }
}

#[test]
fn never_is_no_deadline() {
    let mut wheel = Wheel::new();
    wheel.schedule(0, Instant::MAX);
    assert_eq!((wheel.len(), wheel.poll_timeout()), (0, None));
    wheel.schedule(0, at(5));
    wheel.schedule(0, Instant::MAX);
    assert_eq!((wheel.len(), wheel.poll_timeout(), wheel.deadline(0)), (0, None, None));
    assert_eq!(wheel.pop_expired(Instant::MAX), None);
}

#[test]
fn a_later_deadline_leaves_the_entry_and_is_not_reported_early() {
    let mut wheel = Wheel::new();
    wheel.schedule(0, at(200));
    for now in 1..1_000 {
        wheel.schedule(0, at(now + 200));
        assert_eq!(wheel.pop_expired(at(now)), None, "{now}");
        let wake = wheel.poll_timeout().unwrap();
        assert!(wake > at(now) && wake <= at(now + 200), "{wake} at {now}");
    }
    assert_eq!(expired(&mut wheel, at(1_199)), [0]);
}

#[test]
fn reports_come_in_the_order_of_deadlines() {
    let mut wheel = Wheel::new();
    for id in 0..1_000_u32 {
        wheel.schedule(id, Instant::from_micros(u64::from(id * 7_919 % 1_000) * 137_731));
    }
    let order: Vec<u64> = expired(&mut wheel, at(1 << 40)).iter().map(|&id| u64::from(id * 7_919 % 1_000)).collect();
    assert!(order.is_sorted());
    assert_eq!(order.len(), 1_000);
}

#[test]
fn a_full_slot_still_wakes_in_time() {
    let mut wheel = Wheel::new();
    for id in 0..1_000 {
        wheel.schedule(id, at(90_000) + Duration::from_nanos(u64::from(1_000 - id)));
    }
    let (mut now, mut wakes) = (Instant::ZERO, 0);
    while let Some(next) = wheel.poll_timeout() {
        assert!(next > now, "every wake-up makes progress");
        now = next;
        wakes += 1;
        for id in expired(&mut wheel, now) {
            assert_eq!(now, at(90_000) + Duration::from_nanos(u64::from(1_000 - id)), "on its nanosecond");
        }
    }
    assert!(wakes < 1_010, "{wakes} wake-ups for 1,000 deadlines");
}

#[test]
fn an_hour_passes_in_few_steps() {
    let mut wheel = Wheel::new();
    for id in 0..10_000 {
        wheel.schedule(id, at(3_600_000));
    }
    let mut wakes = 0;
    while wheel.poll_timeout().is_some_and(|wake| wake < at(3_600_000)) {
        let wake = wheel.poll_timeout().unwrap();
        assert_eq!(wheel.pop_expired(wake), None);
        wakes += 1;
    }
    assert!(wakes <= 8, "{wakes} wake-ups before the deadline");
    assert_eq!(expired(&mut wheel, at(3_600_000)).len(), 10_000);
}

#[derive(Clone, Debug)]
enum Op {
    Schedule(u32, u64),
    Cancel(u32),
    Advance(u64),
    Wake,
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..3_000_000_u64,
        0..500_000_000_u64,
        0..100_000_000_000_u64,
        0..40_000_000_000_000_u64,
        Just(0),
        Just(u64::MAX)
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..40_u32, delay()).prop_map(|(id, delay)| Op::Schedule(id, delay)),
        2 => (0..40_u32).prop_map(Op::Cancel),
        2 => delay().prop_map(Op::Advance),
        6 => Just(Op::Wake),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn it_is_a_map_of_deadlines(ops in proptest::collection::vec(op(), 1..400), bits in 16..28_u32) {
        let mut wheel = Wheel::with_slot_bits(bits);
        let mut oracle: BTreeMap<u32, Instant> = BTreeMap::new();
        let mut now = Instant::ZERO;
        for op in ops {
            match op {
                Op::Schedule(id, delay) => {
                    let deadline = Instant::from_nanos(now.as_nanos().saturating_add(delay));
                    wheel.schedule(id, deadline);
                    oracle.remove(&id);
                    if deadline < Instant::MAX {
                        oracle.insert(id, deadline);
                    }
                }
                Op::Cancel(id) => {
                    wheel.cancel(id);
                    oracle.remove(&id);
                }
                Op::Advance(by) if by < 1 << 60 => now += Duration::from_nanos(by),
                Op::Advance(_) => {}
                Op::Wake => {
                    if let Some(wake) = wheel.poll_timeout() {
                        now = now.max(wake);
                    }
                }
            }
            if matches!(op, Op::Advance(_) | Op::Wake) {
                let mut reported = expired(&mut wheel, now);
                reported.sort_unstable();
                let due: Vec<u32> = oracle.iter().filter(|&(_, &deadline)| deadline <= now).map(|(&id, _)| id).collect();
                prop_assert_eq!(&reported, &due);
                oracle.retain(|_, deadline| *deadline > now);
                prop_assert!(wheel.poll_timeout().is_none_or(|wake| wake > now));
            }
            prop_assert_eq!(wheel.len(), oracle.len());
            prop_assert!((0..40).all(|id| wheel.deadline(id) == oracle.get(&id).copied()));
            match oracle.values().min() {
                None => prop_assert_eq!(wheel.poll_timeout(), None),
                Some(&first) => prop_assert!(wheel.poll_timeout().is_some_and(|wake| wake <= first)),
            }
        }
        // What is left comes out in the end, and every wake-up makes progress.
        let mut last = now;
        while let Some(wake) = wheel.poll_timeout() {
            prop_assert!(wake >= last);
            last = wake;
            expired(&mut wheel, wake);
        }
        prop_assert!(wheel.is_empty());
    }
}
