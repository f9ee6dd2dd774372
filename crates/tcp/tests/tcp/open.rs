//! Opening a connection (RFC 9293 3.5 and 3.10.7.1 to 3.10.7.3): active, passive, simultaneous, refused, lost.

use std::time::Duration;

use bowline_tcp::{Config, ConnectionError, EcnMode, Endpoint, Event, Listen, Options, Readiness, State};

use crate::bench::peer::Peer;

mod astray;

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
