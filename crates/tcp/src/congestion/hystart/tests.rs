//! HyStart++ on scripted round-trip times.

extern crate std;

use core::time::Duration;

use super::HyStart;
use crate::congestion::AckSample;
use crate::congestion::tests::ms;

/// A round of `acks` ACKs with this round-trip time.
fn round(h: &mut HyStart, acks: u64, rtt: Duration) {
    for _ in 0..acks {
        let sample = AckSample { acked: 1_000, rtt: Some(rtt), in_flight_before: acks * 1_000, ..AckSample::default() };
        h.on_ack(&sample);
    }
}

#[test]
fn a_rise_slows_down_and_five_rounds_later_slow_start_is_over() {
    // (round trips before and after, whether the rise counts): at least 4 ms, at most 16 ms, an eighth in between.
    let table = [(10, 13, false), (10, 14, true), (80, 89, false), (80, 90, true), (400, 415, false), (400, 416, true)];
    for (before, after, counts) in table {
        let mut h = HyStart::default();
        round(&mut h, 20, ms(before));
        round(&mut h, 20, ms(after));
        assert_eq!(h.divisor(), if counts { 4 } else { 1 }, "{before} to {after} ms");
        for _ in 0..4 {
            assert!(!h.ends());
            round(&mut h, 20, ms(after));
        }
        assert_eq!(h.ends(), counts, "{before} to {after} ms");
    }
}

#[test]
fn a_rise_that_passes_was_jitter() {
    let mut h = HyStart::default();
    round(&mut h, 20, ms(50));
    round(&mut h, 20, ms(70));
    assert_eq!(h.divisor(), 4);
    round(&mut h, 20, ms(51));
    assert_eq!((h.divisor(), h.ends()), (1, false));
}

#[test]
fn few_samples_say_nothing() {
    let mut h = HyStart::default();
    round(&mut h, 7, ms(50));
    round(&mut h, 7, ms(500));
    assert_eq!(h.divisor(), 1);
}

/// ACKs of 1,000 bytes, of a window of 80,000: 50 ms without a queue.
fn acks(h: &mut HyStart, count: u32, rtt: Duration, paced: bool) {
    for _ in 0..count {
        h.on_ack(&AckSample {
            acked: 1_000,
            rtt: Some(rtt),
            min_rtt: Some(ms(50)),
            in_flight_before: 80_000,
            cwnd_limited: true,
            paced,
            ..AckSample::default()
        });
    }
}

#[test]
fn a_queue_that_stands_for_an_eighth_of_a_window_ends_it_at_once() {
    // An eighth of 50 ms are 6.25, and of the window ten ACKs.
    for (count, rtt, paced, ends) in
        [(9, 57, true, false), (10, 57, true, true), (40, 56, true, false), (40, 80, false, false)]
    {
        let mut h = HyStart::default();
        acks(&mut h, 30, ms(50), paced);
        acks(&mut h, count, ms(rtt), paced);
        assert_eq!(h.ends(), ends, "{count} ACKs after {rtt} ms, paced: {paced}");
    }
}

#[test]
fn one_that_had_not_to_wait_shows_that_it_was_jitter() {
    let mut h = HyStart::default();
    for _ in 0..20 {
        acks(&mut h, 9, ms(70), true);
        acks(&mut h, 1, ms(50), true);
    }
    assert!(!h.ends());
}

#[test]
fn a_rise_above_all_of_the_last_round_makes_it_careful_until_a_round_has_none() {
    // (the longest of the last round, a run of ACKs and how long they took, paced, whether it grows more slowly)
    let table = [
        (50, 8, 54, true, true),
        (50, 7, 54, true, false),
        (50, 8, 53, true, false),
        // Jitter: there were such ones in the last round, too.
        (56, 20, 56, true, false),
        (56, 8, 57, true, true),
        (50, 8, 54, false, false),
    ];
    for (longest, count, rtt, paced, slower) in table {
        let mut h = HyStart::default();
        acks(&mut h, 79, ms(50), paced);
        acks(&mut h, 1, ms(longest), paced);
        acks(&mut h, 1, ms(50), paced);
        acks(&mut h, count, ms(rtt), paced);
        assert_eq!(
            h.divisor(),
            if slower { 4 } else { 1 },
            "{count} ACKs after {rtt} ms, {longest} before, paced: {paced}"
        );
        // One that is not so late is the queue's pause, not its end: careful until the end of the round after this one.
        acks(&mut h, 80 - count, ms(53), paced);
        assert_eq!((h.divisor(), h.ends()), (if slower { 4 } else { 1 }, false), "the rest of the round");
        acks(&mut h, 79, ms(53), paced);
        assert_eq!((h.divisor(), h.ends()), (if slower { 4 } else { 1 }, false), "the round after it");
        acks(&mut h, 1, ms(53), paced);
        assert_eq!((h.divisor(), h.ends()), (1, false), "a round without a rise");
    }
}

#[test]
fn once_it_is_over_nothing_is_careful_any_more() {
    let mut h = HyStart::default();
    acks(&mut h, 81, ms(50), true);
    acks(&mut h, 10, ms(60), true);
    assert!(h.ends());
    assert_eq!((h.divisor(), h.ends()), (1, false), "a later slow start is as in RFC 5681");
}
