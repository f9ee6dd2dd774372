//! CUBIC against its closed form in floating point.

extern crate std;

use core::time::Duration;
use std::format;

use bowline_base::Instant;
use proptest::prelude::*;

use super::{Cubic, cube_root};
use crate::congestion::tests::{MSS, acked, ms, round};
use crate::congestion::{AckSample, Congestion, Controller};

/// A controller with a window of so many segments, in congestion avoidance.
fn at_window(segments: u64) -> Cubic {
    let mut c = Cubic::new(MSS as u32);
    c.cwnd = segments * MSS;
    c
}

#[test]
fn the_reduction_is_to_seven_tenths_of_the_window_also_the_second_time() {
    // quinn applied β to the W_max that fast convergence had lowered: 59.5 % instead of 70 %.
    let mut c = at_window(1_000);
    c.on_congestion_event(Instant::ZERO, 1_000 * MSS, Congestion::FastRecovery);
    assert_eq!((c.cwnd, c.w_max), (700 * MSS, 1_000 * MSS));
    c.on_congestion_event(Instant::from_millis(50), 700 * MSS, Congestion::FastRecovery);
    assert_eq!((c.cwnd, c.w_max), (490 * MSS, 595 * MSS), "fast convergence: 700 (1 + 0.7) / 2");
}

#[test]
fn the_curve_is_the_closed_form() {
    // A long path, where Reno is slower: 100 ms, W_max 2,000 segments.
    let (w_max, rtt) = (2_000.0f64, 0.1f64);
    let mut c = at_window(2_000);
    c.on_congestion_event(Instant::ZERO, 2_000 * MSS, Congestion::FastRecovery);
    c.on_recovered(Instant::ZERO);
    let k = (w_max * 0.3 / 0.4).cbrt();
    let mut worst: f64 = 0.0;
    for n in 0..300u64 {
        let now = Instant::from_millis(n * 100);
        let window = c.cwnd();
        for _ in 0..window / MSS {
            let sample = AckSample { srtt: Some(ms(100)), in_flight_before: window, ..acked(MSS) };
            c.on_ack(now, &sample);
        }
        // After a round of ACKs the window is the target of that round: the curve one round trip ahead.
        let t = n as f64 * rtt + rtt;
        let expected = w_max + 0.4 * (t - k).powi(3);
        if t < 2.0 * k {
            let error = (c.cwnd() as f64 / MSS as f64 - expected).abs() / expected;
            worst = worst.max(error);
        }
    }
    assert!(worst < 0.02, "off by {:.1} % of the curve", worst * 100.0);
}

#[test]
fn an_ack_aims_one_round_trip_ahead() {
    // RFC 9438 4.4: (W_cubic(t + RTT) - cwnd) / cwnd for each segment. W_max 2,000, cwnd 1,400, K = 11.45 s; with a round trip
    // of a second the aim two seconds on is W_cubic(3 s) = 1,759, and not W_cubic(2 s) = 1,663.
    let mut c = at_window(2_000);
    c.on_congestion_event(Instant::ZERO, 2_000 * MSS, Congestion::FastRecovery);
    let ack = |bytes| AckSample { srtt: Some(ms(1_000)), in_flight_before: 2_000 * MSS, ..acked(bytes) };
    c.on_ack(Instant::ZERO, &ack(1));
    let before = c.cwnd() as f64;
    c.on_ack(Instant::from_secs(2), &ack(100 * MSS));
    let k = 1_500f64.cbrt();
    let aim = 2_000.0 + 0.4 * (3.0 - k).powi(3);
    let grown = (aim * MSS as f64 - before) * 100.0 * MSS as f64 / before;
    let error = (c.cwnd() as f64 - before - grown).abs() / MSS as f64;
    assert!(error < 0.1, "grew by {} instead of {grown} bytes", c.cwnd() as f64 - before);
}

#[test]
fn the_plateau_is_what_was_in_flight_and_not_what_slow_start_counted_beyond() {
    // Slow start goes on up to twice of what buffers let be in flight. A plateau up there would be 8.4 s away, and the way to it
    // steep: 200 segments in flight again after 1.5 s. It is where the path was full, and K = ³√(60 / 0.4) = 5.3 s away.
    let mut c = at_window(400);
    c.on_congestion_event(Instant::ZERO, 200 * MSS, Congestion::FastRecovery);
    c.on_recovered(Instant::ZERO);
    assert_eq!((c.cwnd, c.w_max, c.prior), (140 * MSS, 200 * MSS, 200 * MSS));
    let windows = [1_500u64, 5_300].map(|until| {
        for n in (0..until).step_by(100) {
            round(&mut c, Instant::from_millis(n));
        }
        c.cwnd() / MSS
    });
    assert!(windows[0] < 180 && (195..=205).contains(&windows[1]), "{windows:?}");
}

#[test]
fn a_window_that_congestion_avoidance_reached_is_the_plateau_although_less_is_in_flight() {
    let mut c = at_window(1_000);
    c.on_congestion_event(Instant::ZERO, 1_000 * MSS, Congestion::FastRecovery);
    // RFC 9438 4.6: the threshold by what is in flight, cwnd_prior by the window; 4.7: fast convergence by the window, too.
    c.on_congestion_event(Instant::from_secs(1), 100 * MSS, Congestion::FastRecovery);
    assert_eq!((c.ssthresh(), c.prior, c.w_max), (Some(70 * MSS), 700 * MSS, 595 * MSS));
}

/// A controller that HyStart++ has led out of its first slow start.
fn past_slow_start() -> Cubic {
    let mut c = Cubic::new(MSS as u32);
    let mut rtt = 50;
    while c.ssthresh().is_none() {
        let window = c.cwnd();
        for _ in 0..window / MSS {
            c.on_ack(Instant::ZERO, &AckSample { rtt: Some(ms(rtt)), in_flight_before: window, ..acked(MSS) });
        }
        rtt = (rtt + 20).min(200);
    }
    c
}

#[test]
fn after_a_silence_slow_start_leads_back_although_hystart_had_ended_one() {
    let mut c = past_slow_start();
    let before = c.cwnd();
    c.on_idle_restart(Instant::from_secs(100), ms(10_000), ms(300));
    let (restart, threshold) = (c.cwnd(), c.ssthresh());
    assert!(restart < before / 2 && threshold.is_some_and(|threshold| threshold >= before * 3 / 4));
    round(&mut c, Instant::from_secs(100));
    assert_eq!((c.cwnd(), c.ssthresh()), (2 * restart, threshold), "a round of it doubles the window");
}

#[test]
fn undo_brings_the_first_slow_start_back() {
    // A time-out in slow start that was none: slow start goes on, and HyStart++ with it.
    let mut c = Cubic::new(MSS as u32);
    round(&mut c, Instant::ZERO);
    let (cwnd, watch) = (c.cwnd(), format!("{:?}", c.hystart));
    c.on_timeout(Instant::from_secs(1), cwnd, true);
    assert_ne!(format!("{:?}", c.hystart), watch);
    c.undo();
    assert_eq!((c.cwnd(), c.ssthresh(), format!("{:?}", c.hystart)), (cwnd, None, watch));
}

#[test]
fn on_a_short_path_it_is_as_fast_as_reno() {
    // RFC 9438 4.3: with 5 ms and few segments, W_est leads: 9/17 of a segment for each round.
    let mut c = at_window(20);
    c.on_congestion_event(Instant::ZERO, 20 * MSS, Congestion::FastRecovery);
    let mut now = Instant::ZERO;
    for _ in 0..11 {
        let window = c.cwnd();
        for _ in 0..window / MSS {
            c.on_ack(now, &AckSample { srtt: Some(ms(5)), in_flight_before: window, ..acked(MSS) });
        }
        now += ms(5);
    }
    let grown = (c.cwnd() - 14 * MSS) as f64 / MSS as f64;
    assert!((grown - 11.0 * 9.0 / 17.0).abs() < 0.6, "{grown} segments");
}

#[test]
fn the_curve_counts_segments_not_bytes() {
    // smoltcp took C as bytes. The same history with another segment size gives the same windows in segments.
    let windows = [500u64, 1_460, 9_000].map(|mss| {
        let mut c = Cubic::new(mss as u32);
        c.cwnd = 1_000 * mss;
        c.on_congestion_event(Instant::ZERO, 1_000 * mss, Congestion::FastRecovery);
        for n in 0..200u64 {
            let window = c.cwnd();
            for _ in 0..window / mss {
                c.on_ack(Instant::from_millis(n * 100), &AckSample { srtt: Some(ms(100)), ..acked(mss) });
            }
        }
        c.cwnd() / mss
    });
    assert!(windows[0].abs_diff(windows[2]) <= windows[1] / 200, "{windows:?}");
}

#[test]
fn time_in_which_the_window_is_not_used_does_not_count() {
    let mut c = at_window(1_000);
    c.on_congestion_event(Instant::ZERO, 1_000 * MSS, Congestion::FastRecovery);
    round(&mut c, Instant::ZERO);
    let before = c.cwnd();
    for n in 1..=100 {
        c.on_ack(Instant::from_millis(n * 100), &AckSample { cwnd_limited: false, ..acked(MSS) });
    }
    round(&mut c, Instant::from_millis(10_050));
    let after = c.cwnd();
    // 50 ms of the curve, not 10 s of it.
    assert!(after - before < 20 * MSS, "from {} to {} segments", before / MSS, after / MSS);
}

#[test]
fn before_the_first_reduction_it_searches_by_a_twentieth_each_round_trip() {
    let mut c = past_slow_start();
    let begin = c.cwnd() as f64;
    let at = |n: u64| Instant::from_millis(n * 50);
    for n in 0..14 {
        round(&mut c, at(n));
    }
    // A round of ACKs is a segment short of a window at most: 1.05^14 is 1.98.
    let grown = c.cwnd() as f64 / begin;
    assert!((1.93..1.99).contains(&grown), "{grown} times the window at the end of slow start in 14 round trips");
    // The curve has a plateau from then on, and so much growth no more.
    c.on_congestion_event(at(14), c.cwnd(), Congestion::FastRecovery);
    c.on_recovered(at(14));
    let reduced = c.cwnd() as f64;
    for n in 15..19 {
        round(&mut c, at(n));
    }
    let grown = c.cwnd() as f64 / reduced;
    assert!(grown < 1.05, "{grown} times the reduced window in 4 round trips");
}

#[test]
fn the_search_is_no_slower_than_reno_with_a_small_window() {
    // A twentieth of eight segments is less than what Reno grows by in a round trip.
    let mut c = at_window(8);
    c.ssthresh = 8 * MSS;
    for n in 0..6 {
        round(&mut c, Instant::from_millis(n * 50));
    }
    assert!((13..=15).contains(&(c.cwnd() / MSS)), "{} segments", c.cwnd() / MSS);
}

#[test]
fn after_a_timeout_slow_start_and_a_plateau_where_it_ends() {
    let mut c = at_window(100);
    c.on_timeout(Instant::ZERO, 100 * MSS, true);
    assert_eq!((c.cwnd(), c.ssthresh()), (MSS, Some(70 * MSS)));
    for n in 0..7 {
        round(&mut c, Instant::from_millis(n * 50));
    }
    assert!(c.cwnd() >= 70 * MSS && c.cwnd() < 75 * MSS, "{}", c.cwnd() / MSS);
    assert_eq!(c.epoch.map(|e| e.k), Some(0), "RFC 9438 4.8: K is 0");
}

#[test]
fn growth_never_exceeds_half_a_window_each_round() {
    let mut c = at_window(10);
    c.on_congestion_event(Instant::ZERO, 10 * MSS, Congestion::FastRecovery);
    round(&mut c, Instant::ZERO);
    let before = c.cwnd();
    // A long silence later the curve is far above.
    round(&mut c, Instant::ZERO + Duration::from_secs(1_000));
    assert!(c.cwnd() > before && c.cwnd() <= before + before / 2 + MSS, "{} then {}", before, c.cwnd());
}

#[test]
fn slow_start_ends_at_the_window_where_the_round_trip_rose() {
    // picoquic set a threshold that was too high; quiche applied the growth twice.
    let mut c = Cubic::new(MSS as u32);
    for n in 0..12u64 {
        let window = c.cwnd();
        let rtt = Some(if n < 4 { ms(100) } else { ms(140) });
        for _ in 0..window / MSS {
            let sample = AckSample { rtt, srtt: rtt, in_flight_before: window, ..acked(MSS) };
            c.on_ack(Instant::from_millis(n * 100), &sample);
        }
        if n == 3 {
            assert_eq!(c.cwnd(), 160 * MSS);
        }
        if c.ssthresh().is_some() {
            break;
        }
    }
    let window = c.ssthresh().unwrap_or(0) / MSS;
    // At most a quarter more for each of the five rounds, from the round in which it was noticed.
    assert!((300..=1_000).contains(&window), "{window} segments");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn cube_roots_are_exact(n in 0..=1u128 << 125) {
        let root = u128::from(cube_root(n));
        prop_assert!(root.pow(3) <= n && (root + 1).pow(3) > n);
    }
}
