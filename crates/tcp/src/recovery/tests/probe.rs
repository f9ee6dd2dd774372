//! Tail loss probes (RFC 8985 7).

#![expect(clippy::single_range_in_vec_init, reason = "a list of SACK blocks that has one")]

extern crate std;

use core::time::Duration;

use super::{MSS, ack, at, established, ms, repair, segs, send};
use crate::reason::{LossReason, RecoveryChange, TimerKind};
use crate::recovery::{Phase, Recovery};

/// A connection that has sent ten segments at 0, of which `lost` at the end did not arrive; its probe went out.
fn probed(lost: u64) -> Recovery {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    if lost < 10 {
        ack(&mut r, at(10), 10 - lost, &[]);
    }
    let (due, kind) = r.alarm().expect("a timer");
    assert_eq!(kind, TimerKind::TailLossProbe);
    r.on_probe_timeout();
    assert!(r.is_probe_due() && r.last_segment() == segs(9, 10));
    r.on_probe_sent(due, segs(9, 10), true);
    assert!(!r.is_probe_due());
    let rto = due + r.rtt().rto();
    assert_eq!(r.alarm(), Some((rto, TimerKind::Retransmit)), "one probe at a time, and then the time-out");
    r
}

#[test]
fn when_a_probe_is_due() {
    let mut r = established(true);
    send(&mut r, at(0), 0..2);
    // Two round trips, and a little.
    assert_eq!(r.alarm(), Some((at(22), TimerKind::TailLossProbe)));
    send(&mut r, at(5), 2..3);
    assert_eq!(r.alarm(), Some((at(27), TimerKind::TailLossProbe)), "anew with new data");
    ack(&mut r, at(10), 1, &[]);
    assert_eq!(r.alarm(), Some((at(32), TimerKind::TailLossProbe)), "and with each advance");
    // One segment: its acknowledgement may be delayed. The probe never comes after the time-out.
    ack(&mut r, at(15), 2, &[]);
    let rto = at(15) + r.rtt().rto();
    assert_eq!(r.alarm(), Some((rto, TimerKind::TailLossProbe)));
    // Where something else brings an answer, none is due.
    ack(&mut r, at(16), 3, &[]);
    send(&mut r, at(16), 3..6);
    ack(&mut r, at(26), 3, &[4..5]);
    assert!(matches!(r.alarm(), Some((_, TimerKind::Reordering))));
    ack(&mut r, at(27), 6, &[]);
    assert_eq!(r.alarm(), None);
    // Without SACK the answer would say nothing.
    let mut r = established(false);
    send(&mut r, at(0), 0..2);
    assert!(matches!(r.alarm(), Some((_, TimerKind::Retransmit))));
}

#[test]
fn one_two_and_all_of_a_tail_are_repaired_without_a_time_out() {
    for lost in [2, 3, 9, 10] {
        let mut r = probed(lost);
        let una = 10 - lost;
        let outcome = ack(&mut r, at(50), una, &[9..10]);
        assert_eq!(outcome.lost, Some((segs(una, 9), LossReason::Rack)), "{lost} lost");
        assert_eq!((outcome.change, r.phase()), (Some(RecoveryChange::FastRecovery), Phase::FastRecovery));
        assert_eq!(repair(&mut r, at(50), 100 * MSS)[0], una);
        assert_eq!(ack(&mut r, at(60), 10, &[]).change, Some(RecoveryChange::Recovered));
        assert_eq!((r.stats().timeouts, r.stats().recoveries), (0, 1));
    }
}

#[test]
fn a_tail_of_one_that_the_probe_repairs_is_congestion_all_the_same() {
    let mut r = probed(1);
    let outcome = ack(&mut r, at(300), 10, &[]);
    assert!(!outcome.repaired_by_probe, "the copy may still be under way");
    send(&mut r, at(300), 10..11);
    let outcome = ack(&mut r, at(310), 11, &[]);
    assert_eq!((outcome.repaired_by_probe, outcome.lost), (true, Some((segs(9, 10), LossReason::TailLossProbe))));
    assert_eq!((r.phase(), r.memory()), (Phase::Open, 0));
}

#[test]
fn a_probe_that_was_not_needed_costs_nothing() {
    // Two signs: a duplicate SACK, or a duplicate acknowledgement from a peer that knows none.
    let signs: [&[core::ops::Range<u64>]; 2] = [&[9..10], &[]];
    for sign in signs {
        let mut r = probed(1);
        ack(&mut r, at(300), 10, &[]);
        ack(&mut r, at(305), 10, sign);
        send(&mut r, at(310), 10..11);
        assert!(!ack(&mut r, at(320), 11, &[]).repaired_by_probe, "{sign:?}");
        assert_eq!((r.reo_wnd.quarters(), r.memory()), (1, 0), "and it says nothing about reordering");
    }
}

#[test]
fn new_data_makes_the_better_probe() {
    let mut r = established(true);
    send(&mut r, at(0), 0..4);
    r.on_probe_timeout();
    r.on_probe_sent(at(22), segs(4, 5), false);
    assert_eq!((r.outstanding(), r.in_flight()), (5 * MSS, 5 * MSS));
    assert!(!ack(&mut r, at(32), 5, &[]).repaired_by_probe);
    assert_eq!(r.memory(), 0);
}

#[test]
fn no_second_probe_without_a_round_trip_in_between() {
    let mut r = probed(1);
    // Karn: the answer to a copy is no measure, so the next flight has no probe.
    ack(&mut r, at(300), 10, &[]);
    ack(&mut r, at(301), 10, &[9..10]);
    send(&mut r, at(310), 10..13);
    assert!(matches!(r.alarm(), Some((_, TimerKind::Retransmit))));
    ack(&mut r, at(320), 11, &[]);
    assert_eq!(r.alarm(), Some((at(320) + r.rtt().srtt().unwrap_or_default() * 2 + ms(2), TimerKind::TailLossProbe)));
}

#[test]
fn before_the_first_round_trip_there_is_no_probe() {
    let mut r = Recovery::new(&crate::Options::default(), super::pos(0));
    r.set_sack(true);
    r.set_mss(MSS as u32);
    send(&mut r, at(0), 0..4);
    assert_eq!(r.alarm(), Some((at(0) + Duration::from_secs(1), TimerKind::Retransmit)));
}
