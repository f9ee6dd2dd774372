use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cidrs(list: &[&str]) -> Vec<Cidr> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn two() -> (Interfaces, IfaceId, IfaceId) {
    let mut all = Interfaces::default();
    let lan = all.add(Interface::new(Capabilities::plain(1500), cidrs(&["10.0.2.2/24", "fe80::1/64", "fd00::2/64"])));
    let lo =
        Interface { loopback: true, ..Interface::new(Capabilities::plain(65_535), cidrs(&["127.0.0.1/8", "::1"])) };
    let lo = all.add(lo);
    (all, lan.unwrap(), lo.unwrap())
}

fn way(all: &Interfaces, to: &str) -> Option<(IfaceId, IpAddr)> {
    all.route(ip(to)).map(|(id, _, source)| (id, source.unwrap()))
}

#[test]
fn the_longest_prefix_wins_and_gives_the_source() {
    let (mut all, lan, lo) = two();
    let vpn = all.add(Interface::new(Capabilities::plain(1400), cidrs(&["172.16.0.9/16"]))).unwrap();
    assert_eq!(way(&all, "10.0.2.77"), Some((lan, ip("10.0.2.2"))));
    assert_eq!(way(&all, "8.8.8.8"), None);
    let route =
        |destination: &str, interface| Route { destination: destination.parse().unwrap(), interface, source: None };
    all.add_route(route("0.0.0.0/0", lan));
    all.add_route(route("8.8.0.0/16", vpn));
    all.add_route(route("::/0", lan));
    assert_eq!(way(&all, "8.8.8.8"), Some((vpn, ip("172.16.0.9"))));
    assert_eq!(way(&all, "9.9.9.9"), Some((lan, ip("10.0.2.2"))));
    assert_eq!(way(&all, "2001:db8::1"), Some((lan, ip("fd00::2"))), "not the link-local address");
    assert_eq!(way(&all, "fe80::9"), Some((lan, ip("fe80::1"))));
    all.add_route(route("8.8.0.0/16", lan));
    assert_eq!(way(&all, "8.8.8.8"), Some((lan, ip("10.0.2.2"))), "replaced");
    assert!(all.remove_route("8.8.0.0/16".parse().unwrap()));
    assert_eq!(all.routes().len(), 2);
    assert_eq!(way(&all, "10.0.2.2").unwrap().0, lo, "our own address is reached by the loopback interface");
    assert_eq!(way(&all, "127.0.0.99").unwrap().0, lo);
}

#[test]
fn what_is_ours() {
    let (mut all, lan, lo) = two();
    let cast = |all: &Interfaces, on, to| all.cast(all.get(on).unwrap(), ip(to));
    for (on, to, expected) in [
        (lan, "10.0.2.2", Some(Cast::Own)),
        (lan, "fd00::2", Some(Cast::Own)),
        (lan, "10.0.2.255", Some(Cast::Broadcast)),
        (lan, "255.255.255.255", Some(Cast::Broadcast)),
        (lan, "224.0.0.1", Some(Cast::Multicast)),
        (lan, "ff02::1", Some(Cast::Multicast)),
        (lan, "10.0.2.3", None),
        (lan, "127.0.0.5", None),
        (lo, "127.0.0.5", Some(Cast::Own)),
        (lo, "10.0.2.2", Some(Cast::Own)),
    ] {
        assert_eq!(cast(&all, on, to), expected, "{to}");
    }
    all.get_mut(lan).unwrap().any_ip = true;
    for (to, expected) in [
        ("1.1.1.1", Some(Cast::Any)),
        ("2001:db8::1", Some(Cast::Any)),
        ("10.0.2.2", Some(Cast::Own)),
        ("127.0.0.5", None),
        ("0.0.0.0", None),
        ("240.0.0.1", Some(Cast::Any)),
        ("::", None),
    ] {
        assert_eq!(cast(&all, lan, to), expected, "any-IP {to}");
    }
}

#[test]
fn sources_that_no_honest_packet_has() {
    let (all, lan, lo) = two();
    for (on, from, expected) in [
        (lan, "10.0.2.100", false),
        (lan, "8.8.8.8", false),
        (lan, "fd00::100", false),
        (lan, "0.0.0.0", true),
        (lan, "0.1.2.3", true),
        (lan, "127.0.0.1", true),
        (lan, "224.0.0.1", true),
        (lan, "255.255.255.255", true),
        (lan, "240.0.0.1", false),
        (lan, "10.0.2.255", true),
        (lan, "10.0.2.2", true), // ours
        (lan, "::", true),
        (lan, "::1", true),
        (lan, "ff02::1", true),
        (lan, "::ffff:10.0.2.100", true),
        (lo, "127.0.0.1", false),
        (lo, "10.0.2.2", false),
    ] {
        assert_eq!(all.is_martian(all.get(on).unwrap(), ip(from)), expected, "{from}");
    }
}

#[test]
fn an_answer_is_remembered_only_while_it_holds() {
    let (mut all, lan, _) = two();
    let route = |prefix: &str, interface| Route { destination: prefix.parse().unwrap(), interface, source: None };
    let (theirs, ours) = (ip("10.0.2.9"), ip("10.0.2.2"));
    for _ in 0..2 {
        assert_eq!(way(&all, "10.0.2.9"), Some((lan, ip("10.0.2.2"))));
        assert_eq!(all.admit(lan, &theirs, &ours), Ok(Cast::Own));
    }
    assert_eq!(all.admit(lan, &ours, &theirs), Err(Refused::Martian), "the way back is another question");
    assert_eq!(all.admit(lan, &theirs, &ip("10.0.2.8")), Err(Refused::NotOurs));
    let near = all.add(Interface::new(Capabilities::plain(1400), cidrs(&["10.0.2.1/28"]))).unwrap();
    assert_eq!(way(&all, "10.0.2.9"), Some((near, ip("10.0.2.1"))), "a new interface");
    all.add_route(route("10.0.2.9/32", lan));
    assert_eq!(way(&all, "10.0.2.9"), Some((lan, ip("10.0.2.2"))), "a new route");
    all.remove_route("10.0.2.9/32".parse().unwrap());
    assert_eq!(way(&all, "10.0.2.9"), Some((near, ip("10.0.2.1"))), "a route less");
    assert_eq!(all.admit(lan, &theirs, &ours), Ok(Cast::Own));
    all.get_mut(lan).unwrap().addresses = cidrs(&["10.0.2.9/24"]);
    assert_eq!(all.admit(lan, &theirs, &ours), Err(Refused::Martian), "the peer's address is ours now");
}
