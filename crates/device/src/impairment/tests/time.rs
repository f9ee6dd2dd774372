//! Packets come out when, and in the order, that rate, queue, delay, jitter and reordering demand.

use std::collections::BTreeSet;

use super::*;
use crate::units::Rate;

#[test]
fn the_rate_holds_and_the_queue_drops_its_tail() {
    let rate = Some("10mbit".parse::<Rate>().unwrap());
    // Below the rate, everything passes; each packet takes its own 1200 µs.
    let impairments = Impairments { rate, ..Impairments::default() };
    let (arrivals, _) = run(egress(impairments, 1), 100, 1448, Duration::from_millis(2));
    assert_eq!(arrivals.len(), 100);
    assert_eq!(arrivals[0].0, Instant::from_micros(1200));
    assert_eq!(arrivals[99].0, Instant::from_micros(99 * 2000 + 1200));
    // At twice the rate, the link is always busy, and the queue holds 100 ms.
    let (arrivals, counters) = run(egress(impairments, 1), 2000, 1448, Duration::from_micros(600));
    let span = arrivals.last().unwrap().0.since(arrivals[0].0);
    let bits = (arrivals.len() - 1) as f64 * 1500.0 * 8.0;
    let measured = bits / span.as_secs_f64();
    assert!((measured / 10e6 - 1.0).abs() < 1e-6, "{measured} bit/s");
    assert_eq!(counters.egress.queue_full, 2000 - arrivals.len() as u64);
    let last_wait = arrivals.last().unwrap().0.since(Instant::from_micros(1999 * 600));
    assert!(last_wait <= Duration::from_millis(101) && last_wait > Duration::from_millis(95), "{last_wait:?}");
    assert!(numbers(&arrivals).is_sorted());
}

#[test]
fn queues_have_the_bounds_they_are_given() {
    let rate = Some("1mbit".parse::<Rate>().unwrap());
    let queue = |packets, bytes| QueueLimit { packets, bytes, ..QueueLimit::default() };
    for (limit, fits) in [(queue(Some(5), None), 5), (queue(None, Some(3100)), 2), (queue(None, Some(1)), 1)] {
        let impairments = Impairments { rate, queue: limit, ..Impairments::default() };
        let (arrivals, counters) = run(egress(impairments, 1), 50, 1448, Duration::ZERO);
        assert_eq!((arrivals.len(), counters.egress.queue_full), (fits, 50 - fits as u64));
    }
    let held = QueueLimit { held_bytes: 15_000, ..QueueLimit::default() };
    let impairments = Impairments { delay: Duration::from_secs(1), queue: held, ..Impairments::default() };
    let (arrivals, counters) = run(egress(impairments, 1), 50, 1448, Duration::ZERO);
    assert_eq!((arrivals.len(), counters.egress.queue_full), (9, 41), "our memory is bounded, too");
    let (arrivals, _) = run(egress(impairments, 1), 500, 0, Duration::ZERO);
    assert_eq!(arrivals.len(), 15_000 / 256 + 1, "also from small packets");
}

#[test]
fn delay_and_jitter_stay_within_their_bounds_and_in_order() {
    let (delay, jitter) = (Duration::from_millis(40), Duration::from_millis(5));
    let impairments = Impairments { delay, jitter, ..Impairments::default() };
    let gap = Duration::from_millis(20); // so that nobody waits for the packet before
    let (arrivals, _) = run(egress(impairments, 9), 5000, 0, gap);
    assert_eq!(numbers(&arrivals), (0..5000).collect::<Vec<_>>());
    let delays: Vec<_> = arrivals.iter().zip(0u32..).map(|((at, _), n)| at.since(Instant::ZERO + gap * n)).collect();
    assert!(delays.iter().all(|d| *d >= delay - jitter && *d <= delay + jitter));
    let mean = delays.iter().sum::<Duration>() / 5000;
    // Four standard errors of a uniform distribution 10 ms wide.
    let spread = Duration::from_nanos((4.0 * 10e6 / 12f64.sqrt() / 5000f64.sqrt()) as u64);
    assert!(mean.abs_diff(delay) < spread, "{mean:?}");
    assert!(delays.iter().min().unwrap() < &Duration::from_micros(35_100));
    // Packets closer to each other than the jitter still do not overtake.
    let (arrivals, _) = run(egress(impairments, 9), 5000, 0, Duration::from_micros(10));
    assert_eq!(numbers(&arrivals), (0..5000).collect::<Vec<_>>());
}

#[test]
fn more_jitter_than_delay_never_sends_into_the_past() {
    let impairments = Impairments { jitter: Duration::from_millis(5), ..Impairments::default() };
    let (arrivals, _) = run(egress(impairments, 9), 200, 0, Duration::from_millis(20));
    assert!(arrivals.iter().zip(0..).all(|((at, _), n)| *at >= ms(20 * n)));
}

#[test]
fn reordered_packets_arrive_after_three_that_were_behind_them() {
    let impairments = Impairments { reorder: percent(2.0), ..Impairments::default() };
    let (arrivals, counters) = run(egress(impairments, 11), 10_000, 0, Duration::from_micros(100));
    let order = numbers(&arrivals);
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 10_000, "nothing is lost or doubled");
    let mut highest = 0;
    let mut late = 0;
    for (index, number) in order.iter().enumerate() {
        if *number < highest {
            late += 1;
            let passed = order[..index].iter().filter(|earlier| *earlier > number).count();
            assert!(passed >= 3, "{number} was passed by {passed}");
        }
        highest = highest.max(*number);
    }
    assert_eq!(counters.egress.reordered, late);
    assert!(plausible(late as usize, 10_000, 0.02), "{late} reordered at 2%");
}

#[test]
fn a_packet_that_nobody_passes_is_not_held_forever() {
    let impairments = Impairments {
        reorder: percent(100.0),
        delay: Duration::from_millis(10),
        reorder_hold: Duration::from_millis(5),
        ..Impairments::default()
    };
    let (arrivals, _) = run(egress(impairments, 1), 3, 0, Duration::from_millis(1));
    assert_eq!(arrivals.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [ms(15), ms(16), ms(17)]);
}
