//! NewReno against RFC 5681's arithmetic.

extern crate std;

use bowline_base::Instant;

use super::NewReno;
use crate::congestion::tests::{MSS, acked, ms, round};
use crate::congestion::{Congestion, Controller};

const NOW: Instant = Instant::ZERO;

#[test]
fn slow_start_doubles_and_congestion_avoidance_adds_a_segment() {
    // RFC 5681 3.1, RFC5681-3.1-2, RFC5681-3.1-3; RFC 9293 3.8.2, MUST-19.
    let mut c = NewReno::new(MSS as u32);
    for n in 0..4 {
        assert_eq!(c.cwnd(), (10 * MSS) << n);
        round(&mut c, NOW);
    }
    c.on_congestion_event(NOW, 160 * MSS, Congestion::FastRecovery);
    assert_eq!((c.cwnd(), c.ssthresh()), (80 * MSS, Some(80 * MSS)));
    for n in 0..20 {
        assert_eq!(c.cwnd(), (80 + n) * MSS);
        round(&mut c, NOW);
    }
}

#[test]
fn super_segments_count_by_their_bytes() {
    let mut c = NewReno::new(MSS as u32);
    c.on_ack(NOW, &acked(10 * MSS));
    assert_eq!(c.cwnd(), 20 * MSS, "one ACK for ten segments is as good as ten");
    c.on_congestion_event(NOW, 20 * MSS, Congestion::FastRecovery);
    c.on_ack(NOW, &acked(10 * MSS));
    assert_eq!(c.cwnd(), 11 * MSS);
}

#[test]
fn slow_start_stops_at_the_threshold() {
    let mut c = NewReno::new(MSS as u32);
    c.on_timeout(NOW, 20 * MSS, true);
    assert_eq!((c.cwnd(), c.ssthresh()), (MSS, Some(5 * MSS)), "half of what the window of 10 allowed in flight");
    c.on_ack(NOW, &acked(MSS));
    c.on_ack(NOW, &acked(2 * MSS));
    assert_eq!(c.cwnd(), 4 * MSS);
    c.on_ack(NOW, &acked(4 * MSS));
    assert_eq!(c.cwnd(), 5 * MSS, "one segment in slow start, the other three are counted towards the next");
}

#[test]
fn the_threshold_comes_from_what_is_in_flight_and_is_at_least_two_segments() {
    // RFC 5681 3.1, RFC5681-3.1-4, RFC5681-3.1-6.
    for (in_flight, threshold) in [(0, 2), (1, 2), (5, 2), (6, 3), (10, 5), (99, 5)] {
        let mut c = NewReno::new(MSS as u32);
        c.on_congestion_event(NOW, in_flight * MSS, Congestion::Ecn);
        assert_eq!(c.cwnd(), (threshold * MSS).max((in_flight.min(10) * MSS / 2).max(2 * MSS)), "{in_flight}");
    }
}

#[test]
fn after_idleness_the_window_restarts() {
    let mut c = NewReno::new(MSS as u32);
    round(&mut c, NOW);
    c.on_idle_restart(NOW, ms(100), ms(200));
    assert_eq!(c.cwnd(), 20 * MSS, "less than the time-out is not idle");
    c.on_idle_restart(NOW, ms(201), ms(200));
    assert_eq!(c.cwnd(), 10 * MSS);
}
