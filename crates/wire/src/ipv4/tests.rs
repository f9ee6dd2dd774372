use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

fn packet(payload: usize) -> Vec<u8> {
    let header = IpHeader::new(SRC.into(), DST.into(), Protocol::UDP, payload);
    let mut bytes = vec![0x55; MIN_HEADER + payload];
    assert_eq!(emit(&header, SRC, DST, &mut bytes), MIN_HEADER);
    bytes
}

fn fix_checksum(bytes: &mut [u8]) {
    let len = usize::from(bytes[0] & 0xf) * 4;
    bytes[10..12].fill(0);
    let sum = checksum::checksum(&bytes[..len]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn a_plain_packet_reads_as_it_was_written() {
    let bytes = packet(12);
    let header = parse(&bytes).unwrap();
    assert_eq!((header.src, header.dst), (IpAddr::V4(SRC), IpAddr::V4(DST)));
    assert_eq!((header.protocol, header.hop_limit), (Protocol::UDP, 64));
    assert_eq!((header.header_len, header.payload_len), (20, 12));
    assert!(header.dont_fragment && header.fragment.is_none());
    assert_eq!(header.payload(&bytes), &[0x55; 12]);
}

#[test]
fn padding_behind_the_total_length_is_no_payload() {
    let mut bytes = packet(3);
    bytes.extend([0xee; 23]);
    let header = parse(&bytes).unwrap();
    assert_eq!(header.payload(&bytes), &[0x55; 3]);
}

#[test]
fn options_are_skipped_by_the_header_length() {
    // Record route with a pointer far outside, and a zero-length option: neither is looked at.
    for options in [[7, 39, 255, 0], [131, 0, 0, 0]] {
        let mut bytes = packet(8);
        bytes.splice(20..20, options);
        bytes[0] = 0x46;
        bytes[3] += 4;
        fix_checksum(&mut bytes);
        let header = parse(&bytes).unwrap();
        assert_eq!((header.header_len, header.payload_len), (24, 8));
        assert_eq!(header.payload(&bytes), &[0x55; 8]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    type Damage = fn(&mut Vec<u8>);
    let table: [(&str, Damage, IpError); 9] = [
        ("empty", |b| b.clear(), IpError::Truncated),
        ("19 bytes", |b| b.truncate(19), IpError::Truncated),
        ("payload cut", |b| b.truncate(27), IpError::Truncated),
        ("version 5", |b| b[0] = 0x55, IpError::Version),
        ("header of 16 bytes", |b| b[0] = 0x44, IpError::HeaderLength),
        ("header beyond the total length", |b| b[0] = 0x4f, IpError::HeaderLength),
        ("total length below the header", |b| b[3] = 19, IpError::HeaderLength),
        ("a flipped bit", |b| b[15] ^= 1, IpError::Checksum),
        ("checksum of zero", |b| b[10..12].fill(0), IpError::Checksum),
    ];
    for (name, damage, expected) in table {
        let mut bytes = packet(8);
        damage(&mut bytes);
        let fix = matches!(expected, IpError::HeaderLength) && bytes.len() >= 60;
        if fix {
            fix_checksum(&mut bytes);
        }
        assert_eq!(parse(&bytes), Err(expected), "{name}");
    }
}

#[test]
fn fragments_are_reported_with_their_place_in_bytes() {
    for (flags, expected) in [
        (0x2000u16, Some(Fragment { id: 0xbeef, offset: 0, more: true })),
        (0x00b9, Some(Fragment { id: 0xbeef, offset: 1480, more: false })),
        (0x3fff, Some(Fragment { id: 0xbeef, offset: 65528, more: true })),
        (0x4000, None),
        (0x8000, None), // the reserved bit
    ] {
        let mut bytes = packet(8);
        bytes[4..6].copy_from_slice(&0xbeefu16.to_be_bytes());
        bytes[6..8].copy_from_slice(&flags.to_be_bytes());
        fix_checksum(&mut bytes);
        let header = parse(&bytes).unwrap();
        assert_eq!(header.fragment, expected, "flags {flags:04x}");
        assert_eq!(header.ident, if expected.is_some() { 0 } else { 0xbeef });
    }
}

#[test]
fn a_quoted_header_may_be_longer_than_the_quotation_and_have_a_stale_checksum() {
    let mut bytes = packet(500);
    bytes.truncate(28);
    bytes[8] = 1; // a router's decrement without an update
    assert!(parse(&bytes).is_err());
    let header = parse_quoted(&bytes).unwrap();
    assert_eq!((header.header_len, header.payload_len, header.hop_limit), (20, 500, 1));
}

#[test]
fn a_buffer_too_short_is_left_alone() {
    let header = IpHeader::new(SRC.into(), DST.into(), Protocol::TCP, 0);
    let mut out = [0xaa; 19];
    assert_eq!(crate::ip::emit(&header, &mut out), 0);
    assert_eq!(out, [0xaa; 19]);
}

proptest! {
    #[test]
    fn parse_undoes_emit(
        (src, dst) in any::<([u8; 4], [u8; 4])>(),
        (protocol, hop_limit, class, ident) in any::<(u8, u8, u8, u16)>(),
        dont_fragment in any::<bool>(),
        payload_len in 0usize..=65515,
        fragment in proptest::option::of((any::<u16>(), 0u16..8192, any::<bool>())),
    ) {
        let fragment = fragment
            .map(|(id, offset, more)| Fragment { id: u32::from(id), offset: offset * 8, more: more || offset == 0 });
        let header = IpHeader {
            src: IpAddr::from(src), dst: IpAddr::from(dst), protocol: Protocol(protocol), hop_limit,
            traffic_class: TrafficClass(class), ident: if fragment.is_some() { 0 } else { ident }, flow_label: 0,
            header_len: 20, payload_len, fragment, dont_fragment,
        };
        let mut bytes = vec![0; 20 + payload_len];
        prop_assert_eq!(crate::ip::emit(&header, &mut bytes), header.emit_len());
        prop_assert_eq!(crate::ip::parse(&bytes), Ok(header));
    }

    #[test]
    fn a_changed_length_and_ident_keep_the_checksum_right(total in 20u16.., ident: u16) {
        let mut bytes = packet(8);
        let others = checksum::sum(&[&bytes[..2], &bytes[6..10], &bytes[12..20]].concat());
        set_length_and_ident(&mut bytes, total, ident, others);
        prop_assert_eq!(checksum::checksum(&bytes[..20]), 0);
        prop_assert_eq!((crate::u16_at(&bytes, 2), crate::u16_at(&bytes, 4)), (Some(total), Some(ident)));
    }
}
