//! Opening a connection (RFC 9293 3.5 and 3.10.7.1 to 3.10.7.3): active, passive, simultaneous, refused, lost.

use std::time::Duration;

use bowline_tcp::{Config, ConnectionError, Cookies, EcnMode, Endpoint, Event, Listen, Options, Readiness, State};

use crate::bench::peer::{Peer, plain};

#[test]
fn three_segments_open_passively() {
    // RFC 9293 3.7.1, MUST-14, MUST-67, SHLD-5, MAY-3.
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run(
        "= LISTEN
         < SYN seq=0 mss=1000
         > SYN,ACK seq=0 ack=1 mss=1460 no-ws no-ts no-sackok
         = SYN-RECEIVED",
    );
    assert!(p.events().is_empty(), "nothing to accept yet");
    p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
    assert_eq!(p.events(), [Event::Listener(listener)]);
    let key = p.accept(listener);
    assert!(p.endpoint.readiness(key).contains(Readiness::CONNECTED | Readiness::WRITABLE));
    assert!(!p.endpoint.readiness(key).contains(Readiness::READABLE));
    // MUST-16: no more than the peer's MSS.
    p.write(key, 0, 2_500);
    let sent = p.next_sent();
    assert_eq!((sent.payload.len(), sent.size), (2_500, Some(1_000)), "a super-segment, to be cut at the MSS");
}

#[test]
fn three_segments_open_actively() {
    let mut p = Peer::plain();
    let key = p.connect();
    p.run(
        "> SYN seq=0 mss=1460 no-ws no-ts no-sackok
         = SYN-SENT
         < SYN,ACK seq=0 ack=1 mss=1460
         > ACK seq=1 ack=1
         = ESTABLISHED",
    );
    let events = p.events();
    assert!(
        matches!(events[..], [Event::Connection(k, r)] if k == key && r.contains(Readiness::CONNECTED | Readiness::WRITABLE)),
        "{events:?}"
    );
}

#[test]
fn options_are_offered_agreed_and_used() {
    // RFC 7323 2.2, RFC7323-2.2-3; 3.2, RFC7323-3.2-1; RFC 2018 2 and 3, RFC2018-2-1, RFC2018-3-1.
    let mut p = Peer::new();
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0 mss=1400 ws=9 sackok ts=500
         > SYN,ACK seq=0 ack=1 mss=1460 ws=7 sackok ts=500 win=65535
         < ACK seq=1 ack=1 ts=501
         < ACK seq=1001 ack=1 len=10 ts=502
         > ACK seq=1 ack=1 sack=1001-1011 ts=501",
    );
    let info = p.info().unwrap();
    assert_eq!((info.window_scale, info.timestamps, info.sack, info.ecn), (Some((7, 9)), true, true, EcnMode::Off));
    assert_eq!((info.peer_mss, info.mss), (1400, 1388), "an MSS does not count the options of each segment");
    p.accept(listener);
}

#[test]
fn options_that_the_peer_does_not_have_are_not_used() {
    // RFC 7323 2.2, RFC7323-2.2-1, RFC7323-2.2-3; RFC 2018 3, RFC2018-3-1; RFC 9293 3.7.1, MUST-15.
    let mut p = Peer::new();
    p.listen(5);
    p.run(
        "< SYN seq=0
         > SYN,ACK seq=0 ack=1 no-ws no-sackok no-ts
         < ACK seq=1 ack=1
         < ACK seq=101 ack=1 len=10
         > ACK seq=1 ack=1 no-sack no-ts",
    );
    let info = p.info().unwrap();
    assert_eq!((info.window_scale, info.timestamps, info.sack), (None, false, false));
    assert_eq!(info.peer_mss, 536);

    // The same for an active open that is refused all of it.
    let mut p = Peer::new();
    p.connect();
    p.run(
        "> SYN seq=0 ws=7 sackok ts=0
         < SYN,ACK seq=0 ack=1
         > ACK seq=1 ack=1 no-ts",
    );
    let info = p.info().unwrap();
    assert_eq!((info.window_scale, info.timestamps, info.sack), (None, false, false));
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

fn print(p: &Peer) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    p.endpoint.fingerprint(&mut hasher);
    hasher.finish()
}

#[test]
fn fingerprints_tell_listeners_and_half_open_connections_apart() {
    let after = |backlog, syn: &str| {
        let mut p = Peer::plain();
        p.listen(backlog);
        p.inject(syn);
        print(&p)
    };
    let one = after(5, "SYN seq=0");
    assert_eq!(after(5, "SYN seq=0"), one);
    assert_ne!(after(6, "SYN seq=0"), one, "another backlog");
    assert_ne!(after(5, "SYN seq=1"), one, "another number of the peer's");
    let scaled = |syn: &str| {
        let mut p = Peer::new();
        p.listen(5);
        p.inject(syn);
        print(&p)
    };
    assert_ne!(scaled("SYN seq=0 ws=3"), scaled("SYN seq=0 ws=4"), "another scale");
    // Nothing is kept of what was answered with a cookie, but that its acknowledgement may come.
    let mut p = Peer::with_options(Options { syn_cookies: Cookies::Always, ..plain() });
    p.listen(5);
    let before = print(&p);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    assert_ne!(print(&p), before);
}

#[test]
fn fingerprints_tell_endpoints_apart_by_what_they_will_do() {
    let mut p = Peer::plain();
    let mut seen = vec![print(&p)];
    let listener = p.listen(5);
    let steps = ["< SYN seq=0\n> SYN,ACK seq=0 ack=1", "+1s\n> SYN,ACK seq=0 ack=1", "< ACK seq=1 ack=1"];
    for step in steps {
        p.run(step);
        seen.push(print(&p));
    }
    let key = p.accept(listener);
    p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    for step in ["> FIN,ACK seq=1 ack=1", "< ACK seq=1 ack=2", "< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2"] {
        p.run(step);
        seen.push(print(&p));
    }
    let copy = p.endpoint.clone();
    p.pass(Duration::from_secs(60));
    seen.push(print(&p));
    let mut different = seen.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), seen.len());
    // A copy goes its own way, from the same place.
    let old = std::mem::replace(&mut p.endpoint, copy);
    assert_eq!(print(&p), seen[seen.len() - 2]);
    assert!(!p.endpoint.is_idle() && old.population() == (1, 0, 0));
}

#[test]
fn ecn_is_agreed_on() {
    // RFC 9293 3.8.2, SHLD-8.
    let mut p = Peer::new();
    p.listen(5);
    p.run(
        "< SYN,ECE,CWR seq=0
         > SYN,ACK,ECE seq=0 ack=1
         < ACK seq=1 ack=1",
    );
    assert_eq!(p.info().unwrap().ecn, EcnMode::Classic);

    let mut p = Peer::with_options(Options { ecn: EcnMode::Classic, ..Options::default() });
    p.connect();
    p.run(
        "> SYN,ECE,CWR seq=0
         < SYN,ACK,ECE seq=0 ack=1
         > ACK seq=1 ack=1",
    );
    assert_eq!(p.info().unwrap().ecn, EcnMode::Classic);
    let mut p = Peer::with_options(Options { ecn: EcnMode::Classic, ..Options::default() });
    p.connect();
    p.run(
        "> SYN,ECE,CWR seq=0
         < SYN,ACK seq=0 ack=1
         > ACK seq=1 ack=1",
    );
    assert_eq!(p.info().unwrap().ecn, EcnMode::Off);
}

#[test]
fn text_and_fin_on_the_last_ack_of_the_handshake() {
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run(
        "< SYN seq=0
         > SYN,ACK seq=0 ack=1
         < ACK,FIN seq=1 ack=1 len=20
         > ACK seq=1 ack=22
         = CLOSE-WAIT",
    );
    let key = p.accept(listener);
    p.read(key, 0, 20);
    p.read(key, 20, 0);
}

#[test]
fn text_and_fin_on_the_syn() {
    // RFC 9293 3.10.7.2 lets them wait until the connection is established; ours makes the peer send them again.
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run(
        "< SYN,FIN seq=0 len=20
         > SYN,ACK seq=0 ack=1
         < ACK,FIN seq=1 ack=1 len=20
         > ACK seq=1 ack=22
         = CLOSE-WAIT",
    );
    let key = p.accept(listener);
    p.read(key, 0, 20);
}

#[test]
fn text_and_fin_on_the_syn_ack() {
    let mut p = Peer::plain();
    let key = p.connect();
    p.run(
        "> SYN seq=0
         < SYN,ACK,FIN seq=0 ack=1 len=20
         > ACK seq=1 ack=22
         = CLOSE-WAIT",
    );
    p.read(key, 0, 20);
    p.read(key, 20, 0);
}

#[test]
fn both_open_at_once() {
    // RFC 9293 3.5, figure 8, MUST-10: four segments, one connection.
    let mut p = Peer::plain();
    let key = p.connect();
    p.run(
        "> SYN seq=0
         < SYN seq=0
         > SYN,ACK seq=0 ack=1
         = SYN-RECEIVED
         < SYN,ACK seq=0 ack=1
         = ESTABLISHED",
    );
    // What was sent to the SYN,ACK, if anything, is an acknowledgement; then text flows both ways.
    p.write(key, 0, 10);
    p.run(
        "> ACK seq=1 ack=1 len=10
         < ACK seq=1 ack=11 len=5
         > ACK seq=11 ack=6",
    );
    p.read(key, 0, 5);
    assert_eq!(p.endpoint.population(), (1, 0, 0));
}

#[test]
fn both_open_at_once_and_the_peer_only_acknowledges() {
    let mut p = Peer::plain();
    p.connect();
    p.run(
        "> SYN seq=0
         < SYN seq=0
         > SYN,ACK seq=0 ack=1
         < ACK seq=1 ack=1
         = ESTABLISHED",
    );
}

#[test]
fn both_open_at_once_and_our_syn_ack_is_lost() {
    let mut p = Peer::plain();
    p.connect();
    p.run(
        "> SYN seq=0
         < SYN seq=0
         > SYN,ACK seq=0 ack=1
         +1s
         > SYN,ACK seq=0 ack=1
         < SYN,ACK seq=0 ack=1
         = ESTABLISHED",
    );
}

#[test]
fn a_listener_may_turn_active() {
    // RFC 9293 3.10.1: OPEN, active, in LISTEN.
    let mut p = Peer::plain();
    let listener = p.listen(5);
    let (local, remote) = (p.local().ip(), p.remote());
    let key = p.call(|endpoint, now| {
        endpoint.connect_from(now, listener, local, remote, bowline_tcp::Path::new(1500)).expect("connect")
    });
    p.run(
        "> SYN seq=0
         = SYN-SENT
         < SYN,ACK seq=0 ack=1
         > ACK seq=1 ack=1
         = ESTABLISHED",
    );
    assert_eq!(p.endpoint.state(key), Some(State::Established));
    assert!(p.endpoint.listeners(p.now).is_empty());
    // Nobody listens any more.
    p.ports(80, 4001).run("< SYN seq=0 abs\n> RST,ACK abs seq=0 ack=1");
}

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
fn a_refused_syn() {
    // RFC 9293 3.10.7.1: nobody listens.
    let mut p = Peer::plain();
    p.run("< SYN seq=0 len=5\n> RST,ACK seq=0 ack=6\n= CLOSED");
    p.run("< ACK seq=9 ack=77 abs\n> RST abs seq=77 ack=0");
    p.run("< RST seq=9\n< RST,ACK seq=9 ack=5\n.");

    let mut p = Peer::plain();
    let key = p.connect();
    p.run("> SYN seq=0\n< RST,ACK seq=0 ack=1\n= CLOSED");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Refused));
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

#[test]
fn only_hosts_speak_tcp() {
    // RFC 9293 3.9.1.1, MUST-46; 3.9.2.3, MUST-57, MUST-63.
    let mut endpoint = Endpoint::new(Config::default(), [1; 32]);
    endpoint.listen(Listen::on_port(80)).expect("listen");
    for bad in ["255.255.255.255:80", "224.0.0.1:80", "0.0.0.0:80", "10.0.0.1:0", "[ff02::1]:80", "[::]:80"] {
        let remote: std::net::SocketAddr = bad.parse().expect("an address");
        let local = if remote.is_ipv4() { "10.0.0.2:0" } else { "[fd00::2]:0" }.parse().expect("an address");
        let result = endpoint.connect(bowline_base::Instant::ZERO, local, remote, bowline_tcp::Path::new(1500), None);
        assert_eq!(result, Err(bowline_tcp::ConnectError::InvalidDestination), "{bad}");
    }
    let mut p = Peer::plain();
    p.listen(5);
    p.ports(80, 0).run("< SYN seq=0\n.");
    assert_eq!(p.counters().in_errs, 1);
    p.pass(Duration::from_secs(10));
}

#[test]
fn a_fin_behind_a_hole_is_reported_with_the_text_before_it() {
    let mut p = Peer::new();
    p.listen(5);
    p.run(
        "< SYN seq=0 mss=1400 ws=9 sackok ts=500
         > SYN,ACK seq=0 ack=1
         < ACK seq=1 ack=1 ts=501
         < FIN,ACK seq=1001 ack=1 len=10 ts=502
         > ACK seq=1 ack=1 sack=1001-1012
         = ESTABLISHED
         < ACK seq=1 ack=1 len=1000 ts=503
         > ACK seq=1 ack=1012
         = CLOSE-WAIT",
    );
}
