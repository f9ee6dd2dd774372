//! Segments with MD5 digests (RFC 2385): what is signed, what is let in, and what that leaves room for.

use std::time::Duration;

use bowline_tcp::{Config, Cookies, Counters, Keys, Listen, Md5Key, Options, Refusal, State};
use bowline_wire::Signature;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use crate::bench::peer::{PEER_ISN, Peer, plain};

const SECRET: &[u8] = b"a secret";

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.set_md5("10.0.0.0/24".parse().unwrap(), Md5Key::new(SECRET).unwrap());
    keys
}

/// A peer and an endpoint that share a key. What the peer sends is signed from now on, and what it gets must be.
fn signing(options: Options) -> Peer {
    let mut peer = Peer::with_options(Options { keys: keys(), ..options });
    peer.md5 = Some(SECRET);
    peer
}

/// (not found, unexpected, failure)
fn drops(counters: &Counters) -> (u64, u64, u64) {
    (counters.md5_not_found, counters.md5_unexpected, counters.md5_failure)
}

/// The peer sends the line unsigned, and with a wrong key, and hears nothing.
fn is_deaf_to(p: &mut Peer, line: &str) {
    let (before, state) = (p.counters(), p.state());
    for (n, key) in [None, Some(&b"another"[..])].into_iter().enumerate() {
        p.md5 = key;
        p.inject(line);
        assert!(!p.has_sent(), "{line} with {key:?} was answered in {state}");
        assert_eq!(p.state(), state, "{line} with {key:?}");
        let (not_found, unexpected, failure) = drops(&before);
        assert_eq!(drops(&p.counters()), (not_found + 1, unexpected, failure + n as u64), "{line}");
    }
    p.md5 = Some(SECRET);
}

#[test]
fn a_passive_connection_signs_all_it_says_and_hears_nothing_else() {
    let mut p = signing(plain());
    let listener = p.listen(5);
    is_deaf_to(&mut p, " SYN seq=0");
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    for line in [" ACK seq=1 ack=1", " RST seq=1", " SYN seq=0"] {
        is_deaf_to(&mut p, line);
    }
    p.run("+1s\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1\n= ESTABLISHED");
    let key = p.accept(listener);
    for line in [" ACK seq=1 ack=1 len=10", " RST seq=1", " RST seq=100", " SYN seq=5000", " FIN,ACK seq=1 ack=1"] {
        is_deaf_to(&mut p, line);
    }
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11");
    p.read(key, 0, 10);
    p.write(key, 0, 100);
    p.run("> ACK seq=1 ack=11 len=100\n< ACK seq=11 ack=101");
    // Challenges, too.
    p.run("< RST seq=100\n> ACK seq=101 ack=11");
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(
        "> FIN,ACK seq=101 ack=11\n< ACK seq=11 ack=102\n= FIN-WAIT-2\n< FIN,ACK seq=11 ack=102\n> ACK seq=102 ack=12",
    );
    assert_eq!(p.state(), State::TimeWait);
    for line in [" FIN,ACK seq=11 ack=102", " RST seq=12", " SYN seq=5000"] {
        is_deaf_to(&mut p, line);
    }
    p.run("< FIN,ACK seq=11 ack=102\n> ACK seq=102 ack=12\n+60s\n= LISTEN");
}

#[test]
fn an_active_connection_signs_its_syn_and_its_reset() {
    let mut p = signing(plain());
    let key = p.connect();
    p.run("> SYN seq=0\n= SYN-SENT");
    is_deaf_to(&mut p, " SYN,ACK seq=0 ack=1");
    is_deaf_to(&mut p, " RST,ACK seq=0 ack=1");
    p.run("< SYN,ACK seq=0 ack=7\n> RST seq=7\n= SYN-SENT\n< SYN,ACK seq=0 ack=1\n> ACK seq=1 ack=1\n= ESTABLISHED");
    p.call(|endpoint, now| endpoint.abort(now, key));
    p.run("> RST,ACK seq=1 ack=1\n= CLOSED");
}

#[test]
fn nobodys_resets_are_signed() {
    let mut p = signing(plain());
    p.run("< ACK seq=1 ack=1\n> RST seq=1\n< SYN seq=0\n> RST,ACK seq=0 ack=1");
    is_deaf_to(&mut p, " SYN seq=0");
    // A caller that turns a SYN away.
    let listener = p.listen_deferred();
    p.run("< SYN seq=0\n.");
    let pending = p.endpoint.pending(listener).unwrap();
    p.call(|endpoint, now| endpoint.refuse(now, pending.key, Refusal::Reset));
    p.run("> RST,ACK ack=1");
}

#[test]
fn what_nobody_expects_is_dropped() {
    let mut p = Peer::plain();
    let listener = p.listen(5);
    p.md5 = Some(SECRET);
    p.inject(" SYN seq=0");
    assert_eq!((p.has_sent(), drops(&p.counters())), (false, (0, 1, 0)));
    p.md5 = None;
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    p.md5 = Some(SECRET);
    p.inject(" ACK seq=1 ack=1");
    assert_eq!((p.state(), drops(&p.counters())), (State::SynReceived, (0, 2, 0)));
    p.md5 = None;
    p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
    p.accept(listener);
    p.md5 = Some(SECRET);
    p.inject(" RST seq=1");
    assert_eq!((p.state(), drops(&p.counters())), (State::Established, (0, 3, 0)));
    // TCP-AO has no key either, and two signatures are none (RFC 5925 2.2).
    p.md5 = None;
    let mut reset = TcpHeader { src_port: 4000, dst_port: 80, seq: SeqNumber(PEER_ISN + 1), ..TcpHeader::default() };
    reset.flags = TcpFlags::RST;
    let ao = Signature::Ao { key_id: 1, next_key_id: 1, mac: [0; 12].into_iter().collect() };
    for signature in [ao, Signature::Malformed] {
        reset.options.signature = Some(signature);
        p.send_raw(&reset, Vec::new());
    }
    let counters = p.counters();
    assert_eq!((p.state(), counters.ao_key_not_found, counters.in_errs), (State::Established, 1, 1));
}

#[test]
fn a_digest_takes_its_part_of_every_segment() {
    let mut p = signing(Options::default());
    let listener = p.listen(5);
    // There is no room for timestamps beside SACK blocks: who asks for both gets SACK.
    p.run("< SYN seq=0 mss=1460 sackok ts=5 ws=7\n> SYN,ACK seq=0 ack=1 mss=1460 sackok no-ts\n< ACK seq=1 ack=1");
    let key = p.accept(listener);
    p.run("< ACK seq=101 ack=1 len=100\n> ACK seq=1 ack=1 sack=101-201");
    p.write(key, 0, 10_000);
    for n in 0..6 {
        // No super-segment: what cuts it has no key.
        let sent = p.next_sent();
        assert_eq!((sent.header.seq.0.wrapping_sub(p.our_isn()), sent.size), (1 + n * 1440, None));
        assert_eq!(sent.payload.len(), 1440);
    }
}

#[test]
fn who_asks_for_timestamps_alone_gets_them() {
    let mut p = signing(Options::default());
    p.listen(5);
    p.run("< SYN seq=0 mss=1460 ts=5\n> SYN,ACK seq=0 ack=1 ts=5 no-sackok");
    p.ports(80, 4001).connect();
    p.run("> SYN seq=0 mss=1460 sackok no-ts");
}

#[test]
fn cookies_are_signed() {
    let options = Options { keys: keys(), syn_cookies: Cookies::Always, ..plain() };
    let mut p = Peer::with(Config { options, ..Config::default() });
    p.md5 = Some(SECRET);
    p.listen(5);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    assert_eq!(p.counters().syncookies_sent, 1);
    is_deaf_to(&mut p, " ACK seq=1 ack=1");
    p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
}

#[test]
fn a_key_comes_and_goes_with_a_connections_options() {
    let mut p = Peer::with_options(Options { delayed_ack: Duration::ZERO, ..plain() });
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 len=1\n> ACK seq=1 ack=2");
    p.call(|endpoint, now| endpoint.set_options(now, key, |options| options.keys = keys())).unwrap();
    p.md5 = Some(SECRET);
    is_deaf_to(&mut p, " ACK seq=2 ack=1 len=1");
    p.run("< ACK seq=2 ack=1 len=1\n> ACK seq=1 ack=3");
    p.write(key, 0, 3_000);
    assert_eq!(p.next_sent().payload.len(), 536 - 20);
    while p.has_sent() {
        p.next_sent();
    }
    p.call(|endpoint, now| endpoint.set_options(now, key, |options| options.keys = Keys::default())).unwrap();
    p.md5 = None;
    p.run("< ACK seq=3 ack=3001 len=1\n> ACK seq=3001 ack=4");
}

#[test]
fn a_listeners_key_is_no_business_of_others() {
    let mut p = Peer::plain();
    let listen = Listen { options: Some(Options { keys: keys(), ..plain() }), ..Listen::on_port(81) };
    p.endpoint.listen(listen).unwrap();
    p.listen(5);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1\n= ESTABLISHED");
    p.ports(81, 4000).inject(" SYN seq=0");
    assert_eq!((p.has_sent(), drops(&p.counters())), (false, (1, 0, 0)));
    p.md5 = Some(SECRET);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
}
