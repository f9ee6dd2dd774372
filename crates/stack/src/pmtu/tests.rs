use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

#[test]
fn a_value_is_only_lowered_and_is_forgotten_after_ten_minutes() {
    let mut paths = PathMtus::new(PathMtuConfig::default());
    assert_eq!(paths.get(at(0), A, 1500), 1500);
    assert!(paths.lower(at(0), A, 1400, 1500));
    assert!(!paths.lower(at(1), A, 1450, 1500), "an increase is not believed");
    assert_eq!(paths.get(at(599), A, 1500), 1400);
    assert_eq!(paths.get(at(599), A, 1280), 1280, "the link is narrower");
    assert_eq!(paths.get(at(600), A, 1500), 1500, "try again");
    assert_eq!(paths.get(at(1), SIX, 1500), 1500, "another destination");
}

#[test]
fn what_a_message_means() {
    let paths = PathMtus::new(PathMtuConfig::default());
    for (to, says, length, expected) in [
        (A, 1400, 1500, Some(1400)),
        (A, 0, 1500, Some(1492)),
        (A, 0, 1492, Some(1006)),
        (A, 0, 100, Some(552)),
        (A, 68, 1500, Some(552)),
        (A, 1_000_000, 1500, Some(65_535)),
        (SIX, 1400, 1500, Some(1400)),
        (SIX, 1280, 1500, Some(1280)),
        // RFC 8201 4: discarded
        (SIX, 1279, 1500, None),
        (SIX, 0, 1500, None),
    ] {
        assert_eq!(paths.meant(to, says, length), expected, "{to} {says} {length}");
    }
}

#[test]
fn a_flood_of_destinations_stays_in_bounds_and_pushes_out_the_oldest() {
    let config = PathMtuConfig { max_entries: 8, lifetime: Duration::from_secs(600), ..PathMtuConfig::default() };
    let mut paths = PathMtus::new(config);
    let host = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
    for number in 0..100u32 {
        assert!(paths.lower(at(u64::from(number)), host(number), 1000, 1500));
        assert!(paths.len() <= 8);
    }
    assert_eq!(paths.get(at(100), host(99), 1500), 1000);
    assert_eq!(paths.get(at(100), host(91), 1500), 1500);
}
