//! Data on a SYN (RFC 7413), as far as scripts do not tell: bounds, floods, and paths that swallow it.

use std::time::Duration;

use bowline_tcp::{
    Config, ConnectionKey, FastOpenConfig, FastOpenFailure, FastOpenKeys, FastOpenOptions, FastOpenPolicy, ListenerKey,
    Options, State,
};
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{FastOpen, TcpFlags, TcpHeader, TcpOptions};

use crate::bench::peer::{PEER_ISN, Peer, Sent, plain};
use crate::bench::stream;

const KEYS: FastOpenKeys = FastOpenKeys::new([7; 16]);

/// A listener that takes data from so many SYNs at once.
fn server(pending: u32) -> (Peer, ListenerKey) {
    let fast_open = FastOpenOptions { listen: pending, keys: Some(KEYS), ..FastOpenOptions::default() };
    let mut peer = Peer::with_options(Options { fast_open, ..plain() });
    let listener = peer.listen(100);
    (peer, listener)
}

/// A SYN with ten bytes and a good cookie, from this port; how many of them its SYN-ACK acknowledges.
fn knock(peer: &mut Peer, port: u16) -> u32 {
    knock_with(peer, port, u16::MAX)
}

/// The same with this window.
fn knock_with(peer: &mut Peer, port: u16, window: u16) -> u32 {
    peer.ports(80, port);
    let option = FastOpen { cookie: KEYS.cookie(&peer.tuple()), experimental: false };
    let header = TcpHeader {
        src_port: port,
        dst_port: 80,
        seq: SeqNumber(PEER_ISN),
        flags: TcpFlags::SYN,
        window,
        options: TcpOptions { mss: Some(1000), fast_open: Some(option), ..TcpOptions::default() },
        ..TcpHeader::default()
    };
    peer.send_raw(&header, stream(0, 10));
    let answer = peer.next_sent().header;
    assert_eq!(answer.flags, TcpFlags::SYN | TcpFlags::ACK);
    answer.ack.0.wrapping_sub(PEER_ISN + 1)
}

#[test]
fn only_so_many_are_in_their_handshake_at_once() {
    let (mut p, listener) = server(1);
    assert_eq!(knock(&mut p, 4000), 10);
    assert_eq!(p.endpoint.listeners(p.now)[0].fast_open, 1);
    let first = p.accept(listener);
    let mut bytes = [0; 20];
    assert_eq!(p.call(|endpoint, now| endpoint.receive(now, first, &mut bytes)), Ok(10));
    assert_eq!(knock(&mut p, 4001), 0, "an ordinary open");
    assert_eq!(p.counters().fast_open_listen_overflow, 1);
    // The first handshake is complete: there is room again.
    p.ports(80, 4000);
    p.run("< ACK seq=11 ack=1\n= ESTABLISHED");
    assert_eq!(knock(&mut p, 4002), 10);
    assert_eq!((p.counters().fast_open_passive, p.counters().fast_open_passive_fail), (2, 0));
}

#[test]
fn an_early_answer_fills_the_window_of_the_syn_and_no_more() {
    // RFC 9293 3.4, RFC 7413 4.2.2: the window is of what follows our SYN, of which no acknowledgement has come yet.
    for window in [0, 1, 10] {
        let fast_open = FastOpenOptions { listen: 1, keys: Some(KEYS), ..FastOpenOptions::default() };
        let mut p = Peer::with_options(Options { fast_open, nodelay: true, ..plain() });
        let listener = p.listen(1);
        assert_eq!(knock_with(&mut p, 4000, window), 10);
        let key = p.accept(listener);
        let mut sent = 0;
        for n in 0..20 {
            p.write(key, n, 1);
            while p.has_sent() {
                sent += p.next_sent().payload.len();
            }
        }
        assert_eq!(sent, usize::from(window));
    }
}

#[test]
fn where_every_listener_takes_data_its_backlog_is_the_bound() {
    // Linux, `tcp_fastopen` with 0x400.
    for (policy, expected) in [(FastOpenPolicy::EVERY_LISTENER, 2), (FastOpenPolicy::empty(), 0)] {
        let fast_open =
            FastOpenConfig { policy: FastOpenPolicy::SERVER | policy, keys: Some(KEYS), ..FastOpenConfig::default() };
        let mut p = Peer::with(Config { fast_open, options: plain(), ..Config::default() });
        p.listen(2);
        assert_eq!((0..4).filter(|n| knock(&mut p, 5000 + n) == 10).count(), expected);
    }
}

#[test]
fn one_that_was_reset_goes_on_counting_for_a_minute() {
    let (mut p, _) = server(1);
    assert_eq!(knock(&mut p, 4000), 10);
    p.run("< RST seq=11");
    assert_eq!(knock(&mut p, 4001), 0);
    wait(&mut p, 60);
    assert_eq!(knock(&mut p, 4002), 10);
}

#[test]
fn a_flood_of_good_cookies_makes_no_more_connections_than_were_allowed() {
    let (mut p, _) = server(16);
    let taken = (0..500).filter(|n| knock(&mut p, 5000 + n) == 10).count();
    assert_eq!(taken, 16);
    let (connections, half_open, _) = p.endpoint.population();
    assert_eq!(connections, 16);
    assert!(half_open <= 100, "and the SYN queue has its own bound: {half_open}");
}

#[test]
fn a_listener_that_goes_resets_those_that_nobody_accepted() {
    let (mut p, listener) = server(5);
    assert_eq!(knock(&mut p, 4000), 10);
    p.call(|endpoint, now| endpoint.close_listener(now, listener));
    let reset = p.next_sent().header;
    assert!(reset.flags.contains(TcpFlags::RST));
    assert_eq!(p.endpoint.population().0, 0);
}

/// Lets time pass; what was sent meanwhile.
fn wait(peer: &mut Peer, seconds: u64) -> Vec<Sent> {
    peer.pass(Duration::from_secs(seconds));
    let mut sent = Vec::new();
    while peer.has_sent() {
        sent.push(peer.next_sent());
    }
    sent
}

/// A client that has a cookie of the peer's.
fn client() -> Peer {
    let fast_open = FastOpenOptions { connect: true, ..FastOpenOptions::default() };
    let mut p = Peer::with(Config { options: Options { fast_open, syn_retries: 3, ..plain() }, ..Config::default() });
    p.ports(4000, 80);
    p.connect();
    let syn = p.next_sent().header;
    assert_eq!(syn.options.fast_open, Some(FastOpen::request(false)));
    let given = FastOpen { cookie: [1; 8].into_iter().collect(), experimental: false };
    let header = TcpHeader {
        src_port: 80,
        dst_port: 4000,
        seq: SeqNumber(PEER_ISN),
        ack: syn.seq + 1,
        flags: TcpFlags::SYN | TcpFlags::ACK,
        window: 65_535,
        options: TcpOptions { mss: Some(1000), fast_open: Some(given), ..TcpOptions::default() },
        ..TcpHeader::default()
    };
    p.send_raw(&header, Vec::new());
    p.next_sent();
    p
}

fn open_fast(p: &mut Peer, port: u16) -> ConnectionKey {
    p.ports(port, 80);
    let (local, remote) = (p.local(), p.remote());
    p.call(|endpoint, now| {
        let path = bowline_tcp::Path::new(1500);
        let key = endpoint.connect(now, local, remote, path, None).expect("connect");
        assert_eq!(endpoint.send(now, key, &stream(0, 5)), Ok(5));
        key
    })
}

#[test]
fn a_path_that_swallows_them_makes_opens_ordinary_for_an_hour() {
    let mut p = client();
    let key = open_fast(&mut p, 4001);
    let syn = p.next_sent();
    assert_eq!((syn.payload.len(), syn.header.options.fast_open.is_some()), (5, true));
    for again in wait(&mut p, 30) {
        assert_eq!((again.payload.len(), again.header.options.fast_open), (0, None));
    }
    assert_eq!(p.counters().fast_open_blackhole, 1);
    p.call(|endpoint, now| endpoint.abort(now, key));
    open_fast(&mut p, 4002);
    let syn = p.next_sent();
    assert_eq!((syn.payload.len(), syn.header.options.fast_open), (0, None));
    wait(&mut p, 3_600);
    open_fast(&mut p, 4003);
    assert_eq!(p.next_sent().payload.len(), 5);
}

#[test]
fn a_syn_with_data_is_one_segment() {
    // However little a segment takes before the peer has said how much: a device must not cut it.
    let mut p = client();
    p.ports(4001, 80);
    let (local, remote) = (p.local(), p.remote());
    p.call(|endpoint, now| {
        let key = endpoint.connect(now, local, remote, bowline_tcp::Path::new(1500), None).expect("connect");
        assert_eq!(endpoint.send(now, key, &stream(0, 5_000)), Ok(5_000));
    });
    let syn = p.next_sent();
    assert_eq!((syn.payload.len(), syn.size), (960, None), "the peer's MSS of 1000, less 40");
    assert!(!p.has_sent());
}

#[test]
fn what_became_of_the_data_is_told() {
    let mut p = client();
    let taken = open_fast(&mut p, 4001);
    p.next_sent();
    p.run("< SYN,ACK seq=0 ack=6\n> ACK seq=6 ack=1");
    let info = p.endpoint.info(p.now, taken).unwrap().fast_open.unwrap();
    assert_eq!((info.is_server, info.syn_data, info.failure), (false, true, None));
    let refused = open_fast(&mut p, 4002);
    p.next_sent();
    p.run("< SYN,ACK seq=0 ack=1\n> ACK,PSH seq=1 ack=1 len=5");
    let info = p.endpoint.info(p.now, refused).unwrap().fast_open.unwrap();
    assert_eq!((info.syn_data, info.failure), (false, Some(FastOpenFailure::DataRefused)));
    assert_eq!(p.endpoint.state(refused), Some(State::Established));
    assert_eq!((p.counters().fast_open_active, p.counters().fast_open_active_fail), (1, 1));
}
