use super::*;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

#[test]
fn a_network_contains_its_addresses_and_no_others() {
    for (network, inside, outside) in [
        ("10.0.2.2/24", "10.0.2.255", "10.0.3.0"),
        ("10.0.2.2/32", "10.0.2.2", "10.0.2.3"),
        ("10.0.2.2", "10.0.2.2", "10.0.2.3"),
        ("0.0.0.0/0", "255.255.255.255", "::"),
        ("fd00::1/64", "fd00::ffff:0:0:1", "fd00:0:0:1::1"),
        ("::/0", "ffff::1", "1.2.3.4"),
        ("fd00::1/128", "fd00::1", "fd00::2"),
    ] {
        assert!(cidr(network).contains(inside.parse().unwrap()), "{network} {inside}");
        assert!(!cidr(network).contains(outside.parse().unwrap()), "{network} {outside}");
    }
}

#[test]
fn only_networks_with_room_for_it_have_a_broadcast_address() {
    assert_eq!(cidr("10.0.2.2/24").broadcast(), Some("10.0.2.255".parse().unwrap()));
    assert_eq!(cidr("0.0.0.0/0").broadcast(), Some("255.255.255.255".parse().unwrap()));
    for none in ["10.0.2.2/31", "10.0.2.2/32", "fd00::1/64"] {
        assert_eq!(cidr(none).broadcast(), None, "{none}");
    }
}

#[test]
fn text_that_is_no_network_is_refused() {
    for text in ["", "10.0.2/24", "10.0.2.0/33", "fd00::/129", "10.0.2.0/", "10.0.2.0/-1", "host/8"] {
        assert_eq!(text.parse::<Cidr>(), Err(CidrParseError), "{text}");
    }
    assert_eq!(alloc::format!("{}", cidr("fd00::1/64")), "fd00::1/64");
}
