//! What nothing else noticed when it was broken on purpose (`cargo xtask mutants`): marks of congestion, windows of old
//! segments, urgent pointers, and what is counted.

mod acceptable;
mod acks;
mod ends;
mod text;
mod told;

use bowline_base::Instant;
use bowline_tcp::{Arrival, EcnMode, Event, Options, Path, Readiness};
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};
use bowline_wire::{Ecn, Piece};
use bytes::Bytes;

use crate::bench::peer::{PEER_ISN, Peer, plain};

/// The peer sends text that the network has marked "congestion experienced", or that says CWR.
fn marked(p: &mut Peer, seq: u32, flags: TcpFlags, marked: bool) {
    let (tuple, iss) = (p.tuple(), p.our_isn());
    let header = TcpHeader {
        src_port: tuple.remote.port(),
        dst_port: tuple.local.port(),
        seq: SeqNumber(PEER_ISN.wrapping_add(seq)),
        ack: SeqNumber(iss.wrapping_add(1)),
        flags: TcpFlags::ACK | flags,
        window: u16::MAX,
        ..TcpHeader::default()
    };
    let text = [Piece::from(Bytes::from(crate::bench::stream(u64::from(seq) - 1, 10)))];
    let arrival = Arrival {
        tuple,
        header: &header,
        head: &[],
        text: &text,
        segment_size: None,
        mark: if marked { Ecn::Ce } else { Ecn::Ect0 },
        path: Path::new(1500),
    };
    p.call(|endpoint, now: Instant| endpoint.handle_segment(now, &arrival));
}

#[test]
fn a_congestion_mark_is_echoed_until_the_peer_has_reduced() {
    // RFC 3168 6.1.3.
    let mut p = Peer::with_options(plain());
    p.listen(5);
    p.run("< SYN,ECE,CWR seq=0\n> SYN,ACK,ECE seq=0 ack=1\n< ACK seq=1 ack=1");
    marked(&mut p, 1, TcpFlags::empty(), false);
    p.run("> ACK seq=1 ack=11");
    marked(&mut p, 11, TcpFlags::empty(), true);
    p.run("> ACK,ECE seq=1 ack=21");
    marked(&mut p, 21, TcpFlags::empty(), false);
    p.run("> ACK,ECE seq=1 ack=31");
    marked(&mut p, 31, TcpFlags::CWR, false);
    p.run("> ACK seq=1 ack=41");
    marked(&mut p, 41, TcpFlags::CWR, true);
    p.run("> ACK,ECE seq=1 ack=51");

    // Who has not agreed to ECN is told nothing.
    let mut p = Peer::plain();
    p.establish();
    marked(&mut p, 1, TcpFlags::empty(), true);
    p.run("> ACK seq=1 ack=11");
}

#[test]
fn a_mark_on_a_syn_ack_is_none_of_the_text() {
    // RFC 3168 6.1.1: a SYN-ACK carries none; one that does says nothing that the first ACK could answer.
    let mut p = Peer::with_options(Options { ecn: EcnMode::Classic, ..plain() });
    p.connect();
    p.run("> SYN,ECE,CWR seq=0");
    let (tuple, iss) = (p.tuple(), p.our_isn());
    let header = TcpHeader {
        src_port: tuple.remote.port(),
        dst_port: tuple.local.port(),
        seq: SeqNumber(PEER_ISN),
        ack: SeqNumber(iss.wrapping_add(1)),
        flags: TcpFlags::SYN | TcpFlags::ACK | TcpFlags::ECE,
        window: u16::MAX,
        ..TcpHeader::default()
    };
    let arrival = Arrival {
        tuple,
        header: &header,
        text: &[],
        segment_size: None,
        mark: Ecn::Ce,
        path: Path::new(1500),
        head: &[],
    };
    p.call(|endpoint, now: Instant| endpoint.handle_segment(now, &arrival));
    p.run("> ACK seq=1 ack=1\n= ESTABLISHED");
}

/// A SYN or SYN-ACK of the peer's that arrives with a mark.
fn marked_syn(p: &mut Peer, flags: TcpFlags, mark: Ecn) {
    let (tuple, iss) = (p.tuple(), p.our_isn());
    let header = TcpHeader {
        src_port: tuple.remote.port(),
        dst_port: tuple.local.port(),
        seq: SeqNumber(PEER_ISN),
        ack: SeqNumber(if flags.contains(TcpFlags::ACK) { iss.wrapping_add(1) } else { 0 }),
        flags: TcpFlags::SYN | flags,
        window: u16::MAX,
        ..TcpHeader::default()
    };
    p.send_marked(&header, Vec::new(), mark);
}

/// What asks for AccECN (RFC 9768 3.1.1).
const ASKS: TcpFlags = TcpFlags::AE.union(TcpFlags::CWR).union(TcpFlags::ECE);

#[test]
fn the_mark_of_the_latest_syn_is_told_by_the_syn_ack() {
    // RFC 9768 3.1.5 and table 2.
    let mut p = Peer::with_options(Options { ecn_when_asked: EcnMode::Accurate, ..plain() });
    let listener = p.listen_deferred();
    marked_syn(&mut p, ASKS, Ecn::NotEct);
    let pending = p.endpoint.pending(listener).expect("a SYN");
    p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).expect("admitted");
    p.run("> SYN,ACK,CWR seq=0 ack=1");
    marked_syn(&mut p, ASKS, Ecn::Ce);
    p.run("> SYN,ACK,AE,CWR seq=0 ack=1");
}

#[test]
fn the_mark_of_a_syn_ack_that_follows_a_crossing_syn_is_told_by_the_first_acknowledgement() {
    // RFC 9768 3.2.2.1, and RFC 9293 3.5, figure 8.
    for (mark, answer) in [(Ecn::Ect0, "ACK,AE"), (Ecn::Ce, "ACK,AE,CWR")] {
        let mut p =
            Peer::with_options(Options { ecn: EcnMode::Accurate, ecn_when_asked: EcnMode::Accurate, ..plain() });
        p.connect();
        p.run("> SYN,AE,CWR,ECE seq=0");
        marked_syn(&mut p, ASKS, Ecn::NotEct);
        p.run("> SYN,ACK,CWR seq=0 ack=1");
        marked_syn(&mut p, TcpFlags::ACK | TcpFlags::CWR, mark);
        p.run(&format!("= ESTABLISHED\n< ACK seq=1 ack=1 len=10\n> {answer} seq=1 ack=11"));
    }
}

#[test]
fn an_echo_of_congestion_reduces_the_window_once_a_round_trip() {
    // RFC 3168 6.1.2.
    let mut p = Peer::with_options(plain());
    let listener = p.listen(5);
    p.run("< SYN,ECE,CWR seq=0 mss=1000\n> SYN,ACK,ECE seq=0 ack=1\n< ACK seq=1 ack=1");
    let key = p.accept(listener);
    let cwnd = |p: &Peer| p.endpoint.info(p.now, key).expect("a connection").cwnd;
    p.write(key, 0, 4000);
    p.run("> ACK seq=1 ack=1 len=4000");
    let before = cwnd(&p);
    p.run("< ACK,ECE seq=1 ack=1001");
    let reduced = cwnd(&p);
    assert!(reduced < before, "{reduced} after {before}");
    p.run("< ACK,ECE seq=1 ack=2001");
    assert!(cwnd(&p) >= reduced, "reduced twice for one window");
    p.run("< ACK,ECE seq=1 ack=4001");
    assert!(cwnd(&p) >= reduced);
    p.write(key, 4000, 1000);
    p.run("> ACK,CWR seq=4001 ack=1 len=1000");
    p.run("< ACK,ECE seq=1 ack=5001");
    assert!(cwnd(&p) < before, "another round trip, another reduction");
    p.write(key, 5000, 1000);
    p.run("> ACK,CWR seq=5001 ack=1 len=1000");
    // Without an echo there is none.
    let now = cwnd(&p);
    p.run("< ACK seq=1 ack=6001");
    assert!(cwnd(&p) >= now);
}

#[test]
fn the_window_is_that_of_the_newest_segment() {
    // RFC 9293 3.10.7.4, fifth check: SND.WL1 and SND.WL2.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    let window = |p: &Peer| p.endpoint.info(p.now, key).expect("a connection").snd_wnd;
    p.write(key, 0, 200);
    p.run("> ACK seq=1 ack=1 len=200");
    for (segment, expected) in [
        ("ACK seq=1 ack=1 win=500", 500),
        ("ACK seq=1 ack=101 win=600", 600),
        // An older acknowledgement of the same number.
        ("ACK seq=1 ack=1 win=700", 600),
        ("ACK seq=3 ack=101 win=800", 800),
        // An older number, but it acknowledges more: counted from the new SND.UNA, the old window would end further right.
        ("ACK seq=2 ack=201 win=900", 900),
        ("ACK seq=3 ack=201 win=1000", 1000),
        // An older number that acknowledges no more.
        ("ACK seq=2 ack=201 win=1100", 1000),
    ] {
        p.run(&format!("< {segment}"));
        assert_eq!(window(&p), expected, "{segment}");
    }
}

#[test]
fn an_urgent_pointer_only_moves_forward() {
    // RFC 9293 3.8.5, 3.10.7.4.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    let told = |p: &mut Peer| {
        let is = |e: &Event| matches!(e, Event::Connection(k, ready) if *k == key && ready.contains(Readiness::URGENT));
        p.events().iter().filter(|&e| is(e)).count()
    };
    told(&mut p);
    for (segment, news) in [
        ("URG,ACK seq=1 ack=1 urg=0", 0),
        ("URG,ACK seq=1 ack=1 urg=20", 1),
        ("URG,ACK seq=1 ack=1 urg=20", 0),
        ("URG,ACK seq=1 ack=1 urg=10", 0),
        ("URG,ACK seq=1 ack=1 urg=30", 1),
        ("ACK seq=1 ack=1 urg=40", 0),
    ] {
        p.run(&format!("< {segment}"));
        assert_eq!(told(&mut p), news, "{segment}");
    }
    assert_eq!(p.endpoint.urgent_left(key), 30);
}

#[test]
fn what_happens_is_counted() {
    let mut p = Peer::with_options(Options { sack: true, ..plain() });
    let listener = p.listen(5);
    p.run("< SYN seq=0 mss=1000 sackok\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1");
    let key = p.accept(listener);
    let before = p.counters();
    p.run("< SYN seq=50\n> ACK seq=1 ack=1\n< SYN seq=50\n> ACK seq=1 ack=1");
    assert_eq!(p.counters().challenge_acks, before.challenge_acks + 2);
    p.run("< ACK seq=11 ack=1 len=10\n> ACK seq=1 ack=1\n< ACK seq=31 ack=1 len=10\n> ACK seq=1 ack=1");
    let info = p.endpoint.info(p.now, key).expect("a connection");
    assert_eq!((info.out_of_order, info.data_segs_in), (2, 2));
    assert_eq!(p.counters().ofo_queue, before.ofo_queue + 2);
    assert_eq!(info.segs_in, 5);
    p.write(key, 0, 6000);
    p.run("> ACK seq=1 ack=1 len=6000");
    p.run("< ACK seq=1 ack=1 sack=3001-6001\n> ACK seq=1 ack=1 len=3000");
    assert_eq!((p.counters().fast_retrans, p.counters().sack_recovery), (1, 1));
    p.run("< RST seq=0\n< ACK seq=1 ack=9000\n> ACK seq=6001 ack=1\n< ACK seq=1 ack=9000\n> ACK seq=6001 ack=1");
    assert_eq!((p.counters().resets_ignored, p.counters().bad_acks), (1, 2));
}
