use core::time::Duration;

use bowline_base::{Instant, Position};

use super::{AckPolicy, Arrived};
use crate::reason::SendReason::{Ack, ChallengeAck, DelayedAck, DuplicateAck, WindowUpdate};
use crate::recv::Inserted;
use crate::{Options, Profile};

fn options(delayed_ack: Duration) -> Options {
    Options { delayed_ack, ..Options::default() }
}

const MSS: usize = 1_000;
const DELAY: Duration = Duration::from_millis(40);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A policy whose first segments are over.
fn settled() -> AckPolicy {
    let mut policy = AckPolicy::new(&options(DELAY), 1_460);
    for _ in 0..16 {
        data(&mut policy, at(1_000), MSS, 1);
        assert_eq!(policy.pending(), Some(Ack), "the first segments are acknowledged at once");
        policy.on_ack_sent();
    }
    policy
}

fn data(policy: &mut AckPolicy, now: Instant, len: usize, segments: usize) {
    let inserted = Inserted { advanced: len as u64, new: len as u64, ..Inserted::default() };
    policy.on_segment(now, &inserted, Arrived { len, segments, size: len / segments, ..Arrived::default() });
}

fn out_of_order(policy: &mut AckPolicy, now: Instant, segments: usize) {
    let inserted = Inserted { new: MSS as u64, out_of_order: true, ..Inserted::default() };
    policy.on_segment(now, &inserted, Arrived { len: MSS * segments, segments, size: MSS, ..Arrived::default() });
}

fn acks_owed(mut policy: AckPolicy) -> usize {
    (0..100).take_while(|_| policy.pending().inspect(|_| policy.on_ack_sent()).is_some()).count()
}

#[test]
fn every_second_full_segment_is_acknowledged() {
    let mut policy = settled();
    for _ in 0..10 {
        data(&mut policy, at(1_000), MSS, 1);
        assert_eq!(policy.pending(), None);
        data(&mut policy, at(1_000), MSS, 1);
        assert_eq!(policy.pending(), Some(Ack));
        policy.on_ack_sent();
        assert_eq!((policy.pending(), policy.deadline()), (None, None));
    }
}

#[test]
fn freebsd_acknowledges_every_second_segment_however_small_and_never_the_first() {
    let mut policy = AckPolicy::new(&Options::profile(Profile::FreeBsd), 1_460);
    for round in 0..5 {
        data(&mut policy, at(1_000 + round), 1, 1);
        assert_eq!((policy.pending(), policy.deadline()), (None, Some(at(1_040 + round))));
        data(&mut policy, at(1_000 + round), 1, 1);
        assert_eq!(policy.pending(), Some(Ack));
        policy.on_ack_sent();
    }
    data(&mut policy, at(9_000), 1, 1);
    assert_eq!(policy.pending(), None, "nor after a pause");
}

#[test]
fn a_joined_segment_is_acknowledged_once_and_at_once() {
    let mut policy = settled();
    data(&mut policy, at(1_000), 44 * MSS, 44);
    assert_eq!(policy.pending(), Some(Ack));
    assert_eq!(acks_owed(policy), 1);
}

#[test]
fn a_single_segment_is_acknowledged_after_the_delay() {
    let mut policy = settled();
    data(&mut policy, at(1_000), MSS, 1);
    assert_eq!(policy.deadline(), Some(at(1_040)));
    // A small one after it does not put it off.
    data(&mut policy, at(1_010), 10, 1);
    assert_eq!(policy.deadline(), Some(at(1_040)));
    policy.on_timer(at(1_039));
    assert_eq!(policy.pending(), None);
    policy.on_timer(at(1_040));
    assert_eq!(policy.pending(), Some(DelayedAck));
    assert_eq!(policy.deadline(), None);
    policy.on_ack_sent();
    assert_eq!(policy.pending(), None);
}

#[test]
fn the_delay_is_below_half_a_second() {
    // RFC 9293 3.8.6.3, MUST-40.
    let mut policy = AckPolicy::new(&options(Duration::from_secs(3)), 1_460);
    policy.quick = 0;
    data(&mut policy, at(1_000), 1, 1);
    assert!(policy.deadline().is_some_and(|deadline| deadline < at(1_500)));
    policy.on_ack_sent();
    policy.set_delay(Duration::from_secs(1));
    data(&mut policy, at(1_000), 1, 1);
    assert!(policy.deadline().is_some_and(|deadline| deadline < at(1_500)));
}

#[test]
fn no_delay_is_no_delay() {
    let mut policy = settled();
    policy.set_delay(Duration::ZERO);
    for _ in 0..20 {
        data(&mut policy, at(1_000), 1, 1);
        assert_eq!(policy.pending(), Some(Ack));
        policy.on_ack_sent();
    }
}

#[test]
fn what_is_acknowledged_at_once() {
    let advanced = Inserted { advanced: 10, new: 10, ..Inserted::default() };
    let arrived = Arrived { len: 10, segments: 1, ..Arrived::default() };
    let range = Position::initial(5)..Position::initial(9);
    let table = [
        ("in order", advanced.clone(), arrived, None),
        ("FIN", advanced.clone(), Arrived { fin: true, ..arrived }, Some(Ack)),
        ("FIN alone", Inserted::default(), Arrived { fin: true, ..Arrived::default() }, Some(Ack)),
        ("mark changed", advanced.clone(), Arrived { mark_changed: true, ..arrived }, Some(Ack)),
        ("hole filled", Inserted { filled_hole: true, ..advanced.clone() }, arrived, Some(Ack)),
        ("in part a duplicate", Inserted { duplicate: Some(range.clone()), ..advanced.clone() }, arrived, Some(Ack)),
        ("in part refused", Inserted { refused: 5, ..advanced }, arrived, Some(Ack)),
        ("a duplicate", Inserted { duplicate: Some(range), ..Inserted::default() }, arrived, Some(DuplicateAck)),
        ("refused", Inserted { refused: 10, ..Inserted::default() }, arrived, Some(DuplicateAck)),
        ("out of order", Inserted { out_of_order: true, new: 10, ..Inserted::default() }, arrived, Some(DuplicateAck)),
    ];
    for (name, inserted, arrived, expected) in table {
        let mut policy = settled();
        policy.on_segment(at(1_000), &inserted, arrived);
        assert_eq!(policy.pending(), expected, "{name}");
        assert_eq!(policy.deadline(), if expected.is_none() { Some(at(1_040)) } else { None }, "{name}");
        assert_eq!(policy.take_dsack(), inserted.duplicate, "{name}");
        assert_eq!(policy.take_dsack(), None, "reported once");
    }
}

#[test]
fn duplicate_acknowledgements_do_not_merge() {
    let mut policy = settled();
    for _ in 0..5 {
        out_of_order(&mut policy, at(1_000), 1);
    }
    assert_eq!(acks_owed(policy.clone()), 5);
    for _ in 0..50 {
        out_of_order(&mut policy, at(1_000), 1);
    }
    assert_eq!(acks_owed(policy), 16, "but they are bounded");
}

#[test]
fn a_joined_segment_out_of_order_is_enough_for_fast_retransmit() {
    let mut policy = settled();
    out_of_order(&mut policy, at(1_000), 44);
    assert_eq!(acks_owed(policy), 3);
}

#[test]
fn a_joined_segment_out_of_order_is_answered_once_where_systems_do_so() {
    let mut policy = settled();
    let inserted = Inserted { new: MSS as u64, out_of_order: true, ..Inserted::default() };
    let joined = Arrived { len: MSS * 44, segments: 44, size: MSS, once: true, ..Arrived::default() };
    policy.on_segment(at(1_000), &inserted, joined);
    assert_eq!(acks_owed(policy), 1);
}

#[test]
fn a_filled_hole_settles_the_duplicates() {
    // Sent after the number has moved, they would be duplicates of the new one, and look like a new loss.
    let mut policy = settled();
    for _ in 0..5 {
        out_of_order(&mut policy, at(1_000), 1);
    }
    let inserted = Inserted { advanced: 6_000, new: 1_000, filled_hole: true, ..Inserted::default() };
    policy.on_segment(at(1_000), &inserted, Arrived { len: MSS, segments: 1, ..Arrived::default() });
    assert_eq!(policy.pending(), Some(Ack));
    assert_eq!(acks_owed(policy), 1);
}

#[test]
fn data_carries_the_acknowledgement_but_no_duplicate() {
    let mut policy = settled();
    data(&mut policy, at(1_000), MSS, 1);
    out_of_order(&mut policy, at(1_000), 1);
    policy.on_immediate(WindowUpdate);
    policy.on_data_sent(at(1_001));
    assert_eq!((policy.pending(), policy.deadline()), (Some(DuplicateAck), None));
    policy.on_ack_sent();
    assert_eq!(policy.pending(), None);
}

#[test]
fn other_reasons_are_owed_at_once() {
    let mut policy = settled();
    policy.on_immediate(ChallengeAck);
    policy.on_immediate(ChallengeAck);
    assert_eq!(policy.pending(), Some(ChallengeAck));
    assert_eq!(acks_owed(policy), 2);

    let mut policy = settled();
    data(&mut policy, at(1_000), MSS, 1);
    policy.on_immediate(WindowUpdate);
    assert_eq!(policy.pending(), Some(WindowUpdate));
    policy.on_ack_sent();
    assert_eq!((policy.pending(), policy.deadline()), (None, None), "it acknowledges what was delayed, too");

    let mut policy = settled();
    for _ in 0..300 {
        policy.on_immediate(ChallengeAck);
        policy.on_immediate(DuplicateAck);
    }
    assert_eq!(acks_owed(policy), 32);
}

#[test]
fn after_a_pause_the_first_segments_are_acknowledged_at_once() {
    let mut policy = settled();
    data(&mut policy, at(3_000), MSS, 1);
    assert_eq!(policy.pending(), Some(Ack));
    // Sixteen segments, however joined.
    policy.on_ack_sent();
    data(&mut policy, at(3_000), 15 * MSS, 15);
    policy.on_ack_sent();
    data(&mut policy, at(3_000), 10, 1);
    assert_eq!(policy.pending(), None);
}

#[test]
fn who_wants_no_quick_acknowledgements_gets_none_at_the_beginning_either() {
    let mut policy = AckPolicy::new(&options(DELAY), 1_460);
    policy.set_quick(false);
    data(&mut policy, at(9_000), 100, 1);
    assert_eq!((policy.pending(), policy.deadline()), (None, Some(at(9_040))));
    policy.on_timer(at(9_040));
    policy.on_ack_sent();
    // nobody answered: after a pause they are quick again
    data(&mut policy, at(20_000), 100, 1);
    assert_eq!(policy.pending(), Some(Ack));
}

#[test]
fn where_the_application_answers_acknowledgements_travel_with_its_data() {
    let mut policy = AckPolicy::new(&options(DELAY), 1_460);
    data(&mut policy, at(1_000), 100, 1);
    assert_eq!(policy.pending(), Some(Ack), "nothing is known yet");
    policy.on_ack_sent();
    policy.on_data_sent(at(1_001));
    for second in 2..20 {
        data(&mut policy, at(second * 1_000), 100, 1);
        assert_eq!(policy.pending(), None, "the answer will carry it, even after a pause");
        policy.on_data_sent(at(second * 1_000 + 1));
        assert_eq!(policy.deadline(), None);
    }
    // When it does not answer in time, it is not interactive any more.
    data(&mut policy, at(20_000), 100, 1);
    policy.on_timer(at(20_040));
    policy.on_ack_sent();
    data(&mut policy, at(25_000), 100, 1);
    assert_eq!(policy.pending(), Some(Ack));
}

#[test]
fn full_segments_are_as_large_as_the_peer_makes_them() {
    // Timestamps take room, and so does a smaller path: nobody sends the 1,460 bytes that we announced.
    for size in [1_448, 1_388, 536, 8_960] {
        let mut policy = AckPolicy::new(&options(DELAY), 1_460);
        policy.quick = 0;
        let mut acks = 0;
        for _ in 0..20 {
            data(&mut policy, at(1_000), size, 1);
            if policy.pending().is_some() {
                acks += 1;
                policy.on_ack_sent();
            }
        }
        assert!((9..=10).contains(&acks), "{acks} for 20 segments of {size} bytes");
    }
    // The path shrinks on the way: two segments later the new size counts as full.
    let mut policy = settled();
    for _ in 0..3 {
        data(&mut policy, at(1_000), 600, 1);
    }
    policy.on_ack_sent();
    data(&mut policy, at(1_000), 600, 1);
    assert_eq!(policy.pending(), None);
    data(&mut policy, at(1_000), 600, 1);
    assert_eq!(policy.pending(), Some(Ack));
}

#[test]
fn small_segments_wait_for_the_timer_or_for_enough_of_them() {
    let mut policy = settled();
    for n in 1..20 {
        data(&mut policy, at(1_000), 100, 1);
        assert_eq!(policy.pending(), None, "{n}");
    }
    data(&mut policy, at(1_000), 100, 1);
    assert_eq!(policy.pending(), Some(Ack), "as many bytes as two full ones have");
}

#[test]
fn a_fin_waits_for_ours_where_the_application_answers_soon() {
    // RFC 9293 3.8.6.3: delayed, but below half a second.
    let mut policy = settled();
    policy.on_fin(at(1_000), true, false);
    assert_eq!((policy.pending(), policy.deadline()), (Some(Ack), None), "nobody knows how soon it answers");
    policy.on_ack_sent();
    data(&mut policy, at(1_001), 10, 1);
    policy.on_data_sent(at(1_002));
    let mut half_closed = policy.clone();
    half_closed.on_fin(at(1_010), false, false);
    assert_eq!(half_closed.pending(), Some(Ack), "no FIN of ours will come");
    policy.on_fin(at(1_010), true, false);
    assert_eq!((policy.pending(), policy.deadline()), (None, Some(at(1_050))));
    let mut slow = policy.clone();
    slow.on_timer(at(1_050));
    assert_eq!(slow.pending(), Some(DelayedAck));
    policy.on_data_sent(at(1_011));
    assert_eq!((policy.pending(), policy.deadline()), (None, None), "our FIN has told");
}
