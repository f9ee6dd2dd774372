//! TCP between two hosts: through every kind of device, refused, unreachable, over a narrow path, for others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_base::Instant;
use bowline_stack::{ConnectError, Event, IcmpError, Interface, Stack, Undelivered};
use bowline_tcp::{CallError, ConnectionError, ConnectionKey, Listen, ListenerKey, State};
use bowline_wire::icmp::{Icmp, IcmpError as WireError};
use bowline_wire::{Capabilities, Protocol, TcpFlags, TcpHeader, ip as wire_ip};
use common::*;
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn listen(stack: &mut Stack, port: Option<u16>, deferred: bool) -> ListenerKey {
    let listen = Listen { address: None, port, backlog: 16, deferred, options: None };
    stack.tcp_mut().listen(listen).unwrap()
}

/// A connection from `a` to port 80 of `b`: both ends.
fn connected(pair: &mut Pair, to: &str) -> (ConnectionKey, ConnectionKey) {
    let listener = listen(&mut pair.b.stack, Some(80), false);
    let client = pair.a.stack.tcp_connect(pair.now, None, at(to, 80), None).unwrap();
    let mut server = None;
    pair.run(10 * SECOND, |pair| {
        server = server.or_else(|| pair.b.stack.tcp_mut().accept(pair.now, listener));
        server.is_some() && pair.a.stack.tcp().state(client) == Some(State::Established)
    });
    (client, server.unwrap())
}

/// Sends `data` from `a` to `b` and reads it there.
fn transfer(pair: &mut Pair, (client, server): (ConnectionKey, ConnectionKey), data: &[u8], limit: Duration) {
    let (mut sent, mut received) = (0, Vec::<u8>::new());
    let mut buffer = vec![0; 64 << 10];
    pair.run(limit, |pair| {
        sent += pair.a.stack.tcp_mut().send(pair.now, client, &data[sent..]).unwrap_or(0);
        while let Ok(n @ 1..) = pair.b.stack.tcp_mut().receive(pair.now, server, &mut buffer) {
            received.extend(&buffer[..n]);
        }
        received.len() == data.len()
    });
    assert!(received == data, "the bytes differ");
}

#[test]
fn a_megabyte_arrives_through_every_kind_of_device() {
    // RFC 9293 3.1, MUST-2: with a checksum of ours, or with one that the device completes.
    let checksum_only = Capabilities { checksum: true, ..Capabilities::plain(1500) };
    let no_checksum = Capabilities { checksum: false, ..offloads(1500) };
    let all = [Capabilities::plain(1500), Capabilities::plain(1280), checksum_only, no_checksum, offloads(1500)];
    for capabilities in all {
        for to in [B4, B6] {
            let mut pair = Pair::new(capabilities);
            let ends = connected(&mut pair, to);
            transfer(&mut pair, ends, &bytes(1 << 20), 60 * SECOND);
            let whole = capabilities.tcp_segmentation && capabilities.checksum;
            let largest = pair.log.iter().map(|(_, packet)| packet.data.len()).max().unwrap();
            assert_eq!(largest > 1500, whole, "{capabilities:?}");
            let csum = pair.a.counter("TcpInCsumErrors") + pair.b.counter("TcpInCsumErrors");
            assert_eq!((csum, pair.b.counter("TcpRetransSegs")), (0, 0), "{capabilities:?}");
        }
    }
}

#[test]
fn bursts_are_pushed_where_a_queue_may_be() {
    for lossless in [false, true] {
        let mut pair = Pair::new(Capabilities { lossless, ..offloads(1500) });
        let ends = connected(&mut pair, B4);
        transfer(&mut pair, ends, &bytes(1 << 20), 60 * SECOND);
        let bursts = pair.log.iter().filter(|(from_a, packet)| *from_a && packet.data.len() > 1500);
        // the flags of TCP behind a header of IPv4 without options
        let pushed: Vec<bool> = bursts.map(|(_, packet)| packet.data[33] & TcpFlags::PSH.bits() as u8 != 0).collect();
        assert!(pushed.len() > 10, "{pushed:?}");
        assert_eq!(pushed.iter().all(|&push| push), !lossless, "{pushed:?}");
    }
}

#[test]
fn losses_are_made_good() {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let ends = connected(&mut pair, B6);
    pair.lose = Box::new(|number, _| number % 23 == 7);
    transfer(&mut pair, ends, &bytes(300_000), 600 * SECOND);
    assert!(pair.a.counter("TcpRetransSegs") > 5);
}

#[test]
fn segments_are_not_to_be_fragmented_and_carry_a_flow_label_of_their_own() {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let ends = connected(&mut pair, B4);
    transfer(&mut pair, ends, &bytes(10_000), SECOND);
    assert!(pair.log.iter().all(|(_, packet)| wire_ip::parse(&packet.data).unwrap().dont_fragment));

    let mut pair = Pair::new(Capabilities::plain(1500));
    let ends = connected(&mut pair, B6);
    transfer(&mut pair, ends, &bytes(10_000), SECOND);
    let labels = |from_a: bool| {
        let mut labels: Vec<u32> = pair
            .log
            .iter()
            .filter(|(from, _)| *from == from_a)
            .map(|(_, packet)| wire_ip::parse(&packet.data).unwrap().flow_label)
            .collect();
        labels.dedup();
        labels
    };
    assert!(labels(true).len() == 1 && labels(true)[0] != 0, "{:?}", labels(true));
    assert_ne!(labels(true), labels(false));
}

#[test]
fn a_port_without_a_listener_refuses_at_once() {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let client = pair.a.stack.tcp_connect(pair.now, None, at(B4, 81), None).unwrap();
    pair.exchange();
    assert_eq!(pair.now, Instant::ZERO);
    assert_eq!(pair.a.stack.tcp().error(client), Some(ConnectionError::Refused));
}

#[test]
fn a_connection_that_has_no_way_is_an_error() {
    // RFC 9293 3.9.1.1, MUST-43, MUST-44: the address that was asked for, or that of the route.
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.1/24", "fe80::1/64"], 1);
    let mut connect =
        |local: Option<SocketAddr>, remote| host.stack.tcp_connect(Instant::ZERO, local, remote, None).map(|_| ());
    assert_eq!(connect(None, at("8.8.8.8", 80)), Err(ConnectError::NoRoute));
    assert_eq!(connect(None, at("fd00::9", 80)), Err(ConnectError::NoRoute));
    assert_eq!(connect(Some(at("10.0.2.9", 0)), at(B4, 80)), Err(ConnectError::AddressNotAvailable));
    assert_eq!(connect(Some(at("fe80::1", 0)), at(B4, 80)), Err(ConnectError::AddressNotAvailable));
    assert_eq!(connect(Some(at("0.0.0.0", 4000)), at(B4, 80)), Ok(()));
    let sent = host.drain(Instant::ZERO);
    let header = wire_ip::parse(&sent[0].data).unwrap();
    let (segment, _) = TcpHeader::parse(header.payload(&sent[0].data)).unwrap();
    assert_eq!((header.src, segment.src_port, segment.options.mss), (ip(A4), 4000, Some(1460)));
}

#[test]
fn a_damaged_segment_is_counted_and_sent_again() {
    // RFC 9293 3.1, MUST-3.
    let mut pair = Pair::new(Capabilities::plain(1500));
    let (client, server) = connected(&mut pair, B4);
    pair.a.stack.tcp_mut().send(pair.now, client, b"precious").unwrap();
    let mut packets = pair.a.drain(pair.now);
    assert_eq!(packets.len(), 1);
    let mut damaged = packets.remove(0).data.to_vec();
    *damaged.last_mut().unwrap() ^= 0x20;
    pair.b.handle(pair.now, &damaged);
    assert_eq!(pair.b.counter("TcpInCsumErrors"), 1);
    let mut out = [0; 16];
    pair.run(5 * SECOND, |pair| pair.b.stack.tcp_mut().receive(pair.now, server, &mut out) == Ok(8));
    assert_eq!(&out[..8], b"precious");
}

#[test]
fn a_narrow_path_is_found_and_remembered() {
    // RFC 9293 3.9.2.2, MUST-54; 3.7.1, MUST-16.
    for (to, src) in [(B4, A4), (B6, A6)] {
        let mut pair = Pair::new(Capabilities::plain(1500));
        let (client, server) = connected(&mut pair, to);
        // A router in the middle that takes 1,300 bytes and says so.
        pair.lose = Box::new(|_, packet| packet.data.len() > 1300);
        let data = bytes(100_000);
        let (mut sent, mut received, mut told) = (0, Vec::<u8>::new(), 0);
        let mut buffer = vec![0; 64 << 10];
        pair.run(60 * SECOND, |pair| {
            for number in told..pair.log.len() {
                let big = pair.log[number].1.data.clone();
                if big.len() > 1300 {
                    let quoted = &big[..big.len().min(500)];
                    let error = Icmp::Error { error: WireError::PacketTooBig { mtu: 1300 }, quoted };
                    let router = ip(if src == A4 { "192.0.2.99" } else { "2001:db8::99" });
                    pair.a.handle(pair.now, &icmp(router, ip(src), &error));
                }
            }
            told = pair.log.len();
            sent += pair.a.stack.tcp_mut().send(pair.now, client, &data[sent..]).unwrap_or(0);
            while let Ok(n @ 1..) = pair.b.stack.tcp_mut().receive(pair.now, server, &mut buffer) {
                received.extend(&buffer[..n]);
            }
            received.len() == data.len()
        });
        assert!(received == data);
        assert_eq!(pair.a.stack.path_mtu(pair.now, ip(to)), Some(1300), "{to}");
        assert!(pair.now < Instant::from_secs(5), "no black hole: {}", pair.now);
    }
}

#[test]
fn a_forged_error_changes_nothing() {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let (client, _) = connected(&mut pair, B4);
    pair.a.stack.tcp_mut().send(pair.now, client, b"x").unwrap();
    let packet = pair.a.drain(pair.now).remove(0).data.to_vec();
    let mut forged = packet.clone();
    forged[24..28].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]); // another sequence number
    for error in [WireError::PacketTooBig { mtu: 600 }, WireError::Unreachable { code: 2 }] {
        for (quoted, to) in [(&forged, A4), (&packet, "10.0.2.1")] {
            let source = if quoted == &packet { continue } else { ip("192.0.2.99") };
            pair.a.handle(pair.now, &icmp(source, ip(to), &Icmp::Error { error, quoted }));
        }
    }
    assert_eq!(pair.a.stack.path_mtu(pair.now, ip(B4)), Some(1500));
    assert_eq!(pair.a.stack.tcp().state(client), Some(State::Established));
    assert_eq!(pair.a.counter("TcpExtOutOfWindowIcmps"), 2);
    // An error about a packet of somebody else, sent to us.
    let stranger = tcp(at("10.0.2.50", 1), at(B4, 80), TcpHeader::default(), b"");
    let error = Icmp::Error { error: WireError::PacketTooBig { mtu: 600 }, quoted: &stranger };
    pair.a.handle(pair.now, &icmp(ip(B4), ip(A4), &error));
    assert_eq!(pair.a.stack.path_mtu_entries(), 0);
}

/// `b` takes connections for every address and port and decides on each SYN.
fn gateway() -> (Pair, ListenerKey) {
    let mut pair = Pair::new(Capabilities::plain(1500));
    for destination in ["0.0.0.0/0", "::/0"] {
        let destination = destination.parse().unwrap();
        pair.a.stack.add_route(bowline_stack::Route { destination, interface: pair.a.iface, source: None });
    }
    pair.b.stack.interface_mut(pair.b.iface).unwrap().any_ip = true;
    let listener = listen(&mut pair.b.stack, None, true);
    (pair, listener)
}

#[test]
fn any_ip_and_any_port_take_a_connection_for_somebody_else() {
    for to in [at("93.184.216.34", 443), at("2001:db8::5", 8080)] {
        let (mut pair, listener) = gateway();
        let client = pair.a.stack.tcp_connect(pair.now, None, to, None).unwrap();
        pair.exchange();
        assert_eq!(pair.log.len(), 1, "the SYN is not answered before the decision");
        let pending = pair.b.stack.tcp_mut().pending(listener).unwrap();
        assert_eq!(pending.tuple.local, to);
        let server = pair.b.stack.tcp_mut().admit(pair.now, pending.key, None).unwrap();
        pair.exchange();
        assert_eq!(pair.a.stack.tcp().state(client), Some(State::Established));
        transfer(&mut pair, (client, server), b"for somebody else", SECOND);
    }
}

#[test]
fn a_refused_syn_looks_as_it_does_outside() {
    for (error, expected) in [
        (IcmpError::HostUnreachable, ConnectionError::HostUnreachable),
        (IcmpError::NetworkUnreachable, ConnectionError::NetworkUnreachable),
        (IcmpError::AdministrativelyProhibited, ConnectionError::AdministrativelyProhibited),
    ] {
        for to in [at("93.184.216.34", 443), at("2001:db8::5", 8080)] {
            let (mut pair, listener) = gateway();
            let client = pair.a.stack.tcp_connect(pair.now, None, to, None).unwrap();
            pair.exchange();
            let pending = pair.b.stack.tcp_mut().pending(listener).unwrap();
            pair.b.stack.tcp_refuse_unreachable(pair.now, &pending, error);
            pair.exchange();
            assert_eq!(pair.a.stack.tcp().error(client), Some(expected), "{to} {error:?}");
            assert_eq!(pair.now, Instant::ZERO, "at once");
        }
    }
}

#[test]
fn a_report_about_a_segment_names_its_sequence_number() {
    let (mut pair, _) = gateway();
    let (source, destination) = (at(A4, 4000), at("9.9.9.9", 80));
    let header = TcpHeader { src_port: 4000, dst_port: 80, seq: bowline_wire::SeqNumber(77), ..TcpHeader::default() };
    let packet = Undelivered::Tcp { source, destination, header };
    pair.b.stack.report_unreachable(pair.now, &packet, IcmpError::TimeExceeded);
    let sent = pair.b.drain(pair.now);
    read_icmp(&sent[0].data, |header, message| {
        assert_eq!((header.src, header.dst), (ip(B4), ip(A4)));
        let Icmp::Error { error, quoted } = message else { panic!("{message:?}") };
        assert_eq!(error, WireError::TimeExceeded { code: 0 });
        assert_eq!(bowline_wire::icmp::Quoted::parse(quoted).unwrap().tcp_seq(), Some(bowline_wire::SeqNumber(77)));
    });
}

#[test]
fn a_segment_to_a_broadcast_address_is_dropped() {
    // RFC 9293 3.9.2.3, MUST-57: and not even answered with RST.
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24", "fd00::2/64"], 1);
    listen(&mut host.stack, Some(80), false);
    let syn = || TcpHeader { flags: TcpFlags::SYN, ..TcpHeader::default() };
    for to in ["10.0.2.255", "255.255.255.255", "224.0.0.1"] {
        assert!(host.answer(Instant::ZERO, &tcp(at(A4, 9), at(to, 80), syn(), b"")).is_empty(), "{to}");
        assert!(host.answer(Instant::ZERO, &tcp(at(A4, 9), at(to, 81), syn(), b"")).is_empty(), "{to}");
    }
    assert!(host.answer(Instant::ZERO, &tcp(at(A6, 9), at("ff02::1", 80), syn(), b"")).is_empty());
    assert_eq!(host.answer(Instant::ZERO, &tcp(at(A4, 9), at(B4, 80), syn(), b"")).len(), 1);
}

#[test]
fn segments_that_cannot_be_read_are_counted() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24"], 1);
    for payload in [&[0u8; 0][..], &[0; 19], &[0x40; 20], &[0xf0; 30]] {
        assert!(host.answer(Instant::ZERO, &packet(ip(A4), ip(B4), Protocol::TCP, payload)).is_empty());
    }
    assert_eq!(host.counter("TcpInErrs"), 4 + host.stack.tcp().counters().in_errs);
}

#[test]
fn a_host_talks_to_itself_by_its_loopback_interface() {
    let mut stack = Stack::new(bowline_stack::Config::default(), [3; 32], Instant::ZERO);
    let addresses = ["127.0.0.1/8", "::1/128", "10.9.9.9/32"].map(|text| text.parse().unwrap());
    let lo = Interface { loopback: true, ..Interface::new(offloads(65_535), addresses) };
    let lo = stack.add_interface(lo).unwrap();
    for to in ["127.0.0.1", "::1", "10.9.9.9"] {
        let listener = listen(&mut stack, Some(7), false);
        let client = stack.tcp_connect(Instant::ZERO, None, at(to, 7), None).unwrap();
        loop {
            let mut packets = Vec::new();
            while stack.poll_transmit(Instant::ZERO, &mut |_, packet| packets.push(received(&packet, 65_535))) {}
            if packets.is_empty() {
                break;
            }
            packets.into_iter().for_each(|packet| stack.handle_packet(Instant::ZERO, lo, packet));
        }
        assert_eq!(stack.tcp().state(client), Some(State::Established), "{to}");
        assert!(stack.tcp_mut().accept(Instant::ZERO, listener).is_some());
        stack.tcp_mut().close_listener(Instant::ZERO, listener);
        stack.tcp_mut().abort(Instant::ZERO, client);
    }
}

#[test]
fn tcp_reports_come_out_as_events() {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let (client, _) = connected(&mut pair, B4);
    let of_client = |event: &Event| {
        matches!(event, Event::Tcp(bowline_tcp::Event::Connection(key, ready))
            if *key == client && ready.contains(bowline_tcp::Readiness::CONNECTED))
    };
    assert!(pair.a.events.iter().any(of_client));
    assert!(pair.b.events.iter().any(|event| matches!(event, Event::Tcp(bowline_tcp::Event::Listener(_)))));
    let mut out = [0; 1];
    assert_eq!(pair.a.stack.tcp_mut().receive(pair.now, client, &mut out), Err(CallError::WouldBlock));
}

#[test]
fn an_admitted_connection_that_its_peer_forgets_goes_away() {
    for close in [false, true] {
        let (mut pair, listener) = gateway();
        let remote = at("9.9.9.9", 80);
        let syn = TcpHeader { flags: TcpFlags::SYN, window: 1000, ..TcpHeader::default() };
        let answers = pair.b.answer(pair.now, &tcp(at(A4, 4000), remote, syn, b""));
        assert!(answers.is_empty());
        let pending = pair.b.stack.tcp_mut().pending(listener).unwrap();
        let key = pair.b.stack.tcp_mut().admit(pair.now, pending.key, None).unwrap();
        assert_eq!(pair.b.drain(pair.now).len(), 1, "SYN-ACK");
        if close {
            pair.b.stack.tcp_mut().send(pair.now, key, b"data").unwrap();
            pair.b.stack.tcp_mut().close(pair.now, key);
        }
        let mut sent = 0;
        while let Some(next) = pair.b.stack.poll_timeout() {
            assert!(next < Instant::from_secs(1000), "{close}: it goes on for ever");
            pair.b.stack.handle_timeout(next);
            sent += pair.b.drain(next).len();
        }
        assert!(sent >= 5, "{close}: {sent} SYN-ACKs were sent again");
        pair.b.stack.tcp_mut().close(Instant::from_secs(1000), key);
        pair.b.drain(Instant::from_secs(1000));
        assert_eq!(pair.b.stack.tcp().population(), (0, 0, 0), "{close}");
    }
}

/// What `a` sends now, as IP headers.
fn headers(pair: &mut Pair) -> Vec<wire_ip::IpHeader> {
    pair.a.drain(pair.now).iter().map(|packet| wire_ip::parse(&packet.data).unwrap()).collect()
}

#[test]
fn the_traffic_class_and_the_time_to_live_are_the_users() {
    // RFC 9293 3.9.1.9, MUST-48, SHLD-21, SHLD-22; 3.9.2, MUST-49.
    for to in [B4, B6] {
        let mut pair = Pair::new(Capabilities::plain(1500));
        let options = bowline_tcp::Options { traffic_class: 0xb8, hop_limit: 7, ..Default::default() };
        let listener = listen(&mut pair.b.stack, Some(80), false);
        let client = pair.a.stack.tcp_connect(pair.now, None, at(to, 80), Some(options)).unwrap();
        let syn = pair.a.drain(pair.now).remove(0);
        let header = wire_ip::parse(&syn.data).unwrap();
        assert_eq!((header.traffic_class.0, header.hop_limit), (0xb8, 7), "{to}");
        pair.b.stack.handle_packet(pair.now, pair.b.iface, syn);
        pair.exchange();
        assert!(pair.b.stack.tcp_mut().accept(pair.now, listener).is_some());
        pair.a.stack.tcp_mut().send(pair.now, client, b"one").unwrap();
        assert!(headers(&mut pair).iter().all(|header| (header.traffic_class.0, header.hop_limit) == (0xb8, 7)));
        // Another one from now on, and the congestion bits are not the user's.
        let change = |options: &mut bowline_tcp::Options| (options.traffic_class, options.hop_limit) = (0x2b, 9);
        pair.a.stack.tcp_mut().set_options(pair.now, client, change).unwrap();
        pair.a.stack.tcp_mut().set_options(pair.now, client, |options| options.nodelay = true).unwrap();
        pair.a.stack.tcp_mut().send(pair.now, client, b"two").unwrap();
        let sent = headers(&mut pair);
        assert!(!sent.is_empty() && sent.iter().all(|header| (header.traffic_class.0, header.hop_limit) == (0x28, 9)));
    }
}

#[test]
fn options_of_ip_are_ignored() {
    // RFC 9293 3.9.2, MUST-50: a router alert, one that nobody knows, a source route, and garbage.
    for option in [[148, 4, 0, 0], [0x5e, 4, 1, 2], [131, 3, 4, 0], [0x83, 0xff, 0, 0]] {
        let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24"], 1);
        listen(&mut host.stack, Some(80), false);
        let syn = TcpHeader { flags: TcpFlags::SYN, ..TcpHeader::default() };
        let plain = tcp(at(A4, 9), at(B4, 80), syn, b"");
        let mut bytes = [&plain[..20], &option, &plain[20..]].concat();
        bytes[0] = 0x46;
        bytes[2..4].copy_from_slice(&(plain.len() as u16 + 4).to_be_bytes());
        bytes[10..12].fill(0);
        let sum = bowline_wire::checksum::checksum(&bytes[..24]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        let answers = host.answer(Instant::ZERO, &bytes);
        assert_eq!(answers.len(), 1, "{option:?}");
        let header = wire_ip::parse(&answers[0]).unwrap();
        assert_eq!((header.dst, header.header_len), (ip(A4), 20), "straight back, by no other route");
    }
}

#[test]
fn source_quench_is_ignored_in_silence() {
    // RFC 9293 3.9.2.2, MUST-55.
    let mut pair = Pair::new(Capabilities::plain(1500));
    let (client, _) = connected(&mut pair, B4);
    pair.a.stack.tcp_mut().send(pair.now, client, b"x").unwrap();
    let sent = pair.a.drain(pair.now).remove(0).data.to_vec();
    let before = pair.a.stack.tcp().info(pair.now, client).unwrap();
    let mut message = [&[4, 0, 0, 0, 0, 0, 0, 0], &sent[..28]].concat();
    let sum = bowline_wire::checksum::checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    assert!(pair.a.answer(pair.now, &packet(ip(B4), ip(A4), Protocol::ICMP, &message)).is_empty());
    let after = pair.a.stack.tcp().info(pair.now, client).unwrap();
    assert_eq!((before.state, before.cwnd, before.ssthresh), (after.state, after.cwnd, after.ssthresh));
    assert_eq!(after.soft_error, None);
    assert_eq!(pair.a.counter("TcpExtOutOfWindowIcmps"), 0);
}

#[test]
fn the_mss_is_what_the_interface_can_carry() {
    // RFC 9293 3.7.1, MUST-67, SHLD-6.
    for (mtu, to, mss) in [(1500, B4, 1460), (1500, B6, 1440), (1280, B6, 1220), (9000, B4, 8960)] {
        let mut pair = Pair::new(Capabilities::plain(mtu));
        pair.a.stack.tcp_connect(pair.now, None, at(to, 80), None).unwrap();
        let sent = pair.a.drain(pair.now).remove(0);
        let header = wire_ip::parse(&sent.data).unwrap();
        assert_eq!(TcpHeader::parse(header.payload(&sent.data)).unwrap().0.options.mss, Some(mss));
    }
}
