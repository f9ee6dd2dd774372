use std::time::Duration;

use bowline_base::{Instant, Position};
use bowline_tcp::ConnectionError;
use bowline_tcp::reason::{DropReason, LossReason, RecoveryChange, SendReason};
use bowline_tcp::state::{Cause, State};
use bowline_tcp::trace::Trace;

use super::fold::Limits;
use super::text::{Side, Style};
use super::*;
use crate::script::{OURS, Script, THEIRS, header};

fn draw(script: &Script, settings: Settings) -> Diagram {
    let mut diagrams = Diagrams::new(settings);
    for record in &script.records {
        diagrams.push(record);
    }
    diagrams.finish().pop().unwrap()
}

/// A request and its answer under loss, and an orderly close by us.
fn exchange() -> Script {
    let mut s = Script::new(State::Listen);
    s.handshake();
    s.at(300).got("PA", 1, 1, 77);
    s.at(420).sent("A", 1, 78, 1448, SendReason::Data).sent("PA", 1449, 78, 500, SendReason::Data);
    s.at(900).got("A", 78, 1, 0);
    s.at(200_900).what(Trace::Lost {
        range: Position::initial(OURS) + 1..Position::initial(OURS) + 1449,
        why: LossReason::Timeout,
    });
    s.what(Trace::Recovery(RecoveryChange::TimeoutRecovery)).sent("A", 1, 78, 1448, SendReason::Timeout);
    s.at(201_300).got("A", 78, 1949, 0).what(Trace::Recovery(RecoveryChange::Recovered));
    s.at(201_350).dropped("R", 900_000, 0, DropReason::ResetIgnored);
    s.at(201_400).moves(Cause::Close).sent("FA", 1949, 78, 0, SendReason::Data);
    s.at(201_600).got("A", 78, 1950, 0).moves(Cause::AckOfFin);
    s.at(202_000).got("FA", 78, 1950, 0).moves(Cause::Fin).sent("A", 1950, 79, 0, SendReason::Ack);
    s
}

#[test]
fn a_lossy_exchange_shows_handshake_retransmission_and_close() {
    let diagram = draw(&exchange(), Settings::default());
    assert_eq!((diagram.ending, diagram.retransmissions), (Ending::Closed, 1));
    insta::assert_snapshot!(text::render(&diagram, &Style::default()));
}

#[test]
fn an_answer_that_is_sent_again_says_why() {
    let mut s = Script::new(State::Listen);
    s.got("S", 0, 0, 0).moves(Cause::Syn).sent("SA", 0, 1, 0, SendReason::SynAck);
    s.at(1_000_000).sent("SA", 0, 1, 0, SendReason::SynAck);
    s.at(1_500_000).got("S", 0, 0, 0).sent("SA", 0, 1, 0, SendReason::SynAck);
    let reasons = draw(&s, Settings::default()).rows.into_iter().filter_map(|row| match row.what {
        What::Segment(segment) if segment.direction == Direction::Out => Some(segment.why),
        _ => None,
    });
    let reasons: Vec<_> = reasons.map(Option::unwrap_or_default).collect();
    assert_eq!(reasons, ["", "retransmission: time-out", "retransmission: the SYN came again"]);
}

#[test]
fn what_was_told_late_stands_in_its_place() {
    let mut s = Script::new(State::Established);
    s.sent("PA", 1, 1, 100, SendReason::Data).at(500).sent("PA", 101, 1, 100, SendReason::Data);
    let mut diagrams = Diagrams::new(Settings::default());
    s.records.iter().for_each(|record| diagrams.push(record));
    let at = s.at(200).now();
    let header = header("A", THEIRS + 1, OURS.wrapping_add(101));
    let (tuple, direction, what) = (s.tuple, Direction::In, "random loss".into());
    diagrams.on_the_way(&OnTheWay { at, tuple, direction, header, len: 0, lost: true, what });
    let times: Vec<_> = diagrams.finish().pop().unwrap().rows.iter().map(|row| row.at).collect();
    assert_eq!(times, [0, 200, 500]);
}

#[test]
fn a_change_of_state_stands_beside_its_own_segment() {
    let mut s = Script::new(State::Listen);
    s.handshake();
    // read from the device together, and so at the same time
    s.at(300).got("PA", 1, 1, 77).got("FA", 78, 1, 0).moves(Cause::Fin).sent("A", 1, 79, 0, SendReason::Ack);
    let diagram = draw(&s, Settings::default());
    let moved = diagram.rows.iter().filter_map(|row| match &row.what {
        What::Segment(segment) => segment.next_state.as_deref().map(|next| (segment.flags.as_str(), next)),
        _ => None,
    });
    let moved: Vec<_> = moved.collect();
    assert_eq!(moved[2..], [("FIN,ACK", "CLOSE-WAIT")]);
}

/// The change of state and the error are recorded before the segment that brings both.
#[test]
fn a_reset_stands_before_what_it_does() {
    let mut s = Script::new(State::Listen);
    s.handshake();
    s.at(500).moves(Cause::Reset).what(Trace::Ended(ConnectionError::Reset)).got("RA", 1, 1, 0);
    let diagram = draw(&s, Settings::default());
    let drawn = text::render(&diagram, &Style::default());
    let [.., segment, note] = drawn.trim_end().lines().collect::<Vec<_>>()[..] else { panic!("{drawn}") };
    assert!(segment.contains("RST,ACK") && segment.ends_with("ESTABLISHED → CLOSED"), "{drawn}");
    assert!(note.contains("· connection reset by peer"), "{drawn}");
    assert_eq!(diagram.ending, Ending::Reset);
}

#[test]
fn narrow_ascii_keeps_to_its_width_and_its_letters() {
    let style = Style { width: 64, ascii: true, ..Style::default() };
    let drawn = text::render(&draw(&exchange(), Settings::default()), &style);
    assert!(drawn.is_ascii());
    assert!(drawn.lines().all(|line| line.len() <= 64), "{drawn}");
    insta::assert_snapshot!(drawn);
}

#[test]
fn every_width_is_kept() {
    let diagram = draw(&exchange(), Settings::default());
    for width in 60..180 {
        let drawn = text::render(&diagram, &Style { width, ..Style::default() });
        let widest = drawn.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} > {width}\n{drawn}");
    }
}

#[test]
fn we_may_stand_on_the_left() {
    let drawn = text::render(&draw(&exchange(), Settings::default()), &Style { us: Side::Left, ..Style::default() });
    let syn = drawn.lines().find(|line| line.contains(" SYN seq 0")).unwrap();
    assert!(syn.contains("◀─"), "{syn}");
}

#[test]
fn colour_comes_only_when_asked_for_and_changes_no_letter() {
    let diagram = draw(&exchange(), Settings::default());
    let plain = text::render(&diagram, &Style::default());
    let coloured = text::render(&diagram, &Style { colour: true, ..Style::default() });
    assert!(!plain.contains('\x1b'));
    let mut stripped = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        stripped = stripped.replace(code, "");
    }
    let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&stripped), trimmed(&plain));
}

#[test]
fn the_json_form_names_each_row() {
    let mut s = Script::new(State::Listen);
    s.handshake();
    let diagram = draw(&s, Settings::default());
    insta::assert_snapshot!(serde_json::to_string_pretty(&diagram).unwrap());
}

#[test]
fn the_svg_is_complete_and_escaped() {
    let svg = svg::render(&draw(&exchange(), Settings::default()), Side::Right);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
    assert!(svg.contains("retransmission: time-out"));
    assert!(svg.contains("&lt;mss 1460, wscale 7, sack&gt;"));
}

fn bulk(segments: u32) -> Script {
    let mut s = Script::new(State::Listen);
    s.handshake();
    for number in 0..segments {
        s.at(200 + 10 * u64::from(number)).sent("A", 1 + number * 1000, 1, 1000, SendReason::Data);
        s.at(205 + 10 * u64::from(number)).got("A", 1, 1 + (number + 1) * 1000, 0);
    }
    s
}

#[test]
fn a_long_transfer_is_folded_and_nothing_of_it_is_lost() {
    let limits = Limits { head: 2, tail: 2, rows: 400 };
    let diagram = draw(&bulk(1000), Settings { limits, ..Settings::default() });
    let folds: Vec<_> =
        diagram.rows.iter().filter_map(|row| if let What::Fold(f) = &row.what { Some(f) } else { None }).collect();
    assert_eq!(folds.len(), 1);
    // 2,000 plain segments and two acknowledgements of the handshake's shape, less two at each end.
    assert_eq!(folds[0].segments_out + folds[0].segments_in, 2000 - 4);
    assert_eq!(folds[0].bytes_out, 998_000);
    insta::assert_snapshot!(text::render(&diagram, &Style::default()));
}

#[test]
fn one_row_alone_is_not_folded() {
    let limits = Limits { head: 2, tail: 2, rows: 400 };
    let mut s = Script::new(State::Established);
    for number in 0..5 {
        s.sent("A", 1 + number * 1000, 1, 1000, SendReason::Data);
    }
    let diagram = draw(&s, Settings { limits, ..Settings::default() });
    assert_eq!(diagram.rows.len(), 5);
    assert!(diagram.rows.iter().all(|row| matches!(row.what, What::Segment(_))));
}

#[test]
fn a_connection_with_endless_trouble_stays_bounded() {
    let limits = Limits { head: 2, tail: 2, rows: 20 };
    let mut s = Script::new(State::Established);
    for number in 0..5000 {
        s.at(number).sent("A", 1, 1, 1000, SendReason::Timeout);
    }
    let diagram = draw(&s, Settings { limits, ..Settings::default() });
    assert_eq!(diagram.rows.len(), 21);
    let folded = diagram.rows.iter().find_map(|row| if let What::Fold(f) = &row.what { Some(*f) } else { None });
    assert_eq!(folded.unwrap().retransmissions, 4980);
    assert_eq!(diagram.retransmissions, 5000);
}

#[test]
fn loss_on_the_way_marks_our_arrow_and_draws_the_peers() {
    let mut s = Script::new(State::Established);
    s.sent("PA", 1, 1, 100, SendReason::Data);
    let mut diagrams = Diagrams::new(Settings::default());
    diagrams.push(&s.records[0]);
    let lost = |direction, header| OnTheWay {
        at: s.now(),
        tuple: s.tuple,
        direction,
        header,
        len: 100,
        lost: true,
        what: "random loss".into(),
    };
    diagrams.on_the_way(&lost(Direction::Out, header("PA", OURS.wrapping_add(1), THEIRS + 1)));
    diagrams.on_the_way(&lost(Direction::In, header("PA", THEIRS + 1, OURS.wrapping_add(1))));
    // Of a super-segment, one wire segment: its arrow stays whole, and a note tells.
    diagrams.on_the_way(&OnTheWay { len: 40, ..lost(Direction::Out, header("A", OURS.wrapping_add(41), THEIRS + 1)) });
    let diagram = diagrams.finish().pop().unwrap();
    insta::assert_snapshot!(text::render(&diagram, &Style::default()));
}

#[test]
fn a_tail_loss_probe_of_new_text_is_no_retransmission() {
    let mut s = Script::new(State::Listen);
    s.handshake();
    s.sent("A", 1, 1, 1000, SendReason::Data).sent("PA", 1001, 1, 500, SendReason::TailLossProbe);
    let diagram = draw(&s, Settings::default());
    assert_eq!(diagram.retransmissions, 0);
    let What::Segment(last) = &diagram.rows.last().unwrap().what else { panic!("no segment") };
    assert_eq!(last.why.as_deref(), Some("tail loss probe"));
    s.sent("PA", 1001, 1, 500, SendReason::TailLossProbe);
    assert_eq!(draw(&s, Settings::default()).retransmissions, 1);
}

#[test]
fn a_lost_segment_of_the_peer_does_not_make_its_retransmission_look_repeated() {
    let mut s = Script::new(State::Established);
    s.got("A", 1, 1, 0).got("PA", 1, 1, 100);
    let mut diagrams = Diagrams::new(Settings::default());
    diagrams.push(&s.records[0]);
    diagrams.on_the_way(&OnTheWay {
        at: s.now(),
        tuple: s.tuple,
        direction: Direction::In,
        header: header("PA", THEIRS + 1, OURS.wrapping_add(1)),
        len: 100,
        lost: true,
        what: "random loss".into(),
    });
    diagrams.push(&s.records[1]);
    let diagram = diagrams.finish().pop().unwrap();
    let What::Segment(last) = &diagram.rows.last().unwrap().what else { panic!("no segment") };
    assert_eq!(last.why, None);
}

#[test]
fn a_refused_open_is_one_small_diagram() {
    let mut s = Script::new(State::Closed);
    s.id = 0;
    s.dropped("S", 0, 0, DropReason::NoConnection).sent("RA", 0, 1, 0, SendReason::Reset);
    let mut diagrams = Diagrams::new(Settings::default());
    s.records.iter().for_each(|record| diagrams.push(record));
    let taken = diagrams.take_closed(s.now() + Duration::from_secs(1));
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].ending, Ending::Refused);
    assert!(diagrams.is_empty());
}

#[test]
fn a_diagram_waits_for_late_segments_and_ignores_those_in_time_wait() {
    let mut s = exchange();
    let closed = s.now();
    let mut diagrams = Diagrams::new(Settings::default());
    s.records.iter().for_each(|record| diagrams.push(record));
    assert!(diagrams.take_closed(closed).is_empty());
    let taken = diagrams.take_closed(closed + Settings::default().linger);
    assert_eq!(taken.len(), 1);
    let before = s.records.len();
    s.at(900_000).got("FA", 78, 1950, 0);
    diagrams.push(&s.records[before]);
    assert!(diagrams.is_empty());
}

#[test]
fn a_reused_four_tuple_begins_a_new_diagram() {
    let mut first = exchange();
    let mut second = Script::new(State::Listen);
    second.id = 2;
    second.at(300_000).handshake();
    first.records.extend(second.records);
    let mut diagrams = Diagrams::new(Settings::default());
    first.records.iter().for_each(|record| diagrams.push(record));
    let all = diagrams.finish();
    assert_eq!(all.iter().map(|d| d.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(all[1].ending, Ending::Open);
}

#[test]
fn a_flood_of_syns_pushes_out_no_connection() {
    let settings = Settings { connections: 8, ..Settings::default() };
    let mut diagrams = Diagrams::new(settings);
    let real = exchange();
    diagrams.push(&real.records[0]);
    for port in 1..5000 {
        let mut flood = Script::new(State::Listen);
        flood.id = 0;
        flood.tuple.remote.set_port(port);
        flood.got("S", 0, 0, 0);
        diagrams.push(&flood.records[0]);
    }
    assert_eq!((diagrams.len(), diagrams.given_up()), (8, 4999 - 7));
    assert!(diagrams.finish().iter().any(|d| d.id == 1));
}

#[test]
fn windows_are_scaled_once_both_syns_were_seen() {
    let diagram = draw(&exchange(), Settings::default());
    let windows: Vec<u64> = diagram
        .rows
        .iter()
        .filter_map(|row| if let What::Segment(s) = &row.what { Some(s.window) } else { None })
        .collect();
    assert_eq!(windows[..3], [64_240, 64_240, 502 << 7]);
}

#[test]
fn times_are_relative_to_the_first_event() {
    let diagram = draw(&exchange(), Settings::default());
    assert_eq!(diagram.rows[0].at, 0);
    assert_eq!(diagram.start, Instant::from_secs(7).as_nanos());
    assert_eq!(diagram.duration, 202_000);
}
