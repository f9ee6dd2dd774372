use std::net::IpAddr;

use bowline_wire::{TcpFlags, ip};

use super::build::{Network, Sent, icmp_packet, tcp_packet, udp_packet};
use super::{Ends, Seen, Wanted, differences, icmp_names, options, show};
use crate::lex::Defines;
use crate::parse::parse;
use crate::script::{Action, Packet, TcpOption};
use crate::source::Source;

const V4: Ends = Ends {
    src: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    dst: IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 0, 1)),
    src_port: 40_000,
    dst_port: 80,
};

fn v6() -> Ends {
    Ends { src: "2001:db8::1".parse().unwrap(), dst: "fd00::1".parse().unwrap(), ..V4 }
}

fn packet(text: &str) -> Packet {
    let script = parse(&Source::new("x", format!("+0 > {text}")), &Defines::new()).unwrap();
    match script.events.into_iter().next().unwrap().action {
        Action::Packet(packet) => *packet,
        other => panic!("{other:?}"),
    }
}

fn sent(options: &[TcpOption]) -> Sent {
    Sent {
        flags: TcpFlags::PSH | TcpFlags::ACK,
        seq: 1,
        ack: 7,
        window: 100,
        urgent: 0,
        options: options::encode(options),
        payload: vec![0; 10],
    }
}

fn compare(script: &str, seen: &Seen) -> Vec<String> {
    let packet = packet(script);
    let wanted = Wanted { packet: &packet, ports: None, ts: None, signed: false };
    differences(wanted, seen).into_iter().map(|d| format!("{}: {} / {}", d.field, d.expected, d.seen)).collect()
}

#[test]
fn what_is_built_is_seen() {
    let options = [
        TcpOption::Mss(1460),
        TcpOption::SackPermitted,
        TcpOption::Timestamps { value: Some(1), echo: 2, absolute: false },
        TcpOption::Nop,
        TcpOption::WindowScale(7),
        TcpOption::Other(200, vec![1, 2]),
    ];
    for ends in [V4, v6()] {
        let network = Network { traffic_class: 3, hop_limit: Some(5), flow_label: 0 };
        let seen = Seen::read(&tcp_packet(ends, network, &sent(&options))).unwrap();
        assert_eq!((seen.ends(), seen.ip.hop_limit), (ends, 5));
        let text = "[ce] P. 1:11(10) ack 7 win 100 <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7,unknown 200 0102>";
        assert_eq!(compare(text, &seen), [""; 0]);
        assert_eq!(format!("[ce] {}", show::seen(&seen)), text.to_owned());
        let udp = Seen::read(&udp_packet(ends, network, b"abc")).unwrap();
        assert_eq!(compare("udp (3)", &udp), [""; 0]);
        assert_eq!(compare("udp (4)", &udp), ["payload length: 4 / 3"]);
        assert_eq!(compare(". 1:1(0)", &udp), ["protocol: . 1:1(0) ack 0 / udp (3)"]);
        let numbers = icmp_names::numbers(ends.src.is_ipv4(), "unreachable", Some("port_unreachable")).unwrap();
        let icmp = Seen::read(&icmp_packet(ends, network, numbers, [0; 4], b"quoted")).unwrap();
        assert_eq!(compare("icmp unreachable port_unreachable", &icmp), [""; 0]);
        assert_eq!(compare("icmp time_exceeded", &icmp).len(), 1);
    }
}

#[test]
fn every_field_counts() {
    let seen = Seen::read(&tcp_packet(V4, Network::default(), &sent(&[TcpOption::Nop, TcpOption::Nop]))).unwrap();
    let expect = |script: &str, difference: &str| assert_eq!(compare(script, &seen), [difference], "{script}");
    expect(". 1:11(10) ack 7 <nop,nop>", "flags: . / P.");
    expect("P. 2:12(10) ack 7 <nop,nop>", "sequence number: 2 / 1");
    expect("P. 1:12(11) ack 7 <nop,nop>", "payload length: 11 / 10");
    expect("P. 1:11(10) ack 8 <nop,nop>", "acknowledgement number: 8 / 7");
    expect("P. 1:11(10) ack 7 win 99 <nop,nop>", "window: 99 / 100");
    expect("P. 1:11(10) ack 7 urg 1 <nop,nop>", "urgent pointer: 1 / 0");
    expect("P. 1:11(10) ack 7", "options: none / <nop,nop,eol,eol>");
    expect("P. 1:11(10) ack 7 <nop>", "options: <nop> / <nop,nop,eol,eol>");
    expect("[ect01] P. 1:11(10) ack 7 <...>", "ECN mark: ect0 or ect1 / noecn");
    expect("[tos 0x10] P. 1:11(10) ack 7 <...>", "TOS byte: 16 / 0");
    expect("(ttl 64) P. 1:11(10) ack 7 <...>", "hop limit: 64 / 255");
    for right in ["P. ...(10) ack 7 <nop,nop>", "P. 1:11(10) ack 7 <nop,nop,eol,eol>", "P.0 1:11(10) ack 7 <...>"] {
        assert_eq!(compare(right, &seen), [""; 0], "{right}");
    }
}

#[test]
fn a_damaged_packet_is_told() {
    let mut packet = tcp_packet(V4, Network::default(), &sent(&[]));
    let last = packet.len() - 1;
    packet[last] ^= 1;
    assert_eq!(Seen::read(&packet), Err("a segment with a wrong checksum".to_owned()));
    assert!(ip::parse(&packet).is_ok());
}
