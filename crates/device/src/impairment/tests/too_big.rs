//! What the router in the middle does with packets larger than the MTU.

use bowline_wire::icmp::{Icmp, IcmpError};
use bowline_wire::ip;

use super::*;

fn narrow(too_big: TooBig) -> Impairments {
    Impairments { mtu: Some(1300), too_big, delay: Duration::from_millis(10), ..Impairments::default() }
}

fn assert_error(packet: &[u8], caused_by: &[u8]) {
    assert!(caused_by.len() > 1300);
    let header = ip::parse(packet).unwrap();
    let message = Icmp::parse(header.src, header.dst, header.payload(packet), RxChecksum::Unverified).unwrap();
    let Icmp::Error { error: IcmpError::PacketTooBig { mtu: 1300 }, quoted } = message else {
        panic!("{message:?}");
    };
    let original = ip::parse(caused_by).unwrap();
    assert_eq!((header.src, header.dst), (original.dst, original.src));
    assert!(quoted.len() >= 500 && caused_by.starts_with(quoted));
    assert_eq!(packet.len(), if header.src.is_ipv4() { 576 } else { 1280 });
}

#[test]
fn the_sender_is_told() {
    let body = pattern(1400);
    for version in [4, 6] {
        let sample = Sample::tcp(version, 0, 1400);
        let complete = {
            let mut wire = Vec::new();
            Cutter::new().sent(&sample.packet(&[&body], None), |packet| wire = packet.to_vec());
            wire
        };
        // From the host: the error comes back to it, after the delay of one direction.
        let (mut near, mut far) = pair(egress(narrow(TooBig::Report), 1));
        assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        near.handle_timeout(ms(10)).unwrap();
        assert_eq!(near.poll_timeout(), Some(ms(10)), "the host is called to receive");
        assert_error(&near.receive(ms(10)).unwrap().unwrap().data, &complete);
        assert!(near.receive(ms(10)).unwrap().is_none() && far.receive(ms(10)).unwrap().is_none());
        // From the peer: the error goes back to it.
        let ingress = narrow(TooBig::Report);
        let (mut near, mut far) = pair(ImpairmentConfig { ingress, ..ImpairmentConfig::default() });
        assert_eq!(far.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        assert!(near.receive(ms(0)).unwrap().is_none());
        assert!(near.receive(ms(10)).unwrap().is_none());
        near.handle_timeout(near.poll_timeout().unwrap()).unwrap();
        assert_error(&far.receive(ms(10)).unwrap().unwrap().data, &complete);
        assert_eq!(near.monitor().counters().ingress.too_big, 1);
        assert_eq!(near.poll_timeout(), None);
    }
}

#[test]
fn a_black_hole_tells_nobody() {
    let (mut near, mut far) = pair(egress(narrow(TooBig::BlackHole), 1));
    for (len, passes) in [(1248, true), (1249, false)] {
        let (sample, body) = (Sample::tcp(4, 0, len), pattern(len));
        assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        near.handle_timeout(ms(10)).unwrap();
        assert_eq!(far.receive(ms(10)).unwrap().is_some(), passes, "{len}");
        assert!(near.receive(ms(10)).unwrap().is_none());
    }
    assert_eq!((near.monitor().counters().egress.too_big, near.poll_timeout()), (1, None));
}

#[test]
fn what_may_be_fragmented_is() {
    let (mut near, mut far) = pair(egress(Impairments { mtu: Some(500), ..Impairments::default() }, 1));
    let (sample, body) = (Sample::udp(4, 1400, false), pattern(1400));
    assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
    let mut datagram = Vec::new();
    let mut more = true;
    while let Some(packet) = far.receive(ms(0)).unwrap() {
        let header = ip::parse(&packet.data).unwrap();
        let part = header.fragment.unwrap();
        assert!(packet.data.len() <= 500 && more);
        assert_eq!((usize::from(part.offset), part.id), (datagram.len(), 77));
        datagram.extend(header.payload(&packet.data));
        more = part.more;
    }
    assert_eq!((more, &datagram[8..]), (false, &body[..]));
    let counters = near.monitor().counters().egress;
    assert_eq!((counters.fragmented, counters.delivered, counters.too_big), (1, 3, 0));
    assert_eq!(near.in_flight(), (0, 0));
}

#[test]
fn no_error_about_an_error() {
    let mut error = vec![0; 1400];
    let header = ip::IpHeader::new([1, 2, 3, 4].into(), [5, 6, 7, 8].into(), ip::Protocol::ICMP, 1380);
    let start = ip::emit(&header, &mut error);
    let message = Icmp::Error { error: IcmpError::PacketTooBig { mtu: 9 }, quoted: &[0; 1372] };
    message.emit(header.src, header.dst, &mut error[start..]);
    let silence = crate::impairment::too_big::Answer::Silence;
    assert_eq!(crate::impairment::too_big::answer(&error, 1300, TooBig::Report), silence);
    assert_eq!(
        crate::impairment::too_big::answer(&[0x45; 1400], 1300, TooBig::Report),
        silence,
        "an unreadable packet"
    );
}

/// RFC 8200 5: on a link that takes less, IPv6 packets up to 1280 bytes are cut and joined below IP.
#[test]
fn ipv6_packets_of_1280_bytes_pass_everywhere() {
    let whole = 1280 - 40 - 32;
    for (version, len, passes) in [(6, whole, true), (6, whole + 1, false), (4, whole - 100, false)] {
        let (mut near, mut far) = pair(egress(Impairments { mtu: Some(900), ..Impairments::default() }, 1));
        let (sample, body) = (Sample::tcp(version, 0, len), pattern(len));
        assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        let arrived = far.receive(ms(0)).unwrap();
        assert_eq!(arrived.is_some_and(|packet| is_intact(&packet.data)), passes, "IPv{version}, {len} bytes");
        assert_eq!(near.receive(ms(0)).unwrap().is_some(), !passes, "the sender of IPv{version} is told otherwise");
    }
}
