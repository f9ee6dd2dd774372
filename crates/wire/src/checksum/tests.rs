use super::*;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::collection::vec as bytes;
use proptest::prelude::*;

/// RFC 1071 section 4.1, word by word.
fn naive(data: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in data.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn the_example_of_rfc_1071() {
    let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(checksum(&data), !0xddf2);
    assert_eq!(naive(&data), !0xddf2);
}

#[test]
fn every_length_around_a_round_matches_the_naive_sum() {
    let data: Vec<u8> = (0..300u32).map(|i| (i * 151 + 7) as u8).collect();
    for len in 0..data.len() {
        assert_eq!(checksum(&data[..len]), naive(&data[..len]), "length {len}");
    }
}

#[test]
fn the_largest_words_do_not_overflow_a_lane() {
    // Longer than a block, so that the lanes are emptied in between.
    for len in [0x1_0000, BLOCK - 1, BLOCK, BLOCK + LONG + 3] {
        let data = vec![0xff; len];
        assert_eq!(checksum(&data), naive(&data), "length {len}");
    }
}

#[test]
fn a_pseudo_header_is_the_sum_of_its_bytes() {
    let (v4_src, v4_dst) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 254));
    let mut v4 = Vec::from(v4_src.octets());
    v4.extend(v4_dst.octets());
    v4.extend([0, 6, 0x12, 0x34]);
    let sum = Accumulator::pseudo_header(v4_src.into(), v4_dst.into(), Protocol::TCP, 0x1234);
    assert_eq!(sum.finish(), naive(&v4));

    let (v6_src, v6_dst) = (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfe80, 0, 0, 0, 1, 2, 3, 4));
    let mut v6 = Vec::from(v6_src.octets());
    v6.extend(v6_dst.octets());
    v6.extend([0, 1, 0x23, 0x45, 0, 0, 0, 17]);
    let sum = Accumulator::pseudo_header(v6_src.into(), v6_dst.into(), Protocol::UDP, 0x1_2345);
    assert_eq!(sum.finish(), naive(&v6));
}

proptest! {
    #[test]
    fn matches_the_naive_sum(data in bytes(any::<u8>(), 0..5000)) {
        prop_assert_eq!(checksum(&data), naive(&data));
    }

    #[test]
    fn any_division_into_slices_gives_the_same_sum(data in bytes(any::<u8>(), 0..700), cuts in bytes(0usize..700, 0..8)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
        cuts.extend([0, data.len()]);
        cuts.sort_unstable();
        let mut added = Accumulator::new();
        let mut joined = Accumulator::new();
        for pair in cuts.windows(2) {
            let slice = &data[pair[0]..pair[1]];
            added.add(slice);
            let mut part = Accumulator::new();
            part.add(slice);
            joined.join(part);
        }
        prop_assert_eq!(added.finish(), naive(&data));
        prop_assert_eq!(joined.finish(), naive(&data));
        prop_assert_eq!(added.partial(), !naive(&data));
    }

    #[test]
    fn a_copy_sums_what_it_copies(data in bytes(any::<u8>(), 0..700), room in 0usize..800, lead in 0usize..3) {
        let mut out = vec![0xaa; room];
        let len = room.min(data.len());
        let mut sum = Accumulator::new();
        sum.add(&[1, 2, 3][..lead]);
        sum.copy(&mut out, &data);
        prop_assert_eq!(&out[..len], &data[..len]);
        prop_assert!(out[len..].iter().all(|byte| *byte == 0xaa));
        let mut expected = Vec::from(&[1u8, 2, 3][..lead]);
        expected.extend(&data[..len]);
        prop_assert_eq!(sum.finish(), naive(&expected));
    }

    #[test]
    fn one_changed_bit_is_found(mut data in bytes(any::<u8>(), 20..200), bit in any::<proptest::sample::Index>()) {
        let (src, dst) = (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::BROADCAST.into());
        data[16..18].fill(0);
        let mut sum = Accumulator::pseudo_header(src, dst, Protocol::TCP, data.len());
        sum.add(&data);
        data[16..18].copy_from_slice(&sum.finish().to_be_bytes());
        prop_assert!(is_valid(src, dst, Protocol::TCP, &data));
        let bit = bit.index(data.len() * 8);
        data[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!is_valid(src, dst, Protocol::TCP, &data));
    }
}
