//! Handshakes whose segments are lost, repeated, old, or of somebody else (RFC 9293 3.5 and 3.8.3; RFC 5961 4.2).

use bowline_tcp::ConnectionError;

use crate::bench::peer::Peer;

#[test]
fn a_lost_syn_is_sent_again_and_given_up_after_247_seconds() {
    // RFC 9293 3.8.3, MUST-22, MUST-23: three minutes at least, and the user is told; RFC 6298 2, RFC6298-2-1.
    let mut p = Peer::plain();
    let key = p.connect();
    p.run("> SYN seq=0");
    for wait in ["+1s", "+2s", "+4s", "+8s", "+16s", "+32s", "+64s"] {
        p.run(&format!("{wait}\n> SYN seq=0"));
    }
    p.run("+119s\n.\n+1s\n= CLOSED");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::TimedOut));
    assert_eq!(p.endpoint.poll_timeout(), None);
}

#[test]
fn a_lost_syn_ack_is_sent_again() {
    let mut p = Peer::plain();
    p.listen(5);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    for wait in ["+1s", "+2s", "+4s", "+8s", "+16s"] {
        p.run(&format!("{wait}\n> SYN,ACK seq=0 ack=1\n= SYN-RECEIVED"));
    }
    p.run("+32s\n.\n= LISTEN");
    assert_eq!((p.counters().synack_retrans, p.counters().half_open_expired), (5, 1));
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn a_repeated_syn_is_answered_again_and_counts_for_nothing() {
    let mut p = Peer::plain();
    p.listen(5);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    for _ in 0..10 {
        p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    }
    p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
    assert_eq!((p.endpoint.population(), p.counters().passive_opens), ((1, 0, 0), 1));
}

#[test]
fn blind_answers_to_a_syn_change_nothing() {
    let mut p = Peer::plain();
    let key = p.connect();
    p.run(
        "> SYN seq=0
         < RST seq=0
         < RST,ACK seq=0 ack=0
         < RST,ACK seq=0 ack=2
         .
         = SYN-SENT
         < ACK seq=0 ack=2
         > RST seq=2
         < SYN,ACK seq=0 ack=0
         > RST seq=0
         < ACK seq=0 ack=1
         .
         < - seq=5 len=7
         .
         = SYN-SENT
         < SYN,ACK seq=0 ack=1
         > ACK seq=1 ack=1
         = ESTABLISHED",
    );
    assert_eq!(p.endpoint.error(key), None);
}

#[test]
fn a_syn_ack_of_an_old_incarnation_is_told_by_its_echo() {
    // The sequence numbers fit, and the timestamp that it echoes was never sent: reset, as Linux does.
    let mut p = Peer::new();
    p.connect();
    p.run(
        "> SYN seq=0
         < SYN,ACK seq=0 ack=1 ts=7/1
         > RST seq=1
         = SYN-SENT
         < SYN,ACK seq=0 ack=1 ts=9
         > ACK seq=1 ack=1
         = ESTABLISHED",
    );
    // An echo of nothing is no echo, and a RST has none.
    for answer in ["< SYN,ACK seq=0 ack=1 ts=7/0\n> ACK seq=1 ack=1", "< RST,ACK seq=0 ack=1 ts=7/1"] {
        let mut p = Peer::new();
        p.connect();
        p.run(&format!("> SYN seq=0\n{answer}"));
        assert_ne!(p.state(), bowline_tcp::State::SynSent, "{answer}");
    }
}

#[test]
fn an_old_duplicate_syn_is_sorted_out() {
    // RFC 9293 3.5, figure 9: an old SYN reaches a listener; the true peer resets it, and its own SYN is welcome.
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run(
        "< SYN seq=90
         > SYN,ACK seq=0 ack=91
         < RST seq=91
         = LISTEN
         < SYN seq=100
         > SYN,ACK seq=0 ack=101
         < ACK seq=101 ack=1
         = ESTABLISHED",
    );
    assert_eq!(p.counters().embryonic_rsts, 1);
    p.accept(listener);
}

#[test]
fn a_peer_that_forgot_the_connection_is_told_and_begins_anew() {
    // RFC 9293 3.5.1, figure 10: half-open connection discovery. RFC 5961 4.2, RFC5961-4.2-1.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run(
        "< SYN seq=400
         > ACK seq=1 ack=1
         < RST seq=1
         = LISTEN",
    );
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Reset));
    p.run(
        "< SYN seq=400
         > SYN,ACK seq=0 ack=401
         < ACK seq=401 ack=1
         = ESTABLISHED",
    );
}

#[test]
fn the_last_ack_of_a_handshake_may_be_lost_if_text_follows() {
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0
         > SYN,ACK seq=0 ack=1
         < ACK seq=11 ack=1 len=10
         > ACK seq=1 ack=1
         = ESTABLISHED
         < ACK seq=1 ack=1 len=10
         > ACK seq=1 ack=21",
    );
    let key = p.accept(listener);
    p.read(key, 0, 20);
}

#[test]
fn a_last_ack_without_the_timestamps_agreed_on_is_not_the_last_ack() {
    // RFC 7323 3.2, RFC7323-3.2-2. It once left a connection in SYN-RECEIVED that no timer ended.
    let mut p = Peer::new();
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0 ts=5
         > SYN,ACK seq=0 ack=1 ts=5
         < ACK seq=1 ack=1
         .
         = SYN-RECEIVED
         +1s
         > SYN,ACK seq=0 ack=1
         < ACK seq=1 ack=1 ts=6
         = ESTABLISHED",
    );
    p.accept(listener);
}
