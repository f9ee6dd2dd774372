//! Congestion-window validation (RFC 7661): what becomes of a window that the application does not fill.

use std::time::Duration;

use bowline_tcp::{Algorithm, Options};

use crate::bench::peer::plain;
use crate::bench::sender::Sender;

/// Segments of 1,000 bytes, NewReno, everything that may leave at once.
fn options() -> Options {
    Options { algorithm: Algorithm::NewReno, pacing: false, window_validation: true, ..plain() }
}

impl Sender {
    /// Everything written so far arrives, a window each 100 ms.
    fn deliver(&mut self) {
        loop {
            self.p.pass(Duration::from_millis(100));
            self.sent();
            let info = self.p.info().unwrap();
            let end = self.written - info.notsent + 1;
            self.p.inject(&format!("ACK seq=1 ack={end}"));
            self.sent();
            if end == self.written + 1 {
                return;
            }
        }
    }

    /// A window of 40 segments, which was filled.
    fn grown(options: Options) -> Self {
        let mut bursts = Self::open(options);
        for len in [10_000, 20_000, 40_000] {
            bursts.write(len);
            bursts.deliver();
        }
        assert!((40_000..=80_000).contains(&bursts.cwnd()), "{}", bursts.cwnd());
        bursts
    }

    fn cwnd(&self) -> u64 {
        self.p.info().unwrap().cwnd
    }

    fn ssthresh(&self) -> Option<u64> {
        self.p.info().unwrap().ssthresh
    }

    fn silence(&mut self, seconds: u64) {
        self.p.pass(Duration::from_secs(seconds));
    }
}

#[test]
fn a_window_outlives_a_silence() {
    // RFC 7661 4.4: it neither grows nor shrinks.
    let mut kept = Sender::grown(options());
    let window = kept.cwnd();
    kept.silence(100);
    assert_eq!(kept.write(40_000), 40_000, "all of it at once");
    assert_eq!(kept.cwnd(), window);
    // RFC 5681 4.1
    let mut other = Sender::grown(Options { window_validation: false, ..options() });
    other.silence(100);
    assert_eq!(other.write(40_000), 10_000, "the initial window");
}

#[test]
fn what_is_not_in_use_does_not_grow_until_it_is() {
    // RFC 7661 4.4: MUST NOT, unless the window is the limit.
    let mut bursts = Sender::grown(options());
    let window = bursts.cwnd();
    bursts.silence(2);
    for _ in 0..30 {
        bursts.write(9_000);
        bursts.deliver();
        assert_eq!(bursts.cwnd(), window);
    }
    let flood = 2 * window as usize;
    bursts.write(flood.min(60_000));
    bursts.deliver();
    bursts.write(flood.min(60_000));
    bursts.deliver();
    assert!(bursts.cwnd() > window, "{}", bursts.cwnd());
}

#[test]
fn a_loss_reduces_what_was_in_use_and_what_was_lost_besides() {
    // RFC 7661 4.4.1: of 16 segments the first is lost.
    let mut bursts = Sender::grown(options());
    bursts.silence(2);
    assert_eq!(bursts.write(16_000), 16_000);
    let una = bursts.written - 16_000 + 1;
    bursts.p.pass(Duration::from_millis(100));
    for _ in 0..3 {
        bursts.p.inject(&format!("ACK seq=1 ack={una}"));
    }
    assert_eq!(bursts.sent(), 1_000, "the fast retransmission");
    assert_eq!((bursts.cwnd(), bursts.ssthresh()), (8_000, Some(8_000)), "half of what was in flight");
    bursts.p.pass(Duration::from_millis(100));
    bursts.p.inject(&format!("ACK seq=1 ack={}", bursts.written + 1));
    assert_eq!((bursts.cwnd(), bursts.ssthresh()), (7_500, Some(7_500)), "and half of what was sent again");
}

#[test]
fn what_was_carried_a_moment_ago_counts_as_in_use() {
    // RFC 7661 4.2, 4.4.1: the last burst is small, but the one before it had gone through within the second.
    let mut bursts = Sender::grown(options());
    bursts.silence(2);
    bursts.write(12_000);
    bursts.deliver();
    bursts.write(4_000);
    let una = bursts.written - 4_000 + 1;
    bursts.p.pass(Duration::from_millis(100));
    for _ in 0..3 {
        bursts.p.inject(&format!("ACK seq=1 ack={una}"));
    }
    assert_eq!(bursts.cwnd(), 6_000);
}

#[test]
fn a_validated_window_is_reduced_as_ever() {
    let [with, without] = [true, false].map(|window_validation| {
        let mut bursts = Sender::grown(Options { window_validation, ..options() });
        bursts.write(40_000);
        let una = bursts.written - 40_000 + 1;
        bursts.p.pass(Duration::from_millis(100));
        for _ in 0..3 {
            bursts.p.inject(&format!("ACK seq=1 ack={una}"));
        }
        bursts.sent();
        bursts.p.pass(Duration::from_millis(100));
        bursts.p.inject(&format!("ACK seq=1 ack={}", bursts.written + 1));
        (bursts.cwnd(), bursts.ssthresh())
    });
    assert_eq!(with, without);
    assert_eq!(with.0, 20_000);
}

#[test]
fn after_five_minutes_it_is_halved_and_slow_start_leads_back() {
    // RFC 7661 4.4.3: seconds of silence, and how often it is halved; never below the initial window.
    for (seconds, halved) in [(299, 0), (302, 1), (602, 2), (4_000, 3)] {
        let mut bursts = Sender::grown(options());
        let window = bursts.cwnd();
        bursts.silence(seconds);
        bursts.write(1_000);
        assert_eq!(bursts.cwnd(), (window >> halved).max(10_000), "after {seconds} s");
        assert!(bursts.ssthresh().is_none_or(|ssthresh| ssthresh >= window / 4 * 3));
    }
}

#[test]
fn a_time_out_ends_the_phase() {
    // RFC 7661 4.4: the standard way out of it.
    let mut bursts = Sender::grown(options());
    bursts.silence(2);
    bursts.write(8_000);
    bursts.p.pass(Duration::from_secs(1));
    assert!(bursts.p.info().unwrap().timeouts > 0);
    assert_eq!((bursts.cwnd(), bursts.ssthresh()), (1_000, Some(4_000)));
}
