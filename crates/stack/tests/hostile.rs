//! What strangers send: refused, counted by name, answered only where an answer is due, and never more than the bounds allow.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_base::Instant;
use bowline_stack::{Cidr, Config, ReassemblyConfig, UdpBind, Undelivered};
use bowline_wire::icmp::{Icmp, IcmpError};
use bowline_wire::{Capabilities, Fragment, IpHeader, Protocol, ip as wire_ip};
use common::*;
use proptest::prelude::*;

const NOW: Instant = Instant::ZERO;

fn host() -> Host {
    Host::new(Capabilities::plain(1500), &["10.0.2.2/24", "fd00::2/64"], 1)
}

fn v4(from: &str, to: &str) -> Vec<u8> {
    udp(at(from, 9), at(to, 7), b"data")
}

#[test]
fn a_syn_from_no_hosts_address_is_ignored() {
    // RFC 9293 3.9.2.3, MUST-63.
    let syn = || bowline_wire::TcpHeader { flags: bowline_wire::TcpFlags::SYN, ..bowline_wire::TcpHeader::default() };
    let mut host = host();
    host.stack.tcp_mut().listen(bowline_tcp::Listen::on_port(80)).unwrap();
    for from in ["255.255.255.255", "10.0.2.255", "224.0.0.5", "0.0.0.0", "127.0.0.1", B4, "ff02::1", "::", "::1", B6] {
        let to = if from.contains(':') { B6 } else { B4 };
        assert!(host.answer(NOW, &tcp(at(from, 9), at(to, 80), syn(), b"")).is_empty(), "{from}");
    }
    assert_eq!(host.stack.tcp().population(), (0, 0, 0));
    assert_eq!(host.answer(NOW, &tcp(at(A4, 9), at(B4, 80), syn(), b"")).len(), 1);
}

#[test]
fn each_kind_of_bad_packet_has_its_counter_and_no_answer() {
    let cut = |mut bytes: Vec<u8>, len: usize| {
        bytes.truncate(len);
        bytes
    };
    let with = |mut bytes: Vec<u8>, at: usize, value: u8| {
        bytes[at] = value;
        bytes
    };
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "IpInHdrErrors"),
        ("version 7", vec![0x75; 40], "IpInHdrErrors"),
        ("a cut IPv4 header", cut(v4(A4, B4), 12), "IpInHdrErrors"),
        ("a cut IPv6 header", cut(v4(A6, B6), 39), "Ip6InHdrErrors"),
        ("a wrong header checksum", with(v4(A4, B4), 8, 3), "IpInHdrErrors"),
        ("a cut payload", cut(v4(A6, B6), 50), "Ip6InHdrErrors"),
        ("from a broadcast address", v4("255.255.255.255", B4), "BowlineIpInMartians"),
        ("from our network's broadcast address", v4("10.0.2.255", B4), "BowlineIpInMartians"),
        ("from a multicast address", v4("224.0.0.5", B4), "BowlineIpInMartians"),
        ("from nobody", v4("0.0.0.0", B4), "BowlineIpInMartians"),
        ("from loopback", v4("127.0.0.1", B4), "BowlineIpInMartians"),
        ("from ourselves", v4(B4, B4), "BowlineIpInMartians"),
        ("IPv6 from ourselves", v4(B6, B6), "BowlineIp6InMartians"),
        ("IPv6 from loopback", v4("::1", B6), "BowlineIp6InMartians"),
        ("IPv6 from multicast", v4("ff02::1", B6), "BowlineIp6InMartians"),
        ("IPv6 from a mapped address", v4("::ffff:10.0.2.1", B6), "BowlineIp6InMartians"),
        ("for somebody else", v4(A4, "10.0.2.77"), "IpInAddrErrors"),
        ("IPv6 for somebody else", v4(A6, "fd00::77"), "Ip6InAddrErrors"),
        ("for loopback", v4(A4, "127.0.0.1"), "IpInAddrErrors"),
        ("a wrong UDP checksum", with(v4(A4, B4), 30, 0), "UdpInCsumErrors"),
        ("a wrong UDP length", with(v4(A4, B4), 25, 3), "UdpInErrors"),
        (
            "a wrong ICMP checksum",
            packet(ip(A4), ip(B4), Protocol::ICMP, &[8, 0, 1, 1, 0, 0, 0, 0]),
            "IcmpInCsumErrors",
        ),
        ("a cut ICMP message", packet(ip(A4), ip(B4), Protocol::ICMP, &[8, 0]), "IcmpInErrors"),
    ];
    for (name, bytes, counter) in table {
        let mut host = host();
        assert!(host.answer(NOW, &bytes).is_empty(), "{name} is answered");
        assert_eq!(host.counter(counter), 1, "{name}");
        assert!(host.events.is_empty(), "{name}");
    }
}

/// What a packet is answered with: the type and code of an ICMP error, and where it points.
fn error_for(bytes: &[u8]) -> Option<IcmpError> {
    let answers = host().answer(NOW, bytes);
    assert!(answers.len() <= 1);
    let answer = answers.first()?;
    assert!(answer.len() <= if answer[0] >> 4 == 4 { 576 } else { 1280 }, "{}", answer.len());
    let asked = wire_ip::parse_quoted(bytes).or_else(|| bowline_wire::ipv6::parse_fixed(bytes)).unwrap();
    let asked = (asked.src, asked.dst);
    read_icmp(answer, |header, message| {
        let Icmp::Error { error, quoted } = message else { panic!("{message:?}") };
        assert_eq!(header.dst, asked.0);
        if !asked.1.is_multicast() {
            assert_eq!(header.src, asked.1);
        }
        assert_eq!(quoted, &bytes[..quoted.len()]);
        assert!(quoted.len() >= bytes.len().min(500));
        Some(error)
    })
}

fn extended(dst: &str, first: Protocol, extension: &[u8]) -> Vec<u8> {
    let payload = [extension, &udp_payload(at(A6, 9), at(dst, 7), b"data")].concat();
    packet(ip(A6), ip(dst), first, &payload)
}

#[test]
fn errors_are_sent_where_they_are_due() {
    let problem = |code, pointer| Some(IcmpError::ParameterProblem { code, pointer });
    let unreachable = |code| Some(IcmpError::Unreachable { code });
    let option = |kind| [17, 0, kind, 4, 0, 0, 0, 0];
    let (hop, group) = (Protocol::HOP_BY_HOP, "ff02::1");
    let table: Vec<(&str, Vec<u8>, Option<IcmpError>)> = vec![
        ("a closed port", v4(A4, B4), unreachable(3)),
        ("a closed port, IPv6", v4(A6, B6), unreachable(4)),
        ("a closed port, quoted in part", udp(at(A4, 9), at(B4, 7), &bytes(1400)), unreachable(3)),
        ("a closed port, quoted in part, IPv6", udp(at(A6, 9), at(B6, 7), &bytes(1400)), unreachable(4)),
        ("a strange protocol", packet(ip(A4), ip(B4), Protocol(200), b"x"), unreachable(2)),
        ("a strange protocol, IPv6", packet(ip(A6), ip(B6), Protocol(200), b"x"), problem(1, 6)),
        (
            "a strange protocol after options",
            extended(B6, Protocol::DESTINATION, &[200, 0, 1, 4, 0, 0, 0, 0]),
            problem(1, 40),
        ),
        ("ICMPv6 in IPv4", packet(ip(A4), ip(B4), Protocol::ICMPV6, b"x"), unreachable(2)),
        ("nothing in IPv6", packet(ip(A6), ip(B6), Protocol::NO_NEXT, b""), None),
        ("an option to be ignored", extended(B6, hop, &option(5)), unreachable(4)),
        ("an option to be dropped", extended(B6, hop, &option(0x45)), None),
        ("an option to be reported", extended(B6, hop, &option(0x85)), problem(2, 42)),
        ("an option to be reported, to a group", extended(group, hop, &option(0x85)), problem(2, 42)),
        ("an option to be reported if to one", extended(B6, hop, &option(0xc5)), problem(2, 42)),
        ("an option to be reported if to one, to a group", extended(group, hop, &option(0xc5)), None),
        ("a routing header", extended(B6, Protocol::ROUTING, &[17, 0, 0, 1, 0, 0, 0, 0]), problem(0, 42)),
        ("a closed port on a broadcast address", v4(A4, "10.0.2.255"), None),
        ("a closed port on a group", v4(A6, group), None),
        ("a strange protocol to a group", packet(ip(A4), ip("224.0.0.1"), Protocol(200), b"x"), None),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(error_for(&bytes), expected, "{name}");
    }
}

#[test]
fn an_error_is_never_answered_with_an_error() {
    let quoted = v4(B4, A4);
    for (from, to) in [(A4, B4), (A6, B6)] {
        for error in [IcmpError::Unreachable { code: 3 }, IcmpError::TimeExceeded { code: 0 }] {
            let bytes = icmp(ip(from), ip(to), &Icmp::Error { error, quoted: &quoted });
            assert!(host().answer(NOW, &bytes).is_empty());
        }
    }
}

#[test]
fn fragments_are_answered_once_at_most() {
    let whole = udp_payload(at(A6, 9), at(B6, 7), &bytes(2000));
    let fragment = |offset: usize, len: usize, more| {
        let header = IpHeader {
            fragment: Some(Fragment { id: 5, offset: offset as u16, more }),
            ..IpHeader::new(ip(A6), ip(B6), Protocol::UDP, len)
        };
        with_header(&header, &whole[offset..offset + len])
    };
    let mut host = host();
    assert!(host.answer(NOW, &fragment(1000, 1008, false)).is_empty());
    let answers = host.answer(NOW, &fragment(0, 1000, true));
    assert_eq!(answers.len(), 1, "the whole datagram found no port");
    // Not a multiple of eight: RFC 8200 4.5, pointing at the length; and one beyond 64 KiB.
    let bad = host.answer(NOW, &fragment(0, 1001, true));
    read_icmp(&bad[0], |_, message| {
        let problem = IcmpError::ParameterProblem { code: 0, pointer: 4 };
        assert!(matches!(message, Icmp::Error { error, .. } if error == problem), "{message:?}");
    });
    assert!(host.answer(NOW, &fragment(1000, 1001, true)).is_empty(), "not in answer to a later fragment");
    assert_eq!(host.counter("Ip6ReasmFails"), 2);
}

#[test]
fn a_scan_of_closed_ports_gets_no_more_errors_than_the_rate_allows() {
    let mut host = host();
    let mut answers = 0;
    for millisecond in 0..3000 {
        for port in 0..10 {
            let now = Instant::from_millis(millisecond);
            answers += host.answer(now, &udp(at(A4, 9), at(B4, 10_000 + port), b"x")).len();
        }
    }
    assert_eq!(answers, 6 + 2, "a burst of six, and one a second");
    assert_eq!(host.counter("IcmpOutRateLimitHost"), 30_000 - 8);
    assert_eq!(host.counter("UdpNoPorts"), 30_000);
}

#[test]
fn reports_of_a_gateway_are_bounded_for_all_but_not_for_one() {
    let mut host = host();
    let mut report = |now| {
        let packet = Undelivered::Udp { source: at(A4, 9), destination: at("9.9.9.9", 53), len: 4 };
        host.stack.report_unreachable(now, &packet, bowline_stack::IcmpError::HostUnreachable);
        host.drain(now).len()
    };
    assert_eq!((0..1000).map(|_| report(NOW)).sum::<usize>(), 50);
    assert_eq!((0..1000).map(|_| report(Instant::from_millis(20))).sum::<usize>(), 20);
}

#[test]
fn a_flood_of_fragments_from_many_sources_costs_bounded_memory() {
    let reassembly = ReassemblyConfig { max_bytes: 100_000, max_datagrams: 100, ..ReassemblyConfig::default() };
    let config = Config { reassembly, ..Config::default() };
    let mut host = Host::with(config, Capabilities::plain(1500), &["10.0.2.2/24"], 1);
    for number in 0..5000u32 {
        let src = std::net::Ipv4Addr::from_bits(0x0b00_0000 + number);
        let fragment = Some(Fragment { id: number, offset: (number % 100 * 8) as u16, more: true });
        let header = IpHeader { fragment, ..IpHeader::new(src.into(), ip(B4), Protocol::UDP, 1400) };
        host.handle(NOW, &with_header(&header, &bytes(1400)));
        let (datagrams, bytes) = host.stack.reassembly_usage();
        assert!(datagrams <= 100 && bytes <= 100_000, "{datagrams} {bytes}");
    }
    assert_eq!(host.counter("IpReasmReqds"), 5000);
    assert!(host.counter("IpReasmFails") >= 4900);
}

#[test]
fn a_datagram_with_overlapping_fragments_is_never_delivered() {
    for (src, dst) in [(A4, B4), (A6, B6)] {
        let whole = udp_payload(at(src, 9), at(dst, 53), &bytes(100));
        let mut host = host();
        let key = host.stack.udp_bind(UdpBind::port(53)).unwrap();
        for (from, to, more) in [(0, 64, true), (56, 104, true), (104, 108, false), (64, 104, true)] {
            let fragment = Some(Fragment { id: 5, offset: from as u16, more });
            let header = IpHeader { fragment, ..IpHeader::new(ip(src), ip(dst), Protocol::UDP, to - from) };
            host.handle(NOW, &with_header(&header, &whole[from..to]));
        }
        assert!(host.stack.udp_receive(key).is_err(), "{src}");
    }
}

#[test]
fn nothing_happens_on_an_interface_that_is_not_there() {
    let mut other = host();
    let second = bowline_stack::Interface::new(Capabilities::plain(1500), ["10.1.0.1/24".parse::<Cidr>().unwrap()]);
    let id = other.stack.add_interface(second).unwrap();
    let mut host = host();
    host.stack.handle_packet(NOW, id, rx(&v4(A4, B4)));
    assert!(host.drain(NOW).is_empty());
}

fn near_packets() -> impl Strategy<Value = Vec<u8>> {
    let seeds = prop::sample::select(vec![
        v4(A4, B4),
        v4(A6, B6),
        tcp(
            at(A4, 9),
            at(B4, 80),
            bowline_wire::TcpHeader { flags: bowline_wire::TcpFlags::SYN, ..Default::default() },
            b"",
        ),
        icmp(ip(A4), ip(B4), &Icmp::EchoRequest { ident: 1, sequence: 1, data: b"data" }),
        icmp(ip(A6), ip(B6), &Icmp::Error { error: IcmpError::PacketTooBig { mtu: 1300 }, quoted: &v4(B6, A6) }),
        extended(B6, Protocol::HOP_BY_HOP, &[17, 0, 5, 2, 0, 0, 0, 0]),
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (seeds, changes, any::<bool>()).prop_map(|(mut bytes, changes, fix)| {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let header = usize::from(bytes[0] & 0xf) * 4;
        if fix && bytes[0] >> 4 == 4 && (20..=bytes.len()).contains(&header) {
            bytes[10..12].fill(0);
            let sum = bowline_wire::checksum::checksum(&bytes[..header]);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_packets_make_it_panic_or_answer_more_than_they_ask(
        packets in prop::collection::vec(near_packets(), 1..30), any_ip: bool, unverified: bool,
    ) {
        let mut host = host();
        host.stack.interface_mut(host.iface).unwrap().any_ip = any_ip;
        host.stack.udp_bind(UdpBind::port(7)).unwrap();
        for (number, bytes) in packets.iter().enumerate() {
            let now = Instant::from_millis(number as u64 * 700);
            let mut packet = rx(bytes);
            if !unverified {
                packet.checksum = bowline_wire::RxChecksum::Partial;
            }
            host.stack.handle_packet(now, host.iface, packet);
            host.stack.handle_timeout(now);
            let sent = host.drain(now);
            prop_assert!(sent.len() <= 2, "{} answers", sent.len());
            for packet in sent {
                prop_assert!(wire_ip::parse(&packet.data).is_ok());
            }
        }
    }
}
