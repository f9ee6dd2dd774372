extern crate std;

use std::time::Duration;

use bowline_base::{Instant, Position};

use super::*;

const RTT: Duration = Duration::from_millis(100);

fn at(millis: u64) -> Instant {
    Instant::from_secs(10) + Duration::from_millis(millis)
}

fn acked(n: u64) -> Position {
    Position::initial(1) + n
}

/// A round trip is over: so much more was acknowledged in it.
fn round(validation: &mut Validation, millis: u64, bytes: u64) {
    let una = validation.from + bytes;
    validation.on_ack(at(millis), una, RTT);
}

#[test]
fn nothing_is_known_before_a_whole_round_trip() {
    // RFC 7661 4.1 and 4.2: undefined, and so valid.
    let mut validation = Validation::new(acked(0));
    validation.begin_sample(at(0), acked(0));
    validation.on_ack(at(50), acked(1_000), RTT);
    assert_eq!(validation.pipe_ack(at(50), RTT), None);
    validation.judge(at(50), RTT, 100_000);
    assert_eq!(validation.unvalidated, None);
    validation.on_ack(at(100), acked(3_000), RTT);
    assert_eq!(validation.pipe_ack(at(100), RTT), Some(3_000));
    validation.judge(at(100), RTT, 100_000);
    assert_eq!(validation.unvalidated, Some(at(100)));
}

#[test]
fn the_largest_sample_of_the_sampling_period_counts() {
    // RFC 7661 4.2 and 4.5.1: a second, where three round trips are less.
    let mut validation = Validation::new(acked(0));
    round(&mut validation, 0, 50_000);
    for n in 1..=20 {
        round(&mut validation, 100 * n, 1_000);
        let wanted = if n <= 10 { 50_000 } else { 1_000 };
        assert_eq!(validation.pipe_ack(at(100 * n), RTT), Some(wanted), "after {n} round trips");
    }
    // Three round trips, where they are more than a second.
    assert_eq!(validation.pipe_ack(at(4_000), Duration::from_secs(1)), Some(1_000));
    // Silence carries nothing.
    assert_eq!(validation.pipe_ack(at(4_000), RTT), Some(0));
}

#[test]
fn what_is_acknowledged_after_a_silence_is_no_part_of_it() {
    let mut validation = Validation::new(acked(0));
    round(&mut validation, 0, 10_000);
    validation.begin_sample(at(60_000), acked(10_000));
    validation.on_ack(at(60_050), acked(12_000), RTT);
    assert_eq!(validation.pipe_ack(at(60_050), RTT), Some(2_000));
}

#[test]
fn half_of_the_window_validates_it() {
    // RFC 7661 4.3
    let mut validation = Validation::new(acked(0));
    round(&mut validation, 0, 10_000);
    validation.judge(at(0), RTT, 20_000);
    assert_eq!(validation.unvalidated, None);
    validation.judge(at(0), RTT, 20_001);
    assert_eq!(validation.unvalidated, Some(at(0)));
    round(&mut validation, 100, 10_001);
    validation.judge(at(100), RTT, 20_001);
    assert_eq!(validation.unvalidated, None);
}

#[test]
fn the_phase_begins_when_the_last_large_sample_is_too_old() {
    // RFC 7661 4.4.3: nobody looked during the silence, but it counts.
    let mut validation = Validation::new(acked(0));
    round(&mut validation, 0, 10_000);
    validation.judge(at(0), RTT, 20_000);
    validation.judge(at(500_000), RTT, 20_000);
    assert_eq!(validation.unvalidated, Some(at(1_000)));
    assert_eq!(validation.periods_over(at(300_999)), 0);
    assert_eq!(validation.periods_over(at(301_000)), 1);
    assert_eq!(validation.periods_over(at(900_999)), 1, "each period counts once");
    assert_eq!(validation.periods_over(at(901_000)), 1);
}
