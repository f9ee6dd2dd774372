use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;

use super::*;

fn tuple(remote_port: u16) -> FourTuple {
    FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), SocketAddr::from(([10, 0, 0, 1], remote_port)))
}

fn generator() -> IsnGenerator {
    IsnGenerator::new(&[7; 16])
}

#[test]
fn for_one_tuple_it_grows_by_one_each_4_microseconds() {
    // RFC 9293 3.4.1, MUST-8; RFC 6528 3, RFC6528-3-1.
    let generator = generator();
    let start = Instant::from_secs(1);
    let first = generator.begin(start, &tuple(40_000));
    for micros in [0, 3, 4, 1_000, 1_000_000, 3_600_000_000] {
        let later = generator.begin(start + Duration::from_micros(micros), &tuple(40_000));
        assert_eq!(later.isn, first.isn + (micros / 4) as u32, "after {micros} µs");
        assert_eq!(later.timestamp_offset, first.timestamp_offset, "timestamps go on from incarnation to incarnation");
    }
}

#[test]
fn neighbouring_tuples_have_unrelated_numbers() {
    // RFC 9293 3.4.1, MUST-9.
    // For unrelated numbers each bit of the difference is set half of the time, and differences do not repeat. The same holds for
    // timestamps, and between the two counters of one connection.
    let (generator, now) = (generator(), Instant::from_secs(1));
    let both: Vec<Beginning> = (0..4096).map(|port| generator.begin(now, &tuple(port))).collect();
    let isns: Vec<u32> = both.iter().map(|beginning| beginning.isn.0).collect();
    let offsets: Vec<u32> = both.iter().map(|beginning| beginning.timestamp_offset).collect();
    for (what, numbers) in [("sequence numbers", &isns), ("timestamps", &offsets)] {
        are_unrelated(what, numbers.windows(2).map(|pair| (pair[0], pair[1])));
        let low_half = numbers.iter().filter(|&&n| n < 1 << 31).count();
        assert!((1850..2250).contains(&low_half), "{low_half} {what} in the lower half");
    }
    are_unrelated("both counters", isns.iter().copied().zip(offsets));
}

fn are_unrelated(what: &str, pairs: impl Iterator<Item = (u32, u32)>) {
    let pairs: Vec<(u32, u32)> = pairs.collect();
    let differences: BTreeSet<u32> = pairs.iter().map(|(a, b)| b.wrapping_sub(*a)).collect();
    assert!(differences.len() > 4090, "{what}: {} different differences", differences.len());
    for bit in 0..32 {
        let set = pairs.iter().filter(|(a, b)| (a ^ b) >> bit & 1 == 1).count();
        // 4095 tosses of a coin: the standard deviation is 32.
        assert!((1850..2250).contains(&set), "{what}: bit {bit} changes {set} times");
    }
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
    let isns: BTreeSet<u32> = names.iter().map(|name| generator().begin(now, name).isn.0).collect();
    let offsets: BTreeSet<u32> = names.iter().map(|name| generator().begin(now, name).timestamp_offset).collect();
    assert_eq!((isns.len(), offsets.len()), (names.len(), names.len()));

    let (ours, other) = (generator().begin(now, &v4), IsnGenerator::new(&[8; 16]).begin(now, &v4));
    assert_ne!(other.isn, ours.isn);
    assert_ne!(other.timestamp_offset, ours.timestamp_offset);
}

#[test]
fn after_time_wait_it_begins_beyond_the_former_incarnation() {
    let generator = generator();
    let now = Instant::from_secs(5);
    let Beginning { isn, timestamp_offset } = generator.begin(now, &tuple(1));
    let above = |snd_nxt| generator.begin_above(now, &tuple(1), snd_nxt);
    // The former incarnation sent little: the clock is ahead anyway.
    assert_eq!(above(SeqNumber(isn.0.wrapping_sub(1_000_000))), Beginning { isn, timestamp_offset });
    // It sent faster than the clock ticks: its end is ahead of the clock.
    let ahead = isn + 5_000_000;
    assert_eq!(above(ahead), Beginning { isn: ahead + 65_537, timestamp_offset });
    // Across the wrap.
    assert_eq!(above(isn).isn, isn + 65_537);
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
