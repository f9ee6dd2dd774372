use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const SRC: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const DST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const DATA: [u8; 5] = *b"hello";

/// A packet whose fixed header names `first`, with `extensions` and then the data.
fn packet(first: Protocol, extensions: &[u8]) -> Vec<u8> {
    let header = IpHeader::new(SRC.into(), DST.into(), first, extensions.len() + DATA.len());
    let mut bytes = vec![0; HEADER];
    assert_eq!(emit(&header, SRC, DST, &mut bytes), HEADER);
    bytes.extend(extensions);
    bytes.extend(DATA);
    bytes
}

/// An extension header of eight bytes with one PadN.
fn padded(next: Protocol) -> [u8; 8] {
    [next.0, 0, 1, 4, 0, 0, 0, 0]
}

#[test]
fn a_plain_packet_reads_as_it_was_written() {
    let mut bytes = packet(Protocol::TCP, &[]);
    bytes.extend([0xee; 9]); // padding
    let header = parse(&bytes).unwrap();
    assert_eq!((header.src, header.dst), (IpAddr::V6(SRC), IpAddr::V6(DST)));
    assert_eq!((header.protocol, header.header_len, header.payload_len), (Protocol::TCP, 40, 5));
    assert_eq!(header.payload(&bytes), DATA);
}

#[test]
fn extension_headers_are_walked_by_their_lengths() {
    let hop = Protocol::HOP_BY_HOP;
    let table: [(&str, Protocol, Vec<u8>); 6] = [
        ("hop-by-hop", hop, padded(Protocol::UDP).to_vec()),
        ("destination", Protocol::DESTINATION, padded(Protocol::UDP).to_vec()),
        ("routing, no segments left", Protocol::ROUTING, vec![17, 0, 0, 0, 0, 0, 0, 0]),
        ("authentication", Protocol::AUTHENTICATION, [&[17, 4][..], &[0; 22]].concat()),
        ("atomic fragment", Protocol::FRAGMENT, vec![17, 0, 0, 0, 1, 2, 3, 4]),
        (
            "hop-by-hop, destination, router alert",
            hop,
            [padded(Protocol::DESTINATION), [17, 0, 5, 2, 0, 0, 0, 0]].concat(),
        ),
    ];
    for (name, first, extensions) in table {
        let bytes = packet(first, &extensions);
        let header = parse(&bytes).unwrap();
        assert_eq!(header.protocol, Protocol::UDP, "{name}");
        assert_eq!(header.payload(&bytes), DATA, "{name}");
        assert_eq!(header.fragment, None, "{name}");
        let field = next_header_offset(&header, &bytes);
        assert_eq!(bytes[field], Protocol::UDP.0, "{name}");
        assert!(field >= HEADER && field < header.header_len, "{name}");
    }
    let plain = packet(Protocol::UDP, &[]);
    assert_eq!(next_header_offset(&parse(&plain).unwrap(), &plain), 6);
}

#[test]
fn a_fragment_ends_the_walk() {
    let bytes = packet(Protocol::FRAGMENT, &[60, 0, 0x05, 0xa9, 0xca, 0xfe, 0xba, 0xbe]);
    let header = parse(&bytes).unwrap();
    assert_eq!(header.fragment, Some(Fragment { id: 0xcafe_babe, offset: 0x5a8, more: true }));
    assert_eq!((header.protocol, header.header_len), (Protocol::DESTINATION, 48));
    assert_eq!(header.payload(&bytes), DATA);
}

#[test]
fn extension_headers_that_must_stop_a_packet_do() {
    let option = |kind: u8| [17, 0, kind, 4, 0, 0, 0, 0];
    let chain: Vec<u8> = core::iter::repeat_n(padded(Protocol::DESTINATION), 20).flatten().collect();
    let stop = |report| IpError::Option { pointer: 42, report };
    let (hop, destination) = (Protocol::HOP_BY_HOP, Protocol::DESTINATION);
    let many_options: Vec<u8> = [[17, 5].to_vec(), [5, 2, 0, 0].repeat(10), vec![1, 4, 0, 0, 0, 0]].concat();
    let table: [(&str, Protocol, Vec<u8>, IpError); 11] = [
        ("unknown option 01", hop, option(0x40).into(), stop(IpReport::Never)),
        ("unknown option 10", hop, option(0x80).into(), stop(IpReport::Always)),
        ("unknown option 11", destination, option(0xc0).into(), stop(IpReport::Unicast)),
        ("option overruns its header", hop, vec![17, 0, 1, 5, 0, 0, 0, 0], IpError::Extension),
        ("option without a length", hop, vec![17, 0, 1, 3, 0, 0, 0, 1], IpError::Extension),
        ("header overruns the packet", destination, vec![17, 9, 1, 4, 0, 0, 0, 0], IpError::Extension),
        (
            "routing with segments left",
            Protocol::ROUTING,
            vec![17, 0, 0, 1, 0, 0, 0, 0],
            IpError::Routing { pointer: 42 },
        ),
        ("hop-by-hop as second", destination, [padded(hop), padded(Protocol::UDP)].concat(), IpError::Extension),
        ("an endless chain", destination, chain, IpError::Extension),
        ("too many options", destination, many_options, IpError::Extension),
        ("nothing after the last next-header", Protocol::FRAGMENT, Vec::new(), IpError::Extension),
    ];
    for (name, first, extensions, expected) in table {
        assert_eq!(parse(&packet(first, &extensions)), Err(expected), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bytes = packet(Protocol::TCP, &[]);
    for len in 0..bytes.len() {
        assert_eq!(parse(&bytes[..len]), Err(IpError::Truncated), "length {len}");
    }
    let mut version = bytes;
    version[0] = 0x40;
    assert_eq!(parse(&version), Err(IpError::Version));
}

#[test]
fn a_quoted_header_may_be_longer_than_the_quotation() {
    let mut bytes = packet(Protocol::HOP_BY_HOP, &padded(Protocol::TCP));
    bytes[4..6].copy_from_slice(&1400u16.to_be_bytes());
    assert_eq!(parse(&bytes), Err(IpError::Truncated));
    let header = parse_quoted(&bytes).unwrap();
    assert_eq!((header.protocol, header.header_len, header.payload_len), (Protocol::TCP, 48, 1392));
}

proptest! {
    #[test]
    fn parse_undoes_emit(
        (src, dst) in any::<([u8; 16], [u8; 16])>(),
        (hop_limit, class) in any::<(u8, u8)>(),
        protocol in any::<u8>().prop_filter("an extension header", |p| !has_extension(Protocol(*p))),
        flow_label in 0u32..1 << 20,
        payload_len in 0usize..=65527,
        fragment in proptest::option::of((any::<u32>(), 0u16..8192, any::<bool>())),
    ) {
        let fragment = fragment.map(|(id, offset, more)| Fragment { id, offset: offset * 8, more: more || offset == 0 });
        let mut header = IpHeader {
            src: IpAddr::from(src), dst: IpAddr::from(dst), protocol: Protocol(protocol), hop_limit,
            traffic_class: TrafficClass(class), ident: 0, flow_label,
            header_len: 0, payload_len, fragment, dont_fragment: true,
        };
        header.header_len = header.emit_len();
        let mut bytes = vec![0; header.header_len + payload_len];
        prop_assert_eq!(crate::ip::emit(&header, &mut bytes), header.emit_len());
        prop_assert_eq!(crate::ip::parse(&bytes), Ok(header));
    }

    #[test]
    fn no_extension_headers_make_it_panic(first in any::<u8>(), tail in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = packet(Protocol(first), &tail);
        if let Ok(header) = parse(&bytes) {
            prop_assert_eq!(header.header_len + header.payload_len, bytes.len());
        }
        let _ = parse_quoted(&bytes);
    }
}
