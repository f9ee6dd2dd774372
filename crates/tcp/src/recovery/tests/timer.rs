//! The retransmission timer and the round-trip time (RFC 6298).

extern crate std;

use core::time::Duration;

use bowline_base::Instant;

use super::{MSS, ack, ack_echo, at, established, ms, pos, repair, segs, send};
use crate::Options;
use crate::reason::RecoveryChange;
use crate::recovery::{Ack, Phase, Recovery, RttEstimator};

#[test]
fn the_timer_runs_while_something_is_outstanding() {
    // RFC 6298 5.1 to 5.3, RFC6298-5-1, RFC6298-5-2, RFC6298-5-3.
    let mut r = established(true);
    assert_eq!(r.deadline(), None);
    send(&mut r, at(0), 0..2);
    let rto = r.rtt().rto();
    assert_eq!(r.deadline(), Some(at(0) + rto), "5.1");
    send(&mut r, at(5), 2..4);
    assert_eq!(r.deadline(), Some(at(0) + rto), "5.1: it runs already");
    ack(&mut r, at(10), 2, &[]);
    assert_eq!(r.deadline(), Some(at(10) + r.rtt().rto()), "5.3");
    ack(&mut r, at(15), 4, &[]);
    assert_eq!(r.deadline(), None, "5.2");
    r.rearm(at(20));
    assert_eq!(r.deadline(), None, "nothing to wait for");
}

#[test]
fn the_estimator_follows_the_arithmetic() {
    // RFC 6298 2.1 to 2.3, RFC6298-2-1, RFC6298-2-2, RFC6298-2-3; RFC 9293 3.8.1, MUST-18.
    let mut e = RttEstimator::new(ms(1), Duration::from_secs(60));
    assert_eq!((e.rto(), e.srtt()), (Duration::from_secs(1), None), "2.1");
    e.on_sample(at(0), ms(100));
    assert_eq!((e.srtt(), e.rttvar(), e.rto()), (Some(ms(100)), ms(50), ms(300)), "2.2");
    e.on_sample(at(0), ms(180));
    // 2.3: 3/4 50 + 1/4 80 = 57.5; 7/8 100 + 1/8 180 = 110.
    let us = Duration::from_micros;
    assert_eq!((e.srtt(), e.rttvar(), e.rto()), (Some(ms(110)), us(57_500), ms(340)));
}

#[test]
fn bounds_of_the_time_out() {
    // RFC 6298 2.4 and 2.5, RFC6298-2-4, RFC6298-2-5.
    let mut e = RttEstimator::new(ms(200), Duration::from_secs(120));
    for _ in 0..1_000 {
        e.on_sample(at(0), ms(300));
    }
    assert_eq!(e.rto(), ms(500), "a steady path still has 200 ms to be late");
    for n in 1..40u32 {
        e.back_off();
        assert_eq!(e.rto(), (ms(500) * 2u32.saturating_pow(n.min(20))).min(Duration::from_secs(120)), "{n}");
    }
    e.on_sample(at(0), Duration::MAX);
    assert_eq!((e.rto(), e.backoff()), (Duration::from_secs(120), 0));
    // Bounds the wrong way round yield to the lower.
    assert_eq!(RttEstimator::new(Duration::from_secs(5), ms(1)).rto(), Duration::from_secs(5));
}

#[test]
fn round_trips_of_no_time_at_all() {
    // gVisor divided by an RTT of 0. A clock that stands still must do.
    let mut r = established(true);
    for n in 0..1_000 {
        send(&mut r, at(0), n..n + 1);
        assert_eq!(ack(&mut r, at(0), n + 1, &[]).rtt, Some(Duration::ZERO));
    }
    assert!(r.rtt().srtt().is_some_and(|srtt| srtt >= Duration::from_nanos(1)));
    assert_eq!(r.rtt().min_rtt(), Some(Duration::from_micros(1)), "rounded up");
    assert!(r.rtt().rto() >= ms(200));
    // And one that goes backwards.
    send(&mut r, at(10), 1_000..1_001);
    assert_eq!(ack(&mut r, at(5), 1_001, &[]).rtt, Some(Duration::ZERO));
}

#[test]
fn the_smallest_round_trip_is_forgotten_in_time() {
    let mut e = RttEstimator::new(ms(200), Duration::from_secs(120));
    e.on_sample(Instant::from_secs(100), ms(10));
    for s in 101..=109 {
        e.on_sample(Instant::from_secs(s), ms(40));
        assert_eq!(e.min_rtt(), Some(ms(10)));
    }
    for s in 110..=130 {
        e.on_sample(Instant::from_secs(s), ms(40));
    }
    assert_eq!((e.min_rtt(), e.max_rtt()), (Some(ms(40)), Some(ms(40))));
}

#[test]
fn copies_give_no_round_trip_but_echoes_do() {
    // RFC 6298 3, RFC6298-3-1.
    // Karn's rule (RFC 9293 3.8.1, MUST-18).
    let mut r = established(true);
    send(&mut r, at(0), 0..2);
    let srtt = r.rtt().srtt();
    r.on_timeout(at(300));
    r.on_sent(at(300), segs(0, 1), true);
    let outcome = ack(&mut r, at(301), 1, &[]);
    assert_eq!((outcome.rtt, r.rtt().srtt(), r.rtt().backoff()), (None, srtt, 1), "the backoff stays");
    r.on_sent(at(301), segs(1, 2), true);
    let outcome = ack_echo(&mut r, at(331), 2, ms(30));
    assert_eq!((outcome.rtt, r.rtt().backoff()), (Some(ms(30)), 0));
}

#[test]
fn lost_acks_make_no_round_trips_of_time_outs() {
    // Without SACK nobody reports duplicates, and they leave the echo as it was: that of the original, sent long before.
    let mut r = established(false);
    send(&mut r, at(0), 0..1);
    ack_echo(&mut r, at(10), 1, ms(10));
    for n in (1..40).step_by(2) {
        let (began, rto) = (at(1_000 * n), r.rtt().base_rto());
        send(&mut r, began, n..n + 1);
        r.on_timeout(began + rto);
        r.on_sent(began + rto, segs(n, n + 1), true);
        let outcome = ack_echo(&mut r, began + rto + ms(10), n + 1, rto + ms(10));
        assert_eq!((outcome.rtt, outcome.change), (None, Some(RecoveryChange::Undone)), "{n}: it may answer the copy");
        assert_eq!((r.rtt().base_rto(), r.rtt().backoff()), (rto, 1), "{n}: Karn's rule, until there is a sample");
        send(&mut r, began + 2 * rto, n + 1..n + 2);
        let outcome = ack_echo(&mut r, began + 2 * rto + ms(10), n + 2, ms(10));
        assert_eq!((outcome.rtt, r.rtt().backoff()), (Some(ms(10)), 0));
    }
    assert!(r.rtt().rto() < ms(250), "10 ms and the least: {:?}", r.rtt().rto());
}

#[test]
fn a_lost_syn_makes_data_start_with_three_seconds() {
    // RFC 6298 5.7, RFC6298-5-7.
    let mut r = Recovery::new(&Options::default(), pos(0));
    r.on_sent(at(0), pos(0)..pos(1), false);
    assert_eq!(r.deadline(), Some(at(1_000)));
    r.on_timeout(at(1_000));
    r.on_sent(at(1_000), pos(0)..pos(1), true);
    assert_eq!((r.deadline(), r.retries()), (Some(at(3_000)), 1));
    let ack = Ack { ack: pos(1), sack: &[], echo_rtt: None, has_data: true, window_changed: true };
    r.on_ack(at(3_000), &ack);
    assert_eq!((r.rtt().rto(), r.retries(), r.phase()), (Duration::from_secs(3), 0, Phase::Open));
    // With a timestamp's echo there is a sample, and no need.
    let mut r = Recovery::new(&Options::default(), pos(0));
    r.on_sent(at(0), pos(0)..pos(1), false);
    r.on_timeout(at(1_000));
    r.on_sent(at(1_000), pos(0)..pos(1), true);
    r.on_ack(at(1_020), &Ack { echo_rtt: Some(ms(20)), ..ack });
    assert_eq!(r.rtt().srtt(), Some(ms(20)));
}

#[test]
fn a_time_out_loses_everything_and_slow_start_repairs_it() {
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    let outcome = r.on_timeout(at(300));
    assert_eq!((outcome.first, outcome.newly_lost, outcome.flight_size), (true, 10 * MSS, 10 * MSS));
    assert_eq!((r.phase(), r.in_flight(), r.retries(), r.rtt().backoff()), (Phase::Timeout, 0, 1, 1));
    assert_eq!(repair(&mut r, at(300), MSS), [0]);
    ack(&mut r, at(310), 1, &[]);
    assert_eq!((r.retries(), repair(&mut r, at(310), 2 * MSS)), (0, std::vec![1, 2]));
    ack(&mut r, at(320), 3, &[]);
    assert_eq!(repair(&mut r, at(320), 100 * MSS), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(ack(&mut r, at(330), 10, &[]).change, Some(RecoveryChange::Recovered));
}

#[test]
fn time_outs_in_a_row_double_and_count() {
    // RFC 6298 5.5, RFC6298-5-5; RFC 9293 3.8.2, MUST-19; 3.8.3, MUST-20.
    let mut r = established(true);
    send(&mut r, at(0), 0..1);
    let (mut now, base) = (at(300), r.rtt().base_rto());
    for n in 1..=15u32 {
        let outcome = r.on_timeout(now);
        assert_eq!((outcome.first, u32::from(r.retries())), (n == 1, n));
        let rto = (base * (1 << n)).min(Duration::from_secs(120));
        assert_eq!(r.deadline(), Some(now + rto), "after time-out {n}");
        r.on_sent(now, segs(0, 1), true);
        now += rto;
    }
    assert_eq!(r.stats().timeouts, 15);
}

#[test]
fn a_late_timer_does_nothing_when_all_is_acknowledged() {
    let mut r = established(true);
    send(&mut r, at(0), 0..1);
    ack(&mut r, at(10), 1, &[]);
    let outcome = r.on_timeout(at(300));
    assert_eq!((outcome.newly_lost, r.stats().timeouts, r.deadline(), r.phase()), (0, 0, None, Phase::Open));
}

#[test]
fn a_spurious_time_out_is_undone_by_the_echo() {
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    r.on_timeout(at(300));
    r.on_sent(at(300), segs(0, 1), true);
    // A delay spike: the original's ACK comes 1 ms after the copy went out.
    let outcome = ack_echo(&mut r, at(301), 3, ms(301));
    assert_eq!(outcome.change, Some(RecoveryChange::Undone));
    assert_eq!((r.phase(), r.lost(), r.in_flight(), r.rtt().backoff()), (Phase::Open, 0, 7 * MSS, 0));
    assert_eq!(r.next_lost(), None, "nothing is sent twice any more");
}

#[test]
fn a_spurious_time_out_is_undone_by_the_originals() {
    // RFC 5682 with SACK, without timestamps: originals behind the copy are acknowledged first.
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    r.on_timeout(at(300));
    r.on_sent(at(300), segs(0, 1), true);
    assert_eq!(ack(&mut r, at(301), 3, &[]).change, Some(RecoveryChange::Undone));
    // A real one: the copy is acknowledged, and nothing else.
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    r.on_timeout(at(300));
    r.on_sent(at(300), segs(0, 1), true);
    assert_eq!(ack(&mut r, at(310), 1, &[]).change, None);
    repair(&mut r, at(310), 2 * MSS);
    assert_eq!(ack(&mut r, at(320), 3, &[]).change, None, "later news proves nothing");
}

#[test]
fn a_smaller_path_mtu_loses_what_flies_but_reduces_nothing() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    assert_eq!(r.on_path_mtu(at(5), 40), 10 * MSS);
    assert_eq!((r.phase(), r.in_flight(), r.next_lost()), (Phase::Open, 0, Some(segs(0, 10))));
    r.on_sent(at(5), segs(0, 10), true);
    let outcome = ack(&mut r, at(15), 10, &[]);
    assert_eq!((outcome.change, r.phase(), r.stats().recoveries), (None, Phase::Open, 0));
    assert_eq!(r.on_path_mtu(at(20), 30), 0, "nothing outstanding");
    send(&mut r, at(20), 10..11);
    assert_eq!(r.on_path_mtu(at(20), 100), 0, "a larger one loses nothing");
}

#[test]
fn slop_is_added_once_and_after_doubling() {
    let ms = Duration::from_millis;
    let at = Instant::from_millis;
    let mut freebsd = RttEstimator::new(ms(30), Duration::from_secs(64)).with_slop(ms(200));
    assert_eq!(freebsd.rto(), ms(1_000), "an open's first");
    freebsd.back_off();
    assert_eq!(freebsd.rto(), ms(2_200));
    freebsd.on_sample(at(0), ms(1));
    assert_eq!((freebsd.rto(), freebsd.base_rto()), (ms(230), ms(230)), "30 ms at least, and 200");
    freebsd.back_off();
    freebsd.back_off();
    assert_eq!(freebsd.rto(), ms(320), "4 times 30, and 200");
    let mut steady = RttEstimator::new(ms(30), Duration::from_secs(64)).with_slop(ms(200));
    steady.on_sample(at(0), ms(50));
    assert_eq!(steady.rto(), ms(350), "three round trips, and 200");
    for _ in 0..40 {
        steady.back_off();
    }
    assert_eq!(steady.rto(), Duration::from_secs(64), "within its bound");
}
