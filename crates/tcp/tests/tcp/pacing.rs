//! Pacing: what leaves when, as a small queue and a stopwatch see it.

use std::time::Duration;

use bowline_tcp::reason::{Hold, TimerKind};
use bowline_tcp::{Algorithm, Options};

use crate::bench::net::Weather;
use crate::bench::pair::End;
use crate::bulk::{Bulk, CALM, transfer};

/// 40 Mbit/s, 100 ms, and a queue that holds no more than ten segments.
const SHALLOW: Weather = Weather { rate: Some((5_000_000, 15_000)), delay: Duration::from_millis(50), ..CALM };

/// Buffers with which slow start comes to four fifths of the link's rate.
fn fitting() -> Options {
    Options { receive_buffer: 200_000, receive_buffer_max: 200_000, ..Options::default() }
}

#[test]
fn a_paced_window_fits_a_shallow_queue_and_bursts_do_not() {
    for seed in 1..4 {
        let paced = transfer(seed, SHALLOW, &fitting(), 8 << 20);
        let bursts = transfer(seed, SHALLOW, &Options { pacing: false, ..fitting() }, 8 << 20);
        assert_eq!(paced.sender.total_retrans, 0, "seed {seed}");
        assert!(bursts.sender.total_retrans > 0, "seed {seed}: the queue is no test");
        assert!(paced.took < bursts.took, "seed {seed}: {:?} paced, {:?} not", paced.took, bursts.took);
    }
}

#[test]
fn pacing_does_not_slow_down_a_window_that_the_link_has_room_for() {
    let long = Weather { delay: Duration::from_millis(50), ..CALM };
    for algorithm in [Algorithm::Cubic, Algorithm::NewReno] {
        let options = Options { algorithm, ..fitting() };
        let [paced, bursts] =
            [true, false].map(|pacing| transfer(1, long, &Options { pacing, ..options.clone() }, 8 << 20).took);
        // The doubling of slow start ends up to half a round trip later; after it the ACKs set the pace.
        assert!(paced <= bursts + Duration::from_millis(100), "{algorithm:?}: {paced:?} paced, {bursts:?} not");
    }
}

#[test]
fn the_initial_window_leaves_at_once() {
    let long = Weather { delay: Duration::from_millis(50), ..CALM };
    let mut bulk = Bulk::new(1, long, [Options::default(), Options::default()], 1 << 20);
    bulk.step();
    let info = bulk.info();
    assert_eq!(info.in_flight, info.cwnd, "ten segments");
    assert_eq!(info.hold, Hold::Congestion);
}

#[test]
fn the_user_s_limit_holds_whatever_the_window_allows() {
    for (pacing, algorithm) in [(true, Algorithm::Cubic), (false, Algorithm::Cubic), (false, Algorithm::Local)] {
        let options = Options { pacing, algorithm, max_pacing_rate: Some(1_000_000), ..Options::default() };
        let result = transfer(1, Weather { delay: Duration::from_millis(10), ..CALM }, &options, 4 << 20);
        let rate = result.bytes as f64 / result.took.as_secs_f64();
        assert!((900_000.0..1_020_000.0).contains(&rate), "{pacing} {algorithm:?}: {rate:.0} bytes/s");
        assert_eq!(result.sender.pacing_rate, Some(1_000_000));
    }
}

#[test]
fn a_wait_for_the_next_departure_is_told() {
    let options = Options { max_pacing_rate: Some(100_000), ..Options::default() };
    let long = Weather { delay: Duration::from_millis(50), ..CALM };
    let mut bulk = Bulk::new(1, long, [options, Options::default()], 1 << 20);
    while bulk.info().hold != Hold::Pacing {
        bulk.step();
    }
    let (kind, left, _) = bulk.info().timer.expect("a timer runs");
    assert_eq!(kind, TimerKind::Pacing);
    assert!(left <= Duration::from_millis(29), "two segments at 100 kB/s: {left:?}");
    // Zero is no limit, as on Linux.
    let key = bulk.client;
    let lift = |options: &mut Options| options.max_pacing_rate = Some(0);
    bulk.pair.call(End::Client, |end, now| end.set_options(now, key, lift)).expect("it lives");
    bulk.step();
    assert_eq!(bulk.info().max_pacing_rate, None);
    assert_ne!(bulk.info().hold, Hold::Pacing);
}

#[test]
fn what_needs_no_pacing_has_none() {
    for options in
        [Options { pacing: false, ..Options::default() }, Options { algorithm: Algorithm::Local, ..Options::default() }]
    {
        let long = Weather { delay: Duration::from_millis(50), ..CALM };
        assert_eq!(transfer(1, long, &options, 1 << 20).sender.pacing_rate, None);
    }
    let short = Weather { delay: Duration::from_micros(50), ..CALM };
    assert_eq!(transfer(1, short, &Options::default(), 1 << 20).sender.pacing_rate, None, "a path of 100 us");
}

#[test]
fn a_loss_reduces_no_more_than_the_peer_takes() {
    // Slow start goes on up to twice of what is in flight, and nobody sees that; a reduction from there would be none.
    let fair = Weather { delay: Duration::from_millis(50), loss: 1, ..CALM };
    let mut beyond = 0;
    for seed in 1..12 {
        let mut bulk = Bulk::new(seed, fair, [fitting(), fitting()], 32 << 20);
        let mut before = bulk.info().cwnd;
        while bulk.info().recoveries == 0 {
            before = bulk.info().cwnd;
            bulk.step();
        }
        beyond += u32::from(before > 200_000);
        let reduced = bulk.info().ssthresh.expect("there was a loss");
        assert!(reduced <= 140_000, "seed {seed}: from {before} to {reduced}");
    }
    assert!(beyond > 3, "windows grew beyond what the peer takes: {beyond}");
}
