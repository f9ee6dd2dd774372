use super::*;

fn sockets(config: UdpConfig) -> (UdpSockets, Randomness) {
    (UdpSockets::new(config), Randomness::new([5; 32]))
}

#[test]
fn ephemeral_ports_are_all_used_before_there_are_none() {
    let (mut all, mut random) = sockets(UdpConfig { ephemeral_ports: (40_000, 40_099), ..UdpConfig::default() });
    let mut ports: Vec<u16> = (0..100)
        .map(|_| {
            let key = all.bind(UdpBind::port(0), &mut random).unwrap();
            all.get(key).unwrap().bind.port.unwrap()
        })
        .collect();
    assert!(!ports.is_sorted(), "not to be guessed: {ports:?}");
    ports.sort_unstable();
    assert_eq!(ports, (40_000..40_100).collect::<Vec<u16>>());
    assert_eq!(all.bind(UdpBind::port(0), &mut random), Err(UdpCallError::AddressInUse));
}

#[test]
fn there_are_no_more_sockets_than_the_bound_and_a_closed_one_leaves_nothing() {
    let (mut all, mut random) = sockets(UdpConfig { max_sockets: 3, ..UdpConfig::default() });
    let keys: Vec<UdpKey> = (1..=3).map(|port| all.bind(UdpBind::port(port), &mut random).unwrap()).collect();
    assert_eq!(all.bind(UdpBind::port(4), &mut random), Err(UdpCallError::TooMany));
    for key in &keys {
        all.close(*key);
        all.close(*key);
    }
    assert_eq!((all.len(), all.ports.len()), (0, 0));
    let key = all.bind(UdpBind::port(1), &mut random).unwrap();
    assert!(!keys.contains(&key), "a place that is used again has another handle");
}

#[test]
fn readiness_is_reported_once_per_change() {
    let (mut all, mut random) = sockets(UdpConfig::default());
    let key = all.bind(UdpBind::port(1), &mut random).unwrap();
    let datagram = || Datagram {
        source: "10.0.0.1:9".parse().unwrap(),
        destination: "10.0.0.2:1".parse().unwrap(),
        payload: Bytes::from_static(b"x"),
        segment_size: None,
        traffic_class: 0,
        hop_limit: 64,
    };
    for _ in 0..10 {
        assert!(all.deliver(key, datagram(), 1));
    }
    assert_eq!(all.poll_event(), Some((key, UdpReadiness::READABLE)));
    assert_eq!(all.poll_event(), None);
    assert!(all.deliver(key, datagram(), 1));
    assert_eq!(all.poll_event(), None, "it was not empty");
    while all.get_mut(key).unwrap().pop().is_ok() {}
    assert!(all.deliver(key, datagram(), 1));
    assert_eq!(all.poll_event(), Some((key, UdpReadiness::READABLE)));
    all.close(key);
    assert!(!all.deliver(key, datagram(), 1));
    assert_eq!(all.poll_event(), None);
}
