//! First check: the edges of the window, old timestamps, the SYN again, and old segments whose acknowledgement counts.

use bowline_tcp::state::State;
use bowline_tcp::trace::Trace;
use bowline_tcp::{ConnectionKey, DropReason, OddSegments, Options};

use crate::bench::peer::{Peer, opened, plain};

/// A connection with a receive buffer of so many bytes, and the window that its SYN-ACK has announced.
fn narrow(buffer: u32) -> (Peer, u32) {
    let (p, _, window) = accepted(buffer);
    (p, window)
}

/// The same with its handle.
fn accepted(buffer: u32) -> (Peer, ConnectionKey, u32) {
    let mut p = Peer::with_options(Options { receive_buffer: buffer, receive_buffer_max: buffer, ..plain() });
    let listener = p.listen(5);
    p.inject("SYN seq=0");
    let window = u32::from(p.next_sent().header.window);
    p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
    let key = p.accept(listener);
    (p, key, window)
}

#[test]
fn a_segment_passes_up_to_the_edges_of_the_window_and_no_further() {
    // RFC 9293 3.4 and 3.10.7.4; RFC 5961 3.2 for RSTs. An ACK passes one further: who has filled the window sends it there.
    let (_, window) = narrow(4_000);
    let (last, edge, beyond) = (window, window + 1, window + 2);
    for (segment, answers, out_of_order, state) in [
        (format!("ACK seq={edge} ack=1"), 0, 0, "ESTABLISHED"),
        (format!("ACK seq={beyond} ack=1"), 1, 0, "ESTABLISHED"),
        ("ACK seq=0 ack=1".to_owned(), 1, 0, "ESTABLISHED"),
        (format!("RST seq={edge}"), 0, 0, "ESTABLISHED"),
        (format!("RST seq={last}"), 1, 0, "ESTABLISHED"),
        ("RST seq=0".to_owned(), 0, 0, "ESTABLISHED"),
        ("RST seq=1".to_owned(), 0, 0, "LISTEN"),
        (format!("ACK seq={last} ack=1 len=1"), 1, 1, "ESTABLISHED"),
        (format!("ACK seq={edge} ack=1 len=1"), 1, 0, "ESTABLISHED"),
        ("FIN,ACK seq=0 ack=1".to_owned(), 1, 0, "ESTABLISHED"),
    ] {
        let (mut p, _) = narrow(4_000);
        p.inject(&segment);
        let seen = p.info().map_or(0, |info| info.out_of_order);
        let mut sent = 0;
        while p.has_sent() {
            p.next_sent();
            sent += 1;
        }
        assert_eq!((sent, seen, p.state().name()), (answers, out_of_order, state), "{segment} in 1..{edge}");
    }
}

#[test]
fn at_the_right_edge_what_is_empty_acknowledges_and_text_does_not() {
    // RFC 9293 3.10.7.4, first check: what is not acceptable is dropped, its acknowledgement with it.
    let (_, window) = narrow(4_000);
    for (offset, text, acked) in [(0, "", 50), (0, " len=1", 0), (0, " len=0", 50), (1, "", 0)] {
        let (mut p, key, _) = accepted(4_000);
        p.write(key, 0, 100);
        p.next_sent();
        p.inject(&format!("ACK seq={} ack=51{text}", window + 1 + offset));
        assert_eq!(p.info().expect("a connection").bytes_acked, acked, "edge + {offset}{text}");
    }
}

#[test]
fn what_came_twice_is_told_from_what_lies_outside_of_the_window() {
    // RFC 2883 4: only text that came twice is reported as such.
    for (segment, reason, block) in [
        ("ACK seq=1 ack=1 len=10", DropReason::Duplicate, " sack=1-11"),
        ("FIN,ACK seq=10 ack=1", DropReason::Duplicate, " no-sack"),
        ("ACK seq=10 ack=1", DropReason::OutOfWindow, " no-sack"),
        ("ACK seq=4000000 ack=1 len=10", DropReason::OutOfWindow, " no-sack"),
    ] {
        let mut p = Peer::with_options(Options { sack: true, ..plain() });
        p.listen(5);
        p.run("< SYN seq=0 sackok\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1\n< ACK seq=1 ack=1 len=20\n> ACK seq=1 ack=21");
        p.traced();
        p.run(&format!("< {segment}\n> ACK seq=1 ack=21{block}"));
        let dropped = |what| if let Trace::Received { dropped, .. } = what { dropped } else { None };
        assert_eq!(p.traced().into_iter().find_map(dropped), Some(reason), "{segment}");
        assert_eq!(p.counters().out_of_window, 1, "{segment}");
    }
}

#[test]
fn a_fin_at_a_closed_window_is_taken() {
    // RFC 9293 3.10.7.4: a FIN takes no room; who has sent as much as fits may close.
    let (mut p, window) = narrow(4_000);
    p.inject(&format!("ACK seq=1 ack=1 len={window}"));
    while p.has_sent() {
        p.next_sent();
    }
    assert_eq!(p.info().map(|info| info.rcv_wnd), Some(0), "the window is closed");
    let fin = window + 1;
    p.run(&format!("< FIN,ACK seq={fin} ack=1\n> ACK seq=1 ack={} win=0\n= CLOSE-WAIT", fin + 1));
}

#[test]
fn at_a_closed_window_only_the_number_that_is_expected_resets() {
    // RFC 9293 3.4, MUST-66; RFC 5961 3.2.
    for (offset, state) in [(0, "LISTEN"), (1, "ESTABLISHED")] {
        let (mut p, window) = narrow(4_000);
        p.inject(&format!("ACK seq=1 ack=1 len={window}"));
        p.next_sent();
        p.run(&format!("< RST seq={}\n= {state}", 1 + window + offset));
    }
}

#[test]
fn a_fin_behind_text_that_just_fits_is_taken() {
    let (mut p, window) = narrow(4_000);
    p.run(&format!("< FIN,ACK seq=1 ack=1 len={window}\n> ACK seq=1 ack={} win=0\n= CLOSE-WAIT", window + 2));
}

#[test]
fn old_times_with_text_are_always_answered_and_without_it_within_the_budget() {
    // RFC 7323 5.3: a peer whose clock we misjudge must not starve; two ends must not answer each other for ever.
    let mut answered = [0; 2];
    for (answers, text) in answered.iter_mut().zip(["", " len=10"]) {
        let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
        p.listen(5);
        p.run("< SYN seq=0 ts=1000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=1000");
        for _ in 0..50 {
            p.inject(&format!("ACK seq=1 ack=1 ts=900{text}"));
            while p.has_sent() {
                p.next_sent();
                *answers += 1;
            }
        }
        assert_eq!(p.counters().paws_estab, 50);
    }
    let [bare, with_text] = answered;
    assert!(0 < bare && bare < 20, "{bare} of 50");
    assert_eq!(with_text, 50);
}

#[test]
fn of_what_looks_old_only_text_is_reported_as_a_duplicate_and_only_text_may_fill_a_hole() {
    // RFC 2883 4; RFC 7323 5.3.
    for (segment, paws, answer) in [
        ("ACK seq=1 ack=1 len=5 ts=1006", 1, "> ACK seq=1 ack=6 sack=1-6;11-21"),
        ("ACK seq=6 ack=1 ts=1006", 1, "> ACK seq=1 ack=6 sack=11-21"),
        ("ACK seq=8 ack=1 ts=1006", 1, "> ACK seq=1 ack=6 sack=11-21"),
        ("ACK seq=6 ack=1 len=5 ts=1006", 0, "> ACK seq=1 ack=21 no-sack"),
    ] {
        let odd = OddSegments { take_late_text: true, ..OddSegments::default() };
        let mut p = Peer::with_options(Options { timestamps: true, sack: true, odd, ..plain() });
        p.listen(5);
        p.run("< SYN seq=0 sackok ts=1000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=1000");
        // The second half was sent at 1005, and a copy of the first quarter at 1010.
        p.run("< ACK seq=11 ack=1 len=10 ts=1005\n> ACK seq=1 ack=1 sack=11-21");
        p.run("< ACK seq=1 ack=1 len=5 ts=1010\n> ACK seq=1 ack=6 sack=11-21");
        p.run(&format!("< {segment}\n{answer}"));
        assert_eq!(p.counters().paws_estab, paws, "{segment}");
    }
}

#[test]
fn the_syn_again_completes_the_handshake_only_with_the_acknowledgement_of_ours() {
    // RFC 9293 3.5, figure 8. Another acknowledgement is no reason to reset: it may be an old SYN-ACK (MUST-10).
    let (mut p, _) = opened(State::SynReceived);
    p.run("< SYN,ACK seq=0 ack=1\n= ESTABLISHED");
    let (mut p, _) = opened(State::SynReceived);
    p.run("< SYN,ACK seq=0 ack=7\n> ACK seq=1 ack=1\n= SYN-RECEIVED");
    let (mut p, _) = opened(State::SynReceived);
    p.run("< SYN,ACK seq=0 ack=0\n> ACK seq=1 ack=1\n= SYN-RECEIVED");
    // Without the flag the number means nothing.
    let (mut p, _) = opened(State::SynReceived);
    p.run("< SYN seq=0 ack=1\n> SYN,ACK seq=0 ack=1\n= SYN-RECEIVED");
}

#[test]
fn where_it_is_set_so_an_old_segment_counts_if_it_acknowledges_something_new() {
    let open = || {
        let odd = OddSegments { take_old_acks: true, ..OddSegments::default() };
        let mut p = Peer::with_options(Options { odd, ..plain() });
        let (_, key) = p.establish();
        p.run("< ACK seq=1 ack=1 len=20\n> ACK seq=1 ack=21");
        p.write(key, 0, 100);
        p.run("> ACK seq=1 ack=21 len=100");
        p
    };
    // Bytes acknowledged, and the peer's window.
    let taken = |p: &Peer| p.info().map(|info| (info.bytes_acked, info.snd_wnd)).expect("a connection");
    for (segment, expected) in [
        ("ACK seq=1 ack=51 len=20 win=3000", (50, 3_000)),
        ("ACK seq=20 ack=51 win=3000", (50, 3_000)),
        // Nothing new, not old, a SYN (whose window is of another scale), or no acknowledgement at all.
        ("ACK seq=1 ack=1 len=20 win=3000", (0, 65_535)),
        ("ACK seq=1 ack=0 len=20 win=3000", (0, 65_535)),
        ("ACK seq=70000 ack=51 len=20 win=3000", (0, 65_535)),
        ("SYN,ACK seq=0 ack=51 win=3000", (0, 65_535)),
        ("PSH seq=1 ack=51 len=20 win=3000", (0, 65_535)),
    ] {
        let mut p = open();
        p.run(&format!("< {segment}\n> ACK seq=101 ack=21"));
        assert_eq!(taken(&p), expected, "{segment}");
    }
}
