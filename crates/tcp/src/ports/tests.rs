use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::*;

const RANGE: (u16, u16) = (32_768, 60_999);

fn allocator() -> PortAllocator {
    PortAllocator::new(&[1; 16], &[2; 16])
}

fn local() -> IpAddr {
    IpAddr::from([10, 0, 0, 1])
}

fn remote(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, last], 443))
}

#[test]
fn the_last_free_port_is_found_and_none_beyond() {
    let mut allocator = allocator();
    for free in [RANGE.0, 45_678, RANGE.1] {
        let mut asked = 0_u32;
        let port = allocator.pick(local(), remote(1), RANGE, |port| {
            asked += 1;
            port == free
        });
        assert_eq!(port, Some(free));
        assert!(asked <= 28_232);
    }
    let mut asked = BTreeSet::new();
    let none = allocator.pick(local(), remote(1), RANGE, |port| {
        assert!(asked.insert(port), "{port} was asked about twice");
        false
    });
    assert_eq!((none, asked.len()), (None, 28_232));
}

#[test]
fn a_whole_range_is_handed_out_without_a_repetition() {
    let mut allocator = allocator();
    let range = (1000, 1255);
    let mut taken = BTreeSet::new();
    for _ in 0..256 {
        let port = allocator.pick(local(), remote(1), range, |port| !taken.contains(&port)).unwrap();
        assert!((range.0..=range.1).contains(&port) && taken.insert(port));
    }
    assert_eq!(allocator.pick(local(), remote(1), range, |port| !taken.contains(&port)), None);
}

#[test]
fn ports_are_reused_late_and_not_in_steps_of_one() {
    let mut allocator = allocator();
    let ports: Vec<u16> = (0..6_000).map(|_| allocator.pick(local(), remote(1), RANGE, |_| true).unwrap()).collect();
    // Steps are 4.5 on average, so that some 6,270 ports pass before one comes again (TIME-WAIT is spared).
    assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
    let steps: BTreeSet<u16> = ports.windows(2).map(|p| p[1].wrapping_sub(p[0])).filter(|&step| step < 100).collect();
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn first_ports_to_many_destinations_are_spread_evenly() {
    let mut allocator = allocator();
    let mut buckets = [0_u32; 16];
    for n in 0..16_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let to = SocketAddr::from(([11, a, b, c], 80));
        let port = allocator.pick(local(), to, (32_768, 49_151), |_| true).unwrap();
        buckets[usize::from(port - 32_768) / 1024] += 1;
    }
    // Chi-square with 15 degrees of freedom: above 37.7 once in a thousand keys.
    let chi: f64 = buckets.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi < 37.7, "{chi} {buckets:?}");
}

#[test]
fn port_zero_and_empty_ranges_are_not_picked() {
    let mut allocator = allocator();
    assert_eq!(allocator.pick(local(), remote(1), (0, 1), |_| true), Some(1));
    assert_eq!(allocator.pick(local(), remote(1), (0, 0), |_| true), None);
    assert_eq!(allocator.pick(local(), remote(1), (9, 8), |_| true), None);
    assert_eq!(allocator.pick(local(), remote(1), (65_535, 65_535), |_| true), Some(65_535));
    let whole: BTreeSet<u16> =
        (0..65_535_u32 / 9).filter_map(|_| allocator.pick(local(), remote(1), (1, u16::MAX), |_| true)).collect();
    assert!(whole.len() > 7_000 && !whole.contains(&0));
}
