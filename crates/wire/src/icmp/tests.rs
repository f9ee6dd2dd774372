use super::*;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

const V4: (IpAddr, IpAddr) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)));
const V6: (IpAddr, IpAddr) =
    (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST));

fn emitted(message: &Icmp<'_>, (src, dst): (IpAddr, IpAddr)) -> Vec<u8> {
    let mut bytes = vec![0xaa; message.emit_len()];
    assert_eq!(message.emit(src, dst, &mut bytes), bytes.len());
    bytes
}

fn parse((src, dst): (IpAddr, IpAddr), bytes: &[u8]) -> Result<Icmp<'_>, IcmpParseError> {
    Icmp::parse(src, dst, bytes, RxChecksum::Unverified)
}

#[test]
fn the_messages_have_the_numbers_of_their_version() {
    let quoted: &[u8] = &[0x45; 28];
    let error = |error| Icmp::Error { error, quoted };
    let echo = Icmp::EchoRequest { ident: 0x0102, sequence: 0x0304, data: b"ping" };
    let reply = Icmp::EchoReply { ident: 0x0102, sequence: 0x0304, data: b"ping" };
    let problem = error(IcmpError::ParameterProblem { code: 1, pointer: 6 });
    let table: [(Icmp<'_>, [u8; 6], [u8; 6]); 6] = [
        (echo, [8, 0, 1, 2, 3, 4], [128, 0, 1, 2, 3, 4]),
        (reply, [0, 0, 1, 2, 3, 4], [129, 0, 1, 2, 3, 4]),
        (error(IcmpError::Unreachable { code: 3 }), [3, 3, 0, 0, 0, 0], [1, 3, 0, 0, 0, 0]),
        (error(IcmpError::PacketTooBig { mtu: 1400 }), [3, 4, 0, 0, 5, 120], [2, 0, 0, 0, 5, 120]),
        (error(IcmpError::TimeExceeded { code: 1 }), [11, 1, 0, 0, 0, 0], [3, 1, 0, 0, 0, 0]),
        (problem, [12, 1, 6, 0, 0, 0], [4, 1, 0, 0, 0, 6]),
    ];
    for (message, v4, v6) in table {
        for (addresses, expected) in [(V4, v4), (V6, v6)] {
            let bytes = emitted(&message, addresses);
            assert_eq!([bytes[0], bytes[1], bytes[4], bytes[5], bytes[6], bytes[7]], expected, "{message:?}");
            assert_eq!(parse(addresses, &bytes), Ok(message));
        }
    }
}

#[test]
fn what_nobody_acts_on_is_other() {
    for (addresses, kind) in [(V4, 4u8), (V4, 5), (V4, 13), (V4, 128), (V6, 135), (V6, 8), (V6, 100)] {
        let bytes = emitted(&Icmp::Other { kind, code: 0 }, addresses);
        assert_eq!(parse(addresses, &bytes), Ok(Icmp::Other { kind, code: 0 }));
    }
}

#[test]
fn errors_are_told_from_questions() {
    for (is_v4, kind, expected) in [
        (true, 3, true),
        (true, 4, true),
        (true, 5, true),
        (true, 11, true),
        (true, 12, true),
        (true, 8, false),
        (true, 0, false),
        (false, 1, true),
        (false, 127, true),
        (false, 128, false),
        (false, 135, false),
    ] {
        assert_eq!(Icmp::is_error_type(is_v4, kind), expected, "{is_v4} {kind}");
    }
}

#[test]
fn a_wrong_checksum_or_a_short_message_is_refused() {
    for addresses in [V4, V6] {
        let mut bytes = emitted(&Icmp::EchoRequest { ident: 1, sequence: 2, data: b"x" }, addresses);
        for len in 0..HEADER {
            assert_eq!(parse(addresses, &bytes[..len]), Err(IcmpParseError::Truncated));
        }
        bytes[8] ^= 1;
        assert_eq!(parse(addresses, &bytes), Err(IcmpParseError::Checksum));
        assert!(Icmp::parse(addresses.0, addresses.1, &bytes, RxChecksum::Verified).is_ok());
    }
}

/// The start of a TCP segment of ours, as an error would quote it.
fn quoted_segment((src, dst): (IpAddr, IpAddr)) -> Vec<u8> {
    let ip = IpHeader::new(src, dst, Protocol::TCP, 1460);
    let mut bytes = vec![0; ip.emit_len()];
    ip::emit(&ip, &mut bytes);
    bytes.extend([0x9c, 0x40, 0, 80, 1, 2, 3, 4]);
    bytes
}

#[test]
fn a_quotation_tells_the_connection_and_the_sequence_number() {
    for addresses in [V4, V6] {
        let bytes = quoted_segment(addresses);
        let quoted = Quoted::parse(&bytes).unwrap();
        assert_eq!((quoted.header.src, quoted.header.dst), addresses);
        assert_eq!(quoted.ports(), Some((40_000, 80)));
        assert_eq!(quoted.tcp_seq(), Some(crate::SeqNumber(0x0102_0304)));
        assert_eq!(quoted.echo(), None);
    }
}

#[test]
fn a_quotation_that_is_cut_tells_what_is_there() {
    for addresses in [V4, V6] {
        let bytes = quoted_segment(addresses);
        let header = bytes.len() - 8;
        for len in 0..bytes.len() {
            match Quoted::parse(&bytes[..len]) {
                None => assert!(len < header, "{len}"),
                Some(quoted) => {
                    assert_eq!(quoted.ports().is_some(), len >= header + 4);
                    assert_eq!(quoted.tcp_seq(), None);
                }
            }
        }
    }
}

#[test]
fn a_later_fragment_quotes_no_ports() {
    for (src, dst) in [V4, V6] {
        let fragment = Some(crate::Fragment { id: 9, offset: 1480, more: false });
        let ip = IpHeader { fragment, ..IpHeader::new(src, dst, Protocol::TCP, 100) };
        let mut bytes = vec![1; 80];
        ip::emit(&ip, &mut bytes);
        assert_eq!(Quoted::parse(&bytes).unwrap().ports(), None);
    }
}

#[test]
fn a_quoted_ping_tells_its_identifier() {
    for (src, dst) in [V4, V6] {
        let echo = emitted(&Icmp::EchoRequest { ident: 7, sequence: 8, data: &[] }, (src, dst));
        let mut bytes = vec![0; 40];
        let len = ip::emit(&IpHeader::new(src, dst, Icmp::protocol(src), echo.len()), &mut bytes);
        bytes.truncate(len);
        bytes.extend(echo);
        assert_eq!(Quoted::parse(&bytes).unwrap().echo(), Some((7, 8)));
    }
}

fn any_error() -> impl Strategy<Value = IcmpError> {
    prop_oneof![
        any::<u8>().prop_map(|code| IcmpError::Unreachable { code }),
        any::<u16>().prop_map(|mtu| IcmpError::PacketTooBig { mtu: u32::from(mtu) }),
        any::<u8>().prop_map(|code| IcmpError::TimeExceeded { code }),
        any::<(u8, u8)>().prop_map(|(code, at)| IcmpError::ParameterProblem { code, pointer: u32::from(at) }),
    ]
}

proptest! {
    #[test]
    fn parse_undoes_emit(
        data in proptest::collection::vec(any::<u8>(), 0..200),
        (ident, sequence) in any::<(u16, u16)>(),
        error in any_error(),
        is_v4: bool,
    ) {
        let addresses = if is_v4 { V4 } else { V6 };
        // In IPv4 the code 4 of "unreachable" is "packet too big", which is a value of its own here.
        prop_assume!(!is_v4 || error != IcmpError::Unreachable { code: 4 });
        for message in [
            Icmp::EchoRequest { ident, sequence, data: &data },
            Icmp::EchoReply { ident, sequence, data: &data },
            Icmp::Error { error, quoted: &data },
        ] {
            let bytes = emitted(&message, addresses);
            prop_assert_eq!(parse(addresses, &bytes), Ok(message));
        }
    }

    #[test]
    fn any_quotation_parses_or_does_not(bytes in proptest::collection::vec(any::<u8>(), 0..120), version in 4u8..8) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version << 4 | *first & 0xf;
        }
        if let Some(quoted) = Quoted::parse(&bytes) {
            let _ = (quoted.ports(), quoted.tcp_seq(), quoted.echo());
        }
    }
}
