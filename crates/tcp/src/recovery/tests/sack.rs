//! Recovery with SACK (RFC 6675), as tables of ACKs and what goes out.

#![expect(clippy::single_range_in_vec_init, reason = "a list of SACK blocks that has one")]

extern crate std;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{MSS, ack, ack_echo, at, established, ms, pos, repair, segs, send, span};
use crate::Options;
use crate::reason::{LossReason, RecoveryChange};
use crate::recovery::ring::Fate;
use crate::recovery::{Ack, Phase, Recovery};

#[test]
fn the_third_reported_segment_makes_the_hole_lost() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    for (n, change) in [(2, None), (3, None), (4, Some(RecoveryChange::FastRecovery))] {
        let outcome = ack(&mut r, at(10), 0, &[1..n]);
        assert_eq!((outcome.change, outcome.duplicate, outcome.newly_sacked), (change, true, MSS), "up to {n}");
    }
    assert_eq!(r.next_lost(), Some(segs(0, 1)));
    assert_eq!(r.loss_reason(), Some(LossReason::Sack));
    assert_eq!((r.in_flight(), r.lost(), r.sacked()), (6 * MSS, MSS, 3 * MSS));
    assert_eq!(repair(&mut r, at(10), 5 * MSS), [0]);
    assert_eq!((r.next_lost(), r.in_flight()), (None, 7 * MSS));
    let outcome = ack(&mut r, at(20), 10, &[]);
    assert_eq!(outcome.change, Some(RecoveryChange::Recovered));
    assert_eq!((r.phase(), r.in_flight(), r.deadline()), (Phase::Open, 0, None));
    assert_eq!(r.stats().recoveries, 1);
}

#[test]
fn what_is_lost_and_when() {
    // (blocks of one ACK, segments then believed lost), of 20 outstanding.
    let table: [(&[core::ops::Range<u64>], Vec<u64>); 7] = [
        (&[5..7], vec![]),
        (&[5..8], vec![0, 1, 2, 3, 4]),
        (&[5..6, 7..8], vec![]),
        (&[5..6, 7..8, 9..10], vec![0, 1, 2, 3, 4, 6, 8]),
        (&[5..8, 10..11], vec![0, 1, 2, 3, 4, 8, 9]),
        (&[5..6, 8..11], vec![0, 1, 2, 3, 4, 6, 7]),
        (&[5..6, 8..9, 11..12, 14..15], vec![0, 1, 2, 3, 4, 6, 7, 9, 10, 12, 13]),
    ];
    for (blocks, expected) in table {
        let mut r = established(true);
        send(&mut r, at(0), 0..20);
        ack(&mut r, at(10), 0, blocks);
        let audit = r.ring.audit();
        let lost = audit.iter().filter(|(_, fate, _)| *fate == Fate::Lost);
        let lost: Vec<_> = lost.flat_map(|(s, _, _)| s.start.since(pos(0)) / MSS..s.end.since(pos(0)) / MSS).collect();
        assert_eq!(lost, expected, "{blocks:?}");
    }
}

#[test]
fn small_segments_count_by_their_acks() {
    // Three reports of a byte each are less than two segments' bytes: the number of duplicates decides (RFC 6675 5, 1).
    let mut r = established(true);
    for n in 0..6 {
        r.on_sent(at(0), span(n, n + 1), false);
    }
    for n in 2..=4u64 {
        let sack = [span(1, n)];
        r.on_ack(at(10), &Ack { ack: pos(0), sack: &sack, echo_rtt: None, has_data: true, window_changed: true });
        assert_eq!(r.phase(), if n < 4 { Phase::Disorder } else { Phase::FastRecovery }, "{n}");
    }
    assert_eq!(r.next_lost(), Some(span(0, 1)));
}

#[test]
fn prr_sends_in_proportion() {
    // RFC 6937 3.1, the first example: 20 in flight, the first lost, ssthresh 10.
    let mut r = established(true);
    send(&mut r, at(0), 0..20);
    let (mut next, mut log) = (20, Vec::new());
    for n in 1..20u64 {
        let outcome = ack(&mut r, at(100 + n), 0, &[1..n + 1]);
        let cwnd = if r.phase() == Phase::FastRecovery { 10 * MSS } else { 20 * MSS };
        assert_eq!(outcome.change.is_some(), n == 3);
        let again = repair(&mut r, at(100 + n), cwnd).len();
        let mut new = 0;
        while r.next_lost().is_none() && r.quota(cwnd) >= MSS {
            send(&mut r, at(100 + n), next..next + 1);
            next += 1;
            new += 1;
        }
        log.push(match (again, new) {
            (0, 0) => '.',
            (0, 1) => 'N',
            (1, 0) => 'R',
            _ => '?',
        });
    }
    let log: std::string::String = log.into_iter().collect();
    assert!(log.starts_with("NNR"), "{log}");
    assert!(!log.contains('?'), "never two at once: {log}");
    let sent = log.chars().filter(|&c| c == 'N').count();
    assert!((9..=10).contains(&sent), "half of what was delivered: {log}");
    assert!(!log.contains("...") && !log[3..17].contains("NN"), "spread over the round trip: {log}");
    assert!(r.in_flight().abs_diff(10 * MSS) <= MSS, "{} in flight at the end", r.in_flight());
}

#[test]
fn an_ack_that_tells_of_a_lost_copy_counts_once() {
    // Of twelve, 0 to 3 are lost, and the copy of 1. What goes out on the ACK that tells is what it delivered, whether the window
    // is reduced again by it (RFC 5681 4.3) or, as on Linux, it is not.
    for reduce_window in [false, true] {
        let mut r = Recovery::new(&Options { reduce_window, ..Options::default() }, pos(0));
        r.set_mss(MSS as u32);
        r.set_sack(true);
        r.on_handshake(at(0), Some(ms(10)));
        let ssthresh = 7 * MSS;
        send(&mut r, at(0), 0..10);
        for (n, next) in [(5, 10), (6, 11)] {
            ack(&mut r, at(2 * n), 0, &[4..n]);
            send(&mut r, at(2 * n), next..next + 1);
        }
        for n in 7..11 {
            ack(&mut r, at(2 * n), 0, &[4..n]);
            assert_eq!(repair(&mut r, at(2 * n), ssthresh), [n - 7]);
        }
        for n in 11..13 {
            ack(&mut r, at(2 * n), 0, &[4..n]);
            assert_eq!(r.quota(ssthresh), MSS);
            send(&mut r, at(2 * n), n + 1..n + 2);
        }
        ack(&mut r, at(34), 1, &[4..12]);
        assert_eq!(r.quota(ssthresh), 2 * MSS, "slow start: SND.UNA advances, and nothing more is lost");
        send(&mut r, at(34), 14..16);
        let outcome = ack(&mut r, at(36), 1, &[2..12]);
        assert_eq!((outcome.lost, outcome.delivered), (Some((segs(1, 2), LossReason::Rack)), 2 * MSS));
        assert_eq!(outcome.change, (!reduce_window).then_some(RecoveryChange::FastRecovery));
        assert_eq!((r.in_flight(), r.quota(ssthresh)), (4 * MSS, 2 * MSS), "conservation, whatever room there is");
        assert_eq!(r.stats().recoveries, 1 + u32::from(!reduce_window));
    }
}

#[test]
fn a_burst_of_losses_is_repaired_in_slow_start() {
    // RFC 6937 3.1, the second example: the first 15 of 20 are lost; two new ones went out by limited transmit.
    let mut r = established(true);
    send(&mut r, at(0), 0..20);
    let mut sent = Vec::new();
    for n in 16..=20u64 {
        ack(&mut r, at(100), 0, &[15..n]);
        let cwnd = if r.phase() == Phase::FastRecovery { 10 * MSS } else { 20 * MSS };
        if n < 18 {
            send(&mut r, at(100), n + 4..n + 5);
        }
        sent.push(repair(&mut r, at(100), cwnd).len());
    }
    assert_eq!(sent[..2], [0, 0]);
    assert!(sent[2] >= 1 && sent[2..].iter().all(|&n| n <= 2), "{sent:?}");
}

#[test]
fn a_lost_copy_does_not_wait_for_the_timer() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[1..4]);
    assert_eq!(repair(&mut r, at(10), 10 * MSS), [0]);
    // New data goes out behind the copy, and arrives; the copy does not.
    send(&mut r, at(14), 10..11);
    let outcome = ack(&mut r, at(24), 0, &[1..11]);
    assert_eq!(outcome.lost, Some((segs(0, 1), LossReason::Rack)));
    // RFC 5681 4.3: the loss of a retransmission is a second indication.
    assert_eq!(outcome.change, Some(RecoveryChange::FastRecovery));
    assert_eq!(repair(&mut r, at(24), 10 * MSS), [0]);
    assert_eq!(ack(&mut r, at(34), 11, &[]).change, Some(RecoveryChange::Recovered));
    assert_eq!(r.stats().timeouts, 0);
}

#[test]
fn the_answer_to_a_copy_tells_of_the_tail() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    // 0 is lost, 1 to 6 arrive, and 7 to 9 are lost too: nothing was sent after them, but the copy of 0.
    ack(&mut r, at(10), 0, &[1..7]);
    assert_eq!(repair(&mut r, at(10), 10 * MSS), [0]);
    let outcome = ack(&mut r, at(20), 7, &[]);
    assert_eq!(outcome.lost, Some((segs(7, 10), LossReason::Rack)));
    assert_eq!(repair(&mut r, at(20), 10 * MSS), [7, 8, 9]);
    assert_eq!(ack(&mut r, at(30), 10, &[]).change, Some(RecoveryChange::Recovered));
    assert_eq!(r.stats().timeouts, 0);
}

#[test]
fn a_copy_on_its_way_is_not_sent_again() {
    let mut r = established(true);
    send(&mut r, at(0), 0..9);
    // 0 and 3 are lost, and everything else arrives.
    ack(&mut r, at(10), 0, &[1..3, 4..9]);
    assert_eq!(repair(&mut r, at(10), 9 * MSS), [0, 3]);
    ack(&mut r, at(20), 3, &[4..9]);
    assert_eq!((r.phase(), r.next_lost()), (Phase::FastRecovery, None));
    assert_eq!(ack(&mut r, at(21), 9, &[]).change, Some(RecoveryChange::Recovered));
}

#[test]
fn a_peer_that_forgets_what_it_reported_is_sent_it_again() {
    // RFC 2018 8, RFC2018-5-2, RFC2018-8-1.
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[1..10]);
    repair(&mut r, at(10), 10 * MSS);
    // The peer acknowledges segment 0 only: it has dropped 1 to 9.
    ack(&mut r, at(20), 1, &[]);
    assert_eq!(r.sacked(), 9 * MSS);
    let outcome = r.on_timeout(at(500));
    assert_eq!((outcome.newly_lost, r.sacked(), r.next_lost()), (9 * MSS, 0, Some(segs(1, 10))));
}

#[test]
fn reports_survive_the_first_timeout_and_not_the_second() {
    // RFC 2018 5, RFC2018-5-2.
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[5..7]);
    assert_eq!((r.on_timeout(at(300)).newly_lost, r.sacked()), (8 * MSS, 2 * MSS));
    r.on_sent(at(300), segs(0, 1), true);
    let outcome = r.on_timeout(at(900));
    assert_eq!((outcome.newly_lost, r.sacked(), outcome.first), (3 * MSS, 0, false));
    assert_eq!((r.next_lost(), r.lost()), (Some(segs(0, 10)), 10 * MSS), "all of it again");
}

#[test]
fn nonsense_in_blocks_changes_nothing() {
    let mut r = established(true);
    send(&mut r, at(0), 5..6);
    send(&mut r, at(0), 6..10);
    let lies = [span(0, 0), span(900, 500), span(500, 99_999), pos(0) - 500..pos(5), segs(0, 3), span(990, 1_001)];
    for lie in lies {
        let outcome = r.on_ack(
            at(10),
            &Ack {
                ack: pos(0),
                sack: core::slice::from_ref(&lie),
                echo_rtt: None,
                has_data: false,
                window_changed: false,
            },
        );
        assert_eq!((outcome.newly_sacked, outcome.newly_lost, r.sacked()), (0, 0, 0), "{lie:?}");
    }
    // An ACK from the future, or from the past, is one for nothing.
    for wrong in [pos(2_000), pos(0) - 70_000] {
        let ack = Ack { ack: wrong, sack: &[], echo_rtt: None, has_data: false, window_changed: false };
        assert_eq!(r.on_ack(at(10), &ack).newly_acked, 0);
    }
    assert_eq!(r.in_flight(), 10 * MSS);
}

#[test]
fn a_spurious_recovery_is_undone_by_the_echo() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(50), 0, &[1..5]);
    assert_eq!(repair(&mut r, at(50), 10 * MSS), [0]);
    // The original was only late: its timestamp, of 52 ms ago, is older than the copy, of 2 ms ago.
    let outcome = ack_echo(&mut r, at(52), 5, ms(52));
    assert_eq!(outcome.change, Some(RecoveryChange::Undone));
    assert_eq!((r.phase(), r.lost(), r.stats().undone), (Phase::Open, 0, 1));
    assert!(r.reordering() >= 5, "the path reorders: {}", r.reordering());
    // From now on the same reordering does not look like a loss.
    send(&mut r, at(60), 10..30);
    ack(&mut r, at(70), 10, &[]);
    assert_eq!(ack(&mut r, at(70), 10, &[11..15]).newly_lost, 0);
    assert_eq!(r.phase(), Phase::Disorder);
}

#[test]
fn an_echo_of_the_copy_undoes_nothing() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(50), 0, &[1..5]);
    repair(&mut r, at(50), 10 * MSS);
    assert_eq!(ack_echo(&mut r, at(60), 5, ms(10)).change, None);
    assert_eq!(ack_echo(&mut r, at(61), 10, ms(11)).change, Some(RecoveryChange::Recovered));
}

#[test]
fn hostile_reports_are_bounded_in_memory() {
    let mut r = established(true);
    for n in 0..200 {
        r.on_sent(at(n), segs(n * 100, n * 100 + 100), false);
    }
    // Every other byte, for a long time.
    for n in (1..100_000u64).step_by(2) {
        let sack = [span(2_000_000 - n - 1, 2_000_000 - n), span(n, n + 1)];
        let ack = Ack { ack: pos(0), sack: &sack, echo_rtt: None, has_data: false, window_changed: false };
        r.on_ack(at(300), &ack);
    }
    r.ring.audit();
    assert!(r.ring.len() <= r.ring.most() + 2, "{} records", r.ring.len());
    assert!(r.memory() < 20_000_000 / 20, "{} bytes for 20 MB", r.memory());
    // What is sent again at the bound is what was sent, and no more.
    let records = r.ring.audit().into_iter();
    let mut lost = records.filter(|(_, fate, _)| *fate == Fate::Lost).map(|(range, ..)| range);
    let long = lost.find(|range| range.end.since(range.start) > MSS).expect("a long stretch is lost");
    let before = r.lost();
    r.on_sent(at(300), long.start..long.start + MSS, true);
    assert_eq!(r.lost(), before - MSS);
    assert!(r.ring.audit().contains(&(long.start + MSS..long.end, Fate::Lost, false)), "the rest of it is lost still");
    // And the connection goes on: everything is acknowledged, and the memory comes back.
    r.on_ack(
        at(301),
        &Ack { ack: pos(200 * 100 * MSS), sack: &[], echo_rtt: None, has_data: false, window_changed: false },
    );
    assert!(r.is_idle() && r.memory() == 0);
}

#[test]
fn super_segments_are_one_record_and_round_trips_come_from_each() {
    let mut r = established(true);
    for n in 0..4 {
        r.on_sent(at(n), segs(n * 44, n * 44 + 44), false);
    }
    assert_eq!(r.ring.len(), 4);
    assert_eq!(ack(&mut r, at(10), 44 + 10, &[]).rtt, Some(ms(9)), "the newest of the acknowledged");
    assert_eq!(ack(&mut r, at(12), 176, &[]).rtt, Some(ms(9)));
    assert_eq!(r.rtt().max_rtt(), Some(Duration::from_millis(11)));
}

#[test]
fn a_reduction_goes_by_what_flew_before_the_acks_that_told_of_the_loss() {
    // A batch of three duplicates between two looks at the clock: what is in flight has shrunk by two segments already.
    let mut r = established(true);
    send(&mut r, at(0), 0..5);
    for n in 2..=4 {
        let outcome = ack(&mut r, at(10), 0, &[1..n]);
        assert_eq!(outcome.flight_size, 5 * MSS, "up to {n}");
    }
    assert_eq!((r.phase(), r.in_flight()), (Phase::FastRecovery, MSS));
    assert_eq!(r.on_timeout(at(300)).flight_size, 5 * MSS);
}

#[test]
fn what_arrives_by_itself_before_anything_was_sent_again_was_late_and_not_lost() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[1..4]);
    assert_eq!(r.phase(), Phase::FastRecovery);
    // The late segment's ACK is in the same batch as the third duplicate.
    let outcome = ack(&mut r, at(10), 4, &[]);
    assert_eq!((outcome.change, r.phase(), r.next_lost()), (Some(RecoveryChange::Undone), Phase::Open, None));
    // Once a copy is out, that alone proves nothing.
    ack(&mut r, at(20), 4, &[5..9]);
    repair(&mut r, at(20), 10 * MSS);
    assert_eq!(ack(&mut r, at(30), 9, &[]).change, None);
}
