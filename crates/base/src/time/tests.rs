extern crate std;

use core::time::Duration;
use std::format;

use super::{Instant, Span};

#[test]
fn units_agree() {
    assert_eq!(Instant::from_secs(2), Instant::from_millis(2_000));
    assert_eq!(Instant::from_millis(2), Instant::from_micros(2_000));
    assert_eq!(Instant::from_micros(2), Instant::from_nanos(2_000));
    let at = Instant::from_nanos(1_234_567_890);
    assert_eq!((at.as_nanos(), at.as_micros(), at.as_millis()), (1_234_567_890, 1_234_567, 1_234));
}

#[test]
fn never_stays_never_and_the_origin_is_the_first() {
    assert_eq!(Instant::MAX + Duration::from_nanos(1), Instant::MAX);
    assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
    assert_eq!(Instant::from_secs(u64::MAX), Instant::MAX);
    assert_eq!(Instant::from_secs(1) - Duration::from_secs(2), Instant::ZERO);
    assert_eq!(Instant::from_secs(1).since(Instant::from_secs(2)), Duration::ZERO);
    let mut at = Instant::from_secs(1);
    at += Duration::from_millis(500);
    assert_eq!(at.since(Instant::from_secs(1)), Duration::from_millis(500));
}

#[test]
fn it_prints_seconds_with_microseconds() {
    assert_eq!(format!("{}", Instant::from_nanos(12_345_678_999)), "12.345678");
    assert_eq!(format!("{:?}", Instant::from_micros(7)), "0.000007");
}

#[test]
fn a_span_is_a_duration_in_eight_bytes() {
    let mut span = Span::from(Duration::from_millis(3));
    span += Duration::from_nanos(7);
    assert_eq!((span.get(), size_of_val(&span)), (Duration::from_nanos(3_000_007), 8));
    span += Duration::MAX;
    assert_eq!(span, Span::from(Duration::MAX), "it saturates");
    assert!(Span::ZERO.is_zero() && !span.is_zero());
}
