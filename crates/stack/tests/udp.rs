//! UDP sockets: who hears what, bounds, errors, trains and fragments.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_base::Instant;
use bowline_stack::{Event, IcmpError, UdpBind, UdpCallError, UdpFailure, UdpKey, UdpReadiness, UdpSend, Undelivered};
use bowline_wire::Capabilities;
use bowline_wire::icmp::{Icmp, IcmpError as WireError};
use bytes::Bytes;
use common::*;

const NOW: Instant = Instant::ZERO;

fn readiness(host: &mut Host, key: UdpKey) -> UdpReadiness {
    let of = |event: Event| match event {
        Event::Udp(other, readiness) if other == key => readiness,
        other => panic!("{other:?}"),
    };
    host.events.drain(..).map(of).collect()
}

#[test]
fn a_datagram_goes_there_and_back_in_one_piece_or_many() {
    for (from, to, len) in [(A4, B4, 5), (A6, B6, 5), (A4, B4, 0), (A4, B4, 65_507), (A6, B6, 65_527), (A4, B4, 1473)] {
        for capabilities in [Capabilities::plain(1500), offloads(1500)] {
            let mut pair = Pair::new(capabilities);
            let client = pair.a.stack.udp_bind(UdpBind::port(0)).unwrap();
            let server = pair.b.stack.udp_bind(UdpBind::port(53)).unwrap();
            let payload = Bytes::from(bytes(len));
            pair.a.stack.udp_send(NOW, client, UdpSend::to(at(to, 53), payload.clone())).unwrap();
            pair.exchange();
            assert_eq!(readiness(&mut pair.b, server), UdpReadiness::READABLE);
            let datagram = pair.b.stack.udp_receive(server).unwrap();
            assert_eq!((datagram.source.ip(), datagram.destination), (ip(from), at(to, 53)));
            assert_eq!(datagram.payload, payload, "{to} {len}");
            let reply = UdpSend { source: Some(datagram.destination), ..UdpSend::to(datagram.source, payload.clone()) };
            pair.b.stack.udp_send(NOW, server, reply).unwrap();
            pair.exchange();
            assert_eq!(pair.a.stack.udp_receive(client).unwrap().payload, payload);
            assert_eq!(pair.a.stack.udp_receive(client), Err(UdpCallError::WouldBlock));
        }
    }
}

#[test]
fn a_lost_fragment_loses_the_datagram_and_nothing_stays() {
    let mut pair = Pair::new(Capabilities::plain(1280));
    let client = pair.a.stack.udp_bind(UdpBind::port(9)).unwrap();
    let server = pair.b.stack.udp_bind(UdpBind::port(53)).unwrap();
    pair.lose = Box::new(|number, _| number == 2);
    pair.a.stack.udp_send(NOW, client, UdpSend::to(at(B6, 53), bytes(5000).into())).unwrap();
    pair.exchange();
    assert_eq!(pair.b.stack.udp_receive(server), Err(UdpCallError::WouldBlock));
    assert_eq!(pair.b.stack.reassembly_usage().0, 1);
    assert_eq!(pair.b.stack.poll_timeout(), Some(Instant::from_secs(60)));
    let before = pair.log.len();
    pair.step(std::time::Duration::from_secs(60));
    assert_eq!(pair.b.stack.reassembly_usage(), (0, 0));
    assert_eq!(pair.b.counter("Ip6ReasmTimeout"), 1);
    // RFC 8200 4.5: the first fragment had arrived, so its sender is told.
    let (_, told) = &pair.log[before];
    read_icmp(&told.data, |header, message| {
        assert_eq!(header.dst, ip(A6));
        assert!(matches!(message, Icmp::Error { error: WireError::TimeExceeded { code: 1 }, .. }), "{message:?}");
    });
}

#[test]
fn a_connected_socket_hears_only_its_peer_and_learns_that_it_is_gone() {
    for (from, to) in [(A4, B4), (A6, B6)] {
        let mut pair = Pair::new(Capabilities::plain(1500));
        let key = pair.a.stack.udp_bind(UdpBind::port(1000)).unwrap();
        pair.a.stack.udp_connect(key, at(to, 2000)).unwrap();
        pair.a.handle(NOW, &udp(at(to, 2001), at(from, 1000), b"from another port"));
        assert_eq!(pair.a.stack.udp_receive(key), Err(UdpCallError::WouldBlock));
        assert_eq!(pair.a.counter("UdpNoPorts"), 1);
        pair.a.handle(NOW, &udp(at(to, 2000), at(from, 1000), b"from the peer"));
        assert_eq!(&pair.a.stack.udp_receive(key).unwrap().payload[..], b"from the peer");
        pair.a.drain(NOW);
        pair.a.events.clear();

        pair.a.stack.udp_send(NOW, key, UdpSend::connected("anybody?".into())).unwrap();
        pair.exchange();
        assert_eq!(readiness(&mut pair.a, key), UdpReadiness::ERROR);
        let refused = Err(UdpCallError::Icmp(IcmpError::PortUnreachable));
        assert_eq!(pair.a.stack.udp_receive(key), refused);
        assert_eq!(pair.a.stack.udp_receive(key), Err(UdpCallError::WouldBlock), "reported once");
        assert_eq!(pair.b.counter("UdpNoPorts"), 1);
    }
}

#[test]
fn a_socket_that_is_not_connected_is_not_told() {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let key = pair.a.stack.udp_bind(UdpBind::port(1000)).unwrap();
    pair.a.stack.udp_send(NOW, key, UdpSend::to(at(B4, 2000), "anybody?".into())).unwrap();
    pair.exchange();
    assert!(pair.a.events.is_empty());
    assert_eq!(pair.a.stack.udp_receive(key), Err(UdpCallError::WouldBlock));
    assert_eq!(pair.a.counter("IcmpInDestUnreachs"), 1);
}

#[test]
fn the_best_fitting_socket_gets_the_datagram() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24", "10.0.3.2/24"], 1);
    let any_port = host.stack.udp_bind(UdpBind::any_port()).unwrap();
    let address = host.stack.udp_bind(UdpBind::address(at("10.0.3.2", 53))).unwrap();
    let port = host.stack.udp_bind(UdpBind::address(at(B4, 53))).unwrap();
    for (to, expected) in [(at(B4, 53), port), (at("10.0.3.2", 53), address), (at(B4, 54), any_port)] {
        host.handle(NOW, &udp(at(A4, 9), to, b"x"));
        assert_eq!(host.stack.udp_receive(expected).unwrap().destination, to);
    }
}

#[test]
fn what_cannot_be_bound_or_sent_is_an_error() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.1/24", "fd00::1/64"], 1);
    let stack = &mut host.stack;
    let key = stack.udp_bind(UdpBind::address(at(A4, 53))).unwrap();
    assert_eq!(stack.udp_bind(UdpBind::port(53)), Err(UdpCallError::AddressInUse));
    assert_eq!(stack.udp_bind(UdpBind::address(at(A4, 53))), Err(UdpCallError::AddressInUse));
    assert!(stack.udp_bind(UdpBind::address(at(A6, 53))).is_ok(), "another address");
    assert_eq!(stack.udp_bind(UdpBind::address(at(B4, 53))), Err(UdpCallError::AddressNotAvailable));
    stack.udp_close(key);
    assert!(stack.udp_bind(UdpBind::address(at(A4, 53))).is_ok(), "free again");
    assert_eq!(stack.udp_receive(key), Err(UdpCallError::NoSocket), "the old handle stays dead");

    let key = stack.udp_bind(UdpBind::port(0)).unwrap();
    let info = stack.udp_info(key).unwrap();
    assert!((32_768..=60_999).contains(&info.port.unwrap()));
    let send = |stack: &mut bowline_stack::Stack, send: UdpSend| stack.udp_send(NOW, key, send);
    let to = |to: &str, port| UdpSend::to(at(to, port), "x".into());
    assert_eq!(send(stack, UdpSend::connected("x".into())), Err(UdpCallError::NotConnected));
    assert_eq!(send(stack, to("8.8.8.8", 53)), Err(UdpCallError::NoRoute));
    assert_eq!(send(stack, to(B4, 0)), Err(UdpCallError::InvalidDestination));
    assert_eq!(send(stack, to("224.0.0.1", 53)), Err(UdpCallError::InvalidDestination));
    let long = UdpSend::to(at(B4, 53), bytes(65_508).into());
    assert_eq!(send(stack, long), Err(UdpCallError::TooLong));
    let spoofed = UdpSend { source: Some(at("10.0.2.99", 1)), ..to(B4, 53) };
    assert_eq!(send(stack, spoofed), Err(UdpCallError::AddressNotAvailable));
    let train = UdpSend { segment_size: Some(1473), ..UdpSend::to(at(B4, 53), bytes(3000).into()) };
    assert_eq!(send(stack, train), Err(UdpCallError::TooLong), "each of a train fits in one packet");
    assert_eq!(stack.udp_connect(key, at("8.8.8.8", 1)), Err(UdpCallError::NoRoute));
    assert_eq!(stack.udp_connect(key, at(B4, 0)), Err(UdpCallError::InvalidDestination));
    // A socket on one version's addresses, all of them or one, does not hear the other's.
    for (bind, peer) in [("0.0.0.0", B6), (A4, B6), ("::", B4), (A6, B4)] {
        let key = stack.udp_bind(UdpBind::address(at(bind, 0))).unwrap();
        let sent = stack.udp_send(NOW, key, UdpSend::to(at(peer, 53), "x".into()));
        assert_eq!(sent, Err(UdpCallError::InvalidDestination), "{bind} to {peer}");
        assert_eq!(stack.udp_connect(key, at(peer, 53)), Err(UdpCallError::InvalidDestination), "{bind} to {peer}");
    }
    assert!(host.drain(NOW).is_empty());
}

#[test]
fn queues_are_bounded_in_bytes() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24"], 1);
    let bind = UdpBind { receive_buffer: 10_000, send_buffer: 10_000, ..UdpBind::port(53) };
    let key = host.stack.udp_bind(bind).unwrap();
    for _ in 0..1000 {
        host.handle(NOW, &udp(at(A4, 9), at(B4, 53), &bytes(400)));
    }
    let info = host.stack.udp_info(key).unwrap();
    assert!(info.receive_queue < 10_000 + 528 && info.drops > 900, "{info:?}");
    assert_eq!(host.counter("UdpRcvbufErrors"), info.drops);
    let mut read = 0;
    while host.stack.udp_receive(key).is_ok() {
        read += 1;
    }
    assert_eq!(read + info.drops, 1000);
    assert_eq!(host.stack.udp_info(key).unwrap().receive_queue, 0);

    host.drain(NOW);
    host.events.clear();
    let send = || UdpSend::to(at(A4, 9), bytes(400).into());
    let sent = (0..1000).take_while(|_| host.stack.udp_send(NOW, key, send()).is_ok()).count();
    assert_eq!(sent, 10_000usize.div_ceil(528));
    assert_eq!(host.stack.udp_send(NOW, key, send()), Err(UdpCallError::WouldBlock));
    assert_eq!(host.drain(NOW).len(), sent);
    assert_eq!(readiness(&mut host, key), UdpReadiness::WRITABLE);
    assert_eq!(host.stack.udp_info(key).unwrap().send_queue, 0);
}

#[test]
fn a_small_datagram_does_not_keep_a_large_buffer() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24"], 1);
    let key = host.stack.udp_bind(UdpBind::port(53)).unwrap();
    let mut buffer = udp(at(A4, 9), at(B4, 53), b"tiny");
    let len = buffer.len();
    buffer.resize(65_536, 0);
    let data = Bytes::from(buffer).slice(..len);
    let packet = bowline_wire::RxPacket { data: data.clone(), pinned: 65_536, ..rx(&[]) };
    host.stack.handle_packet(NOW, host.iface, packet);
    assert!(host.stack.udp_info(key).unwrap().receive_queue < 1000);
    assert!(data.is_unique(), "nobody else holds the buffer");
}

#[test]
fn a_train_is_cut_where_the_device_cannot_and_read_one_by_one() {
    for (capabilities, packets) in [(Capabilities::plain(1500), 3), (offloads(1500), 1)] {
        for (from, to) in [(A4, B4), (A6, B6)] {
            let mut pair = Pair::new(capabilities);
            let key = pair.a.stack.udp_bind(UdpBind::address(at(from, 9))).unwrap();
            let server = pair.b.stack.udp_bind(UdpBind::port(53)).unwrap();
            let payload = bytes(2500);
            let train = UdpSend { segment_size: Some(1000), ..UdpSend::to(at(to, 53), payload.clone().into()) };
            pair.a.stack.udp_send(NOW, key, train).unwrap();
            pair.exchange();
            assert_eq!(pair.log.len(), packets);
            for expected in payload.chunks(1000) {
                assert_eq!(&pair.b.stack.udp_receive(server).unwrap().payload[..], expected);
            }
            assert_eq!(pair.b.stack.udp_receive(server), Err(UdpCallError::WouldBlock));
        }
    }
    let mut pair = Pair::new(offloads(1500));
    let key = pair.a.stack.udp_bind(UdpBind::port(9)).unwrap();
    let server = pair.b.stack.udp_bind(UdpBind { trains: true, ..UdpBind::port(53) }).unwrap();
    let train = UdpSend { segment_size: Some(1000), ..UdpSend::to(at(B4, 53), bytes(2500).into()) };
    pair.a.stack.udp_send(NOW, key, train).unwrap();
    pair.exchange();
    let whole = pair.b.stack.udp_receive(server).unwrap();
    assert_eq!((whole.payload.len(), whole.segment_size), (2500, Some(1000)));
}

#[test]
fn an_any_port_socket_on_any_ip_speaks_for_others() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24", "fd00::2/64"], 1);
    host.stack.interface_mut(host.iface).unwrap().any_ip = true;
    let key = host.stack.udp_bind(UdpBind::any_port()).unwrap();
    for (from, to) in [(at(A4, 9), at("1.1.1.1", 53)), (at(A6, 9), at("2001:db8::1", 443))] {
        host.handle(NOW, &udp(from, to, b"question"));
        let datagram = host.stack.udp_receive(key).unwrap();
        assert_eq!((datagram.source, datagram.destination), (from, to));
        let reply = UdpSend { source: Some(to), ..UdpSend::to(from, "answer".into()) };
        host.stack.udp_send(NOW, key, reply).unwrap();
        let sent = host.drain(NOW);
        let header = bowline_wire::ip::parse(&sent[0].data).unwrap();
        assert_eq!((header.src, header.dst), (to.ip(), from.ip()));

        // The far end refuses: the near end is told, by the address that it had asked.
        let packet = Undelivered::Udp { source: from, destination: to, len: 8 };
        host.stack.report_unreachable(NOW, &packet, IcmpError::PortUnreachable);
        let sent = host.drain(NOW);
        read_icmp(&sent[0].data, |header, message| {
            assert_eq!((header.src, header.dst), (to.ip(), from.ip()));
            let Icmp::Error { quoted, .. } = message else { panic!("{message:?}") };
            let quoted = bowline_wire::icmp::Quoted::parse(quoted).unwrap();
            assert_eq!(quoted.ports(), Some((from.port(), to.port())));
        });

        // And the other way round: an error about what we sent for others.
        let reply = UdpSend { source: Some(to), ..UdpSend::to(from, "late answer".into()) };
        host.stack.udp_send(NOW, key, reply).unwrap();
        let sent = host.drain(NOW).remove(0).data;
        let code = if from.is_ipv4() { 3 } else { 4 };
        let error = Icmp::Error { error: WireError::Unreachable { code }, quoted: &sent };
        host.handle(NOW, &icmp(from.ip(), to.ip(), &error));
        let failure = UdpFailure { local: to, remote: from, error: IcmpError::PortUnreachable };
        assert_eq!(host.stack.udp_failure(key), Some(failure));
        host.events.clear();
    }
    let no_source = UdpSend::to(at(A4, 9), "x".into());
    assert_eq!(host.stack.udp_send(NOW, key, no_source), Err(UdpCallError::AddressNotAvailable));
}

#[test]
fn a_path_mtu_makes_later_datagrams_fragments() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.1/24"], 1);
    let key = host.stack.udp_bind(UdpBind::port(9)).unwrap();
    let send = || UdpSend::to(at(B4, 53), bytes(1400).into());
    host.stack.udp_send(NOW, key, send()).unwrap();
    let sent = host.drain(NOW);
    assert_eq!(sent.len(), 1);
    let error = Icmp::Error { error: WireError::PacketTooBig { mtu: 1000 }, quoted: &sent[0].data };
    host.handle(NOW, &icmp(ip("192.0.2.9"), ip(A4), &error));
    assert_eq!(host.stack.path_mtu(NOW, ip(B4)), Some(1000));
    host.stack.udp_send(NOW, key, send()).unwrap();
    assert_eq!(host.drain(NOW).iter().map(|packet| packet.data.len()).collect::<Vec<_>>(), [996, 452]);
    let later = Instant::from_secs(600);
    host.stack.udp_send(later, key, send()).unwrap();
    assert_eq!(host.drain(later).len(), 1, "the link's MTU is tried again");
}
