//! What is lost, by time (RFC 8985 6): golden tables, on clocks as fine as one wishes and as coarse as there are.

#![expect(clippy::single_range_in_vec_init, reason = "a list of SACK blocks that has one")]

extern crate std;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use bowline_base::Instant;

use super::{MSS, ack, at, established, ms, pos, repair, segs, send, span};
use crate::Options;
use crate::reason::{LossReason, RecoveryChange, TimerKind};
use crate::recovery::{Ack, Phase, Recovery};

/// A path that was seen to reorder: 1 arrived before 0.
fn reordering() -> Recovery {
    let mut r = established(true);
    send(&mut r, at(0), 0..2);
    ack(&mut r, at(10), 0, &[1..2]);
    ack(&mut r, at(10), 2, &[]);
    assert_eq!((r.stats().reordered, r.phase(), r.alarm()), (1, Phase::Open, None));
    r
}

#[test]
fn a_single_report_waits_a_quarter_of_a_round_trip() {
    let mut r = established(true);
    send(&mut r, at(0), 0..3);
    let outcome = ack(&mut r, at(10), 0, &[1..2]);
    assert_eq!((outcome.newly_lost, r.phase()), (0, Phase::Disorder));
    // Sent at 0, a round trip of 10 ms, and 10 ms / 4.
    let due = at(0) + Duration::from_micros(12_500);
    assert_eq!(r.alarm(), Some((due, TimerKind::Reordering)));
    let outcome = r.on_reordering_timeout(due);
    assert_eq!(outcome.lost, Some((segs(0, 1), LossReason::Rack)));
    assert_eq!((outcome.change, r.phase()), (Some(RecoveryChange::FastRecovery), Phase::FastRecovery));
    // One goes out, although nothing was delivered since; what was sent after the one that arrived is left alone.
    assert_eq!(repair(&mut r, due, MSS), [0]);
    assert_eq!(r.lost(), 0);
}

#[test]
fn where_the_path_reorders_three_reports_are_no_sign_but_time_is() {
    let mut r = reordering();
    send(&mut r, at(20), 2..8);
    let outcome = ack(&mut r, at(30), 2, &[3..7]);
    assert_eq!((outcome.newly_lost, r.phase()), (0, Phase::Disorder));
    assert_eq!(r.alarm().map(|(due, _)| due), Some(at(30) + Duration::from_micros(2_500)));
    // It comes in time: nothing was believed lost.
    assert_eq!(ack(&mut r, at(32), 8, &[]).change, None);
    assert_eq!((r.phase(), r.stats().recoveries), (Phase::Open, 0));
    // In recovery the window stays open: a hole in new data waits, too.
    send(&mut r, at(40), 8..10);
    send(&mut r, at(44), 10..12);
    ack(&mut r, at(50), 8, &[9..10]);
    assert_eq!(r.on_reordering_timeout(at(53)).change, Some(RecoveryChange::FastRecovery));
    assert_eq!(repair(&mut r, at(53), 10 * MSS), [8]);
    assert_eq!(ack(&mut r, at(54), 8, &[9..10, 11..12]).newly_lost, 0);
    assert_eq!(r.alarm().map(|(due, _)| due), Some(at(54) + Duration::from_micros(2_500)));
}

#[test]
fn duplicate_sacks_widen_the_window_round_by_round_and_sixteen_recoveries_close_it_again() {
    let mut r = reordering();
    let mut next = 2;
    let mut now = 100;
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    for round in 0..22u32 {
        // The first of two is reported missing, sent again, and arrives; for four rounds the copy was not needed.
        send(&mut r, at(now), next..next + 3);
        ack(&mut r, at(now + 10), next, &[next + 1..next + 2]);
        let (due, _) = r.alarm().expect("the reordering timer");
        seen.push(due.since(at(now)).as_micros() as u64 - 10_000);
        expected.push(if round < 20 { 2_500 * u64::from(round.min(4) + 1).min(4) } else { 2_500 });
        r.on_reordering_timeout(due);
        repair(&mut r, due, 10 * MSS);
        ack(&mut r, at(now + 30), next + 3, &[]);
        if round < 4 {
            send(&mut r, at(now + 30), next + 3..next + 4);
            for _ in 0..2 {
                // Twice in one round counts once.
                r.unanswered += 1;
                ack(&mut r, at(now + 31), next + 3, &[next..next + 1]);
            }
            ack(&mut r, at(now + 40), next + 4, &[]);
            next += 1;
        }
        next += 3;
        now += 100;
    }
    // Four quarters of the smallest round trip are a whole one: no more than SRTT, which is a little longer here.
    let most = seen.iter().max().copied().unwrap_or_default();
    assert!((10_000..=15_000).contains(&most), "{seen:?}");
    assert_eq!(seen[..4], [2_500, 5_000, 7_500, 10_000], "{seen:?} {expected:?}");
    assert_eq!(seen[21], 2_500, "{seen:?}");
    let wide = seen.iter().filter(|&&wnd| wnd >= 10_000).count();
    assert!((16..=18).contains(&wide), "{seen:?}");
}

#[test]
fn an_ack_that_others_have_passed_reports_no_duplicate() {
    // Its blocks lie below SND.UNA by now, but above what it acknowledges itself (RFC 2883 4).
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[2..5]);
    repair(&mut r, at(10), 20 * MSS);
    ack(&mut r, at(20), 8, &[]);
    ack(&mut r, at(21), 0, &[2..4]);
    assert_eq!((r.stats().duplicates, r.stats().undone), (0, 0));
    ack(&mut r, at(22), 8, &[1..2]);
    assert_eq!(r.stats().duplicates, 1, "what that segment acknowledges itself it had twice");
}

#[test]
fn a_recovery_that_was_needless_gives_the_path_more_time() {
    let mut r = established(true);
    assert_eq!(r.reo_wnd.quarters(), 1);
    send(&mut r, at(0), 0..10);
    // The fourth report makes the first segment lost; it arrives before its copy is sent, and no duplicate will tell.
    for n in 2..6 {
        ack(&mut r, at(10), 0, &[1..n]);
    }
    assert_eq!(r.phase(), Phase::FastRecovery);
    let outcome = ack(&mut r, at(11), 6, &[]);
    assert_eq!((outcome.change, r.reo_wnd.quarters()), (Some(RecoveryChange::Undone), 2));
}

#[test]
fn networks_that_duplicate_do_not_widen_the_window() {
    let mut r = reordering();
    for n in 0..20 {
        send(&mut r, at(100 + n * 10), 2 + n..3 + n);
        ack(&mut r, at(110 + n * 10), 3 + n, &[2 + n..3 + n]);
    }
    assert_eq!(r.reo_wnd.quarters(), 1);
}

#[test]
fn a_lost_copy_shows_whatever_was_sent_again_before_it() {
    // 0 and 4 are lost; the copy of 0 is lost twice, that of 4 once: the list is in the order of sending, not of the
    // stream.
    let mut r = established(true);
    send(&mut r, at(0), 0..8);
    ack(&mut r, at(10), 0, &[1..4, 5..8]);
    assert_eq!(repair(&mut r, at(10), 10 * MSS), [0, 4]);
    send(&mut r, at(12), 8..9);
    let outcome = ack(&mut r, at(22), 0, &[1..4, 5..9]);
    assert_eq!(outcome.newly_lost, 2 * MSS, "both copies");
    assert_eq!(repair(&mut r, at(22), 2 * MSS), [0, 4]);
    send(&mut r, at(24), 9..10);
    // The second copy of 4 and what was sent after it arrive; the second of 0 does not.
    let outcome = ack(&mut r, at(34), 0, &[1..10]);
    assert_eq!(outcome.lost, Some((segs(0, 1), LossReason::Rack)));
    assert_eq!(r.stats().timeouts, 0);
}

/// What is sent at `sends` (in microseconds of real time) and acknowledged at `acks`, as a clock with these steps sees
/// it: the segments sent again.
fn on_a_clock(step: u64, arrivals: &[(u64, u64)], sends: &[u64]) -> Vec<u64> {
    let options = Options { clock_granularity: Duration::from_micros(step), ..Options::default() };
    let mut r = Recovery::new(&options, pos(0));
    r.set_mss(MSS as u32);
    r.set_sack(true);
    let tick = |us: u64| Instant::from_micros(1_000_000 + us / step * step);
    r.on_handshake(tick(0), Some(Duration::from_micros(100 / step * step)));
    for (n, &us) in sends.iter().enumerate() {
        r.on_sent(tick(us), segs(n as u64, n as u64 + 1), false);
    }
    let mut got = vec![false; sends.len()];
    let mut again = Vec::new();
    for &(us, n) in arrivals {
        while let Some((due, TimerKind::Reordering)) = r.alarm().filter(|&(due, _)| due <= tick(us)) {
            r.on_reordering_timeout(due);
            again.extend(repair(&mut r, due, 100 * MSS));
        }
        got[n as usize] = true;
        let una = got.iter().position(|g| !g).unwrap_or(got.len()) as u64;
        let sack = if n >= una { vec![span(n * MSS, (n + 1) * MSS)] } else { Vec::new() };
        let ack = Ack { ack: pos(una * MSS), sack: &sack, echo_rtt: None, has_data: false, window_changed: false };
        r.on_ack(tick(us), &ack);
        again.extend(repair(&mut r, tick(us), 100 * MSS));
    }
    again
}

#[test]
fn clocks_of_1_us_500_us_and_4_ms_agree_on_what_is_reordered_and_what_is_lost() {
    for step in [1, 500, 4_000] {
        // Two segments 1 us apart, just before and just after a tick, change places on a path of 100 us: a little late
        // is not lost, though the clock says that a whole tick lies between them.
        for offset in [0, 399, 499, 3_999] {
            let sends = [offset, offset + 1];
            let again = on_a_clock(step, &[(offset + 101, 1), (offset + 105, 0)], &sends);
            assert_eq!(again, Vec::<u64>::new(), "reordered: clock {step} us, offset {offset}");
        }
        // A burst with one stamp whose third is lost: the order of the stream tells, and nothing after the report is
        // touched.
        let again = on_a_clock(step, &[(100, 0), (101, 1), (102, 3), (103, 4), (104, 5)], &[0; 8]);
        assert_eq!(again, [2], "lost: clock {step} us");
        // The same with the report of one segment only: time tells, at the latest a tick after the window.
        let arrivals = [(100, 0), (101, 1), (102, 3), (20_000, 0)];
        assert_eq!(on_a_clock(step, &arrivals, &[0; 4]), [2], "early retransmit: clock {step} us");
    }
}

#[test]
fn round_trips_of_nothing_380_ns_and_1_us_lose_nothing_and_stop_nothing() {
    for rtt in [0, 380, 1_000] {
        let mut r = established(true);
        let mut now = at(0);
        for n in 0..1_000u64 {
            send(&mut r, now, n * 4..n * 4 + 4);
            now += Duration::from_nanos(rtt);
            // Every tenth flight arrives out of order, every hundredth loses one.
            let (from, to) = (n * 4, n * 4 + 4);
            if n % 10 == 3 {
                ack(&mut r, now, from, &[from + 2..to]);
            }
            if n % 100 == 50 {
                ack(&mut r, now, from, &[from + 1..to]);
                if let Some((due, TimerKind::Reordering)) = r.alarm() {
                    now = now.max(due);
                    r.on_reordering_timeout(now);
                }
                assert_eq!(repair(&mut r, now, 10 * MSS), [from], "flight {n}, round trip {rtt} ns");
                now += Duration::from_nanos(rtt);
            }
            ack(&mut r, now, to, &[]);
            assert!(r.is_idle() && r.lost() == 0, "flight {n}, round trip {rtt} ns");
        }
        assert_eq!(r.stats().timeouts, 0);
        assert!(r.rtt().srtt().is_some_and(|srtt| srtt > Duration::ZERO));
    }
}

#[test]
fn the_smallest_round_trip_is_that_of_late() {
    // A path that has become longer for good reorders by a quarter of what it is now.
    let mut r = reordering();
    for n in 0..40 {
        send(&mut r, at(1_000 * n), 2 + n..3 + n);
        ack(&mut r, at(1_000 * n + 80), 3 + n, &[]);
    }
    send(&mut r, at(50_000), 42..44);
    ack(&mut r, at(50_080), 42, &[43..44]);
    assert_eq!(r.alarm(), Some((at(50_100), TimerKind::Reordering)));
}

#[test]
fn a_copy_that_cannot_have_been_meant_is_no_measure() {
    let mut r = established(true);
    send(&mut r, at(0), 0..8);
    ack(&mut r, at(10), 0, &[1..4]);
    assert_eq!(repair(&mut r, at(10), 10 * MSS), [0]);
    send(&mut r, at(11), 8..9);
    // The original of 0 arrives 2 ms after the copy went out: less than a round trip. What was sent before the copy,
    // and has not arrived, is not judged by it.
    let outcome = ack(&mut r, at(12), 4, &[]);
    assert_eq!(outcome.newly_lost, 0);
    // A whole round trip after it, it is.
    let outcome = ack(&mut r, at(21), 4, &[8..9]);
    assert_eq!(outcome.lost, Some((segs(4, 8), LossReason::Rack)));
    assert_eq!(r.rtt().min_rtt(), Some(ms(10)));
}

#[test]
fn lost_copies_are_one_more_sign_of_congestion_for_each_window() {
    // RFC 5681 4.3. Two copies of one window are lost: one more reduction, and another only for a copy sent after it.
    let mut r = established(true);
    send(&mut r, at(0), 0..12);
    assert!(ack(&mut r, at(10), 0, &[1..4, 5..10]).change.is_some());
    r.on_sent(at(10), segs(0, 1), true);
    r.on_sent(at(13), segs(4, 5), true);
    send(&mut r, at(11), 12..13);
    send(&mut r, at(14), 13..14);
    // The copy of 0: what was sent after it has arrived, and nothing that was sent after that of 4.
    let outcome = ack(&mut r, at(21), 0, &[1..4, 5..13]);
    assert_eq!(
        (outcome.lost, outcome.change),
        (Some((segs(0, 1), LossReason::Rack)), Some(RecoveryChange::FastRecovery))
    );
    // That of 4 was sent before the reduction at 21.
    let outcome = ack(&mut r, at(24), 0, &[1..4, 5..14]);
    assert_eq!((outcome.lost, outcome.change), (Some((segs(4, 5), LossReason::Rack)), None));
    assert_eq!(repair(&mut r, at(24), 10 * MSS), [0, 4]);
    send(&mut r, at(25), 14..15);
    // And these after it.
    let outcome = ack(&mut r, at(35), 0, &[1..4, 5..15]);
    assert_eq!((outcome.newly_lost, outcome.change), (2 * MSS, Some(RecoveryChange::FastRecovery)));
    assert_eq!(r.stats().recoveries, 3);
}
