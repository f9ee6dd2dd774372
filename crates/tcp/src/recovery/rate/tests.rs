//! What a sample spans: the examples of the draft, and what must not be taken for the path's rate.

use core::time::Duration;

use bowline_base::{Instant, Position};

use super::super::{Ack, Recovery};
use super::{FEW_MOMENTS, MAX_MOMENTS};
use crate::Options;

const MSS: u64 = 1_000;

const fn ms(n: u64) -> Instant {
    Instant::from_millis(1_000 + n)
}

fn at(offset: u64) -> Position {
    Position::initial(1) + offset
}

fn recovery() -> Recovery {
    let mut recovery = Recovery::new(&Options::default(), at(0));
    recovery.set_sack(true);
    recovery.set_mss(MSS as u32);
    recovery.sample_rates(true, false);
    recovery
}

fn send(recovery: &mut Recovery, now: Instant, segments: core::ops::Range<u64>) {
    recovery.on_sent(now, at(segments.start * MSS)..at(segments.end * MSS), false);
}

fn ack(
    recovery: &mut Recovery,
    now: Instant,
    segments: u64,
    sack: &[core::ops::Range<u64>],
) -> Option<super::RateSample> {
    let sack: alloc::vec::Vec<_> = sack.iter().map(|s| at(s.start * MSS)..at(s.end * MSS)).collect();
    let ack = Ack { ack: at(segments * MSS), sack: &sack, echo_rtt: None, has_data: false, window_changed: false };
    recovery.on_ack(now, &ack);
    recovery.take_samples().1
}

#[test]
fn a_window_that_leaves_at_once_is_measured_by_its_acks() {
    let mut r = recovery();
    send(&mut r, ms(0), 0..10);
    // The first ACK: one segment in one round trip.
    let first = ack(&mut r, ms(100), 1, &[]).expect("a sample");
    assert_eq!((first.delivered, first.interval, first.prior_delivered), (MSS, Duration::from_millis(100), 0));
    assert_eq!(first.rate, 10_000);
    // The last of the window: ten segments in 109 ms.
    let last = (2..=10).filter_map(|n| ack(&mut r, ms(99 + n), n, &[])).last().expect("a sample");
    assert_eq!((last.delivered, last.interval), (10 * MSS, Duration::from_millis(109)));
    assert_eq!(last.sent_in_flight, 10 * MSS);
}

#[test]
fn acks_that_come_all_at_once_do_not_make_the_path_faster() {
    let mut r = recovery();
    // One segment each millisecond; a lump of ACKs after that.
    for n in 0..100 {
        send(&mut r, ms(n), n..n + 1);
    }
    ack(&mut r, ms(100), 1, &[]);
    for n in 100..200 {
        send(&mut r, ms(n), n..n + 1);
    }
    let lump = ack(&mut r, ms(200), 101, &[]).expect("a sample");
    // 1,000,000 bytes a second left: the send rate bounds what the ACKs say.
    assert!(lump.rate <= 1_020_000, "{lump:?}");
}

#[test]
fn a_silence_of_the_application_is_no_rate_of_the_path() {
    let mut r = recovery();
    send(&mut r, ms(0), 0..10);
    ack(&mut r, ms(100), 10, &[]);
    r.mark_app_limited();
    send(&mut r, ms(10_000), 10..12);
    let sample = ack(&mut r, ms(10_100), 12, &[]).expect("a sample");
    // The clock of both rates began with the flight, and not with the silence.
    assert_eq!((sample.delivered, sample.interval), (2 * MSS, Duration::from_millis(100)));
    assert!(sample.app_limited);
    let shown = r.delivery_rate().expect("sampled");
    assert_eq!((shown.rate, shown.app_limited), (100_000, false), "the faster one of before stays");
    // Once what was marked has been delivered, samples are the path's again.
    send(&mut r, ms(10_100), 12..32);
    send(&mut r, ms(10_100), 32..42);
    ack(&mut r, ms(10_200), 32, &[]);
    send(&mut r, ms(10_200), 42..52);
    assert_eq!(ack(&mut r, ms(10_300), 52, &[]).map(|sample| sample.app_limited), Some(false));
}

#[test]
fn what_was_lost_is_told_with_where_it_was_sent() {
    let mut r = recovery();
    r.sample_rates(true, true);
    send(&mut r, ms(0), 0..10);
    send(&mut r, ms(1), 10..20);
    r.on_ack(
        ms(100),
        &Ack {
            ack: at(0),
            sack: &[at(5 * MSS)..at(6 * MSS), at(10 * MSS)..at(20 * MSS)],
            echo_rtt: None,
            has_data: false,
            window_changed: false,
        },
    );
    let (loss, rate) = r.take_samples();
    let loss = loss.expect("a loss");
    assert_eq!((loss.bytes, loss.stretches, loss.lost), (9 * MSS, 2, 9 * MSS));
    assert_eq!(loss.sent_in_flight, 10 * MSS);
    let rate = rate.expect("a sample");
    assert_eq!((rate.lost, rate.sent_in_flight), (9 * MSS, 20 * MSS));
    assert_eq!(r.take_samples(), (None, None), "it is told once");
}

#[test]
fn a_copy_that_may_be_the_original_gives_no_sample() {
    let mut r = recovery();
    send(&mut r, ms(0), 0..1);
    ack(&mut r, ms(100), 1, &[]);
    send(&mut r, ms(200), 1..2);
    r.on_timeout(ms(500));
    r.on_sent(ms(500), at(MSS)..at(2 * MSS), true);
    // The original, or a path that has become ten times as short?
    assert_eq!(ack(&mut r, ms(510), 2, &[]), None);
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut r = recovery();
    let nothing = r.memory();
    for n in 0..3 * MAX_MOMENTS as u64 {
        send(&mut r, Instant::from_micros(1_000_000 + n), n..n + 1);
    }
    assert!(r.rate.as_ref().is_some_and(|rate| rate.moments.len() <= MAX_MOMENTS + 1));
    let sample = ack(&mut r, ms(1_000), 3 * MAX_MOMENTS as u64 - 1, &[]).expect("a sample");
    assert!(sample.rate > 0 && sample.interval >= Duration::from_millis(900), "{sample:?}");
    ack(&mut r, ms(1_001), 3 * MAX_MOMENTS as u64, &[]);
    assert_eq!(r.memory(), nothing);
    // What is acknowledged as it goes is forgotten as it goes.
    for n in 0..10_000u64 {
        let base = 3 * MAX_MOMENTS as u64 + n;
        send(&mut r, Instant::from_micros(3_000_000 + n), base..base + 1);
        if n > 10 {
            ack(&mut r, Instant::from_micros(3_000_000 + n), base - 10, &[]);
        }
        assert!(r.rate.as_ref().is_some_and(|rate| rate.moments.len() <= 2 * FEW_MOMENTS));
    }
}
