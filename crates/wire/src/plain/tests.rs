use super::*;
use crate::ip::{self, IpHeader};
use crate::seq::SeqNumber;
use crate::tcp::{SackBlock, TcpFlags, TcpOptions, Timestamps};
use alloc::vec::Vec;
use core::net::IpAddr;
use proptest::collection::vec as bytes;
use proptest::prelude::*;

fn header() -> impl Strategy<Value = TcpHeader> {
    let numbers = any::<(u16, u16, u32, u32, u16, u16, u16)>();
    let options = any::<(Option<u16>, bool, Option<(u32, u32)>, Option<(u32, u32)>)>();
    (numbers, options).prop_map(
        |((src_port, dst_port, seq, ack, flags, window, urgent), (mss, permitted, times, block))| {
            let mut options = TcpOptions { mss, sack_permitted: permitted, ..TcpOptions::default() };
            options.timestamps = times.map(|(value, echo)| Timestamps { value, echo });
            options
                .sack
                .extend(block.map(|(left, right)| SackBlock { left: SeqNumber(left), right: SeqNumber(right) }));
            let (seq, ack, flags) = (SeqNumber(seq), SeqNumber(ack), TcpFlags::from_bits_truncate(flags));
            TcpHeader { src_port, dst_port, seq, ack, flags, window, urgent, options }
        },
    )
}

/// A packet as [`Outgoing`] writes it.
fn written(outgoing: &Outgoing<'_>, partial: bool) -> Vec<u8> {
    let mut head = [0xff; MAX_HEAD];
    let len = outgoing.write(&mut head, partial).unwrap_or_default();
    let mut packet = Vec::from(&head[..len]);
    outgoing.payload.iter().for_each(|part| packet.extend_from_slice(part));
    packet
}

/// The same packet as everything else would write it.
fn usual(outgoing: &Outgoing<'_>, partial: bool) -> Vec<u8> {
    let (src, dst) = (IpAddr::V4(outgoing.ends.0), IpAddr::V4(outgoing.ends.1));
    let mut segment = [0; MAX_HEADER];
    let len = outgoing.header.emit(&mut segment);
    let segment = &mut segment[..len];
    let mut header = IpHeader::new(src, dst, Protocol::TCP, len + total_len(outgoing.payload));
    (header.hop_limit, header.traffic_class) = (outgoing.hop_limit, outgoing.traffic_class);
    if partial {
        let pseudo = Accumulator::pseudo_header(src, dst, Protocol::TCP, header.payload_len);
        tcp::set_checksum(segment, pseudo.partial());
    } else {
        tcp::fill_checksum(src, dst, segment, outgoing.payload);
    }
    let mut packet = alloc::vec![0; MIN_HEADER];
    ip::emit(&header, &mut packet);
    packet.extend_from_slice(segment);
    outgoing.payload.iter().for_each(|part| packet.extend_from_slice(part));
    packet
}

proptest! {
    #[test]
    fn a_plain_packet_is_written_as_any_other(
        header in header(),
        ends in any::<(Ipv4Addr, Ipv4Addr)>(),
        (class, hop_limit, partial) in any::<(u8, u8, bool)>(),
        (first, second) in (bytes(any::<u8>(), 0..200), bytes(any::<u8>(), 0..200)),
    ) {
        let payload: &[&[u8]] = &[&first, &second];
        let outgoing = Outgoing { ends, traffic_class: TrafficClass(class), hop_limit, header: &header, payload };
        let packet = written(&outgoing, partial);
        prop_assert_eq!(&packet, &usual(&outgoing, partial));
        let read = Plain::read(&packet);
        prop_assert!(read.is_some_and(|plain| partial || plain.is_intact()));
    }

    #[test]
    fn what_is_read_as_plain_is_read_so_by_all(
        header in header(),
        ends in any::<(Ipv4Addr, Ipv4Addr)>(),
        text in bytes(any::<u8>(), 0..80),
        (at, to, again) in any::<(prop::sample::Index, u8, bool)>(),
        padding in 0..9_usize,
    ) {
        let traffic_class = TrafficClass(2);
        let mut packet = written(&Outgoing { ends, traffic_class, hop_limit: 64, header: &header, payload: &[&text] }, false);
        let at = at.index(packet.len());
        packet[at] = to;
        if again && at < MIN_HEADER {
            // Another header with a checksum that is correct.
            crate::put(&mut packet, 10, &[0; 2]);
            let sum = checksum::checksum(&packet[..MIN_HEADER]);
            crate::put(&mut packet, 10, &sum.to_be_bytes());
        }
        packet.resize(packet.len() + padding, 0x55);
        if let Some(plain) = Plain::read(&packet) {
            let ip = ip::parse(&packet).map_err(|error| TestCaseError::fail(alloc::format!("{error}")))?;
            prop_assert_eq!((ip.src, ip.dst), (plain.ends.0.into(), plain.ends.1.into()));
            prop_assert_eq!((ip.protocol, ip.fragment, ip.header_len), (Protocol::TCP, None, MIN_HEADER));
            prop_assert_eq!((ip.traffic_class, ip.payload(&packet)), (plain.traffic_class, plain.segment));
            let valid = checksum::is_valid(ip.src, ip.dst, Protocol::TCP, plain.segment);
            prop_assert_eq!(plain.is_intact(), valid);
        } else if let Ok(ip) = ip::parse(&packet) {
            prop_assert!(ip.protocol != Protocol::TCP || ip.fragment.is_some() || ip.header_len > MIN_HEADER);
        }
    }
}

#[test]
fn a_packet_longer_than_ip_allows_is_none() {
    let header = TcpHeader::default();
    let text = alloc::vec![0; MAX_PACKET - 39];
    let ends = (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
    let len_of = |text: &[u8]| {
        let payload: &[&[u8]] = &[text];
        let outgoing = Outgoing { ends, traffic_class: TrafficClass(0), hop_limit: 64, header: &header, payload };
        outgoing.write(&mut [0; MAX_HEAD], false)
    };
    assert_eq!((len_of(&text), len_of(&text[1..])), (None, Some(40)));
}
