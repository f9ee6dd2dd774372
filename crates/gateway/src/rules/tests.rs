use super::*;

fn rules(list: &[(Action, &str)]) -> Rules {
    Rules::new(list.iter().map(|(action, text)| (*action, text.parse().unwrap())).collect())
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

use Action::{Allow, Deny};

#[test]
fn without_rules_everything_is_allowed() {
    assert!(Rules::default().allow(address("192.0.2.1"), Some(80)));
}

#[test]
fn denying_leaves_the_rest_and_allowing_closes_it() {
    let deny = rules(&[(Deny, "10.0.0.0/8")]);
    assert!(!deny.allow(address("10.255.255.255"), Some(1)) && deny.allow(address("11.0.0.0"), Some(1)));
    let allow = rules(&[(Allow, "10.0.0.0/8")]);
    assert!(allow.allow(address("10.0.0.0"), Some(1)) && !allow.allow(address("9.255.255.255"), Some(1)));
    assert!(!allow.allow(address("2001:db8::1"), Some(1)), "an IPv4 rule allows no IPv6");
}

#[test]
fn the_first_match_decides() {
    let hole = rules(&[(Allow, "10.1.2.3:443"), (Deny, "10.0.0.0/8"), (Allow, "0.0.0.0/0")]);
    assert!(hole.allow(address("10.1.2.3"), Some(443)));
    assert!(!hole.allow(address("10.1.2.3"), Some(80)));
    assert!(!hole.allow(address("10.1.2.4"), Some(443)));
    assert!(hole.allow(address("192.0.2.1"), Some(80)));
}

#[test]
fn ports_are_one_a_range_or_all_and_echo_has_none() {
    let range = rules(&[(Deny, "192.0.2.0/24:8000-8080")]);
    let allowed = |port| range.allow(address("192.0.2.9"), port);
    assert!(allowed(Some(7999)) && !allowed(Some(8000)) && !allowed(Some(8080)) && allowed(Some(8081)));
    assert!(!allowed(None));
}

#[test]
fn a_mapped_address_is_the_ipv4_one() {
    let deny = rules(&[(Deny, "192.0.2.0/24")]);
    assert!(!deny.allow(address("::ffff:192.0.2.1"), Some(80)));
}

#[test]
fn what_is_printed_can_be_read_again() {
    for (text, printed) in [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("192.0.2.1:443", "192.0.2.1/32:443"),
        ("0.0.0.0/0:25", "0.0.0.0/0:25"),
        ("2001:db8::/32", "[2001:db8::]/32"),
        ("[2001:db8::]/32:443", "[2001:db8::]/32:443"),
        ("[2001:db8::/32]:1-9", "[2001:db8::]/32:1-9"),
        ("::/0", "[::]/0"),
        ("[::1]:80", "[::1]/128:80"),
    ] {
        let destinations: Destinations = text.parse().unwrap();
        assert_eq!(destinations.to_string(), printed);
        assert_eq!(printed.parse(), Ok(destinations));
    }
}

#[test]
fn mistakes_are_named() {
    for (text, says) in [
        ("example.org", "names no network"),
        ("", "names no network"),
        ("192.0.2.0/33", "between 0 and 32"),
        ("2001:db8::/129", "between 0 and 128"),
        ("192.0.2.7/24", "did you mean 192.0.2.0/24?"),
        ("192.0.2.7:http", "bad port"),
        ("192.0.2.7:9-1", "bad port"),
        ("192.0.2.7:65536", "bad port"),
    ] {
        let error = text.parse::<Destinations>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}
