use super::*;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

const V4: (IpAddr, IpAddr) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)));
const V6: (IpAddr, IpAddr) = (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));

fn datagram((src, dst): (IpAddr, IpAddr), payload: &[u8]) -> Vec<u8> {
    let header = UdpHeader { src_port: 5353, dst_port: 53, payload_len: payload.len() };
    let mut bytes = vec![0; header.emit_len()];
    assert_eq!(header.emit(&mut bytes), HEADER);
    fill_checksum(src, dst, &mut bytes, &[payload]);
    bytes.extend(payload);
    bytes
}

fn parse((src, dst): (IpAddr, IpAddr), bytes: &[u8]) -> Result<UdpHeader, UdpError> {
    UdpHeader::parse(src, dst, bytes, RxChecksum::Unverified)
}

#[test]
fn a_zero_checksum_means_none_in_v4_and_is_refused_in_v6() {
    for (addresses, expected) in [(V4, Ok(5)), (V6, Err(UdpError::Checksum))] {
        let mut bytes = datagram(addresses, b"query");
        bytes[6..8].fill(0);
        assert_eq!(parse(addresses, &bytes).map(|header| header.payload_len), expected);
        assert!(UdpHeader::parse(addresses.0, addresses.1, &bytes, RxChecksum::Partial).is_ok());
    }
}

#[test]
fn a_sum_of_zero_is_sent_as_its_other_form() {
    // A payload that makes the whole sum 0xffff, whose complement is zero.
    let mut bytes = datagram(V4, &[0, 0]);
    let sum = u16::from_be_bytes([bytes[6], bytes[7]]);
    bytes = datagram(V4, &sum.to_be_bytes());
    assert_eq!(bytes[6..8], [0xff, 0xff]);
    assert!(parse(V4, &bytes).is_ok());
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = datagram(V4, b"query");
    for len in 0..good.len() {
        assert_eq!(parse(V4, &good[..len]), Err(UdpError::Truncated), "length {len}");
    }
    let mut short = good.clone();
    short[5] = 7;
    assert_eq!(parse(V4, &short), Err(UdpError::Length));
    let mut wrong = good;
    wrong[9] ^= 4;
    assert_eq!(parse(V4, &wrong), Err(UdpError::Checksum));
    assert!(UdpHeader::parse(V4.0, V4.1, &wrong, RxChecksum::Verified).is_ok());
}

proptest! {
    #[test]
    fn parse_undoes_emit(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        (src_port, dst_port) in any::<(u16, u16)>(),
        is_v4: bool,
        padding in 0usize..9,
    ) {
        let (src, dst) = if is_v4 { V4 } else { V6 };
        let header = UdpHeader { src_port, dst_port, payload_len: payload.len() };
        let mut bytes = vec![0; HEADER];
        header.emit(&mut bytes);
        let (first, second) = payload.split_at(payload.len() / 3);
        fill_checksum(src, dst, &mut bytes, &[first, second]);
        bytes.extend(&payload);
        bytes.resize(bytes.len() + padding, 0xee);
        prop_assert_eq!(parse((src, dst), &bytes), Ok(header));
    }

    #[test]
    fn any_bytes_parse_or_do_not(bytes in proptest::collection::vec(any::<u8>(), 0..40), is_v4: bool) {
        if let Ok(header) = parse(if is_v4 { V4 } else { V6 }, &bytes) {
            prop_assert!(HEADER + header.payload_len <= bytes.len());
        }
    }
}
