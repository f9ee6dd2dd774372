//! Pings: to us, from us, and for others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_base::Instant;
use bowline_stack::{Config, Event, IcmpConfig, IcmpError, SendError, Undelivered};
use bowline_wire::Capabilities;
use bowline_wire::icmp::{Icmp, IcmpError as WireError, Quoted};
use common::*;

fn replies(host: &Host) -> Vec<(u16, u16, usize)> {
    host.events
        .iter()
        .map(|event| match event {
            Event::EchoReply(echo) => (echo.ident, echo.sequence, echo.data.len()),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_ping_comes_back_with_its_data() {
    for (to, size) in [(B4, 56), (B6, 56), (B4, 0), (B6, 9000), (B4, 65_000)] {
        let mut pair = Pair::new(Capabilities::plain(1500));
        let data = bytes(size);
        pair.a.stack.ping(ip(to), 7, 1, &data).unwrap();
        pair.exchange();
        assert_eq!(replies(&pair.a), [(7, 1, size)], "{to} {size}");
        let Some(Event::EchoReply(echo)) = pair.a.events.first() else { unreachable!() };
        assert_eq!((&echo.data[..], echo.src), (&data[..], ip(to)));
        let fragments = pair.a.counter("IpFragCreates") + pair.a.counter("Ip6FragCreates");
        assert_eq!(fragments > 0, size > 1480, "{to} {size}");
        assert_eq!(pair.b.stack.reassembly_usage(), (0, 0));
    }
}

#[test]
fn a_ping_that_cannot_be_sent_is_an_error() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.1/24"], 1);
    assert_eq!(host.stack.ping(ip("8.8.8.8"), 1, 1, &[]), Err(SendError::NoRoute));
    assert_eq!(host.stack.ping(ip("fd00::2"), 1, 1, &[]), Err(SendError::NoRoute));
    assert_eq!(host.stack.ping(ip(B4), 1, 1, &bytes(65_508)), Err(SendError::TooLong));
    for number in 0..256 {
        host.stack.ping(ip(B4), 1, number, &[]).unwrap();
    }
    assert_eq!(host.stack.ping(ip(B4), 1, 256, &[]), Err(SendError::WouldBlock));
    assert_eq!(host.drain(Instant::ZERO).len(), 256);
}

#[test]
fn pings_that_are_not_to_be_answered_are_not() {
    let request = Icmp::EchoRequest { ident: 1, sequence: 2, data: b"x" };
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24", "fd00::2/64"], 1);
    for to in ["10.0.2.255", "255.255.255.255", "224.0.0.1"] {
        assert!(host.answer(Instant::ZERO, &icmp(ip(A4), ip(to), &request)).is_empty(), "{to}");
    }
    assert!(host.answer(Instant::ZERO, &icmp(ip(A6), ip("ff02::1"), &request)).is_empty());
    assert_eq!(host.answer(Instant::ZERO, &icmp(ip(A4), ip(B4), &request)).len(), 1);

    let config = Config { icmp: IcmpConfig { echo: false, ..IcmpConfig::default() }, ..Config::default() };
    let mut silent = Host::with(config, Capabilities::plain(1500), &["10.0.2.2/24"], 1);
    assert!(silent.answer(Instant::ZERO, &icmp(ip(A4), ip(B4), &request)).is_empty());
}

#[test]
fn a_ping_for_another_address_is_the_callers_with_any_ip() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24", "fd00::2/64"], 1);
    let request = Icmp::EchoRequest { ident: 1, sequence: 2, data: b"abc" };
    let (from, to) = (ip(A4), ip("1.1.1.1"));
    assert!(host.answer(Instant::ZERO, &icmp(from, to, &request)).is_empty());
    assert!(host.events.is_empty(), "not ours");
    assert_eq!(host.counter("IpInAddrErrors"), 1);

    host.stack.interface_mut(host.iface).unwrap().any_ip = true;
    assert!(host.answer(Instant::ZERO, &icmp(from, to, &request)).is_empty(), "never answered by ourselves");
    let Some(Event::EchoRequest(echo)) = host.events.pop() else { panic!("no event") };
    host.stack.echo_reply(&echo);
    let sent = host.drain(Instant::ZERO);
    read_icmp(&sent[0].data, |header, message| {
        assert_eq!((header.src, header.dst), (to, from));
        assert_eq!(message, Icmp::EchoReply { ident: 1, sequence: 2, data: b"abc" });
    });

    // The other end is not there: the sender learns it from the gateway.
    host.stack.report_unreachable(Instant::ZERO, &Undelivered::Echo(echo), IcmpError::HostUnreachable);
    let sent = host.drain(Instant::ZERO);
    read_icmp(&sent[0].data, |header, message| {
        assert_eq!((header.src, header.dst), (ip(B4), from));
        let Icmp::Error { error, quoted } = message else { panic!("{message:?}") };
        assert_eq!(error, WireError::Unreachable { code: 1 });
        assert_eq!(Quoted::parse(quoted).unwrap().echo(), Some((1, 2)));
    });
}

#[test]
fn an_error_about_our_ping_is_an_event() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.1/24"], 1);
    host.stack.ping(ip("10.0.2.77"), 9, 4, b"hello").unwrap();
    let sent = host.drain(Instant::ZERO).remove(0).data;
    let error = Icmp::Error { error: WireError::Unreachable { code: 1 }, quoted: &sent };
    assert!(host.answer(Instant::ZERO, &icmp(ip(B4), ip(A4), &error)).is_empty());
    let Some(Event::EchoError(echo, IcmpError::HostUnreachable)) = host.events.pop() else { panic!("no event") };
    assert_eq!((echo.dst, echo.ident, echo.sequence), (ip("10.0.2.77"), 9, 4));
}

#[test]
fn a_flood_of_pings_fills_no_queue_beyond_its_bound() {
    let mut host = Host::new(Capabilities::plain(1500), &["10.0.2.2/24"], 1);
    let request = icmp(ip(A4), ip(B4), &Icmp::EchoRequest { ident: 1, sequence: 2, data: &bytes(1000) });
    for _ in 0..10_000 {
        host.handle(Instant::ZERO, &request);
    }
    assert_eq!(host.drain(Instant::ZERO).len(), 256);
    host.stack.interface_mut(host.iface).unwrap().any_ip = true;
    let request = icmp(ip(A4), ip("9.9.9.9"), &Icmp::EchoRequest { ident: 1, sequence: 2, data: &bytes(1000) });
    for _ in 0..10_000 {
        host.handle(Instant::ZERO, &request);
    }
    host.drain(Instant::ZERO);
    assert_eq!(host.events.len(), 256);
}
