use alloc::collections::BTreeSet;
use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;

use super::*;

fn tuple(remote_port: u16) -> FourTuple {
    FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), SocketAddr::from(([10, 0, 0, 1], remote_port)))
}

fn generator() -> IsnGenerator {
    IsnGenerator::new(&[7; 16], &[9; 16])
}

#[test]
fn for_one_tuple_it_grows_by_one_each_4_microseconds() {
    // RFC 9293 3.4.1, MUST-8; RFC 6528 3, RFC6528-3-1.
    let generator = generator();
    let start = Instant::from_secs(1);
    let first = generator.isn(start, &tuple(40_000));
    for micros in [0, 3, 4, 1_000, 1_000_000, 3_600_000_000] {
        let later = generator.isn(start + Duration::from_micros(micros), &tuple(40_000));
        assert_eq!(later, first + (micros / 4) as u32, "after {micros} µs");
    }
}

#[test]
fn neighbouring_tuples_have_unrelated_numbers() {
    // RFC 9293 3.4.1, MUST-9.
    // For unrelated numbers each bit of the difference is set half of the time, and differences do not repeat.
    let generator = generator();
    let now = Instant::from_secs(1);
    let numbers: alloc::vec::Vec<u32> = (0..4096).map(|port| generator.isn(now, &tuple(port)).0).collect();
    let differences: BTreeSet<u32> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert!(differences.len() > 4090, "{} different differences", differences.len());
    for bit in 0..32 {
        let set = numbers.windows(2).filter(|pair| (pair[0] ^ pair[1]) >> bit & 1 == 1).count();
        // 4095 tosses of a coin: the standard deviation is 32.
        assert!((1850..2250).contains(&set), "bit {bit} changes {set} times");
    }
    let low_half = numbers.iter().filter(|&&n| n < 1 << 31).count();
    assert!((1850..2250).contains(&low_half), "{low_half} in the lower half");
}

#[test]
fn every_part_of_the_name_counts_and_so_does_the_key() {
    // RFC 9293 3.4.1, SHLD-1, MUST-9; RFC 6528 3, RFC6528-3-1, RFC6528-3-2.
    let v4 = tuple(1);
    let v6 = |local: u16, remote: u16| {
        FourTuple::new(
            SocketAddr::from((Ipv6Addr::LOCALHOST, local)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, remote)),
        )
    };
    let swapped = FourTuple::new(v4.remote, v4.local);
    let names = [v4, swapped, tuple(2), v6(1, 2), v6(2, 1), v6(1, 3)];
    let now = Instant::ZERO;
    let isns: BTreeSet<u32> = names.iter().map(|name| generator().isn(now, name).0).collect();
    let offsets: BTreeSet<u32> = names.iter().map(|name| generator().timestamp_offset(name)).collect();
    assert_eq!((isns.len(), offsets.len()), (names.len(), names.len()));

    let other = IsnGenerator::new(&[8; 16], &[9; 16]);
    assert_ne!(other.isn(now, &v4), generator().isn(now, &v4));
    assert_eq!(other.timestamp_offset(&v4), generator().timestamp_offset(&v4), "the keys are independent");
}

#[test]
fn after_time_wait_it_begins_beyond_the_former_incarnation() {
    let generator = generator();
    let now = Instant::from_secs(5);
    let isn = generator.isn(now, &tuple(1));
    // The former incarnation sent little: the clock is ahead anyway.
    assert_eq!(generator.isn_above(now, &tuple(1), SeqNumber(isn.0.wrapping_sub(1_000_000))), isn);
    // It sent faster than the clock ticks: its end is ahead of the clock.
    let ahead = isn + 5_000_000;
    assert_eq!(generator.isn_above(now, &tuple(1), ahead), ahead + 65_537);
    // Across the wrap.
    let least = generator.isn_above(now, &tuple(1), isn);
    assert_eq!(least, isn + 65_537);
}

#[test]
fn timestamps_count_milliseconds_and_wrap() {
    // RFC 7323 5.4, RFC7323-5.4-1.
    assert_eq!(timestamp(Instant::from_millis(1234), 0), 1234);
    assert_eq!(timestamp(Instant::from_millis(5), u32::MAX), 4);
    assert_eq!(timestamp(Instant::from_millis(1 << 32 | 7), 1), 8);
}

#[test]
fn debug_output_keeps_the_secret() {
    // RFC 6528 3, RFC6528-3-2.
    let shown = alloc::format!("{:?}", generator());
    assert_eq!(shown, "IsnGenerator { .. }");
}
