use super::*;
use crate::rules::Action;

fn open() -> Targets {
    Targets { rules: Rules::default(), host_loopback: true }
}

fn find(targets: &Targets, destination: &str) -> Target {
    targets.find(destination.parse().unwrap())
}

fn host(address: &str) -> Target {
    Target::Host(address.parse().unwrap())
}

#[test]
fn the_world_is_itself_and_the_gateway_is_the_loopback() {
    for (destination, target) in [
        ("192.0.2.1:80", host("192.0.2.1:80")),
        ("[2001:db8::1]:80", host("[2001:db8::1]:80")),
        ("192.168.1.1:22", host("192.168.1.1:22")),
        ("10.0.2.2:8080", host("127.0.0.1:8080")),
        ("[fd00::2]:8080", host("[::1]:8080")),
        ("10.0.2.3:53", Target::Dns),
        ("[fd00::3]:53", Target::Dns),
        ("10.0.2.3:80", Target::Refused(Verdict::Closed)),
        ("10.0.2.4:443", Target::Refused(Verdict::Closed)),
        ("10.0.2.5:80", Target::Refused(Verdict::HostUnreachable)),
        ("[fd00::5]:80", Target::Refused(Verdict::HostUnreachable)),
        ("[fd01::5]:80", host("[fd01::5]:80")),
        // IPv4 in name only: nobody translates these (RFC 4291 2.5.5.1)
        ("[::2]:80", host("[::2]:80")),
        ("[::127.0.0.1]:80", host("[::127.0.0.1]:80")),
    ] {
        assert_eq!(find(&open(), destination), target, "{destination}");
    }
}

#[test]
fn no_address_is_a_way_around_to_the_loopback() {
    for destination in [
        "127.0.0.1:80",
        "127.1.2.3:80",
        "0.0.0.0:80",
        "0.1.2.3:80",
        "255.255.255.255:80",
        "224.0.0.1:80",
        "[::]:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:192.0.2.1]:80",
        "[fe80::1]:80",
        "[ff02::1]:80",
    ] {
        assert_eq!(find(&open(), destination), Target::Refused(Verdict::NetworkUnreachable), "{destination}");
    }
}

#[test]
fn a_loopback_that_is_switched_off_is_prohibited() {
    let closed = Targets { host_loopback: false, ..open() };
    assert_eq!(find(&closed, "10.0.2.2:80"), Target::Refused(Verdict::Prohibited));
    assert_eq!(find(&closed, "[fd00::2]:80"), Target::Refused(Verdict::Prohibited));
    assert_eq!(find(&closed, "10.0.2.3:53"), Target::Dns);
    assert_eq!(closed.find_echo("10.0.2.2".parse().unwrap()), Err(Verdict::Prohibited));
}

#[test]
fn rules_hold_for_everything_but_the_name_server() {
    let rules = Rules::new(vec![(Action::Allow, "192.0.2.0/24:443".parse().unwrap())]);
    let narrow = Targets { rules, host_loopback: true };
    assert_eq!(find(&narrow, "192.0.2.1:443"), host("192.0.2.1:443"));
    assert_eq!(find(&narrow, "192.0.2.1:80"), Target::Refused(Verdict::Prohibited));
    assert_eq!(find(&narrow, "10.0.2.2:443"), Target::Refused(Verdict::Prohibited));
    assert_eq!(find(&narrow, "10.0.2.3:53"), Target::Dns);
    assert_eq!(narrow.find_echo("192.0.2.1".parse().unwrap()), Ok("192.0.2.1".parse().unwrap()));
    assert_eq!(narrow.find_echo("192.0.3.1".parse().unwrap()), Err(Verdict::Prohibited));
}

#[test]
fn a_loopback_peer_is_the_gateway_to_the_program() {
    for (peer, seen) in [
        ("127.0.0.1:5", "10.0.2.2:5"),
        ("[::1]:5", "[fd00::2]:5"),
        ("[::ffff:127.0.0.1]:5", "10.0.2.2:5"),
        ("[::ffff:192.0.2.1]:5", "192.0.2.1:5"),
        ("192.0.2.1:5", "192.0.2.1:5"),
    ] {
        assert_eq!(as_seen_inside(peer.parse().unwrap()), seen.parse().unwrap());
    }
}
