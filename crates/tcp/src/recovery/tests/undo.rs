//! What turns out to have been late and not lost (RFC 3522, 3708, 5682).

#![expect(clippy::single_range_in_vec_init, reason = "a list of SACK blocks that has one")]

extern crate std;

use super::{MSS, ack, ack_echo, at, established, ms, pos, repair, segs, send};
use crate::reason::RecoveryChange;
use crate::recovery::{Ack, Phase, Recovery};

/// Ten segments at 0; the first two are believed lost at 10 and sent again.
fn repaired() -> Recovery {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[2..6]);
    assert_eq!(repair(&mut r, at(10), 10 * MSS), [0, 1]);
    r
}

#[test]
fn duplicate_sacks_for_all_copies_undo_the_recovery_even_after_its_end() {
    let mut r = repaired();
    send(&mut r, at(11), 10..12);
    // The originals arrive late: the recovery ends. Nobody knows yet, without timestamps, that it was needless.
    let outcome = ack(&mut r, at(14), 10, &[]);
    assert_eq!((outcome.change, outcome.settled), (Some(RecoveryChange::Recovered), false));
    assert_eq!(ack(&mut r, at(20), 10, &[0..1]).change, None, "one of two");
    let outcome = ack(&mut r, at(20), 10, &[1..2]);
    assert_eq!((outcome.change, r.stats().undone), (Some(RecoveryChange::Undone), 1));
    assert_eq!(r.reo_wnd.quarters(), 2, "and the reordering window is wider");
}

#[test]
fn one_copy_that_was_needed_lets_the_recovery_stand() {
    let mut r = repaired();
    send(&mut r, at(11), 10..12);
    ack(&mut r, at(20), 10, &[]);
    assert_eq!(ack(&mut r, at(20), 10, &[0..1]).change, None);
    // What was outstanding when it ended is acknowledged: no more duplicates can come.
    let outcome = ack(&mut r, at(21), 12, &[]);
    assert_eq!((outcome.change, outcome.settled, r.memory()), (None, true, 0));
}

#[test]
fn duplicates_that_we_did_not_send_prove_nothing() {
    let mut r = repaired();
    // Below what was outstanding when recovery began, or more often than it was sent.
    r.unanswered = 10;
    send(&mut r, at(11), 10..12);
    ack(&mut r, at(20), 10, &[]);
    r.unanswered = 0;
    assert_eq!(ack(&mut r, at(20), 10, &[0..2]).change, None);
}

#[test]
fn where_the_network_duplicates_what_arrives_twice_proves_nothing() {
    // Of what is behind the hole, 5 was sent once, and arrives twice: that was no copy of ours.
    let mut r = repaired();
    for duplicate in [4..6, 5..6] {
        let outcome = ack(&mut r, at(12), 0, &[duplicate, 2..10]);
        assert_eq!((outcome.change, r.phase()), (None, Phase::FastRecovery));
    }
    // Nor are any later ones, whatever they are of (RFC 3708 3, step A.4).
    assert_eq!(ack(&mut r, at(20), 10, &[]).change, Some(RecoveryChange::Recovered));
    assert_eq!(ack(&mut r, at(20), 10, &[0..2]).change, None);
    assert_eq!((r.stats().undone, r.reo_wnd.quarters()), (0, 1));
}

#[test]
fn f_rto_sends_new_data_and_its_answer_tells() {
    for sack in [true, false] {
        // Spurious: the original of 0 is acknowledged alone, then that of 1.
        let mut r = established(sack);
        send(&mut r, at(0), 0..10);
        r.on_timeout(at(300));
        assert_eq!(repair(&mut r, at(300), MSS), [0]);
        assert!(!r.prefers_new_data());
        assert_eq!(ack(&mut r, at(301), 1, &[]).change, None);
        assert!(r.prefers_new_data(), "step 2b");
        send(&mut r, at(301), 10..12);
        assert_eq!(ack(&mut r, at(302), 2, &[]).change, Some(RecoveryChange::Undone), "step 3b, SACK {sack}");
        assert_eq!((r.lost(), r.phase(), r.rtt().backoff()), (0, Phase::Open, 0));
        // Real: the new data is reported, and what lies before it is not.
        let mut r = established(sack);
        send(&mut r, at(0), 0..10);
        r.on_timeout(at(300));
        repair(&mut r, at(300), MSS);
        ack(&mut r, at(310), 1, &[]);
        send(&mut r, at(310), 10..12);
        let report: &[core::ops::Range<u64>] = if sack { &[10..11] } else { &[] };
        assert_eq!(ack(&mut r, at(320), 1, report).change, None);
        assert!(!r.prefers_new_data(), "step 3a");
        assert_eq!(repair(&mut r, at(320), 3 * MSS)[0], 1, "SACK {sack}");
    }
}

#[test]
fn without_sack_the_first_answer_may_cover_what_had_waited_behind_a_hole() {
    let mut r = established(false);
    send(&mut r, at(0), 0..3);
    r.on_timeout(at(300));
    repair(&mut r, at(300), MSS);
    // 0 was lost, 1 and 2 had arrived: too few duplicates came of it.
    assert_eq!(ack(&mut r, at(310), 3, &[]).change, Some(RecoveryChange::Recovered));
    assert_eq!(r.stats().undone, 0);
}

#[test]
fn a_delay_of_two_time_outs_is_undone_as_one_is() {
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    for now in [300, 900] {
        r.on_timeout(at(now));
        r.on_sent(at(now), segs(0, 1), true);
    }
    assert_eq!(ack(&mut r, at(901), 2, &[]).change, Some(RecoveryChange::Undone));
    assert_eq!((r.in_flight(), r.rtt().backoff(), r.retries()), (8 * MSS, 0, 0));
    // And by the echo, where there are timestamps.
    let mut r = established(false);
    send(&mut r, at(0), 0..10);
    for now in [300, 900] {
        r.on_timeout(at(now));
        r.on_sent(at(now), segs(0, 1), true);
    }
    assert_eq!(ack_echo(&mut r, at(901), 1, ms(901)).change, Some(RecoveryChange::Undone));
}

#[test]
fn the_time_out_gives_up_what_is_old_and_leaves_what_is_young() {
    let mut r = established(true);
    send(&mut r, at(0), 0..4);
    send(&mut r, at(295), 4..6);
    // RFC 8985 6.3.
    let outcome = r.on_timeout(at(300));
    assert_eq!((outcome.newly_lost, r.in_flight(), outcome.flight_size), (4 * MSS, 2 * MSS, 6 * MSS));
    // What the timer asks for goes out, whatever the window says; after that the window holds.
    assert_eq!(repair(&mut r, at(300), MSS), [0]);
}

#[test]
fn a_copy_of_the_recovery_before_is_no_original() {
    // 0 and 5 are lost, and 10 while they are repaired. That recovery ends with 9; the copy of 10 is on its way when 15 begins another.
    let mut r = established(true);
    send(&mut r, at(0), 0..5);
    send(&mut r, at(5), 5..10);
    ack(&mut r, at(10), 0, &[1..5]);
    assert_eq!(repair(&mut r, at(10), 20 * MSS), [0]);
    send(&mut r, at(12), 10..15);
    ack(&mut r, at(15), 0, &[1..5, 6..10]);
    assert_eq!(repair(&mut r, at(15), 20 * MSS), [5]);
    send(&mut r, at(16), 15..20);
    ack(&mut r, at(20), 5, &[6..10]);
    ack(&mut r, at(22), 5, &[6..10, 11..15]);
    assert_eq!(repair(&mut r, at(22), 20 * MSS), [10]);
    assert_eq!(ack(&mut r, at(25), 10, &[11..15]).change, Some(RecoveryChange::Recovered));
    let outcome = ack(&mut r, at(26), 10, &[11..15, 16..20]);
    assert_eq!((outcome.change, outcome.newly_lost), (Some(RecoveryChange::FastRecovery), MSS));
    assert_eq!(repair(&mut r, at(26), 20 * MSS), [15]);
    // The copy of 10, sent at 22, is older than that of 15, and was needed all the same.
    let sack = [segs(16, 20)];
    let ack = |echo| Ack {
        ack: pos(15 * MSS),
        sack: &sack,
        echo_rtt: Some(ms(echo)),
        has_data: false,
        window_changed: false,
    };
    assert_eq!(r.clone().on_ack(at(32), &ack(10)).change, None);
    // Were it older than that copy, too, it would be the original.
    assert_eq!(r.on_ack(at(32), &ack(20)).change, Some(RecoveryChange::Undone));
}

#[test]
fn a_recovery_in_which_a_copy_was_needed_stands_whatever_else_was_late() {
    // 0 and 3 are sent again at 10. The copy of 0 fills its hole; the original of 3 is only late.
    let mut r = established(true);
    send(&mut r, at(0), 0..10);
    ack(&mut r, at(10), 0, &[1..3, 4..10]);
    assert_eq!(repair(&mut r, at(10), 20 * MSS), [0, 3]);
    let sack = [segs(4, 10)];
    let to = |segment: u64, echo| Ack {
        ack: pos(segment * MSS),
        sack: if segment < 4 { &sack } else { &[] },
        echo_rtt: Some(ms(echo)),
        has_data: false,
        window_changed: false,
    };
    let mut late = r.clone();
    assert_eq!(r.on_ack(at(20), &to(3, 10)).change, None);
    assert_eq!(r.on_ack(at(21), &to(10, 21)).change, Some(RecoveryChange::Recovered));
    // Where the first hole is filled by what was late, all of it was.
    assert_eq!(late.on_ack(at(20), &to(3, 20)).change, Some(RecoveryChange::Undone));
}
