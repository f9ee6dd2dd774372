use super::*;
use crate::ip::{self, Ecn, TrafficClass};
use crate::packet::{SegmentKind, TxPacket};
use crate::{Segmenter, TcpOptions, Timestamps, put};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

const V4: (IpAddr, IpAddr) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)));
const V6: (IpAddr, IpAddr) =
    (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST));

fn header(flags: TcpFlags) -> TcpHeader {
    TcpHeader {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber(u32::MAX - 2000),
        ack: SeqNumber(77),
        flags: flags | TcpFlags::ACK,
        window: 500,
        urgent: 0,
        options: TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 2 }), ..TcpOptions::default() },
    }
}

/// A packet with correct checksums.
fn packet((src, dst): (IpAddr, IpAddr), header: &TcpHeader, text: &[u8], change: impl Fn(&mut IpHeader)) -> Vec<u8> {
    let mut segment = vec![0; header.emit_len()];
    header.emit(&mut segment);
    tcp::fill_checksum(src, dst, &mut segment, &[text]);
    let mut ip = IpHeader::new(src, dst, Protocol::TCP, segment.len() + text.len());
    change(&mut ip);
    let mut packet = vec![0; ip.emit_len()];
    ip::emit(&ip, &mut packet);
    packet.extend(segment);
    packet.extend(text);
    packet
}

fn plain(addresses: (IpAddr, IpAddr), header: &TcpHeader, text: &[u8]) -> Vec<u8> {
    packet(addresses, header, text, |_| {})
}

fn begin(packet: &[u8]) -> Option<Run> {
    let ip = ip::parse(packet).unwrap();
    let (header, len) = TcpHeader::parse(ip.payload(packet)).unwrap();
    Run::begin(packet, &ip, &header, len)
}

fn after(header: &TcpHeader, len: usize) -> TcpHeader {
    TcpHeader { seq: header.seq + len as u32, ..header.clone() }
}

proptest! {
    /// Joining is the inverse of cutting: the same text in the same number of segments, and the same flags.
    #[test]
    fn what_was_cut_is_joined_again(
        text in proptest::collection::vec(any::<u8>(), 1..6000),
        size in 1_u16..2000,
        flags in 0_u16..2,
        v6 in any::<bool>(),
        known in any::<bool>(),
    ) {
        let addresses = if v6 { V6 } else { V4 };
        let end = if flags == 1 { TcpFlags::PSH | TcpFlags::FIN } else { TcpFlags::empty() };
        let whole = header(end);
        let head = plain(addresses, &whole, &text);
        let head = &head[..head.len() - text.len()];
        let kind = if v6 { SegmentKind::Tcp6 } else { SegmentKind::Tcp4 };
        let packet = TxPacket { head, payload: &[&text], owners: &[], checksum: None, segment: Some((kind, size)) };
        let checksum = if known { RxChecksum::Verified } else { RxChecksum::Unverified };
        let mut cut = Segmenter::new(&packet);
        let (mut runs, mut joined, mut packets) = (Vec::<Run>::new(), Vec::new(), 0);
        let mut buffer = vec![0; 2100];
        while let Some(len) = cut.next(&mut buffer) {
            let packet = &buffer[..len];
            packets += 1;
            if let Some(range) = runs.last_mut().and_then(|run| run.join(packet, checksum)) {
                joined.extend_from_slice(&packet[range]);
            } else {
                joined.extend_from_slice(&packet[head.len()..]);
                runs.extend(begin(packet));
            }
        }
        prop_assert_eq!(&joined, &text);
        if packets == 1 {
            // One that ends at once is no beginning.
            prop_assert_eq!(runs.len(), usize::from(end.is_empty()));
        } else {
            prop_assert_eq!(runs.len(), 1);
            let run = &runs[0];
            prop_assert_eq!((run.text_len(), run.segments()), (text.len(), packets));
            prop_assert_eq!((run.segment_size(), run.flags()), (size, whole.flags));
        }
    }

    /// Where a packet's text is divided makes no difference, and neither does its end's being where another one's begins.
    #[test]
    fn a_packet_in_pieces_is_joined_like_a_whole_one(
        len in 1_usize..200, cuts in proptest::collection::vec(0_usize..200, 0..4), broken in 0_usize..600, v6: bool,
    ) {
        let addresses = if v6 { V6 } else { V4 };
        let first = header(TcpFlags::empty());
        let run = begin(&plain(addresses, &first, &[1; 150])).unwrap();
        let mut packet = plain(addresses, &after(&first, 150), &vec![2; len]);
        if let Some(byte) = packet.get_mut(broken) {
            *byte ^= 0x20;
        }
        let headers = packet.len() - len;
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| headers + cut.min(len)).collect();
        cuts.extend([headers + len / 2, packet.len()]);
        cuts.sort_unstable();
        let rest: Vec<Stretch> = cuts
            .windows(2)
            .map(|ends| Stretch::new(bytes::Bytes::copy_from_slice(&packet[ends[0]..ends[1]]), 1000))
            .collect();
        let same_flow = Flow::of(&packet) == Flow::Tcp(*run.flow());
        let (mut whole, mut pieces) = (run.clone(), run);
        let expected = whole.join(&packet, RxChecksum::Unverified).is_some();
        let found = pieces.join_scattered(&packet[..cuts[0]], &rest, RxChecksum::Unverified);
        if same_flow {
            prop_assert_eq!(found.is_some(), expected && whole.text_len() > 150);
        }
        if let Some(range) = found {
            prop_assert_eq!(range, headers..cuts[0]);
            prop_assert_eq!((pieces.text_len(), pieces.flags()), (whole.text_len(), whole.flags()));
        }
    }

    /// Bytes from anywhere are no reason to panic, and join nothing that is not correct.
    #[test]
    fn noise_is_not_joined(noise in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..100, v6 in any::<bool>()) {
        let addresses = if v6 { V6 } else { V4 };
        let first = header(TcpFlags::empty());
        let mut run = begin(&plain(addresses, &first, &[1; 100])).unwrap();
        prop_assert_eq!(run.join(&noise, RxChecksum::Verified), None);
        let mut next = plain(addresses, &after(&first, 100), &[2; 100]);
        let good = next.clone();
        let end = (at + noise.len()).min(next.len());
        next[at..end].copy_from_slice(&noise[..end - at]);
        let joins = Flow::of(&next) == Flow::Tcp(*run.flow()) && run.join(&next, RxChecksum::Unverified).is_some();
        prop_assert_eq!(joins, next == good);
    }
}

#[test]
fn a_segment_that_says_something_else_ends_the_run() {
    type Change = fn(&mut TcpHeader);
    let changes: [(&str, Change); 13] = [
        ("a hole", |header| header.seq = header.seq + 1),
        ("repeated text", |header| header.seq = header.seq + u32::MAX),
        ("another acknowledgement", |header| header.ack = SeqNumber(78)),
        ("another window", |header| header.window += 1),
        ("another echo", |header| header.options.timestamps = Some(Timestamps { value: 1, echo: 3 })),
        ("another time", |header| header.options.timestamps = Some(Timestamps { value: 2, echo: 2 })),
        ("no options", |header| header.options = TcpOptions::default()),
        ("an echo of congestion", |header| header.flags |= TcpFlags::ECE),
        ("a reduced window", |header| header.flags |= TcpFlags::CWR),
        ("urgent data", |header| header.flags |= TcpFlags::URG),
        ("a reset", |header| header.flags |= TcpFlags::RST),
        ("a SYN", |header| header.flags |= TcpFlags::SYN),
        ("no acknowledgement", |header| header.flags -= TcpFlags::ACK),
    ];
    for addresses in [V4, V6] {
        let first = header(TcpFlags::empty());
        let run = begin(&plain(addresses, &first, &[1; 100])).unwrap();
        let joins = |packet: &[u8]| run.clone().join(packet, RxChecksum::Unverified).is_some();
        let next = after(&first, 100);
        assert!(joins(&plain(addresses, &next, &[2; 100])), "as it should be");
        for (name, change) in changes {
            let mut changed = next.clone();
            change(&mut changed);
            assert!(!joins(&plain(addresses, &changed, &[2; 100])), "{name}");
        }
        assert!(!joins(&plain(addresses, &next, &[])), "no text");
        assert!(!joins(&plain(addresses, &next, &[2; 101])), "a larger one");
        assert!(!joins(&packet(addresses, &next, &[2; 100], |ip| ip.hop_limit -= 1)), "another way");
        let marked = |ip: &mut IpHeader| ip.traffic_class = TrafficClass::new(0, Ecn::Ce);
        assert!(!joins(&packet(addresses, &next, &[2; 100], marked)), "a congestion mark");
        if addresses == V6 {
            assert!(!joins(&packet(addresses, &next, &[2; 100], |ip| ip.flow_label = 5)), "another label");
        } else {
            assert!(!joins(&packet(addresses, &next, &[2; 100], |ip| ip.dont_fragment = false)), "may be cut");
            assert!(joins(&packet(addresses, &next, &[2; 100], |ip| ip.ident = 9)), "any number (RFC 6864)");
        }
        let mut padded = plain(addresses, &next, &[2; 100]);
        padded.extend([9; 10]);
        let mut padded_run = run.clone();
        let text = padded_run.join(&padded, RxChecksum::Unverified).unwrap();
        assert_eq!(&padded[text], [2; 100], "padding is no text");
    }
}

#[test]
fn wrong_checksums_are_not_joined() {
    for addresses in [V4, V6] {
        let first = header(TcpFlags::empty());
        let run = begin(&plain(addresses, &first, &[1; 100])).unwrap();
        let mut next = plain(addresses, &after(&first, 100), &[2; 99]);
        let last = next.len() - 1;
        next[last] ^= 4;
        assert_eq!(run.clone().join(&next, RxChecksum::Unverified), None);
        assert!(run.clone().join(&next, RxChecksum::Verified).is_some());
        assert!(run.clone().join(&next, RxChecksum::Partial).is_some());
        if addresses == V4 {
            put(&mut next, 10, &[0, 0]);
            assert_eq!(run.clone().join(&next, RxChecksum::Verified), None, "no device leaves out the header's");
        }
    }
}

#[test]
fn a_run_ends_with_a_push_a_smaller_segment_or_the_longest_packet() {
    for addresses in [V4, V6] {
        let first = header(TcpFlags::empty());
        let start = begin(&plain(addresses, &first, &[1; 100])).unwrap();
        let join = |run: &mut Run, header: &TcpHeader, len: usize| {
            run.join(&plain(addresses, header, &vec![0; len]), RxChecksum::Unverified).is_some()
        };
        for (flags, len) in [(TcpFlags::PSH, 100), (TcpFlags::FIN, 100), (TcpFlags::empty(), 99)] {
            let mut run = start.clone();
            let end = TcpHeader { flags: flags | TcpFlags::ACK, ..after(&first, 100) };
            assert!(join(&mut run, &end, len));
            assert_eq!((run.flags(), run.segments(), run.text_len()), (flags | TcpFlags::ACK, 2, 100 + len));
            assert!(!join(&mut run, &after(&first, 100 + len), 10));
        }
        let mut run = begin(&plain(addresses, &first, &vec![0; 20_000])).unwrap();
        assert!(join(&mut run, &after(&first, 20_000), 20_000));
        assert!(join(&mut run, &after(&first, 40_000), 20_000));
        assert!(!join(&mut run, &after(&first, 60_000), 20_000), "IP has no packet as long as that");
        let room = MAX_PACKET - plain(addresses, &first, &[]).len() - 60_000;
        assert!(join(&mut run, &after(&first, 60_000), room));
    }
}

#[test]
fn some_segments_are_no_beginning() {
    for addresses in [V4, V6] {
        assert!(begin(&plain(addresses, &header(TcpFlags::empty()), &[])).is_none(), "no text");
        for flags in [TcpFlags::ECE, TcpFlags::CWR, TcpFlags::AE | TcpFlags::ECE] {
            let first = header(flags);
            let mut run = begin(&plain(addresses, &first, &[1])).unwrap();
            let mut joins =
                |next: &TcpHeader| run.join(&plain(addresses, next, &[2]), RxChecksum::Unverified).is_some();
            assert!(joins(&after(&first, 1)), "any value of AccECN's counter: {flags}");
            let next = TcpHeader { flags: TcpFlags::ACK, ..after(&first, 2) };
            assert!(!joins(&next), "and no other one");
        }
        for flags in [TcpFlags::PSH, TcpFlags::FIN, TcpFlags::SYN, TcpFlags::RST, TcpFlags::URG] {
            assert!(begin(&plain(addresses, &header(flags), &[1])).is_none(), "{flags}");
        }
    }
}

#[test]
fn flows_are_told_apart() {
    let first = header(TcpFlags::empty());
    let other = TcpHeader { src_port: 40_001, ..first.clone() };
    for addresses in [V4, V6] {
        let flow = Flow::of(&plain(addresses, &first, &[1]));
        assert!(matches!(flow, Flow::Tcp(key) if key == *begin(&plain(addresses, &first, &[1])).unwrap().flow()));
        assert_eq!(flow, Flow::of(&plain(addresses, &after(&first, 9), &[])));
        let Flow::Tcp(key) = flow else { unreachable!() };
        let ends = (SocketAddr::new(addresses.0, first.src_port), SocketAddr::new(addresses.1, first.dst_port));
        assert_eq!(key.ends(addresses == V6), ends);
        assert_ne!(flow, Flow::of(&plain(addresses, &other, &[1])));
        assert_ne!(flow, Flow::of(&plain((addresses.1, addresses.0), &first, &[1])));
        let protocol = |number| packet(addresses, &first, &[1], |ip| ip.protocol = Protocol(number));
        assert_eq!(Flow::of(&protocol(17)), Flow::Foreign);
        let icmp = if addresses == V4 { Protocol::ICMP } else { Protocol::ICMPV6 };
        assert_eq!(Flow::of(&protocol(icmp.0)), Flow::Unknown);
        assert_eq!(Flow::of(&plain(addresses, &first, &[1])[..21]), Flow::Unknown);
    }
    let fragment = |ip: &mut IpHeader| ip.fragment = Some(crate::Fragment { id: 1, offset: 0, more: true });
    assert_eq!(Flow::of(&packet(V4, &first, &[1], fragment)), Flow::Unknown);
    assert_eq!(Flow::of(&packet(V6, &first, &[1], fragment)), Flow::Unknown);
    assert_eq!(Flow::of(&[]), Flow::Unknown);
    let mut options = plain(V4, &first, &[1; 9]);
    options[0] = 0x46;
    assert_eq!(Flow::of(&options), Flow::Unknown);
}
