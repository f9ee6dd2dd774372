//! Requirements of RFC 9293 and its companions that no conversation elsewhere shows: a claim each.

use std::net::SocketAddr;
use std::time::Duration;

use bowline_tcp::{Algorithm, ConnectionError, Event, Listen, ListenError, Options, Readiness, State};
use bowline_wire::Ecn;
use bowline_wire::tcp::TcpFlags;

use crate::bench::peer::{Peer, opened, plain};

#[test]
fn a_window_is_no_negative_number() {
    // RFC 9293 3.1, MUST-1, REC-1: 65,535 is a large window, and shifted by 14 a very large one.
    let mut p = Peer::with_options(Options { algorithm: Algorithm::Local, ..plain() });
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 win=65535");
    p.write(key, 0, 100_000);
    let mut sent = 0;
    while p.has_sent() {
        sent += p.next_sent().payload.len();
    }
    assert!((65_000..=65_535).contains(&sent), "{sent}");

    let mut p = Peer::with_options(Options { window_scaling: true, ..plain() });
    p.listen(5);
    p.run("< SYN seq=0 ws=14\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 win=65535");
    assert_eq!(p.info().unwrap().snd_wnd, 65_535 << 14);
}

#[test]
fn a_shift_above_14_counts_as_14_and_the_window_of_a_syn_has_none() {
    // RFC 7323 2.2, RFC7323-2.2-2; 2.3, RFC7323-2.3-1.
    let mut p = Peer::with_options(Options { window_scaling: true, ..plain() });
    p.connect();
    p.run("> SYN seq=0 win=65535\n< SYN,ACK seq=0 ack=1 ws=15 win=1000\n> ACK seq=1 ack=1");
    let info = p.info().unwrap();
    assert_eq!((info.window_scale.map(|(_, theirs)| theirs), info.snd_wnd), (Some(14), 1000));
    p.run("< ACK seq=1 ack=1 win=1000");
    assert_eq!(p.info().unwrap().snd_wnd, 1000 << 14);
}

#[test]
fn options_of_the_handshake_mean_nothing_afterwards() {
    // RFC 9293 3.1, MUST-5: received in any segment; 3.7.1, MUST-65, RFC 7323 2.2, RFC7323-2.2-1, RFC 2018 2, RFC2018-2-1: they
    // count on SYNs only, and only there are they sent.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    let before = p.info().unwrap();
    p.run("< ACK seq=1 ack=1 len=10 mss=100 ws=3 sackok ts=1/1\n> ACK seq=1 ack=11 no-mss no-ws no-sackok no-ts");
    p.run("< ACK seq=101 ack=1 len=10 sack=1-2\n> ACK seq=1 ack=11 no-sack");
    let after = p.info().unwrap();
    assert_eq!((before.mss, before.window_scale, before.sack), (after.mss, after.window_scale, after.sack));
    p.write(key, 0, 600);
    assert_eq!(p.next_sent().size, Some(536));
}

#[test]
fn a_reset_in_syn_received_goes_back_to_where_it_came_from() {
    // RFC 9293 3.5, MUST-11: after a passive open nobody is told, and the listener goes on; after an active one the user is.
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1\n< RST seq=1\n= LISTEN");
    assert!(p.events().is_empty());
    assert!(p.call(|endpoint, now| endpoint.accept(now, listener)).is_none());

    let (mut p, key) = opened(State::SynReceived);
    p.run("< RST seq=1\n= CLOSED");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Refused));
}

#[test]
fn a_second_listener_is_refused_and_changes_nothing() {
    // RFC 9293 3.9.1.1, MUST-41.
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    assert_eq!(p.endpoint.listen(Listen { backlog: 1, ..Listen::on_port(80) }), Err(ListenError::AddressInUse));
    p.run("= SYN-RECEIVED\n< ACK seq=1 ack=1\n= ESTABLISHED");
    p.accept(listener);
}

#[test]
fn one_can_listen_on_a_port_that_is_connecting() {
    // RFC 9293 3.9.1.1, MUST-42: SYN-SENT, and SYN-RECEIVED of a simultaneous open.
    for state in [State::SynSent, State::SynReceived] {
        let (mut p, _) = opened(state);
        let listener = p.listen(5);
        p.run(&format!("= {state}"));
        p.ports(80, 4001).run("< SYN seq=0\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1\n= ESTABLISHED");
        p.accept(listener);
        p.ports(80, 4000).run(&format!("= {state}"));
    }
}

#[test]
fn a_listener_of_one_address_takes_no_other_and_the_address_stays() {
    // RFC 9293 3.9.1.1, MUST-43, MUST-45.
    let mut p = Peer::plain();
    let other = "10.0.0.99".parse().unwrap();
    p.endpoint.listen(Listen { address: Some(other), ..Listen::on_port(80) }).unwrap();
    p.run("< SYN seq=0\n> RST,ACK abs seq=0 ack=4294967276");
    let mut p = Peer::plain();
    let ours = p.local();
    p.endpoint.listen(Listen { address: Some(ours.ip()), ..Listen::on_port(80) }).unwrap();
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1\n= ESTABLISHED");
    assert_eq!(p.info().unwrap().tuple.local, ours);

    // An active open: the bench asserts that every segment leaves from the address that was chosen.
    let mut p = Peer::plain();
    let key = p.connect();
    p.run("> SYN seq=0\n< SYN,ACK seq=0 ack=1\n> ACK seq=1 ack=1");
    assert_eq!(p.endpoint.tuple(key).map(|tuple| tuple.local), Some(SocketAddr::from(([10, 0, 0, 2], 80))));
}

#[test]
fn a_window_that_shrinks_to_nothing_is_probed_and_costs_no_connection() {
    // RFC 9293 3.8.6, MUST-35, SHLD-17: what was sent lies beyond the window, for longer than R2; the peer answers.
    let mut p = Peer::with_options(Options { nodelay: true, ..plain() });
    let (_, key) = p.establish();
    p.write(key, 0, 1_000);
    while p.has_sent() {
        p.next_sent();
    }
    p.inject("ACK seq=1 ack=1 win=0");
    for _ in 0..30 {
        let wait = p.endpoint.poll_timeout().expect("it is probed").since(p.now);
        p.pass(wait);
        assert!(p.has_sent(), "it is probed");
        while p.has_sent() {
            p.next_sent();
        }
        p.inject("ACK seq=1 ack=1 win=0");
    }
    p.run("= ESTABLISHED");
    assert_eq!(p.endpoint.error(key), None);
    p.inject("ACK seq=1 ack=1001 win=1000");
    p.run("= ESTABLISHED");
}

#[test]
fn a_closed_window_still_hears_rst_and_urg() {
    // RFC 9293 3.4, MUST-66.
    let closed = || {
        let mut p = Peer::with_options(Options { receive_buffer: 2_000, receive_buffer_max: 2_000, ..plain() });
        let (_, key) = p.establish();
        p.inject("ACK seq=1 ack=1 len=2000");
        let mut window = None;
        while p.has_sent() {
            window = Some(p.next_sent().header.window);
        }
        assert_eq!(window, Some(0));
        p.events();
        (p, key)
    };
    let (mut p, key) = closed();
    p.inject("URG,ACK seq=2001 ack=1 len=1 urg=1");
    let told = |e: &Event| matches!(e, Event::Connection(k, ready) if *k == key && ready.contains(Readiness::URGENT));
    assert!(p.events().iter().any(told));
    assert_eq!(p.endpoint.urgent_left(key), 2_001);
    p.run("> ACK seq=1 ack=2001 win=0");

    let (mut p, key) = closed();
    p.run("< RST seq=2001\n= LISTEN");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Reset));
}

#[test]
fn a_reset_may_carry_text() {
    // RFC 9293 3.5.3, SHLD-2; RFC 5961 3.2, RFC5961-3.2-2.
    let (mut p, key) = opened(State::Established);
    p.run("< RST seq=1 len=20\n= LISTEN");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Reset));
}

#[test]
fn all_of_a_batch_is_processed_before_it_is_acknowledged() {
    // RFC 9293 3.10.7.4, MUST-58, MUST-59; RFC 5681 4.2, RFC5681-4.2-3: nothing is sent while segments come in.
    use bowline_tcp::{Arrival, Path};
    use bowline_wire::tcp::TcpHeader;
    let (mut p, key) = opened(State::Established);
    let (tuple, now) = (p.tuple(), p.now);
    let first = TcpHeader {
        src_port: tuple.remote.port(),
        dst_port: tuple.local.port(),
        seq: bowline_wire::SeqNumber(crate::bench::peer::PEER_ISN.wrapping_add(1)),
        ack: bowline_wire::SeqNumber(p.our_isn().wrapping_add(1)),
        flags: TcpFlags::ACK,
        window: 60_000,
        ..TcpHeader::default()
    };
    for n in 0..10 {
        let header = TcpHeader { seq: first.seq + 1_000 * n, ..first.clone() };
        let payload = crate::bench::stream(1_000 * u64::from(n), 1_000).into();
        let path = Path::new(1500);
        let arrival = Arrival {
            tuple,
            header: &header,
            head: &[],
            text: &[bowline_wire::Piece { data: payload, pinned: 1_000 }],
            segment_size: None,
            mark: Ecn::NotEct,
            path,
        };
        p.endpoint.handle_segment(now, &arrival);
    }
    p.read(key, 0, 10_000);
    p.run("> ACK seq=1 ack=10001");
}

#[test]
fn challenges_are_rationed_for_each_connection_by_itself() {
    // RFC 5961 7, RFC5961-7-1. The budget of one connection tells nothing about another (CVE-2016-5696).
    let mut p = Peer::plain();
    let listener = p.listen(5);
    let mut answers = Vec::new();
    for port in [4000, 4001] {
        p.ports(80, port);
        p.establish_on(listener);
        let mut count = 0;
        for n in 0..200 {
            p.inject(&format!("RST seq={}", 100 + n));
            while p.has_sent() {
                p.next_sent();
                count += 1;
            }
        }
        p.run("= ESTABLISHED");
        answers.push(count);
    }
    assert_eq!(answers[0], answers[1], "what was spent on one is not missing at the other");
    assert!((1..=20).contains(&answers[0]), "{answers:?}");
    p.pass(Duration::from_secs(10));
    p.run("< RST seq=100\n> ACK seq=1 ack=1");
}

#[test]
fn the_echo_of_a_segment_without_ack_says_nothing() {
    // RFC 7323 3.2, RFC7323-3.2-3: the first SYN of a simultaneous open.
    let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
    p.connect();
    p.run("> SYN seq=0 ts=0\n+300ms\n< SYN seq=0 ts=9/77\n> SYN,ACK seq=0 ack=1 ts=9");
    assert_eq!(p.info().unwrap().srtt, None);
}

#[test]
fn a_time_from_a_segment_that_is_dropped_makes_no_true_one_look_old() {
    // RFC 7323 5.3, R1 to R3, RFC7323-4.3-1 (CVE-2005-0356).
    for forged in [
        "ACK seq=0 ack=1 ts=900000",
        "ACK seq=4294900000 ack=1 len=10 ts=900000",
        "ACK seq=1 ack=100000 len=10 ts=900000",
        "ACK seq=1 ack=4294900000 len=10 ts=900000",
        "SYN seq=1 ts=900000",
        "RST seq=2 ts=900000",
        "- seq=1 ts=900000",
    ] {
        let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
        p.listen(5);
        p.run("< SYN seq=0 ts=1000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=1001");
        p.inject(forged);
        while p.has_sent() {
            assert_eq!(p.next_sent().header.options.timestamps.map(|times| times.echo), Some(1001), "{forged}");
        }
        p.run("< ACK seq=1 ack=1 len=10 ts=1002\n> ACK seq=1 ack=11 ts=1002");
        assert_eq!(p.counters().paws_estab, 0, "{forged}");
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_challenged_however_wide_the_window_is() {
    // RFC 5961 5.2, RFC5961-5.2-1; RFC 9293 3.10.7.4, MAY-12. Below our initial number nothing was ever sent: not even the width of
    // the window lets who guesses numbers put text in there.
    let (mut p, key) = opened(State::Established);
    p.run("< ACK seq=1 ack=0 len=10\n> ACK seq=1 ack=1\n< ACK seq=1 ack=4294967290 len=10\n> ACK seq=1 ack=1");
    p.write(key, 0, 100);
    p.run("> ACK seq=1 ack=1 len=100\n< ACK seq=1 ack=101\n< ACK seq=1 ack=1 len=10\n> ACK seq=101 ack=11");
    p.read(key, 0, 10);
}

#[test]
fn the_reset_of_an_abort_has_the_timestamps_agreed_on() {
    // RFC 7323 5.2.
    let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
    let listener = p.listen(5);
    p.run("< SYN seq=0 ts=1000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=1001");
    let key = p.accept(listener);
    p.call(|endpoint, now| endpoint.abort(now, key));
    p.run("> RST,ACK seq=1 ack=1 ts=1001");
}

#[test]
fn an_old_time_counts_no_more_after_24_days() {
    // RFC 7323 5.5, RFC7323-5.5-1.
    let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
    p.listen(5);
    p.run("< SYN seq=0 ts=1000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=1000");
    p.pass(Duration::from_secs(23 * 24 * 3600));
    p.run("< ACK seq=1 ack=1 len=10 ts=999\n> ACK seq=1 ack=1 ts=1000");
    p.pass(Duration::from_secs(2 * 24 * 3600));
    p.run("< ACK seq=1 ack=1 len=10 ts=999\n> ACK seq=1 ack=11 ts=999");
}
