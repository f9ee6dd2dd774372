use bowline_tcp::reason::{DropReason, SendReason};
use bowline_tcp::state::State;

use super::Comments;
use crate::diagram::Direction;
use crate::script::{OURS, Script, THEIRS, header};

#[test]
fn a_packet_finds_the_comment_of_its_record_once() {
    let mut s = Script::new(State::Established);
    s.sent("A", 1, 1, 100, SendReason::Data).sent("A", 1, 1, 100, SendReason::Timeout);
    s.dropped("A", 9, 9, DropReason::OutOfWindow);
    let mut comments = Comments::default();
    s.records.iter().for_each(|record| comments.push(record));
    let ours = header("A", OURS.wrapping_add(1), THEIRS + 1);
    let mut take = || comments.take(Direction::Out, s.tuple, &ours, 100);
    assert_eq!(take().as_deref(), Some("ESTABLISHED: data"));
    assert_eq!(take().as_deref(), Some("ESTABLISHED: retransmission: time-out"));
    assert_eq!(take(), None);
    let theirs = header("A", THEIRS + 9, OURS.wrapping_add(9));
    assert_eq!(
        comments.take(Direction::In, s.tuple, &theirs, 0).as_deref(),
        Some("ESTABLISHED: dropped, outside the window")
    );
}

#[test]
fn what_no_packet_asks_for_is_forgotten() {
    let mut comments = Comments::new(8);
    let mut s = Script::new(State::Established);
    for number in 0..100 {
        s.sent("A", number, 1, 1, SendReason::Data);
    }
    s.records.iter().for_each(|record| comments.push(record));
    assert_eq!(comments.waiting.len(), 8);
    let last = header("A", OURS.wrapping_add(99), THEIRS + 1);
    assert!(comments.take(Direction::Out, s.tuple, &last, 1).is_some());
}
