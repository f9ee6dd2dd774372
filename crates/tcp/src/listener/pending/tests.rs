use core::net::SocketAddr;

use super::*;

const LISTENER: ListenerKey = ListenerKey { index: 0, generation: 1 };

fn syn(source: u8, port: u16) -> PendingSyn {
    let tuple =
        FourTuple::new(SocketAddr::from(([93, 184, 216, 34], 443)), SocketAddr::from(([10, 0, 0, source], port)));
    let header = TcpHeader {
        src_port: port,
        dst_port: 443,
        seq: SeqNumber(u32::MAX),
        flags: TcpFlags::SYN,
        ..TcpHeader::default()
    };
    PendingSyn { id: 1, listener: LISTENER, tuple, header, mark: Ecn::NotEct, path: Path::new(1500), text: 0 }
}

fn table(max: usize, max_per_source: usize) -> PendingTable {
    PendingTable::new(PendingLimits { max, max_per_source, timeout: Duration::from_secs(10) })
}

#[test]
fn bounds_hold_in_all_and_for_each_source() {
    let mut table = table(5, 3);
    let keys: Vec<_> = (0..10).filter_map(|port| table.insert(Instant::ZERO, syn(1, port))).collect();
    assert_eq!((keys.len(), table.len(), table.is_empty()), (3, 3, false));
    assert_eq!((0..10).filter_map(|port| table.insert(Instant::ZERO, syn(2, port))).count(), 2);
    // What leaves makes room for its source.
    assert!(table.remove(keys[1]).is_some());
    assert!(table.remove(keys[1]).is_none());
    assert!(table.insert(Instant::ZERO, syn(1, 50)).is_some());
    assert!(table.insert(Instant::ZERO, syn(3, 50)).is_none());
    for _ in 0..5 {
        assert!(table.poll_expired(Instant::from_secs(10)).is_some());
    }
    assert!(table.is_empty() && table.sources.is_empty() && table.poll_timeout().is_none());
}

#[test]
fn they_expire_in_order() {
    let mut table = table(100, 100);
    for n in 0..20 {
        table.insert(Instant::from_secs(u64::from(n)), syn(1, n));
    }
    assert_eq!(table.poll_timeout(), Some(Instant::from_secs(10)));
    assert!(table.poll_expired(Instant::from_millis(9_999)).is_none());
    let ports: Vec<_> = core::iter::from_fn(|| table.poll_expired(Instant::from_secs(14)))
        .map(|(_, syn)| syn.tuple.remote.port())
        .collect();
    assert_eq!(ports, [0, 1, 2, 3, 4]);
    assert_eq!(table.poll_timeout(), Some(Instant::from_secs(15)));
}

#[test]
fn segments_while_nothing_is_decided() {
    let mut table = table(100, 100);
    let key = table.insert(Instant::ZERO, syn(1, 5)).unwrap();
    let segment =
        |flags, seq, ack| TcpHeader { seq: SeqNumber(seq), ack: SeqNumber(ack), flags, ..TcpHeader::default() };
    let (syn, ack, rst) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::RST);
    for (flags, seq, outcome) in [
        (syn, u32::MAX, PendingOutcome::Drop(DropReason::Duplicate)),
        (syn, 5, PendingOutcome::Drop(DropReason::Duplicate)),
        (rst, 0, PendingOutcome::Forget),
        (rst, u32::MAX, PendingOutcome::Drop(DropReason::ResetIgnored)),
        (rst, 1, PendingOutcome::Drop(DropReason::ResetIgnored)),
        (rst | ack, 0, PendingOutcome::Drop(DropReason::ResetIgnored)),
        (ack, 0, PendingOutcome::Reset(SeqNumber(77))),
        (syn | ack, 0, PendingOutcome::Reset(SeqNumber(77))),
        (TcpFlags::FIN, 0, PendingOutcome::Drop(DropReason::NoAck)),
    ] {
        assert_eq!(table.on_segment(key.index, &segment(flags, seq, 77)), outcome, "{flags} SEQ={seq}");
    }
    table.remove(key);
    assert_eq!(table.on_segment(key.index, &segment(syn, 1, 0)), PendingOutcome::Drop(DropReason::NoConnection));
}

#[test]
fn a_key_does_not_find_a_later_syn() {
    let mut table = table(100, 100);
    let old = table.insert(Instant::ZERO, syn(1, 5)).unwrap();
    table.remove(old);
    let new = table.insert(Instant::ZERO, syn(1, 6)).unwrap();
    assert_eq!(new.index, old.index);
    assert!(table.get(old).is_none() && table.remove(old).is_none());
    assert_eq!(table.get(new).unwrap().tuple.remote.port(), 6);
}

#[test]
fn a_refusal_acknowledges_all_of_the_syn() {
    let rst = syn(1, 5).refusal();
    assert_eq!((rst.seq, rst.ack), (SeqNumber(0), SeqNumber(0)), "SYN alone, across the wrap");
    assert_eq!(rst.flags, TcpFlags::RST | TcpFlags::ACK);
    assert_eq!((rst.src_port, rst.dst_port), (443, 5));
    let mut with_more = syn(1, 5);
    with_more.header.flags |= TcpFlags::FIN;
    with_more.text = 10;
    assert_eq!(with_more.refusal().ack, SeqNumber(11));
}

#[test]
fn a_listener_takes_its_own_with_it() {
    let mut table = table(100, 100);
    let other = ListenerKey { index: 9, generation: 9 };
    for port in 0..10 {
        let listener = if port % 2 == 0 { LISTENER } else { other };
        table.insert(Instant::ZERO, PendingSyn { listener, ..syn(1, port) });
    }
    assert_eq!(table.remove_all_of(LISTENER).len(), 5);
    assert_eq!(table.iter().filter(|(_, syn)| syn.listener == other).count(), 5);
    assert_eq!(table.sources.values().sum::<usize>(), 5);
}
