use super::*;
use core::net::Ipv4Addr;

fn rate() -> ErrorRate {
    ErrorRate::new(&IcmpConfig::default(), KeyedHash::new([7; 16]), Instant::ZERO)
}

fn host(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

#[test]
fn one_destination_gets_a_burst_and_then_one_a_second() {
    let mut rate = rate();
    let granted =
        |rate: &mut ErrorRate, at: Instant| (0..100).filter(|_| rate.take(at, host(1)) == Allowance::Granted).count();
    assert_eq!(granted(&mut rate, Instant::ZERO), 6);
    assert_eq!(granted(&mut rate, Instant::from_millis(999)), 0);
    assert_eq!(granted(&mut rate, Instant::from_millis(1000)), 1);
    assert_eq!(granted(&mut rate, Instant::from_secs(3600)), 6, "silence saves up no more than a burst");
}

#[test]
fn all_destinations_together_get_a_burst_and_then_a_thousand_a_second() {
    let mut rate = rate();
    let mut granted = 0;
    for millisecond in 0..1000 {
        for number in 0..20 {
            let allowance = rate.take(Instant::from_millis(millisecond), host(millisecond as u32 * 20 + number));
            granted += usize::from(allowance == Allowance::Granted);
        }
    }
    assert!((1000..=1050).contains(&granted), "{granted}");
}

#[test]
fn a_limit_of_zero_lets_nothing_through() {
    let config = IcmpConfig { errors_per_second: 0, ..IcmpConfig::default() };
    let mut rate = ErrorRate::new(&config, KeyedHash::new([7; 16]), Instant::ZERO);
    assert_eq!(rate.take(Instant::from_secs(9), host(1)), Allowance::RefusedForAll);
}
