//! Recovery without SACK: duplicate acknowledgements (RFC 5681, 6582, 3042).

extern crate std;

use super::{MSS, ack, at, established, pos, repair, segs, send};
use crate::reason::{LossReason, RecoveryChange};
use crate::recovery::{Ack, Phase};

#[test]
fn two_duplicates_let_two_segments_out_and_the_third_retransmits() {
    // RFC 5681 3.2, RFC5681-3.2-1.
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    let cwnd = 10 * MSS;
    ack(&mut r, at(10), 2, &[]);
    send(&mut r, at(10), 10..12);
    assert_eq!(r.quota(cwnd), 0);
    for n in 12..14 {
        // RFC 3042
        let outcome = ack(&mut r, at(11), 2, &[]);
        assert_eq!((outcome.duplicate, outcome.change, r.quota(cwnd), r.phase()), (true, None, MSS, Phase::Disorder));
        send(&mut r, at(11), n..n + 1);
        assert_eq!(r.quota(cwnd), 0);
    }
    let outcome = ack(&mut r, at(12), 2, &[]);
    assert_eq!(outcome.change, Some(RecoveryChange::FastRecovery));
    assert_eq!(outcome.lost, Some((segs(2, 3), LossReason::DuplicateAcks)));
    assert_eq!(repair(&mut r, at(12), 5 * MSS), [2]);
}

#[test]
fn what_is_no_duplicate() {
    let table = [(true, false, 2), (false, true, 2), (true, true, 2), (false, false, 1)];
    for (has_data, window_changed, segment) in table {
        let mut r = established(false);
        send(&mut r, at(0), 0..10);
        ack(&mut r, at(10), 2, &[]);
        for _ in 0..5 {
            let ack = Ack { ack: pos(segment * MSS), sack: &[], echo_rtt: None, has_data, window_changed };
            assert!(!r.on_ack(at(11), &ack).duplicate);
        }
        assert_eq!((r.phase(), r.memory() <= 512), (Phase::Open, true), "data {has_data} window {window_changed}");
    }
    // Nothing outstanding: nothing to duplicate.
    let mut r = established(false);
    for _ in 0..5 {
        assert!(!ack(&mut r, at(1), 0, &[]).duplicate);
    }
}

#[test]
fn each_partial_acknowledgement_repairs_the_next_hole() {
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    // 0, 3 and 7 are lost: seven duplicates.
    for _ in 0..7 {
        ack(&mut r, at(10), 0, &[]);
    }
    assert_eq!(repair(&mut r, at(10), 5 * MSS), [0]);
    for (n, (partial, hole)) in [(3, 3), (7, 7)].into_iter().enumerate() {
        let outcome = ack(&mut r, at(20 + n as u64), partial, &[]);
        assert_eq!(outcome.lost, Some((segs(hole, hole + 1), LossReason::PartialAck)));
        assert_eq!(outcome.change, None);
        assert_eq!(repair(&mut r, at(20), 5 * MSS), [hole]);
    }
    assert_eq!(ack(&mut r, at(30), 10, &[]).change, Some(RecoveryChange::Recovered));
    assert_eq!((r.in_flight(), r.stats().recoveries), (0, 1));
}

#[test]
fn duplicates_of_the_last_recovery_start_no_other() {
    // RFC 6582 3.2 step 2: after a time-out the copies make duplicates.
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    r.on_timeout(at(300));
    assert_eq!(repair(&mut r, at(300), 10 * MSS).len(), 10);
    assert_eq!(ack(&mut r, at(310), 10, &[]).change, Some(RecoveryChange::Recovered));
    send(&mut r, at(310), 10..20);
    for _ in 0..6 {
        ack(&mut r, at(320), 10, &[]);
    }
    assert_eq!((r.phase(), r.lost()), (Phase::Disorder, 0));
    // Beyond it they count again.
    ack(&mut r, at(330), 11, &[]);
    for _ in 0..3 {
        ack(&mut r, at(330), 11, &[]);
    }
    assert_eq!((r.phase(), r.next_lost()), (Phase::FastRecovery, Some(segs(11, 12))));
}

#[test]
fn a_flood_of_duplicates_takes_out_no_more_than_there_is() {
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    for _ in 0..1_000 {
        ack(&mut r, at(10), 0, &[]);
    }
    assert_eq!(r.in_flight(), 0);
    repair(&mut r, at(10), 5 * MSS);
    assert_eq!(r.in_flight(), MSS);
    ack(&mut r, at(20), 10, &[]);
    assert_eq!((r.in_flight(), r.phase()), (0, Phase::Open));
}
