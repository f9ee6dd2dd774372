//! What a listener does with SYNs: its queues, cookies under a flood, and callers who decide themselves.

use std::time::Duration;

use bowline_tcp::{Config, ConnectionError, EcnMode, Readiness, Refusal};

use crate::bench::peer::{Peer, plain};

#[test]
fn a_backlog_of_one_holds_two_and_the_last_ack_waits() {
    let mut p = Peer::plain();
    let listener = p.listen(1);
    for port in [4000, 4001, 4002] {
        p.ports(80, port).run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    }
    for port in [4000, 4001] {
        p.ports(80, port).run("< ACK seq=1 ack=1\n= ESTABLISHED");
    }
    // As on Linux: the third handshake stays half-open, a further SYN is dropped.
    p.ports(80, 4002).run("< ACK seq=1 ack=1\n.\n= SYN-RECEIVED");
    p.ports(80, 4003).run("< SYN seq=0\n.");
    assert_eq!((p.counters().listen_overflows, p.counters().listen_drops), (2, 2));
    p.accept(listener);
    p.ports(80, 4002).run(
        "+1s
         > SYN,ACK seq=0 ack=1
         < ACK seq=1 ack=1
         = ESTABLISHED",
    );
    p.accept(listener);
    p.accept(listener);
    assert_eq!(p.endpoint.population(), (3, 0, 0));
}

#[test]
fn a_flood_is_answered_with_cookies_that_keep_the_options() {
    let mut p = Peer::with(Config { max_half_open: 100, ..Config::default() });
    let listener = p.listen(4096);
    for port in 1..=300 {
        p.ports(80, 10_000 + port).run("< SYN seq=0 mss=1460 ws=7 sackok ts=1\n> SYN,ACK seq=0 ack=1");
    }
    assert_eq!(p.endpoint.population(), (0, 100, 0), "what is beyond the bound is kept nowhere");
    assert_eq!(p.counters().syncookies_sent, 200);
    // An honest peer in the middle of it.
    p.ports(80, 5000).run(
        "< SYN,ECE,CWR seq=0 mss=1440 ws=9 sackok ts=70
         > SYN,ACK,ECE seq=0 ack=1 mss=1460 ws=7 sackok ts=70
         < ACK seq=1 ack=1 len=100 ts=71
         > ACK seq=1 ack=101
         = ESTABLISHED",
    );
    let info = p.info().unwrap();
    assert_eq!((info.window_scale, info.timestamps, info.sack, info.ecn), (Some((7, 9)), true, true, EcnMode::Classic));
    assert_eq!(info.peer_mss, 1440);
    let key = p.accept(listener);
    p.read(key, 0, 100);
    p.call(|endpoint, now| endpoint.abort(now, key));
    let _ = p.next_sent();
    // A guess is not.
    p.ports(80, 5001).run("< ACK seq=1 ack=77 abs\n.");
    assert_eq!((p.counters().syncookies_recv, p.counters().syncookies_failed), (1, 1));
    // Once the flood is over, half-open connections of old peers are found out again (RFC 9293 3.5.1).
    p.pass(Duration::from_secs(130));
    while p.has_sent() {
        p.next_sent();
    }
    p.run("< ACK seq=1 ack=77 abs\n> RST abs seq=77");
}

/// The copy of a SYN finds room where the first one found none and got a cookie, which the peer takes (a round trip of more than a
/// second does it). Linux resets such a peer.
#[test]
fn a_cookie_counts_although_a_copy_of_its_syn_was_queued_since() {
    let mut p = Peer::with(Config { max_half_open: 1, options: plain(), ..Config::default() });
    p.listen(5);
    p.ports(80, 4000).run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    p.ports(80, 4001).run("< SYN seq=0 mss=1460\n> SYN,ACK seq=0 ack=1");
    let cookie = p.our_isn().wrapping_add(1);
    p.ports(80, 4000).run("< RST seq=1\n.\n= LISTEN");
    p.ports(80, 4001).run("< SYN seq=0 mss=1460\n> SYN,ACK seq=0 ack=1\n= SYN-RECEIVED");
    let cookie = cookie.wrapping_sub(p.our_isn());
    assert_ne!(cookie, 1, "another number");
    // Text that overtakes the ACK with the cookie says nothing, and is sent again.
    p.run(&format!("< ACK seq=11 ack={cookie} len=10\n.\n= SYN-RECEIVED"));
    p.run(&format!("< ACK seq=1 ack={cookie} len=10\n> ACK ack=11\n= ESTABLISHED"));
    assert_eq!((p.endpoint.population(), p.counters().syncookies_recv), ((1, 0, 0), 1));
}

#[test]
fn a_cookie_does_not_outlive_its_two_minutes() {
    let mut p = Peer::with(Config { max_half_open: 0, options: plain(), ..Config::default() });
    p.listen(5);
    p.run(
        "< SYN seq=0 mss=1460
         > SYN,ACK seq=0 ack=1
         +200s
         < ACK seq=1 ack=1
         > RST seq=1
         = LISTEN",
    );
}

/// What brought a cookie arrives again after the connection's end, of which the peer has not heard: it is no second connection, whose
/// numbers would be those of the first, so that the peer would read what both have written as one stream.
#[test]
fn a_cookie_makes_one_connection() {
    let mut p = Peer::with(Config { max_half_open: 0, options: plain(), ..Config::default() });
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0 mss=1460
         > SYN,ACK seq=0 ack=1
         < ACK seq=1 ack=1 len=100
         > ACK seq=1 ack=101",
    );
    let key = p.accept(listener);
    p.write(key, 0, 100);
    p.call(|endpoint, now| endpoint.abort(now, key));
    p.run(
        "> ACK,PSH seq=1 ack=101 len=100
         > RST,ACK seq=101 ack=101
         < ACK seq=1 ack=1 len=100
         > RST seq=1
         = LISTEN",
    );
    assert_eq!((p.counters().syncookies_recv, p.counters().syncookies_failed), (1, 1));
    // Another one of the same peer's does.
    p.run(
        "< SYN seq=1000 mss=1460
         > SYN,ACK seq=0 ack=1001
         < ACK seq=1001 ack=1
         = ESTABLISHED",
    );
}

/// As after a close that leaves no TIME-WAIT behind.
#[test]
fn a_cookie_makes_no_connection_after_the_last_ack() {
    let mut p = Peer::with(Config { max_half_open: 0, options: plain(), ..Config::default() });
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0 mss=1460
         > SYN,ACK seq=0 ack=1
         < ACK,FIN seq=1 ack=1 len=100
         > ACK seq=1 ack=102",
    );
    let key = p.accept(listener);
    p.read(key, 0, 100);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(
        "> ACK,FIN seq=1 ack=102
         < ACK seq=102 ack=2
         .
         < ACK,FIN seq=1 ack=1 len=100
         > RST seq=1
         = LISTEN",
    );
    assert_eq!(p.endpoint.population(), (0, 0, 0));
}

#[test]
fn a_cookie_may_come_late_in_a_lossy_network() {
    // The last ACK of the handshake and the first text are lost; what follows must not end the connection.
    let mut p = Peer::with(Config { max_half_open: 0, options: plain(), ..Config::default() });
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0 mss=1460
         > SYN,ACK seq=0 ack=1
         < ACK seq=101 ack=1 len=100
         .
         < ACK seq=201 ack=1
         .
         < ACK seq=1 ack=1 len=100
         > ACK seq=1 ack=101
         = ESTABLISHED",
    );
    let key = p.accept(listener);
    p.read(key, 0, 100);
}

#[test]
fn a_deferred_syn_waits_for_the_caller_and_dials_once() {
    let mut p = Peer::plain();
    let listener = p.listen_deferred();
    p.run("< SYN seq=0 mss=1200\n.\n< SYN seq=0 mss=1200\n.\n+1s\n< SYN seq=0 mss=1200\n.");
    let pending = p.endpoint.pending(listener).expect("a SYN to decide on");
    assert_eq!((pending.tuple, pending.header.options.mss), (p.tuple(), Some(1200)));
    assert!(p.endpoint.pending(listener).is_none(), "it is reported once");
    let key = p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).expect("still there");
    p.run(
        "> SYN,ACK seq=0 ack=1 mss=1460
         = SYN-RECEIVED
         < SYN seq=0 mss=1200
         > SYN,ACK seq=0 ack=1
         < ACK seq=1 ack=1
         = ESTABLISHED",
    );
    assert!(p.endpoint.readiness(key).contains(Readiness::CONNECTED));
    assert!(p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).is_none(), "a decision is final");
}

#[test]
fn a_deferred_syn_can_be_refused_or_ignored() {
    let mut p = Peer::plain();
    let listener = p.listen_deferred();
    p.run("< SYN seq=0 len=3\n.");
    let pending = p.endpoint.pending(listener).expect("a SYN");
    p.call(|endpoint, now| endpoint.refuse(now, pending.key, Refusal::Reset));
    p.run("> RST,ACK abs seq=0 ack=4294967279\n= LISTEN");
    p.ports(80, 4001).run("< SYN seq=0\n.");
    let pending = p.endpoint.pending(listener).expect("a SYN");
    p.call(|endpoint, now| endpoint.refuse(now, pending.key, Refusal::Silent));
    p.run(".\n= LISTEN\n< SYN seq=0\n.");
    assert!(p.endpoint.pending(listener).is_some(), "the next SYN is a new question");
    // Nobody decides: it is forgotten.
    p.run("+131s\n= LISTEN");
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn an_admitted_syn_whose_answer_is_lost() {
    let mut p = Peer::plain();
    let listener = p.listen_deferred();
    p.run("< SYN seq=0");
    let pending = p.endpoint.pending(listener).expect("a SYN");
    let key = p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).expect("admitted");
    p.run(
        "> SYN,ACK seq=0 ack=1
         +1s
         > SYN,ACK seq=0 ack=1
         +2s
         > SYN,ACK seq=0 ack=1
         < RST seq=1
         = LISTEN",
    );
    // The caller, who has a handle of it, is told; nothing goes on in the background.
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Reset));
    assert!(p.endpoint.readiness(key).contains(Readiness::CLOSED));
    assert_eq!(p.endpoint.poll_timeout(), None);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(".");
    assert_eq!(p.endpoint.population(), (0, 0, 0));
}

#[test]
fn syns_that_wait_for_the_caller_are_bounded_for_each_source() {
    let mut p = Peer::with(Config { max_pending_per_source: 2, ..Config::default() });
    let listener = p.listen_deferred();
    for port in 1..=3 {
        p.ports(80, 10_000 + port).run("< SYN seq=0 mss=1460");
    }
    assert_eq!(p.endpoint.population(), (0, 2, 0));
    assert_eq!(p.counters().listen_drops, 1);
    assert!(p.endpoint.pending(listener).is_some() && p.endpoint.pending(listener).is_some());
    assert!(p.endpoint.pending(listener).is_none());
}
