use std::time::Duration;

use bowline_tcp::reason::{DropReason, SendReason};
use bowline_tcp::state::{Cause, State};
use bowline_tcp::trace::Trace;

use super::Summary;
use crate::script::Script;

#[test]
fn records_add_up() {
    let mut s = Script::new(State::Listen);
    s.handshake();
    s.got("PA", 1, 1, 2_000_000).sent("A", 1, 1, 1448, SendReason::Data).sent(
        "A",
        1,
        1,
        1448,
        SendReason::FastRetransmit,
    );
    s.dropped("A", 1, 1, DropReason::Paws).dropped("A", 1, 1, DropReason::Paws).dropped("A", 1, 1, DropReason::BadAck);
    s.what(Trace::Congestion {
        cwnd: 14_480,
        ssthresh: u64::MAX,
        in_flight: 0,
        srtt: Some(Duration::from_micros(80_123)),
        rto: Duration::from_millis(300),
        pacing_rate: None,
        model: None,
    });
    s.got("R", 2_000_001, 1, 0).moves(Cause::Reset);
    let mut summary = Summary::default();
    s.records.iter().for_each(|record| summary.push(record));
    assert_eq!((summary.connections, summary.resets_received, summary.failed), (1, 1, 0));
    insta::assert_snapshot!(summary);
    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
}

#[test]
fn full_queues_are_told_of_and_others_are_not() {
    let mut summary = Summary::default();
    assert!(!serde_json::to_string(&summary).unwrap().contains("queues_full"));
    summary.queues_full = Some(134_217_728);
    let last = "\n134.2 MB waited for slow readers, which is all that may: others got little ahead";
    assert!(summary.to_string().ends_with(last), "{summary}");
    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
}

#[test]
fn a_tail_loss_probe_is_a_retransmission_where_it_is_one() {
    let mut s = Script::new(State::Listen);
    s.handshake();
    s.sent("A", 1, 1, 1000, SendReason::Data).sent("PA", 1001, 1, 500, SendReason::TailLossProbe);
    let told = |s: &Script| {
        let mut summary = Summary::default();
        s.records.iter().for_each(|record| summary.push(record));
        summary.retransmissions
    };
    assert_eq!(told(&s), 0, "new text");
    s.sent("PA", 1001, 1, 500, SendReason::TailLossProbe);
    assert_eq!(told(&s), 1, "text again");
    s.moves(Cause::Close).sent("FA", 1501, 1, 0, SendReason::Data).sent("FA", 1501, 1, 0, SendReason::TailLossProbe);
    assert_eq!(told(&s), 2, "a FIN again");
}

#[test]
fn a_refused_open_is_a_failure_and_no_connection() {
    let mut s = Script::new(State::Closed);
    s.moves(Cause::ActiveOpen).sent("S", 0, 0, 0, SendReason::Syn).got("RA", 0, 1, 0).moves(Cause::Reset);
    let mut summary = Summary::default();
    s.records.iter().for_each(|record| summary.push(record));
    assert_eq!((summary.connections, summary.resets_received, summary.failed), (0, 0, 1));
}
