//! How connections end: what is counted, what the user is told, and FINs that come with something else.

use bowline_tcp::state::State;
use bowline_tcp::{Event, Options, Readiness};

use crate::bench::peer::{Peer, opened, plain};

#[test]
fn each_reset_is_counted_as_what_it_is() {
    // MIB-II and Linux's TcpExt: a handshake that failed, one that came to nothing here, and a connection.
    let (mut p, _) = opened(State::SynReceived);
    p.run("< RST seq=1");
    assert_eq!((p.counters().attempt_fails, p.counters().embryonic_rsts, p.counters().estab_resets), (1, 0, 0));

    let mut p = Peer::plain();
    let listener = p.listen_deferred();
    p.run("< SYN seq=0");
    let pending = p.endpoint.pending(listener).expect("a SYN");
    p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).expect("admitted");
    p.run("> SYN,ACK seq=0 ack=1\n< RST seq=1");
    assert_eq!((p.counters().attempt_fails, p.counters().embryonic_rsts, p.counters().estab_resets), (0, 1, 0));

    let (mut p, _) = opened(State::Established);
    p.run("< SYN seq=1\n> ACK seq=1 ack=1");
    assert_eq!(p.counters().syn_challenge, 1);
    p.run("< RST seq=1");
    assert_eq!((p.counters().attempt_fails, p.counters().embryonic_rsts, p.counters().estab_resets), (0, 0, 1));
}

#[test]
fn who_reads_is_told_when_both_have_closed() {
    for (state, last) in [
        (State::Closing, "ACK seq=2 ack=2"),
        (State::FinWait1, "FIN,ACK seq=1 ack=2"),
        (State::FinWait2, "FIN,ACK seq=1 ack=2"),
    ] {
        let (mut p, key) = opened(state);
        p.events();
        p.inject(last);
        assert_eq!(p.state(), State::TimeWait);
        let is = |event: &Event| {
            matches!(event, Event::Connection(whose, ready)
                if *whose == key && ready.contains(Readiness::CLOSED | Readiness::READABLE))
        };
        assert!(p.events().iter().any(is), "{state}");
    }
}

#[test]
fn who_reads_is_told_of_the_end_of_the_stream() {
    let (mut p, key) = opened(State::Established);
    p.events();
    p.run("< FIN,ACK seq=1 ack=1\n> ACK seq=1 ack=2");
    let is = |event: &Event| {
        matches!(event, Event::Connection(whose, ready)
            if *whose == key && ready.contains(Readiness::READABLE))
    };
    assert!(p.events().iter().any(is));
}

#[test]
fn a_fin_that_acknowledges_ours_but_waits_for_text_leads_to_fin_wait_2() {
    // RFC 9293 3.10.7.4: its acknowledgement counts, the FIN does once what is before it has arrived.
    let (mut p, _) = opened(State::FinWait1);
    p.run("< FIN,ACK seq=11 ack=2 len=10\n> ACK seq=2 ack=1\n= FIN-WAIT-2");
    p.run("< ACK seq=1 ack=2 len=10\n> ACK seq=2 ack=22\n= TIME-WAIT");
    // Alone beyond the hole as well; and one ahead of it does not hide it, nor is it believed.
    let (mut p, _) = opened(State::Established);
    p.run("< FIN,ACK seq=11 ack=1\n> ACK seq=1 ack=1\n= ESTABLISHED");
    p.run("< ACK seq=1 ack=1 len=20\n> ACK seq=1 ack=21\n= ESTABLISHED");
    p.run("< FIN,ACK seq=21 ack=1\n> ACK seq=1 ack=22\n= CLOSE-WAIT\n< FIN,ACK seq=31 ack=1\n= CLOSE-WAIT");
}

#[test]
fn text_that_was_read_comes_again_with_a_fin_and_is_no_reason_to_reset() {
    // RFC 9293 3.6.1, SHLD-3 is about text that nobody will read: this was read, and only the FIN is new.
    let (mut p, key) = opened(State::Established);
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11");
    p.read(key, 0, 10);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> FIN,ACK seq=1 ack=11\n< ACK seq=11 ack=2\n= FIN-WAIT-2");
    p.run("< FIN,ACK seq=1 ack=2 len=10\n> ACK seq=2 ack=12\n= TIME-WAIT");
    assert_eq!(p.counters().abort_on_close, 0);
}

#[test]
fn a_fin_behind_text_that_found_no_room_is_not_taken() {
    // RFC 9293 3.10.7.4, seventh and eighth check: the FIN counts once all before it has been taken.
    let mut p = Peer::with_options(Options { receive_buffer: 4_000, receive_buffer_max: 4_000, ..plain() });
    p.listen(5);
    p.inject("SYN seq=0");
    let window = u32::from(p.next_sent().header.window);
    p.run("< ACK seq=1 ack=1");
    p.inject(&format!("FIN,ACK seq=1 ack=1 len={}", window + 1));
    let answer = p.next_sent().header;
    assert_eq!(answer.ack.0.wrapping_sub(crate::bench::peer::PEER_ISN), window + 1, "what fits, and no FIN");
    p.run("= ESTABLISHED");
}

#[test]
fn who_has_filled_the_window_hears_at_once_that_its_fin_was_taken() {
    // Others wait for the application's FIN where that is the user's wish.
    for (buffer, waits) in [(4_000, false), (65_535, true)] {
        let options = Options { receive_buffer: buffer, receive_buffer_max: buffer, delay_fin_ack: true, ..plain() };
        let mut p = Peer::with_options(options);
        p.listen(5);
        p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1");
        p.inject("ACK seq=1 ack=1 len=4000");
        p.next_sent();
        p.inject("FIN,ACK seq=4001 ack=1");
        assert_eq!(p.has_sent(), !waits, "buffer {buffer}");
        p.pass(core::time::Duration::from_secs(1));
        assert_eq!(p.next_sent().header.ack.0.wrapping_sub(crate::bench::peer::PEER_ISN), 4002);
    }
}

#[test]
fn the_reader_is_not_woken_by_what_waits_for_a_hole_to_be_filled() {
    let (mut p, key) = opened(State::Established);
    p.events();
    let readable = |p: &mut Peer| {
        let is = |event: &Event| matches!(event, Event::Connection(whose, ready) if *whose == key && ready.contains(Readiness::READABLE));
        p.events().iter().any(is)
    };
    p.run("< ACK seq=11 ack=1 len=10\n> ACK seq=1 ack=1");
    assert!(!readable(&mut p));
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=21");
    assert!(readable(&mut p));
}
