//! Seventh check: what the receiver learns from text, and what becomes of text for which there is no memory.

use std::time::Duration;

use bowline_tcp::trace::Trace;
use bowline_tcp::{DropReason, Options, WindowPolicy};

use crate::bench::peer::{Peer, plain};

#[test]
fn the_receiver_learns_the_round_trip_from_what_arrives_in_order() {
    // RFC 7323 4: the echo tells since when. What lies beyond a hole has waited for nothing that could be measured.
    for (segment, measured) in [
        ("ACK seq=1 ack=1 len=10 ts=1050", Some(Duration::from_millis(50))),
        ("ACK seq=11 ack=1 len=10 ts=1050", None),
        ("ACK seq=1 ack=1 ts=1050", None),
    ] {
        let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
        p.listen(5);
        p.run("< SYN seq=0 ts=1000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=1000");
        p.pass(Duration::from_millis(50));
        p.inject(segment);
        assert_eq!(p.info().expect("a connection").receiver.rtt, measured, "{segment}");
    }
}

#[test]
fn the_buffer_grows_by_what_waits_behind_a_hole() {
    let mut p = Peer::with_options(Options { receive_buffer: 4_000, receive_buffer_max: 1 << 20, ..plain() });
    let (_, key) = p.establish();
    let buffer = |p: &Peer| p.info().expect("a connection").receive_buffer;
    p.inject("ACK seq=1 ack=1 len=3000");
    p.read(key, 0, 3_000);
    let before = buffer(&p);
    p.inject("ACK seq=4001 ack=1 len=2000");
    assert_eq!(buffer(&p), before + 3_000, "the hole and what lies behind it");
}

#[test]
fn each_segment_that_finds_no_memory_is_counted() {
    let mut p = Peer::with_options(Options { receive_buffer: 4_000, receive_buffer_max: 4_000, ..plain() });
    p.establish();
    p.traced();
    // As many holes as there are segments.
    (1..400).for_each(|n| p.inject(&format!("ACK seq={} ack=1 len=1", 1 + 2 * n)));
    let refused = |what: &Trace| matches!(what, Trace::Received { dropped: Some(DropReason::NoMemory), .. });
    let count = p.traced().iter().filter(|what| refused(what)).count() as u64;
    assert!((100..399).contains(&count), "{count} of 399 were refused");
    assert_eq!(p.counters().ofo_drop, count);
}

#[test]
fn a_fin_behind_text_that_found_no_memory_ends_the_stream_once_the_text_has_come() {
    let mut p = Peer::with_options(Options { receive_buffer: 4_000, receive_buffer_max: 4_000, ..plain() });
    p.establish();
    (1..400).for_each(|n| p.inject(&format!("ACK seq={} ack=1 len=1", 1 + 2 * n)));
    while p.has_sent() {
        p.next_sent();
    }
    p.inject("FIN,ACK seq=3001 ack=1 len=10");
    p.run("> ACK seq=1 ack=1\n= ESTABLISHED");
    p.inject("ACK seq=1 ack=1 len=3000");
    assert_eq!(p.state().name(), "ESTABLISHED", "the last ten bytes are missing");
    p.next_sent();
    p.inject("FIN,ACK seq=3001 ack=1 len=10");
    assert_eq!(p.state().name(), "CLOSE-WAIT");
}

#[test]
fn a_fin_behind_text_that_fills_the_window_is_heard_and_behind_longer_text_is_not() {
    // RFC 9293 3.10.7.4: what lies beyond the window is as if it had not been sent.
    for (more, state) in [(0, "CLOSE-WAIT"), (1, "ESTABLISHED")] {
        let mut p = Peer::with_options(Options { receive_buffer: 4_000, receive_buffer_max: 4_000, ..plain() });
        p.establish();
        let window = p.info().expect("a connection").rcv_wnd;
        p.inject(&format!("FIN,ACK seq=1 ack=1 len={}", window + more));
        assert_eq!(p.state().name(), state, "{more} beyond {window}");
    }
}

#[test]
fn where_it_is_set_so_one_segment_of_any_size_may_go_beyond_the_window() {
    // As on Linux: while nothing else waits to be read.
    let options = Options { receive_buffer: 2_000, receive_buffer_max: 2_000, uncut_segments: true, ..plain() };
    let mut p = Peer::with_options(options);
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 len=60000\n> ACK seq=1 ack=60001 win=0");
    p.run("< ACK seq=60001 ack=1 len=10\n> ACK seq=1 ack=60001 win=0");
    p.read(key, 0, 60_000);
}

#[test]
fn where_all_that_is_free_is_offered_text_beyond_what_the_field_could_say_is_taken() {
    // Without a scale the field ends at 65,535, and there is more room.
    let options = Options {
        receive_buffer: 200_000,
        receive_buffer_max: 200_000,
        window_policy: WindowPolicy::Everything,
        ..plain()
    };
    let mut p = Peer::with_options(options);
    p.establish();
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11 win=65535");
    p.run("< ACK seq=11 ack=1 len=65540\n> ACK seq=1 ack=65551 win=65535");
}
