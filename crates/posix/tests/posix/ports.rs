//! Which ports sockets are given: `IP_LOCAL_PORT_RANGE`, and ports in TIME-WAIT.

use std::net::SocketAddr;
use std::time::Duration;

use bowline_base::Instant;
use bowline_posix::{Address, Call, Errno, Fd, Host, HostConfig, Profile, Sysctls};

use crate::wire::{CLIENT, SERVER, Wire, addresses};

const RANGE: &str = "IP_LOCAL_PORT_RANGE";
/// No port but this one.
const ONE: i32 = 49_152 | 49_152 << 16;

#[test]
fn a_socket_keeps_to_its_range() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    assert_eq!(wire.get(CLIENT, fd, "SOL_IP", RANGE), Ok(0), "the host's");
    let upside_down = 49_153 | 49_152 << 16;
    assert_eq!(wire.set(CLIENT, fd, "SOL_IP", RANGE, upside_down), Err(Errno::EINVAL));
    let short = {
        let (level, name) = (wire.number(CLIENT, "SOL_IP"), wire.number(CLIENT, RANGE));
        wire.hosts[CLIENT].setsockopt(wire.now, fd, level, name, &[0, 0])
    };
    assert_eq!(short, Err(Errno::EINVAL));
    wire.set(CLIENT, fd, "SOL_IP", RANGE, ONE).unwrap();
    assert_eq!(wire.get(CLIENT, fd, "SOL_IP", RANGE), Ok(ONE));
    let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
    wire.bind(CLIENT, fd, any);
    let Address::Inet(name) = wire.hosts[CLIENT].getsockname(fd).unwrap() else { panic!("no name") };
    assert_eq!(name.port(), 49_152);

    let second = wire.socket(CLIENT, false, "SOCK_STREAM");
    wire.set(CLIENT, second, "SOL_IP", RANGE, ONE).unwrap();
    assert_eq!(wire.hosts[CLIENT].bind(wire.now, second, Address::Inet(any)), Err(Errno::EADDRINUSE));
    // What lies outside the host's own range does not count.
    wire.set(CLIENT, second, "SOL_IP", RANGE, 80 | 80 << 16).unwrap();
    wire.bind(CLIENT, second, any);
    let Address::Inet(name) = wire.hosts[CLIENT].getsockname(second).unwrap() else { panic!("no name") };
    assert!((32_768..=60_999).contains(&name.port()), "{name}");
}

/// A wire whose client is set up so.
fn wire(settings: &[(&str, &str)]) -> Wire {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let own = vec![addresses(false)[CLIENT]];
    let config = HostConfig { addresses: own, any_address: false, ..HostConfig::new(Profile::Linux) };
    let mut sysctls = Sysctls::new(config);
    for (name, value) in settings {
        sysctls.set(name, value).unwrap();
    }
    let host: Host = sysctls.host([9; 32], Instant::ZERO);
    wire.hosts[CLIENT] = host;
    wire
}

/// A socket of the client's with one port, by its range or by its name, that begins to connect.
fn connect(wire: &mut Wire, named: bool) -> Result<Fd, Errno> {
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    wire.nonblocking(CLIENT, fd);
    if named {
        wire.set(CLIENT, fd, "SOL_SOCKET", "SO_REUSEADDR", 1).unwrap();
        wire.bind(CLIENT, fd, "192.0.2.1:49152".parse().unwrap());
    } else {
        wire.set(CLIENT, fd, "SOL_IP", RANGE, ONE).unwrap();
    }
    let address = Address::Inet(SocketAddr::new(addresses(false)[SERVER], 80));
    match wire.now(CLIENT, Call::Connect { fd, address }) {
        Err(Errno::EINPROGRESS) => Ok(fd),
        Err(errno) => {
            wire.now(CLIENT, Call::Close { fd }).unwrap();
            Err(errno)
        }
        Ok(_) => panic!("nobody can have answered"),
    }
}

/// Opens a connection and closes it: TIME-WAIT.
fn leave_time_wait(wire: &mut Wire) {
    let listener = wire.listener(false);
    let fd = connect(wire, false).unwrap();
    wire.settle();
    let accepted = wire.now(SERVER, Call::Accept { fd: listener, flags: 0 }).unwrap().value as Fd;
    wire.now(CLIENT, Call::Close { fd }).unwrap();
    wire.settle();
    wire.now(SERVER, Call::Close { fd: accepted }).unwrap();
    wire.settle();
    assert_eq!(wire.hosts[CLIENT].stack().tcp().population(), (0, 0, 1), "TIME-WAIT");
}

#[test]
fn a_port_in_time_wait_is_given_again_after_its_delay() {
    for (delay, early, late) in [(None, 900, 200), (Some("20"), 10, 20), (Some("2000"), 1_900, 200)] {
        let delay = delay.map(|delay| ("net.ipv4.tcp_tw_reuse_delay", delay));
        let settings: Vec<_> = core::iter::once(("net.ipv4.tcp_tw_reuse", "1")).chain(delay).collect();
        let mut wire = wire(&settings);
        leave_time_wait(&mut wire);
        wire.run(Duration::from_millis(early));
        assert_eq!(connect(&mut wire, false), Err(Errno::EADDRNOTAVAIL), "{settings:?}");
        wire.run(Duration::from_millis(late));
        connect(&mut wire, false).unwrap();
    }
}

#[test]
fn a_port_in_time_wait_is_not_given_again_where_that_is_off_or_there_are_no_timestamps() {
    let reuse = |mode| ("net.ipv4.tcp_tw_reuse", mode);
    // Linux begins with 2, which is for connections inside a host.
    for settings in [&[][..], &[reuse("0")], &[reuse("2")], &[reuse("1"), ("net.ipv4.tcp_timestamps", "0")]] {
        let mut wire = wire(settings);
        leave_time_wait(&mut wire);
        wire.run(Duration::from_secs(30));
        assert_eq!(connect(&mut wire, false), Err(Errno::EADDRNOTAVAIL), "{settings:?}");
        wire.run(Duration::from_secs(31));
        connect(&mut wire, false).expect("TIME-WAIT is over");
    }
}

#[test]
fn who_names_a_port_in_time_wait_has_it_at_once() {
    let mut wire = wire(&[("net.ipv4.tcp_tw_reuse", "0")]);
    leave_time_wait(&mut wire);
    connect(&mut wire, true).unwrap();
}
