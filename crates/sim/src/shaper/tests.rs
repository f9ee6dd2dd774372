//! The rate and the policer, against arithmetic.

use std::time::Duration;

use bowline_base::Instant;
use bowline_device::units::Rate;
use bytes::Bytes;

use super::{Policer, Shaper};
use crate::queue::Discipline;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// What comes out until `until`: when each packet is through, and its length.
fn run(shaper: &mut Shaper, until: Instant) -> Vec<(u64, usize)> {
    let mut out = Vec::new();
    while let Some(at) = shaper.poll_timeout().filter(|at| *at <= until) {
        while let Some((through, packet)) = shaper.next(at) {
            out.push((through.as_nanos(), packet.len()));
        }
    }
    out
}

fn packet(len: usize) -> Bytes {
    vec![0; len].into()
}

#[test]
fn packets_enter_the_wire_one_after_the_other_to_the_nanosecond() {
    let mut shaper = Shaper::new();
    shaper.set_rate(Some(rate("10mbit")));
    let begin = Instant::from_nanos(123);
    for len in [1500, 40, 1500] {
        shaper.offer(begin, packet(len)).unwrap();
        assert!(shaper.next(begin).is_none());
    }
    // 800 ns a byte.
    let at = |bytes: u64| 123 + bytes * 800;
    assert_eq!(run(&mut shaper, Instant::from_secs(1)), [(at(1500), 1500), (at(1540), 40), (at(3040), 1500)]);
    // An idle wire saves nothing up.
    shaper.offer(Instant::from_secs(2), packet(100)).unwrap();
    assert_eq!(run(&mut shaper, Instant::from_secs(3)), [(2_000_080_000, 100)]);
    assert_eq!(shaper.poll_timeout(), None);
}

#[test]
fn who_looks_late_sees_the_same_times() {
    let shaper = || {
        let mut shaper = Shaper::new();
        shaper.set_rate(Some(rate("8mbit")));
        (0..10).for_each(|_| shaper.offer(Instant::ZERO, packet(1000)).unwrap());
        assert!(shaper.next(Instant::ZERO).is_none(), "the first is entering");
        shaper
    };
    let now = Instant::from_secs(1);
    let mut unattended = shaper();
    let late = std::iter::from_fn(|| unattended.next(now)).map(|(at, packet)| (at.as_nanos(), packet.len()));
    let expected: Vec<_> = (1..=10).map(|count| (count * 1_000_000, 1000)).collect();
    assert_eq!(late.collect::<Vec<_>>(), expected);
    assert_eq!(run(&mut shaper(), now), expected);
}

#[test]
fn no_rate_takes_no_time() {
    let mut shaper = Shaper::new();
    let now = Instant::from_micros(5);
    shaper.offer(now, packet(1500)).unwrap();
    assert_eq!(shaper.next(now), Some((now, packet(1500))));
    assert_eq!(shaper.poll_timeout(), None);
}

#[test]
fn another_queue_takes_over_what_waits_and_since_when() {
    let mut shaper = Shaper::new();
    shaper.set_rate(Some(rate("8mbit")));
    (0..4).for_each(|_| shaper.offer(Instant::ZERO, packet(1000)).unwrap());
    assert_eq!(shaper.next(Instant::ZERO), None);
    shaper.set_queue(Instant::from_micros(500), Discipline::drop_tail(2_000).queue(0));
    assert_eq!((shaper.queued(), shaper.queue_counters().dropped), (2_000, 1));
    assert_eq!(shaper.take_dropped().count(), 1);
    assert_eq!(shaper.queue_counters().dropped, 1, "asking takes nothing from the count");
    assert_eq!(run(&mut shaper, Instant::from_secs(1)).len(), 3);
    // The last one waited for two others, 1 ms each.
    assert_eq!(shaper.waits().max() / 10, 2_000 / 10);
}

/// How many of the packets offered each `every` for a second pass the policer.
fn police(policer: Policer, len: usize, every: Duration) -> usize {
    let mut shaper = Shaper::new();
    shaper.set_policer(Some(policer));
    let mut now = Instant::from_secs(5);
    let (end, mut passed) = (now + Duration::from_secs(1), 0);
    while now < end {
        let admitted = shaper.offer(now, packet(len)).is_ok();
        assert_eq!(shaper.next(now).is_some(), admitted);
        passed += usize::from(admitted);
        now += every;
    }
    assert_eq!(shaper.policed() as usize + passed, (1e9 / every.as_nanos() as f64).ceil() as usize);
    passed
}

#[test]
fn a_policer_passes_its_rate_and_its_burst() {
    let policer = Policer { rate: rate("8mbit"), burst: 10_000 };
    // 1 MB/s offered tenfold: what passes in a second is the rate and, once, the burst.
    let passed = police(policer, 1000, Duration::from_micros(100));
    assert!((1_008..=1_010).contains(&passed), "{passed}");
    // Below the rate nothing is dropped, however small the burst.
    let policer = Policer { burst: 1_000, ..policer };
    assert_eq!(police(policer, 1000, Duration::from_micros(1000)), 1000);
}

#[test]
fn a_burst_passes_whole_and_then_not_a_byte_more() {
    let mut shaper = Shaper::new();
    shaper.set_policer(Some(Policer { rate: rate("8mbit"), burst: 10_000 }));
    let mut offer = |millis: u64, count: usize| {
        let now = Instant::from_millis(millis);
        (0..count)
            .filter(|_| {
                let _policed = shaper.offer(now, packet(1000));
                shaper.next(now).is_some()
            })
            .count()
    };
    assert_eq!(offer(0, 100), 10);
    assert_eq!(offer(3, 100), 3, "a thousand bytes each millisecond");
    assert_eq!(offer(1_000, 100), 10, "the bucket holds no more");
}
