use super::*;
use crate::{IpHeader, RxChecksum, SeqNumber, TcpHeader, TcpOptions, Timestamps, UdpHeader, checksum};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

const V4: (IpAddr, IpAddr) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)));
const V6: (IpAddr, IpAddr) =
    (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST));

fn tcp_header(flags: TcpFlags) -> TcpHeader {
    TcpHeader {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber(u32::MAX - 2000),
        ack: SeqNumber(77),
        flags,
        window: 500,
        urgent: 0,
        options: TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 2 }), ..TcpOptions::default() },
    }
}

fn head((src, dst): (IpAddr, IpAddr), protocol: Protocol, transport: &[u8], payload: usize) -> Vec<u8> {
    let mut ip = IpHeader::new(src, dst, protocol, transport.len() + payload);
    ip.ident = if src.is_ipv4() { 0xfffe } else { 0 };
    let mut head = vec![0; ip.emit_len()];
    ip::emit(&ip, &mut head);
    head.extend(transport);
    head
}

fn tcp_head(addresses: (IpAddr, IpAddr), header: &TcpHeader, payload: usize) -> Vec<u8> {
    let mut transport = vec![0; header.emit_len()];
    header.emit(&mut transport);
    head(addresses, Protocol::TCP, &transport, payload)
}

fn udp_head(addresses: (IpAddr, IpAddr), payload: usize) -> Vec<u8> {
    let mut transport = vec![0; udp::HEADER];
    UdpHeader { src_port: 1, dst_port: 2, payload_len: payload }.emit(&mut transport);
    head(addresses, Protocol::UDP, &transport, payload)
}

fn all(mut segmenter: Segmenter<'_>, mtu: usize) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut buffer = vec![0xcc; mtu];
    while let Some(len) = segmenter.next(&mut buffer) {
        packets.push(buffer[..len].to_vec());
        buffer.fill(0xcc);
    }
    packets
}

/// The same packets with borrowed payload, put together.
fn all_borrowed(mut segmenter: Segmenter<'_>) -> Vec<Vec<u8>> {
    let (mut packets, mut head, mut parts) = (Vec::new(), [0xcc; 128], ArrayVec::new());
    while let Some(len) = segmenter.next_borrowed(&mut head, &mut parts) {
        packets.push([&head[..len], &parts.concat()].concat());
    }
    packets
}

fn kind((src, _): (IpAddr, IpAddr)) -> SegmentKind {
    if src.is_ipv4() { SegmentKind::Tcp4 } else { SegmentKind::Tcp6 }
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// Checks the lengths and both checksums of a wire packet, and returns its IP header and its IP payload.
fn check(packet: &[u8]) -> (IpHeader, &[u8]) {
    let ip = ip::parse(packet).unwrap();
    assert_eq!(ip.header_len + ip.payload_len, packet.len());
    let payload = ip.payload(packet);
    assert!(checksum::is_valid(ip.src, ip.dst, ip.protocol, payload));
    (ip, payload)
}

#[test]
fn a_tcp_super_segment_becomes_the_segments_that_it_stands_for() {
    let flags = TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN | TcpFlags::CWR;
    let payload = data(1000 * 3 + 1);
    for addresses in [V4, V6] {
        let head = tcp_head(addresses, &tcp_header(flags), payload.len());
        let parts: [&[u8]; 4] = [&[], &payload[..777], &payload[777..778], &payload[778..]];
        let packet = TxPacket {
            head: &head,
            payload: &parts,
            owners: &[],
            checksum: None,
            segment: Some((kind(addresses), 1000)),
        };
        let packets = all(Segmenter::new(&packet), 1500);
        assert_eq!((packets.len(), Segmenter::new(&packet).count()), (4, 4));
        assert_eq!(all_borrowed(Segmenter::new(&packet)), packets);
        let mut received: Vec<u8> = Vec::new();
        for (number, bytes) in packets.iter().enumerate() {
            let (ip, segment) = check(bytes);
            let (header, len) = TcpHeader::parse(segment).unwrap();
            if ip.src.is_ipv4() {
                assert_eq!(ip.ident, 0xfffeu16.wrapping_add(number as u16), "its identification is its own");
            }
            let middle = TcpFlags::ACK;
            let expected = match number {
                0 => middle | TcpFlags::CWR,
                3 => middle | TcpFlags::PSH | TcpFlags::FIN,
                _ => middle,
            };
            let seq = SeqNumber(u32::MAX - 2000) + 1000 * number as u32;
            assert_eq!(header, TcpHeader { seq, ..tcp_header(expected) });
            received.extend(&segment[len..]);
        }
        assert_eq!(received, payload);
        let contiguous = [&head[..], &payload].concat();
        assert_eq!(all(Segmenter::contiguous(&contiguous, packet.segment, None), 1500), packets);
    }
}

#[test]
fn a_udp_train_becomes_datagrams() {
    let payload = data(2500);
    for addresses in [V4, V6] {
        let head = udp_head(addresses, payload.len());
        let parts: [&[u8]; 1] = [&payload];
        let packet = TxPacket {
            head: &head,
            payload: &parts,
            owners: &[],
            checksum: None,
            segment: Some((SegmentKind::Udp, 1200)),
        };
        let packets = all(Segmenter::new(&packet), 1280);
        assert_eq!(all_borrowed(Segmenter::new(&packet)), packets);
        let lengths: Vec<usize> = packets
            .iter()
            .map(|bytes| {
                let (ip, datagram) = check(bytes);
                UdpHeader::parse(ip.src, ip.dst, datagram, RxChecksum::Unverified).unwrap().payload_len
            })
            .collect();
        assert_eq!(lengths, [1200, 1200, 100]);
    }
}

#[test]
fn a_plain_packet_comes_out_as_it_is_and_a_partial_checksum_complete() {
    let payload = data(101);
    for addresses in [V4, V6] {
        let mut head = tcp_head(addresses, &tcp_header(TcpFlags::ACK), payload.len());
        let start = head.len() - 32;
        let parts: [&[u8]; 2] = [&payload[..51], &payload[51..]];
        let plain = TxPacket { head: &head, payload: &parts, owners: &[], checksum: None, segment: None };
        assert_eq!(all(Segmenter::new(&plain), 1500), [[&head[..], &payload].concat()]);

        let sum = Accumulator::pseudo_header(addresses.0, addresses.1, Protocol::TCP, 32 + payload.len());
        let partial = sum.partial();
        tcp::set_checksum(&mut head[start..], partial);
        let checksum = Some(PartialChecksum { start: start as u16, offset: 16 });
        let packet = TxPacket { head: &head, payload: &parts, owners: &[], checksum, segment: None };
        let packets = all(Segmenter::new(&packet), 1500);
        assert_eq!(packets.len(), 1);
        check(&packets[0]);
        let mut out = [0; 1500];
        assert_eq!(copy_complete(&packet, &mut out), Some(packets[0].len()));
        let contiguous = [&head[..], &payload].concat();
        assert_eq!(all(Segmenter::contiguous(&contiguous, None, checksum), 1500), packets);
    }
}

#[test]
fn a_head_without_payload_is_one_packet() {
    let head = tcp_head(V4, &tcp_header(TcpFlags::ACK), 0);
    let packet =
        TxPacket { head: &head, payload: &[], owners: &[], checksum: None, segment: Some((SegmentKind::Tcp4, 1000)) };
    let packets = all(Segmenter::new(&packet), 1500);
    assert_eq!(packets.len(), 1);
    check(&packets[0]);
}

#[test]
fn a_head_that_does_not_fit_its_kind_gives_nothing() {
    let payload = data(3000);
    let parts: [&[u8]; 1] = [&payload];
    let tcp4 = tcp_head(V4, &tcp_header(TcpFlags::ACK), 3000);
    let udp4 = udp_head(V4, 3000);
    let mut fragment = tcp4.clone();
    fragment[6] = 0x20;
    let mut offset = tcp4.clone();
    offset[32] = 0x40;
    for (name, head, kind) in [
        ("another version", &tcp4[..], SegmentKind::Tcp6),
        ("another transport", &udp4[..], SegmentKind::Tcp4),
        ("another transport", &tcp4[..], SegmentKind::Udp),
        ("a cut head", &tcp4[..40], SegmentKind::Tcp4),
        ("no head", &[], SegmentKind::Tcp4),
        ("a fragment", &fragment, SegmentKind::Tcp4),
        ("a data offset below five", &offset, SegmentKind::Tcp4),
    ] {
        let packet = TxPacket { head, payload: &parts, owners: &[], checksum: None, segment: Some((kind, 1000)) };
        assert!(all(Segmenter::new(&packet), 1500).is_empty(), "{name}");
    }
}

#[test]
fn a_buffer_too_short_gets_nothing() {
    let head = tcp_head(V4, &tcp_header(TcpFlags::ACK), 3000);
    let payload = data(3000);
    let packet = TxPacket {
        head: &head,
        payload: &[&payload],
        owners: &[],
        checksum: None,
        segment: Some((SegmentKind::Tcp4, 1448)),
    };
    assert!(all(Segmenter::new(&packet), 1499).is_empty());
    assert_eq!(all(Segmenter::new(&packet), 1500).len(), 3);
}

proptest! {
    #[test]
    fn every_byte_comes_out_once_and_in_its_place(
        len in 0usize..9000, size in 1u16..3000, cuts in proptest::collection::vec(0usize..9000, 0..6), is_v4: bool,
    ) {
        let addresses = if is_v4 { V4 } else { V6 };
        let payload = data(len);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(len)).chain([0, len]).collect();
        cuts.sort_unstable();
        let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &payload[pair[0]..pair[1]]).collect();
        let head = tcp_head(addresses, &tcp_header(TcpFlags::ACK), len);
        let packet = TxPacket { head: &head, payload: &parts, owners: &[], checksum: None, segment: Some((kind(addresses), size)) };
        let mut received: Vec<u8> = Vec::new();
        let packets = all(Segmenter::new(&packet), 4000);
        prop_assert_eq!(packets.len(), len.div_ceil(usize::from(size)).max(1));
        for bytes in &packets {
            let (_, segment) = check(bytes);
            let (header, header_len) = TcpHeader::parse(segment).unwrap();
            prop_assert_eq!(header.seq.0.wrapping_sub(u32::MAX - 2000) as usize, received.len());
            prop_assert!(segment.len() - header_len <= usize::from(size));
            received.extend(&segment[header_len..]);
        }
        prop_assert_eq!(received, payload);
    }

    #[test]
    fn any_bytes_are_cut_or_are_not(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 4u8..7, size: u16, kind in 0u8..3,
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version << 4 | 5;
        }
        let kind = [SegmentKind::Tcp4, SegmentKind::Tcp6, SegmentKind::Udp][usize::from(kind)];
        let out: usize = all(Segmenter::contiguous(&bytes, Some((kind, size)), None), 300).iter().map(Vec::len).sum();
        prop_assert!(out == 0 || out >= bytes.len());
    }
}

#[test]
fn nothing_comes_of_more_parts_than_can_be_borrowed() {
    let head = tcp_head(V4, &tcp_header(TcpFlags::ACK), 34);
    let parts = [&b"ab"[..]; MAX_PARTS + 1];
    let mut packet =
        TxPacket { head: &head, payload: &parts, owners: &[], checksum: None, segment: Some((SegmentKind::Tcp4, 33)) };
    assert!(all_borrowed(Segmenter::new(&packet)).is_empty());
    // All of them together are too many, each half is not.
    packet.segment = Some((SegmentKind::Tcp4, 17));
    assert_eq!(all_borrowed(Segmenter::new(&packet)), all(Segmenter::new(&packet), 1500));
}
