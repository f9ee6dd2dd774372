//! What a congestion controller is told: when its window may grow, what a reduction starts from, what was lost, how fast the path
//! delivers and whose fault it is where that is slow. Seen by a controller from outside.

use std::time::Duration;

use bowline_tcp::Options;
use bowline_tcp::congestion::{AckSample, Congestion};
use bowline_tcp::reason::RecoveryChange;
use bowline_tcp::trace::Trace;

use crate::bench::peer::plain;
use crate::bench::recorder::{Manner, Told, acks, change, recorder, told};
use crate::bench::sender::{RTT, Sender};

fn options(manner: Manner) -> Options {
    Options { sack: true, pacing: false, nodelay: true, algorithm: recorder(manner), ..plain() }
}

impl Sender {
    /// The peer answers so, and the controller is told of it.
    fn sample(&mut self, segment: &str) -> AckSample {
        told();
        self.hear(segment);
        acks().pop().expect("the controller was told nothing")
    }
}

#[test]
fn a_window_may_grow_in_slow_start_where_half_of_it_is_in_use_and_else_where_it_is_full() {
    // RFC 5681 4.1, RFC 7661 4.3; slow start as on Linux.
    for (cwnd, ssthresh, may_grow) in [
        (10_000, None, true),
        (12_000, None, false),
        (10_000, Some(10_001), true),
        (10_000, Some(10_000), false),
        (10_000, Some(9_999), false),
        (6_000, Some(2_000), true),
    ] {
        let mut s = Sender::open(options(Manner { ssthresh, ..Manner::new(cwnd) }));
        assert_eq!(s.write(6_000), 6_000);
        let sample = s.sample("ACK seq=1 ack=1001");
        assert_eq!(sample.cwnd_limited, may_grow, "{cwnd} with the threshold {ssthresh:?}");
    }
}

#[test]
fn a_window_that_nothing_validates_does_not_grow_in_slow_start_either() {
    // RFC 7661 4.4.2.
    for (window_validation, may_grow) in [(true, false), (false, true)] {
        let mut s =
            Sender::open(Options { window_validation, restart_after_idle: false, ..options(Manner::new(40_000)) });
        s.write(21_000);
        assert!(s.sample("ACK seq=1 ack=1001").cwnd_limited, "nothing was measured yet");
        s.p.pass(RTT);
        s.hear("ACK seq=1 ack=21001");
        // So little that it does not fill the window, for longer than any sample counts.
        for _ in 0..30 {
            s.write(1_000);
            s.p.pass(RTT);
            s.hear(&format!("ACK seq=1 ack={}", s.written + 1));
        }
        let acked = s.written + 1;
        s.write(30_000);
        let sample = s.sample(&format!("ACK seq=1 ack={}", acked + 1_000));
        assert_eq!(sample.cwnd_limited, may_grow, "validation {window_validation}");
    }
}

#[test]
fn a_window_that_nothing_validates_becomes_half_of_what_was_in_use_when_a_probe_had_to_repair_a_loss() {
    // RFC 7661 4.4.1; RFC 8985 7.4.2: it is congestion.
    let mut s = Sender::open(Options { window_validation: true, ..options(Manner::new(40_000)) });
    for _ in 0..30 {
        s.write(4_000);
        s.p.pass(RTT);
        s.hear(&format!("ACK seq=1 ack={}", s.written + 1));
    }
    let una = repaired_by_probe(&mut s);
    told();
    s.hear(&format!("ACK seq=1 ack={}", una + 3_000));
    let news: Vec<_> = told().into_iter().filter(|told| !matches!(told, Told::Ack(_))).collect();
    let [Told::Congestion { in_flight: used, .. }, Told::Unvalidated { cwnd, ssthresh }, Told::Recovered] = news[..]
    else {
        panic!("{news:?}")
    };
    assert!((2_000..=4_000).contains(&used), "{used}");
    assert_eq!((cwnd, ssthresh), (used / 2, used / 2));
}

#[test]
fn what_arrives_beyond_a_hole_is_progress_only_where_the_path_was_seen_to_reorder() {
    // RFC 5681 3.2; as on Linux where there is always a hole.
    let mut s = Sender::open(options(Manner::new(10_000)));
    s.write(10_000);
    let beyond = s.sample("ACK seq=1 ack=1 sack=5001-6001");
    assert_eq!((beyond.acked, beyond.advances, beyond.in_recovery), (1_000, false, true));
    // What was sent before arrives after it, and five segments are more than the three that are always allowed for.
    let late = s.sample("ACK seq=1 ack=1 sack=1001-2001;5001-6001");
    assert_eq!((late.acked, late.advances, late.in_recovery), (1_000, true, false));
    let nothing_new = s.sample("ACK seq=1 ack=1 sack=1001-2001;5001-6001");
    assert_eq!((nothing_new.acked, nothing_new.advances, nothing_new.in_recovery), (0, false, true));
    assert!(s.sample("ACK seq=1 ack=2001 sack=5001-6001").advances);
}

#[test]
fn from_the_ack_that_begins_a_recovery_to_the_one_that_ends_it_no_window_grows() {
    let mut s = Sender::open(options(Manner::new(10_000)));
    s.write(10_000);
    s.p.pass(RTT);
    assert!(!s.sample("ACK seq=1 ack=1001").in_recovery);
    assert!(s.sample("ACK seq=1 ack=2001 sack=3001-7001").in_recovery, "it begins");
    s.p.pass(RTT);
    assert!(s.sample("ACK seq=1 ack=10001").in_recovery, "it ends");
    s.write(1_000);
    s.p.pass(RTT);
    assert!(!s.sample("ACK seq=1 ack=11001").in_recovery);
}

#[test]
fn a_reduction_starts_from_the_window_where_that_held_the_sender_back_and_else_from_what_was_in_flight() {
    // RFC 5681 3.1, equation 4, and its erratum on FlightSize; RFC 9438 4.6 lets the window be taken.
    let all = "ACK seq=1 ack=1 sack=1001-6001";
    for (cwnd, reduce_window, write, answer, from, what) in [
        (6_500, false, 20_000, all.to_owned(), 6_500, "the window is full"),
        (20_000, false, 6_000, all.to_owned(), 6_000, "there is no more to send"),
        (20_000, false, 20_000, format!("{all} win=6000"), 6_000, "the peer's window is full"),
        (20_000, true, 6_000, all.to_owned(), 20_000, "there is no more to send, and the window is to be reduced"),
    ] {
        let mut s = Sender::open(Options { reduce_window, ..options(Manner::new(cwnd)) });
        if answer.contains("win") {
            s.hear("ACK seq=1 ack=1 win=6000");
        }
        assert_eq!(s.write(write), 6_000, "{what}");
        s.p.pass(RTT);
        told();
        s.hear(&answer);
        let reductions: Vec<_> = told().into_iter().filter(|told| !matches!(told, Told::Ack(_))).collect();
        assert_eq!(reductions, [Told::Congestion { in_flight: from, kind: Congestion::FastRecovery }], "{what}");
    }
}

#[test]
fn each_recovery_is_told_and_counted_once_with_sack_and_without() {
    for sack in [true, false] {
        let mut s = Sender::open(Options { sack, ..options(Manner::new(10_000)) });
        for round in 1..=3_u64 {
            s.p.traced();
            told();
            let una = s.written + 1;
            s.write(5_000);
            s.p.pass(RTT);
            if sack {
                s.hear(&format!("ACK seq=1 ack={una} sack={}-{}", una + 1_000, una + 5_000));
            } else {
                for _ in 0..4 {
                    s.hear(&format!("ACK seq=1 ack={una}"));
                }
            }
            s.p.pass(RTT);
            s.hear(&format!("ACK seq=1 ack={}", una + 5_000));
            // With SACK, duplicates of what was sent again may come until more is acknowledged.
            s.write(1_000);
            s.p.pass(RTT);
            s.hear(&format!("ACK seq=1 ack={}", una + 6_000));
            let news: Vec<_> = told().into_iter().filter(|told| !matches!(told, Told::Ack(_))).collect();
            let begun = Told::Congestion { in_flight: 5_000, kind: Congestion::FastRecovery };
            assert_eq!(news, [begun, Told::Recovered], "sack {sack}");
            let traced = s.p.traced();
            let shown = traced.iter().filter(|what| matches!(what, Trace::Congestion { .. })).count();
            assert_eq!(shown, 2, "its beginning and its end are in the trace");
            let change = |what: &Trace| if let Trace::Recovery(change) = what { Some(*change) } else { None };
            let changes: Vec<_> = traced.iter().filter_map(change).collect();
            assert_eq!(changes, [RecoveryChange::FastRecovery, RecoveryChange::Recovered]);
            let lost = |what: &Trace| if let Trace::Lost { range, .. } = what { Some(range.clone()) } else { None };
            let lost: Vec<_> = traced.iter().filter_map(lost).map(|range| range.end.since(range.start)).collect();
            assert_eq!(lost, [1_000], "sack {sack}");
            let counters = s.p.counters();
            let by_kind = if sack { [round, 0] } else { [0, round] };
            assert_eq!(counters.fast_retrans, round);
            assert_eq!([counters.sack_recovery, counters.reno_recovery], by_kind);
        }
    }
}

/// Two segments leave, the second again as a probe, and both are acknowledged once; another one is under way. Where the two began.
fn repaired_by_probe(s: &mut Sender) -> u64 {
    let una = s.written + 1;
    assert_eq!(s.write(2_000), 2_000);
    while s.sent() == 0 {
        s.p.pass(Duration::from_millis(10));
    }
    s.hear(&format!("ACK seq=1 ack={}", una + 2_000));
    s.write(1_000);
    s.p.pass(RTT);
    una
}

#[test]
fn a_loss_that_a_probe_repaired_is_congestion_without_a_recovery() {
    // RFC 8985 7.4.2.
    let mut s = Sender::open(options(Manner::new(10_000)));
    for round in 1..=2 {
        let una = repaired_by_probe(&mut s);
        told();
        s.p.traced();
        // More arrives, and nothing was reported to have come twice: only the probe brought what it repeated.
        s.hear(&format!("ACK seq=1 ack={}", una + 3_000));
        let news: Vec<_> = told().into_iter().filter(|told| !matches!(told, Told::Ack(_))).collect();
        let event = Told::Congestion { in_flight: 1_000, kind: Congestion::FastRecovery };
        assert_eq!(news, [event, Told::Recovered]);
        assert_eq!((s.p.counters().loss_probe_recovery, s.p.counters().fast_retrans), (round, 0));
        assert!(s.p.traced().iter().any(|what| matches!(what, Trace::Congestion { .. })), "it is in the trace");
    }
}

#[test]
fn a_reduction_is_taken_back_when_all_that_was_sent_again_came_twice() {
    // RFC 3708, RFC 4015.
    let mut s = Sender::open(options(Manner::new(10_000)));
    s.write(6_000);
    s.p.pass(RTT);
    assert_eq!(s.hear("ACK seq=1 ack=1 sack=1001-5001"), 1_000);
    told();
    s.hear("ACK seq=1 ack=5001 sack=1-1001");
    let news: Vec<_> = told().into_iter().filter(|told| !matches!(told, Told::Ack(_))).collect();
    assert_eq!(news, [Told::Undo]);
}

#[test]
fn what_acknowledges_nothing_while_nothing_is_under_way_is_not_told() {
    let mut s = Sender::open(options(Manner::new(10_000)));
    told();
    s.hear("ACK seq=1 ack=1 win=2000");
    assert_eq!(told(), []);
}

#[test]
fn a_window_is_in_the_trace_when_an_ack_has_changed_it_and_not_else() {
    let mut s = Sender::open(options(Manner::new(10_000)));
    let mut shown = |grows| {
        change(|manner| manner.grows = grows);
        s.write(1_000);
        s.p.traced();
        s.hear(&format!("ACK seq=1 ack={}", s.written + 1));
        let window = |what| if let Trace::Congestion { cwnd, .. } = what { Some(cwnd) } else { None };
        s.p.traced().into_iter().filter_map(window).collect::<Vec<_>>()
    };
    assert_eq!(shown(0), []);
    assert_eq!(shown(500), [10_500]);
    assert_eq!(shown(0), []);
}

#[test]
fn who_models_the_path_hears_what_was_lost_and_how_fast_the_rest_arrived() {
    // draft-ietf-ccwg-bbr 4.1.
    let mut s = Sender::open(options(Manner::modelled(10_000)));
    s.write(10_000);
    s.p.pass(RTT);
    told();
    s.hear("ACK seq=1 ack=2001 sack=4001-10001");
    let news = told();
    let [Told::Loss(loss), Told::Ack(sample), ..] = news[..] else { panic!("{news:?}") };
    assert_eq!((loss.bytes, loss.stretches, loss.lost), (2_000, 1, 2_000));
    let rate = sample.rate.expect("a sample of the rate");
    assert_eq!((rate.delivered, rate.interval, rate.rate, rate.lost), (8_000, RTT, 80_000, 2_000));

    let mut s = Sender::open(options(Manner::new(10_000)));
    s.write(10_000);
    s.p.pass(RTT);
    told();
    s.hear("ACK seq=1 ack=2001 sack=4001-10001");
    let news = told();
    assert!(!news.iter().any(|told| matches!(told, Told::Loss(_))), "{news:?}");
    assert!(news.iter().all(|told| !matches!(told, Told::Ack(AckSample { rate: Some(_), .. }))), "{news:?}");
}

/// Whether the sample of what was written last, `len` bytes of it, says that the application was the limit.
fn is_app_limited(s: &mut Sender) -> bool {
    s.p.pass(RTT);
    let sample = s.sample(&format!("ACK seq=1 ack={}", s.written + 1));
    sample.rate.expect("a sample of the rate").app_limited
}

/// A sender that has a window of ten segments in flight of which none left when there was nothing to send, and so many bytes
/// that wait behind them.
fn busy(manner: Manner, waits: usize) -> Sender {
    let mut s = Sender::open(options(manner));
    assert_eq!(s.write(20_000 + waits), 10_000);
    s.p.pass(RTT);
    assert_eq!(s.hear("ACK seq=1 ack=10001"), 10_000);
    s.p.pass(RTT);
    s
}

#[test]
fn a_sample_says_that_the_application_was_the_limit_where_nothing_waited_and_the_window_had_room() {
    // draft-ietf-ccwg-bbr 4.1.2.4.
    let mut s = Sender::open(options(Manner::modelled(10_000)));
    s.write(4_000);
    assert!(is_app_limited(&mut s), "it began with nothing in flight");
    s.write(4_000);
    assert!(is_app_limited(&mut s), "the window has room for more");

    let mut s = busy(Manner::modelled(10_000), 10_000);
    assert_eq!(s.hear("ACK seq=1 ack=20001"), 10_000);
    assert!(!is_app_limited(&mut s), "there was always something to send");

    // Who writes while the window is full, or more than full, is in time.
    for cwnd in [10_000, 5_000] {
        let mut s = busy(Manner::modelled(10_000), 0);
        change(|manner| manner.cwnd = cwnd);
        assert_eq!(s.write(1_000), 0);
        change(|manner| manner.cwnd = 10_000);
        assert_eq!(s.hear("ACK seq=1 ack=11001"), 1_000);
        assert!(!is_app_limited(&mut s), "a window of {cwnd}");
    }
}

#[test]
fn a_sample_does_not_blame_the_application_for_the_peers_window() {
    let mut s = busy(Manner::modelled(10_000), 20_000);
    for ack in [20_001_u64, 25_001, 30_001, 35_001] {
        let sent = s.hear(&format!("ACK seq=1 ack={ack} win=5000"));
        assert_eq!(sent, if ack < 35_001 { 5_000 } else { 5_000.min(40_001 - ack as usize) });
        s.p.pass(RTT);
    }
    assert!(!is_app_limited(&mut s), "the window of the peer was full all the time");
}

#[test]
fn a_sample_does_not_blame_the_application_where_losses_wait_to_be_repaired() {
    let mut s = busy(Manner::modelled(10_000), 0);
    // Four are lost, three still fly, and half a segment has room: what was lost waits.
    change(|manner| manner.cwnd = 3_500);
    assert_eq!(s.hear("ACK seq=1 ack=10001 sack=14001-17001"), 0);
    s.write(1_000);
    change(|manner| manner.cwnd = 10_000);
    s.hear("ACK seq=1 ack=10001 sack=14001-18001");
    assert!(!is_app_limited(&mut s));
}

#[test]
fn what_a_controller_holds_back_on_purpose_counts_as_the_applications_limit() {
    for holds_back in [false, true] {
        let mut s = busy(Manner { holds_back, ..Manner::modelled(10_000) }, 10_000);
        assert_eq!(s.hear("ACK seq=1 ack=20001"), 10_000);
        assert_eq!(is_app_limited(&mut s), holds_back);
    }
}
